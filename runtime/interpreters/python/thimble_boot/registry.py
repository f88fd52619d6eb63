"""The functions that a source has registered itself: by `@function`, or by `add_function` of `compute_modules`.

They are noted while the top level runs, and taken by `forms` when it has.
"""

_registered = {}


def add(function, streaming=False):
    """Registers a function under its own name, in the place of one that had it."""
    if not callable(function) or isinstance(function, type):
        found = f"the class {function.__name__}" if isinstance(function, type) else type(function).__name__
        raise TypeError(f"a function is registered, not {found}")
    name = getattr(function, "__name__", None)
    if not isinstance(name, str) or not name.isidentifier():
        raise TypeError(f"{function!r} has no name to register it under")
    if streaming:
        try:
            function.__thimble_streaming__ = True
        except AttributeError:
            raise TypeError(f"{name} cannot be marked as streaming: register a function of your own") from None
    _registered[name] = function


def take():
    """What was registered since it was last asked, by name."""
    taken = dict(_registered)
    _registered.clear()
    return taken
