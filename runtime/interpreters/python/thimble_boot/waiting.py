"""The one place where the guest waits: operations under way in the host, and what to run when each finishes.

An operation is started by its own interface (a timer, a call, a request), handed to `watch` with what to run, and
finishes exactly once, in whoever happens to be waiting: the event loop, `time.sleep` or a blocking `.result()`.
All of it ends with the invocation, when `forget_all` drops what the host has cancelled anyway.
"""

import math
import time

from componentize_py_types import Err
from wit_world.imports import reactor

_watched = {}
_generation = 0
# Of these, what nobody waits for: it does not count as something that could wake anybody.
_aside = set()
# Threads that get to run when somebody waits, and what runs them for a sleeper: see `threads`.
standing_by = []
run_others = None


class Stopped(BaseException):
    """Ends who waits. Nobody keeps it as the outcome of a call."""


class NeverSettles(Stopped):
    """Somebody waits, and nothing is under way that could wake them. No `except Exception` may swallow it."""


def watch(operation, finished):
    """Runs `finished(operation)` when the operation has finished. It must not wait itself."""
    _watched[operation] = finished


def watch_aside(operation, finished):
    """The same, for news that may come while something else is waited for. `finished` may raise, into whatever waits."""
    _watched[operation] = finished
    _aside.add(operation)


def attend(operation):
    """From here on somebody waits for it."""
    _aside.discard(operation)


def cancel(operation):
    _aside.discard(operation)
    if _watched.pop(operation, None) is not None:
        reactor.cancel(operation)


def pump():
    """Waits for one operation to finish; False where none is under way."""
    if _aside and _watched.keys() <= _aside:
        return False
    operation = reactor.wait()
    if operation is None:
        return False
    finished = _watched.pop(operation, None)
    if finished is not None:
        finished(operation)
    return True


def block_until(done):
    """Waits until `done()` holds, for code that is not a coroutine."""
    while not done():
        if not pump():
            raise NeverSettles("it waits for something that is not under way any more")


def anything_under_way():
    return bool(_watched)


def generation():
    """Changes when operations are forgotten: what began in another one is not under way any more."""
    return _generation


def forget_all():
    global _generation
    _generation += 1
    _watched.clear()
    _aside.clear()


def start_timer(seconds, finished):
    """A timer's operation. The host counts in whole milliseconds: rounded up, so that nothing wakes too early."""
    try:
        operation = reactor.timer(min(math.ceil(seconds * 1000), 2**53))
    except Err:
        raise RuntimeError("as many operations are under way as one invocation may have") from None
    _watched[operation] = finished
    return operation


def sleep(seconds, /):
    """Stands in for `time.sleep`: the instance waits in the host, where no thread is held."""
    if not isinstance(seconds, (int, float)):
        if not hasattr(seconds, "__index__"):
            raise TypeError(f"'{type(seconds).__name__}' object cannot be interpreted as an integer or float")
        seconds = seconds.__index__()
    if math.isnan(seconds):
        raise ValueError("Invalid value NaN (not a number)")
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    if math.isinf(seconds):
        raise OverflowError("timestamp too large to convert to C PyTime_t")
    if standing_by:
        seconds = run_others(seconds)
    over = []
    start_timer(seconds, over.append)
    block_until(lambda: over)


def install():
    """To be called before anything imports `sleep` out of `time`."""
    sleep.__name__ = sleep.__qualname__ = "sleep"
    time.sleep = sleep
