"""Threads of programs that only want to wait for each other: one runs at a time, each to its end.

A sandbox has one thread of control. A started thread stands by until its starter waits: in `join`, for a lock's condition, an event,
a queue, in `time.sleep`, or at the end of the invocation. Then it runs inline. One that waits for something that only a thread that
stands below it could bring can never go on: a daemon is ended there, as at the end of a process, any other gets an error.
"""

import _thread
import functools
import itertools
import queue
import threading
import time

from . import thread_pools, waiting

_ADVICE = ("threads run one after the other here, each to its end. Use asyncio for what is to run side by side, or "
           "concurrent.futures.ThreadPoolExecutor for a list of calls")
# Threads inside of threads, each on its starter's stack.
_MOST_INSIDE = 20

# Started and not run yet, in order: what to run, its handle, and whether it is a daemon.
_standing_by = waiting.standing_by
# Those that run, innermost last: their identity, and whether they are daemons.
_running = []
_main_ident = _thread.get_ident()
_idents = itertools.count(_main_ident + 1)


class _Ended(waiting.Stopped):
    """Unwinds a daemon that would wait for ever."""


def get_ident():
    return _running[-1][0] if _running else _main_ident


class _Handle:
    """Stands in for `_thread._ThreadHandle`."""

    def __init__(self):
        self.ident = 0
        self._done = False

    def is_done(self):
        return self._done

    def _set_done(self):
        self._done = True

    def join(self, timeout=None):
        if self._done:
            return
        if (self.ident in (ident for ident, _ in _running)
                and (timeout is None or timeout < 0)):
            raise RuntimeError("Cannot join current thread")
        wait_until(self.is_done, timeout, self)


def _start(function, handle, daemon=True):
    handle.ident = next(_idents)
    thread = getattr(function, "__self__", None)
    if isinstance(thread, threading.Thread):
        # `Thread.start` waits for that.
        thread._ident = handle.ident
        thread._started.set()
    _standing_by.append((function, handle, daemon))
    return handle.ident


def _start_new(function, args, kwargs=None, /):
    if not callable(function):
        raise TypeError("first arg must be callable")
    if not isinstance(args, tuple):
        raise TypeError("2nd arg must be a tuple")
    if kwargs is not None and not isinstance(kwargs, dict):
        raise TypeError("optional 3rd arg must be a dictionary")
    return _start(functools.partial(function, *args, **(kwargs or {})), _Handle())


def _run(entry):
    function, handle, daemon = entry
    if len(_running) >= _MOST_INSIDE:
        raise RuntimeError(f"{_MOST_INSIDE} threads wait inside of each other; {_ADVICE}")
    _running.append((handle.ident, daemon))
    try:
        function()
    except _Ended:
        pass
    except SystemExit:
        pass
    finally:
        _running.pop()
        handle._done = True


def _run_one(wanted=None):
    """Runs a thread that stands by, the wanted one first; whether there was any."""
    if not _standing_by:
        return False
    place = next((at for at, entry in enumerate(_standing_by) if entry[1] is wanted), 0)
    _run(_standing_by.pop(place))
    return True


def wait_until(done, timeout=None, wanted=None):
    """Waits as a thread does: others run meanwhile. Whether it is done in time."""
    if done():
        return True
    if timeout is not None and timeout <= 0:
        return False
    end = None if timeout is None else time.monotonic() + timeout
    while not done():
        if _run_one(wanted):
            continue
        if end is not None:
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, 1e6))
        elif not waiting.pump():
            _refuse()
    return True


def _refuse():
    """Nothing can end this waiting."""
    if not _running:
        raise waiting.NeverSettles("it waits for a thread or a lock that nothing can release any more")
    if _running[-1][1]:
        raise _Ended
    raise RuntimeError(f"this thread waits for what only a thread could bring that waits for it: {_ADVICE}")


def _run_while_one_sleeps(seconds):
    """Runs all that stand by. How long the sleeper still has to sleep."""
    begun = time.monotonic()
    while _run_one():
        pass
    return max(0, seconds - (time.monotonic() - begun))


def finish():
    """At the end of an invocation, as at the end of a process: what is no daemon runs to its end."""
    while _standing_by:
        entry = _standing_by.pop(0)
        if entry[2]:
            entry[1]._done = True
        else:
            _run(entry)


def forget_all():
    """Drops what still stands by."""
    _standing_by.clear()


def _wait(self, timeout=None):
    """`Condition.wait`."""
    if not self._is_owned():
        raise RuntimeError("cannot wait on un-acquired lock")
    waiter = _thread.allocate_lock()
    waiter.acquire()
    self._waiters.append(waiter)
    saved = self._release_save()
    got = False
    try:
        got = wait_until(lambda: not waiter.locked(), timeout)
        return got
    finally:
        self._acquire_restore(saved)
        if not got:
            try:
                self._waiters.remove(waiter)
            except ValueError:
                pass


def _timer_run(self):
    """`Timer.run`: nobody else runs meanwhile, so waiting for the event is waiting for the time."""
    if not self.finished.is_set():
        time.sleep(max(0, self.interval))
        self.function(*self.args, **self.kwargs)
    self.finished.set()


def install():
    waiting.run_others = _run_while_one_sleeps
    for module in (_thread, threading):
        module.get_ident = get_ident
    threading._start_joinable_thread = _thread.start_joinable_thread = _start
    _thread.start_new_thread = _thread.start_new = _start_new
    threading._ThreadHandle = _thread._ThreadHandle = _Handle
    threading.Condition.wait = _wait
    threading.Timer.run = _timer_run
    thread_pools.install()
    # CPython's own waits without asking.
    queue.SimpleQueue = queue._PySimpleQueue
