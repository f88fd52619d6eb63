"""`signal.signal(signal.SIGTERM, …)`: the handler is called before the instance is retired.

Python's own registration works as everywhere; here the host is told that somebody listens.
"""

import functools
import signal

from wit_world.imports import retirement as host
from wit_world.imports.log import Level

from . import console, errors, event_loop

_register = signal.signal


@functools.wraps(_register)
def _register_and_notify(signalnum, handler):
    before = _register(signalnum, handler)
    if signalnum == signal.SIGTERM:
        host.notify(callable(signal.getsignal(signalnum)))
    return before


def tell():
    """Calls the handler; one that is a coroutine function is awaited."""
    handler = signal.getsignal(signal.SIGTERM)
    if not callable(handler):
        return
    try:
        result = handler(int(signal.SIGTERM), None)
        if hasattr(type(result), "__await__"):
            event_loop.run(result)
    except SystemExit:
        # How a program ends itself after its clean-up.
        pass
    except BaseException as error:
        console.write(Level.ERROR, errors.from_exception(error).stack)


def install():
    signal.signal = _register_and_notify
