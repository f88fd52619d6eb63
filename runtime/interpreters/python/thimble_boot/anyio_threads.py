"""What anyio would run in a thread runs here and now: there are no threads. Starlette and FastAPI call every function
that is no coroutine this way."""

import asyncio
import contextvars
import importlib
import sys

_BACKEND = "anyio._backends._asyncio"


async def _run_here(func, args):
    # A turn of the loop, as the original would give it.
    await asyncio.sleep(0)
    return contextvars.copy_context().run(func, *args)


async def _run_sync(func, *args, cancellable=False, limiter=None):
    """anyio 3."""
    return await _run_here(func, args)


async def _run_sync_in_worker_thread(cls, func, args, abandon_on_cancel=False, limiter=None):
    """anyio 4."""
    return await _run_here(func, args)


def install():
    """Once the function's modules are there; nothing where none of them is anyio."""
    if "anyio" not in sys.modules:
        return
    try:
        backend = importlib.import_module(_BACKEND)
    except ImportError:
        return
    own = getattr(backend, "AsyncIOBackend", None)
    if own is None:
        backend.run_sync_in_worker_thread = _run_sync
    else:
        own.run_sync_in_worker_thread = classmethod(_run_sync_in_worker_thread)
