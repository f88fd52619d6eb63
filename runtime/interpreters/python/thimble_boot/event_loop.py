"""asyncio over the host's reactor: one loop an instance, and the policy that gives `asyncio.run` loops of this kind.

CPython's own loops need sockets, which a sandbox lacks. Here the selector is `reactor.wait`: timers, calls and requests
run side by side in the host. What is still pending when the invocation has its result is cancelled and never runs in
a later one.
"""

import asyncio
import sys
from asyncio import base_events, events, futures, tasks
from concurrent.futures import ThreadPoolExecutor

from . import errors, waiting

# Turns of the loop without waiting before it looks whether an operation has finished: a program that spins on
# `sleep(0)` until an answer is there must get to see it.
_TURNS_WITHOUT_LOOKING = 8
# Turns that cancelled tasks have for their `finally` blocks once the result is there. None of them may wait.
_TURNS_TO_CLEAN_UP = 100


class _Selector:
    """What `BaseEventLoop` calls to wait. Finished operations run their own callbacks, so it reports no events."""

    def __init__(self):
        self._idle_turns = 0
        self.may_wait = True

    def select(self, timeout):
        if timeout is not None and timeout <= 0:
            self._idle_turns += 1
            if self._idle_turns >= _TURNS_WITHOUT_LOOKING and waiting.anything_under_way():
                self._wait_at_most(0)
            return ()
        if not self.may_wait:
            raise waiting.NeverSettles
        if timeout is None:
            self._idle_turns = 0
            if not waiting.pump():
                raise waiting.NeverSettles("it awaits something that nothing under way can bring")
        else:
            self._wait_at_most(timeout)
        return ()

    def _wait_at_most(self, seconds):
        self._idle_turns = 0
        over = []
        timer = waiting.start_timer(seconds, over.append)
        waiting.pump()
        if not over:
            waiting.cancel(timer)

    def close(self):
        pass


class EventLoop(base_events.BaseEventLoop):
    """The loop of `asyncio.run`, and the one that coroutine handlers run in."""

    def __init__(self):
        super().__init__()
        self._selector = _Selector()
        # The host's timers count in milliseconds.
        self._clock_resolution = 0.001

    def _process_events(self, event_list):
        pass

    def _write_to_self(self):
        """Nothing to wake: there is one thread."""

    def run_in_executor(self, executor, func, *args):
        """There are no threads: the function runs now, and the future is done when it returns."""
        self._check_closed()
        future = self.create_future()
        if executor is not None and not isinstance(executor, ThreadPoolExecutor):
            return futures.wrap_future(executor.submit(func, *args), loop=self)
        try:
            future.set_result(func(*args))
        except StopIteration as error:
            future.set_exception(RuntimeError(f"the function raised {error!r}"))
        except Exception as error:
            future.set_exception(error)
        return future

    def add_signal_handler(self, sig, callback, *args):
        raise NotImplementedError("no loop runs when an instance ends: use signal.signal(signal.SIGTERM, …)")

    def remove_signal_handler(self, sig):
        return False

    def run_coroutine(self, coroutine):
        """The result of an awaitable. One that never waits is finished here, without a turn of the loop."""
        self._run_forever_setup()
        try:
            while True:
                task = tasks.Task(coroutine, loop=self, eager_start=True)
                while not task.done():
                    self._run_once()
                result = task.result()
                if not hasattr(type(result), "__await__"):
                    return result
                # `return other(1)` without an `await`: what is meant is its result.
                coroutine = _await(result)
        except waiting.NeverSettles as error:
            # Before the clean-up throws into it.
            error.place = errors.place_of_suspended(coroutine)
            raise
        finally:
            if self._ready or self._scheduled or self._asyncgens or tasks.all_tasks(self):
                self._drop_the_rest()
            self._run_forever_cleanup()

    def _drop_the_rest(self):
        """Cancels what the invocation left behind and lets it clean up, without waiting for anything."""
        for task in tasks.all_tasks(self):
            task.cancel()
        for generator in list(self._asyncgens):
            self.create_task(generator.aclose())
        self._selector.may_wait = False
        try:
            for _ in range(_TURNS_TO_CLEAN_UP):
                if not self._ready and not self._scheduled:
                    break
                self._run_once()
        except waiting.NeverSettles:
            pass
        except BaseException as error:
            self.call_exception_handler({"message": "a task failed while it was cancelled", "exception": error})
        finally:
            self._selector.may_wait = True
        self._asyncgens.clear()
        for handle in (*self._ready, *self._scheduled):
            handle.cancel()
        self._ready.clear()
        self._scheduled.clear()
        self._timer_cancelled_count = 0
        left = tasks.all_tasks(self)
        for task in left:
            task._log_destroy_pending = False
        if left:
            # Whoever still holds one of these could wake it in a later invocation: on a closed loop it stays asleep.
            self._closed = True


# Made with the image, so that the first invocation need not.
_loop = EventLoop()


def run(awaitable):
    """Runs a coroutine or another awaitable to its end, in the instance's loop."""
    global _loop
    if _loop._closed:
        _loop = EventLoop()
    coroutine = awaitable if asyncio.iscoroutine(awaitable) else _await(awaitable)
    try:
        return _loop.run_coroutine(coroutine)
    finally:
        coroutine.close()


async def _await(awaitable):
    return await awaitable


class _Policy(events._BaseDefaultEventLoopPolicy):
    _loop_factory = EventLoop


def install():
    events._event_loop_policy = _Policy()
    for module in (asyncio, sys.modules.get("asyncio.unix_events")):
        for name in ("SelectorEventLoop", "EventLoop"):
            if hasattr(module, name):
                setattr(module, name, EventLoop)
