"""Where the settings of a compute module are: in the environment, the function's files and the workspace's secrets."""

import json
import os

import thimble


def text(name):
    """The text of a setting: of the file that a variable names, or the workspace's secret of that name; or None."""
    path = os.environ.get(name)
    if path is None:
        return thimble.secrets.get(name)
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise RuntimeError(f"the variable {name} names the file {path!r}, which cannot be read: {error.strerror}; put it "
                           f"among the function's files (below /var/task), or set a secret {name} with its content and no "
                           "such variable") from None


def mapping(name):
    """The object that a setting's JSON is; None where there is no such setting."""
    found = text(name)
    if found is None:
        return None
    try:
        value = json.loads(found)
    except ValueError as error:
        raise ValueError(f"{name} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{name} is not a JSON object")
    return value
