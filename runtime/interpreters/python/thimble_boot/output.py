"""An answer that is given before its function ends: head, pieces, end. Whoever writes waits until there is room for more."""

import asyncio
import contextlib

from componentize_py_types import Err
from wit_world.imports import output as host

from . import waiting
from .console import text

# Bytes that one host call hands over.
_PIECE = 256 * 1024


def begin(status, headers):
    try:
        host.begin(host.Head(status, [(text(name), text(value)) for name, value in headers]))
    except Err as error:
        raise _failed(error) from None


def end():
    try:
        host.end()
    except Err as error:
        raise _failed(error) from None


def pieces(data):
    """The bytes of a body, cut to what one host call hands over."""
    if len(data) <= _PIECE:
        return (data,) if data else ()
    return (data[at:at + _PIECE] for at in range(0, len(data), _PIECE))


def write(pieces):
    """Writes, for code that is not a coroutine: whether anybody still reads. Other operations go on meanwhile."""
    for piece in pieces:
        operation, over = _start(piece), []
        waiting.watch(operation, over.append)
        waiting.block_until(lambda: over)
        if not host.written(operation):
            return False
    return True


async def write_later(pieces):
    """Writes, in a coroutine: whether anybody still reads."""
    for piece in pieces:
        operation, over = _start(piece), asyncio.get_running_loop().create_future()
        waiting.watch(operation, lambda _: over.done() or over.set_result(None))
        try:
            await over
        finally:
            if not over.done() or over.cancelled():
                waiting.cancel(operation)
        if not host.written(operation):
            return False
    return True


@contextlib.contextmanager
def watching_reader(left):
    """Within it, `left` is called once nobody reads any more, while something else is waited for."""
    try:
        operation = host.left()
    except Err as error:
        raise _failed(error) from None
    waiting.watch_aside(operation, lambda _: left())
    try:
        yield operation
    finally:
        waiting.cancel(operation)


def close_waits():
    """Ends whatever waits, as if it were closed there. To be called by `watching_reader`, where no loop runs."""
    raise GeneratorExit


def _start(piece):
    try:
        return host.write(piece)
    except Err as error:
        raise _failed(error) from None


def _failed(error):
    kind = error.value
    if isinstance(kind, host.Error_Head):
        return ValueError(f"the answer cannot be sent: {kind.value}")
    if isinstance(kind, host.Error_TooLarge):
        return ValueError(f"one piece of the answer is larger than the {kind.value} bytes that are allowed")
    if isinstance(kind, host.Error_TooManyOperations):
        return RuntimeError("as many operations are under way as one invocation may have")
    return RuntimeError("the answer has been begun or ended already, or one piece of it is still on its way")
