"""The names of Palantir's compute modules' SDK, for functions that were written for it.

What that SDK does around a function (poll for jobs, post schemas) the server does here: a function is registered, and its
types are read, while the top level runs.
"""

from thimble_boot import registry as _registry

__all__ = ["add_function", "add_functions", "start_compute_module"]


def add_function(function_ref, *, streaming=False):
    """Registers a function as an entry point, under its own name."""
    _registry.add(function_ref, streaming)


def add_functions(*args):
    """Registers functions as entry points, each under its own name."""
    for function_ref in args:
        add_function(function_ref)


def start_compute_module(*, report_restart=True):
    """Returns at once: the server calls what was registered."""
