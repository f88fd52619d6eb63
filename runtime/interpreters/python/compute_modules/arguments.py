"""Command line arguments, of which a function has none unless it sets `sys.argv`."""

import sys
from argparse import ArgumentParser

__all__ = ["get_parsed_arguments", "get_raw_arguments"]


def get_raw_arguments():
    """The arguments as they are."""
    return sys.argv[1:]


def get_parsed_arguments():
    """The arguments as the attributes of a namespace: `--some-flag=test` or `--some-flag test`."""
    parser = ArgumentParser()
    for argument in parser.parse_known_args()[1]:
        if argument.startswith("-"):
            parser.add_argument(argument.split("=")[0])
    return parser.parse_args()
