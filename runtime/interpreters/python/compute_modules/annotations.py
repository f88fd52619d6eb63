"""`@function`: registers a function as an entry point."""

from . import add_function

__all__ = ["function"]


def function(func=None, *, streaming=False):
    """`@function`, `@function()` or `@function(streaming=True)`. The function stays what it was."""
    def register(func):
        add_function(func, streaming=streaming)
        return func

    return register if func is None else register(func)
