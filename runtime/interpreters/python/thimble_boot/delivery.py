"""What a function gave, as its caller takes it: one result, elements one after the other, or an HTTP answer.

Generators, async iterables, and whatever a function marked as streaming returns, have parts. A part is handed over when
the caller has room for it, and the source of the parts is closed when nobody reads any more.
"""

import asyncio
import codecs
import contextlib
from types import GeneratorType

from wit_world.imports import output as host
from wit_world.imports.output import Delivery

from . import event_loop, output
from .result import to_json

# What a function's answer is once it was given, in place of a result.
GIVEN = object()
_BYTES = (bytes, bytearray, memoryview)


def settle(result):
    """Awaits, and hands over, what is no plain value. What comes back is the result, or `GIVEN`."""
    if hasattr(type(result), "__await__"):
        return event_loop.run(result, _handing_over)
    if hasattr(type(result), "__aiter__"):
        return event_loop.run(_hand_over(result))
    return _hand_over_here(result) if type(result) is GeneratorType else result


def _handing_over(result):
    """In the loop that the result came from, so that its tasks go on meanwhile; None where there is nothing to do."""
    return _hand_over(result) if hasattr(type(result), "__aiter__") or type(result) is GeneratorType else None


async def _hand_over(result):
    """A source that waits when the client leaves is cancelled there; one that has made a part is closed."""
    asynchronous = hasattr(type(result), "__aiter__")
    parts = aiter(result) if asynchronous else result
    taker = _taker()
    task, left = asyncio.current_task(), False

    def end():
        nonlocal left
        left = True
        task.cancel()

    try:
        with output.watching_reader(end) if taker.streams else contextlib.nullcontext():
            if asynchronous:
                async for part in parts:
                    if not await output.write_later(taker.take(part)):
                        return GIVEN
            else:
                for part in parts:
                    if not await output.write_later(taker.take(part)):
                        return GIVEN
    except asyncio.CancelledError:
        if not left:
            raise
        return GIVEN
    finally:
        if hasattr(parts, "aclose"):
            await parts.aclose()
        elif hasattr(parts, "close"):
            parts.close()
    return taker.end()


def _hand_over_here(parts):
    taker = _taker()
    try:
        with output.watching_reader(output.close_waits) if taker.streams else contextlib.nullcontext():
            for part in parts:
                if not output.write(taker.take(part)):
                    return GIVEN
    except GeneratorExit:
        # Of a wait: that of the source, or that for the reader.
        return GIVEN
    finally:
        if hasattr(parts, "close"):
            parts.close()
    return taker.end()


def _taker():
    wanted = host.wanted()
    return _Body() if wanted == Delivery.HTTP else _Elements() if wanted == Delivery.ELEMENTS else _Whole()


class _Whole:
    """All parts as one result: text where they are bytes, a list otherwise."""

    streams = False

    def __init__(self):
        self._parts = []

    def take(self, part):
        self._parts.append(part)
        return ()

    def end(self):
        if self._parts and all(isinstance(part, _BYTES) for part in self._parts):
            return b"".join(self._parts).decode("utf-8", "replace")
        return self._parts


class _Elements:
    """A JSON text each; bytes are text that may be cut anywhere."""

    streams = True

    def __init__(self):
        self._decoder = None
        self._taken = 0

    def take(self, part):
        if isinstance(part, _BYTES):
            self._decoder = self._decoder or codecs.getincrementaldecoder("utf-8")("replace")
            part = self._decoder.decode(bytes(part))
        element = to_json(part, f"element {self._taken} of the result")
        self._taken += 1
        return (element.encode(),)

    def end(self):
        output.end()
        return GIVEN


class _Body:
    """The body of an HTTP answer: text and bytes as they are, other values as a line of JSON each."""

    streams = True

    def __init__(self):
        self._taken = 0

    def take(self, part):
        if isinstance(part, _BYTES):
            kind, piece = "application/octet-stream", bytes(part)
        elif isinstance(part, str):
            kind, piece = "text/plain; charset=utf-8", part.encode("utf-8", "replace")
        else:
            line = to_json(part, f"element {self._taken} of the result")
            kind, piece = "application/x-ndjson", f"{line}\n".encode()
        if not self._taken:
            output.begin(200, [("content-type", kind)])
        self._taken += 1
        return output.pieces(piece)

    def end(self):
        if not self._taken:
            output.begin(200, [])
        output.end()
        return GIVEN
