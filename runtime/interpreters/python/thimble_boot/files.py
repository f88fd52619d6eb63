"""The function's own files: where its modules are imported from, and the working directory."""

import importlib
import os
import sys

# The folders that a function may read. What is in them is the user's.
FOLDERS = ("/var/task/", "/var/runtime/", "/opt/")


def begin(file):
    """Before a source is loaded: one that is one of several files has a path."""
    if not file.startswith("/"):
        return
    task = FOLDERS[0].rstrip("/")
    # Nothing can be written beside them.
    sys.dont_write_bytecode = True
    sys.path.insert(0, task)
    os.chdir(task)
    importlib.invalidate_caches()
