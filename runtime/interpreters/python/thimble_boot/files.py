"""The folders that a function reads: where its modules are imported from, and the working directory."""

import importlib
import os
import stat
import sys

from wit_world.imports import context as host

# The folders that a function may read. What is in them is the user's.
FOLDERS = ("/var/task/", "/var/runtime/", "/opt/")


def begin(file):
    """Before a source is loaded: one that is one of several files has a path."""
    if file.startswith("/"):
        task = FOLDERS[0].rstrip("/")
        os.chdir(task)
        search([task])
    search([folder for folder in os.environ.get("PYTHONPATH", "").split(":") if folder])


def search(folders):
    """Where modules are looked for after all that is searched already."""
    if folders:
        # Nothing can be written beside them.
        sys.dont_write_bytecode = True
        sys.path.extend(folder for folder in folders if folder not in sys.path)
        importlib.invalidate_caches()


# Below are those of standard input and output. Above, so many are looked at: the lowest free number is taken each time.
_FIRST, _MOST = 3, 64


def close_folders():
    """After a source is loaded: lets the folders go that libc keeps open once a path was used, unless the source has left
    a file open. libc would close that, too."""
    if _kind(_FIRST) is None:
        return
    kinds = [_kind(number) for number in range(_FIRST, _FIRST + _MOST)]
    if all(kind is None or stat.S_ISDIR(kind) for kind in kinds):
        host.close_folders()


def _kind(number):
    try:
        return os.fstat(number).st_mode
    except OSError:
        return None
