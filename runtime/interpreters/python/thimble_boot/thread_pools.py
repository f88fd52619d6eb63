"""Pools of threads, whose calls are done at once: `concurrent.futures.ThreadPoolExecutor` and `multiprocessing.pool.ThreadPool`."""

import concurrent.futures.thread as executors
import multiprocessing.pool as pools
from concurrent.futures import Future

from . import waiting


def _submit(self, fn, /, *args, **kwargs):
    """`ThreadPoolExecutor.submit`: the call is done when its future is handed out."""
    with self._shutdown_lock:
        if self._broken:
            raise self.BROKEN(self._broken)
        if self._shutdown:
            raise RuntimeError("cannot schedule new futures after shutdown")
    future = Future()
    if not hasattr(self, "_worker"):
        self._worker = self._create_worker_context()
        try:
            self._worker.initialize()
        except Exception:
            executors._base.LOGGER.critical("Exception in initializer:", exc_info=True)
            self._broken = "A thread initializer failed, the thread pool is not usable anymore"
    if self._broken:
        future.set_exception(self.BROKEN(self._broken))
        return future
    future.set_running_or_notify_cancel()
    try:
        result = self._worker.run(self._resolve_work_item_task(fn, args, kwargs))
    except waiting.Stopped:
        raise
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
    return future


def _outcome(function, *args, **kwargs):
    try:
        return True, function(*args, **kwargs)
    except Exception as error:
        return False, error


class ThreadPool(pools.ThreadPool):
    """Without threads."""

    def __init__(self, processes=None, initializer=None, initargs=()):
        if processes is not None and processes < 1:
            raise ValueError("Number of processes must be at least 1")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._cache, self._state = {}, pools.RUN
        if initializer is not None:
            initializer(*initargs)

    def __del__(self):
        pass

    def __repr__(self):
        return f"<{type(self).__name__} state={self._state}>"

    def apply_async(self, func, args=(), kwds={}, callback=None, error_callback=None):
        self._check_running()
        result = pools.ApplyResult(self, callback, error_callback)
        result._set(0, _outcome(func, *args, **kwds))
        return result

    def _map_async(self, func, iterable, mapper, chunksize=None, callback=None, error_callback=None):
        self._check_running()
        items = list(iterable)
        return self.apply_async(lambda: mapper((func, items)), callback=callback, error_callback=error_callback)

    def imap(self, func, iterable, chunksize=1):
        if chunksize < 1:
            raise ValueError(f"Chunksize must be 1+, not {chunksize}")
        self._check_running()
        result = pools.IMapIterator(self)
        count = 0
        for item in iterable:
            result._set(count, _outcome(func, item))
            count += 1
        result._set_length(count)
        return result

    imap_unordered = imap

    def close(self):
        if self._state == pools.RUN:
            self._state = pools.CLOSE

    def terminate(self):
        self._state = pools.TERMINATE

    def join(self):
        if self._state == pools.RUN:
            raise ValueError("Pool is still running")


def install():
    executors.ThreadPoolExecutor.submit = _submit
    pools.ThreadPool = ThreadPool
    ThreadPool.__module__ = pools.__name__
