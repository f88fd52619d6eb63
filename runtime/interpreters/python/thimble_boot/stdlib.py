"""Imports the whole standard library, at build time only: a module that was not imported then does not exist later.

What cannot work in a sandbox fails to import and is left out, as is what would act on being imported.
"""

import importlib
import pkgutil
import sys
import warnings

# Acts on being imported, wants a display or a terminal, or is there for CPython's own tests and builds.
_LEFT_OUT = {
    "antigravity", "ensurepip", "idlelib", "lib2to3", "this", "tkinter", "turtle", "turtledemo", "test", "tests",
    "venv", "_pyrepl", "pydoc_data", "rlcompleter", "site", "sitecustomize", "usercustomize", "__main__", "__phello__",
}


def import_all():
    """The names that were imported."""
    before = set(sys.modules)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in sorted(sys.stdlib_module_names):
            if not name.startswith("_test") and name not in _LEFT_OUT:
                import_whole(name)
    return sorted(set(sys.modules) - before)


def import_whole(name):
    """A module and all below it."""
    try:
        module = importlib.import_module(name)
    except BaseException:
        # A module that was imported halfway must not be found in this state.
        sys.modules.pop(name, None)
        return
    for found in pkgutil.iter_modules(getattr(module, "__path__", None) or ()):
        if found.name not in _LEFT_OUT:
            import_whole(f"{name}.{found.name}")
