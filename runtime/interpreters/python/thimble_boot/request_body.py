"""The body of the request that an invocation answers, where it is read as it arrives. What nobody reads, the host disposes of."""

import asyncio
import errno
import io

from componentize_py_types import Err
from wit_world.imports import http as host
from wit_world.imports import input as request

from . import waiting


def arriving():
    """The body that the event does not hold; None where there is none."""
    body = request.take()
    return None if body is None else Arriving(body)


class Arriving:
    """A body piece by piece. A read that its caller gave up goes on, and the next caller gets what it brings.

    Several may wait for pieces; each piece is one of theirs.
    """

    __slots__ = ("_body", "_operation", "_finished", "_ended", "_waiting")

    def __init__(self, body):
        self._body = body
        self._operation = None
        self._finished = self._ended = False
        self._waiting = []

    def next(self):
        """The next piece, None at the end, for code that is not a coroutine. ConnectionResetError where the client broke off."""
        while not self._ended:
            self._read()
            waiting.block_until(lambda: self._finished or self._operation is None)
            if self._finished:
                return self._take()
        return None

    async def next_later(self):
        """The same, in a coroutine."""
        while not self._ended:
            self._read()
            if self._finished:
                return self._take()
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future
        return None

    def _read(self):
        if self._operation is None:
            try:
                self._operation = host.read(self._body)
            except Err as error:
                raise _broken(error) from None
            waiting.watch(self._operation, self._finish)

    def _finish(self, _):
        self._finished = True
        told, self._waiting = self._waiting, []
        for future in told:
            if not future.done() and not future.get_loop().is_closed():
                future.set_result(None)

    def _take(self):
        operation, self._operation, self._finished = self._operation, None, False
        try:
            piece = host.chunk(operation)
        except Err as error:
            raise _broken(error) from None
        self._ended = piece is None
        return piece


class File(io.RawIOBase):
    """The same as a file, for an `io.BufferedReader`."""

    def __init__(self, body):
        self._body = body
        self._piece = memoryview(b"")

    def readable(self):
        return True

    def readinto(self, target):
        while not self._piece and self._body is not None:
            piece = self._body.next()
            if piece is None:
                self._body = None
            else:
                self._piece = memoryview(piece)
        size = min(len(target), len(self._piece))
        target[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size


def _broken(error):
    # See `connections.explain`.
    error.with_traceback(None)
    return ConnectionResetError(errno.ECONNRESET, f"the request's body broke off: {error.value.message}")
