"""asyncio over the host's reactor: one loop an instance, and the policy that gives `asyncio.run` loops of this kind.

It is CPython's own loop over sockets, with a selector that is `reactor.wait`: timers, calls, requests and connections
run side by side in the host. What is still pending when the invocation has its result is cancelled and never runs in
a later one.
"""

import asyncio
import selectors
import sys
from asyncio import events, futures, selector_events, tasks
from concurrent.futures import ThreadPoolExecutor

from . import connections, errors, waiting

# Turns of the loop without waiting before it looks whether an operation has finished: a program that spins on
# `sleep(0)` until an answer is there must get to see it.
_TURNS_WITHOUT_LOOKING = 8
# Turns that cancelled tasks have for their `finally` blocks once the result is there. None of them may wait.
_TURNS_TO_CLEAN_UP = 100


class _Selector(selectors._BaseSelectorImpl):
    """What the loop calls to wait. Operations that are nobody's connection run their own callbacks when they finish."""

    def __init__(self):
        super().__init__()
        self._idle_turns = 0
        self.may_wait = True

    def select(self, timeout=None):
        found = self._found()
        if found or timeout is not None and timeout <= 0:
            self._idle_turns += 1
            if self._idle_turns >= _TURNS_WITHOUT_LOOKING and waiting.anything_under_way():
                self._wait_at_most(0)
                found = found or self._found()
            return found
        if not self.may_wait:
            raise waiting.NeverSettles
        if timeout is None:
            self._idle_turns = 0
            if not waiting.pump():
                raise waiting.NeverSettles("it awaits something that nothing under way can bring")
        else:
            self._wait_at_most(timeout)
        return self._found()

    def _found(self):
        keys = self._fd_to_key
        if not keys:
            return ()
        ready = connections.ready([(key.fd, key.events) for key in keys.values()])
        return [(keys[number], events) for number, events in ready]

    def _wait_at_most(self, seconds):
        self._idle_turns = 0
        over = []
        timer = waiting.start_timer(seconds, over.append)
        waiting.pump()
        if not over:
            waiting.cancel(timer)


class EventLoop(selector_events.BaseSelectorEventLoop):
    """The loop of `asyncio.run`, and the one that coroutine handlers run in."""

    def __init__(self):
        super().__init__(_Selector())
        # The host's timers count in milliseconds.
        self._clock_resolution = 0.001
        # What stays from one invocation to the next, asleep in between.
        self._kept_tasks = set()
        self._kept_generators = ()

    def _make_self_pipe(self):
        """Nothing to wake: there is one thread."""

    _close_self_pipe = _write_to_self = _make_self_pipe

    def _sock_connect_cb(self, fut, sock, address):
        if fut.done():
            return
        # All that the host says about it, and not only its number.
        failed = sock.take_connect_error()
        if failed is None:
            fut.set_result(None)
        else:
            fut.set_exception(failed)

    async def subprocess_exec(self, protocol_factory, *args, **kwargs):
        raise NotImplementedError("a function cannot start processes")

    subprocess_shell = subprocess_exec

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

    def run_coroutine(self, coroutine, then):
        """The result of an awaitable. One that never waits is finished here, without a turn of the loop.

        `then` may answer a coroutine for a result, to go on with.
        """
        self._run_forever_setup()
        try:
            while True:
                task = tasks.Task(coroutine, loop=self, eager_start=True)
                while not task.done():
                    self._run_once()
                result = task.result()
                # `return other(1)` without an `await`: what is meant is its result.
                coroutine = _await(result) if hasattr(type(result), "__await__") else then(result)
                if coroutine is None:
                    return result
        except waiting.NeverSettles as error:
            # Before the clean-up throws into it.
            error.place = errors.place_of_suspended(coroutine)
            raise
        finally:
            if self._ready or self._scheduled or self._asyncgens or self._left():
                self._drop_the_rest()
            self._run_forever_cleanup()

    def keep(self, task):
        """Keeps a task that waits for another invocation to wake it, and with it all asynchronous generators that are
        open now: the ones that it is in."""
        self._kept_tasks.add(task)
        task.add_done_callback(self._kept_tasks.discard)
        self._kept_generators = tuple(self._asyncgens)

    def _left(self):
        return tasks.all_tasks(self) - self._kept_tasks

    def _drop_the_rest(self):
        """Cancels what the invocation left behind and lets it clean up, without waiting for anything."""
        for task in self._left():
            task.cancel()
        for generator in list(self._asyncgens):
            if not any(generator is kept for kept in self._kept_generators):
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
        self._asyncgens.update(self._kept_generators)
        for handle in (*self._ready, *self._scheduled):
            handle.cancel()
        self._ready.clear()
        self._scheduled.clear()
        self._timer_cancelled_count = 0
        left = self._left()
        for task in left:
            task._log_destroy_pending = False
        if left:
            for transport in list(self._transports.values()):
                transport.abort()
            # Whoever still holds one of these could wake it in a later invocation: on a closed loop it stays asleep.
            self._closed = True


# Made with the image, so that the first invocation need not.
_loop = EventLoop()


def _nothing(_):
    """What follows a result that is taken as it is."""


def run(awaitable, then=_nothing):
    """Runs a coroutine or another awaitable to its end, in the instance's loop; and what `then` makes of its result."""
    global _loop
    if _loop._closed:
        _loop = EventLoop()
    coroutine = awaitable if asyncio.iscoroutine(awaitable) else _await(awaitable)
    try:
        return _loop.run_coroutine(coroutine, then)
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
