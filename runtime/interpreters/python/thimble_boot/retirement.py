"""`signal.signal(signal.SIGTERM, …)`: the handler is called before the instance is retired.

Python's own registration works as everywhere; here the host is told that somebody listens.
"""

import functools
import signal

from wit_world.imports import retirement as host
from wit_world.imports.log import Level

from . import console, errors, event_loop

_register = signal.signal
# What is called besides a handler.
_hooks = []


@functools.wraps(_register)
def _register_and_notify(signalnum, handler):
    before = _register(signalnum, handler)
    if signalnum == signal.SIGTERM:
        host.notify(callable(signal.getsignal(signalnum)) or bool(_hooks))
    return before


def at_end(hook):
    """Has something called before this instance ends, after the function's own handler."""
    _hooks.append(hook)
    host.notify(True)


def tell():
    """Calls the handler, and what else asked for it; what is a coroutine is awaited."""
    handler = signal.getsignal(signal.SIGTERM)
    if callable(handler):
        _call(handler, int(signal.SIGTERM), None)
    for hook in _hooks:
        _call(hook)


def _call(listener, *arguments):
    try:
        result = listener(*arguments)
        if hasattr(type(result), "__await__"):
            event_loop.run(result)
    except SystemExit:
        # How a program ends itself after its clean-up.
        pass
    except BaseException as error:
        console.write(Level.ERROR, errors.from_exception(error).stack)


def install():
    signal.signal = _register_and_notify
