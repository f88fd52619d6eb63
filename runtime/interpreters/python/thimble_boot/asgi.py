"""ASGI 3 apps: `await app(scope, receive, send)` answers the request that an event stands for.

What an app has sent goes out when it next waits, so that what it does after its answer delays nobody; the answer of an
app that does not wait any more goes as one result.
"""

import asyncio
import contextlib

from wit_world.imports.log import Level

from . import anyio_threads, console, errors, output, waiting
from .delivery import GIVEN
from .http_answer import HttpAnswer
from .http_request import Request, decoded
from .lifespan import Lifespan

# From 2.4 on, an app expects an OSError from `send` once its client has left.
VERSIONS = {"version": "3.0", "spec_version": "2.4"}


# Seconds from the news that the client has left to the end of an app that still waits. The host ends it after a second.
_MOMENT = 0.3


class ClientLeft(OSError):
    """Nobody reads the answer any more."""

    # How it is shown.
    __module__ = "builtins"


def plan(app):
    anyio_threads.install()
    lifespan = Lifespan(app)
    return lambda event, context: _serve(app, lifespan, event)


def scope_of(request, state):
    full = request.base + request.path
    return {
        "type": "http",
        "asgi": VERSIONS,
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.scheme,
        # All of it, from which an app takes its root path.
        "path": decoded(full).decode("utf-8", "replace"),
        "raw_path": full.encode(),
        "query_string": request.query.encode(),
        "root_path": decoded(request.base).decode("utf-8", "replace"),
        "headers": [(name.encode("latin-1", "replace"), value.encode()) for name, value in request.headers],
        "client": None,
        "server": request.server,
        "state": state,
        "extensions": {},
    }


async def _serve(app, lifespan, event):
    state = await lifespan.state()
    request = Request(event)
    exchange = _Exchange(request)
    try:
        with output.watching_reader(exchange.leave) if exchange.streams else contextlib.nullcontext() as reader:
            exchange.reader = reader
            await app(scope_of(request, state), exchange.receive, exchange.send)
    except asyncio.CancelledError:
        if not exchange.left:
            raise
    except Exception as error:
        if not exchange.left and not exchange.complete:
            raise
        if not isinstance(error, ClientLeft):
            # The answer is what the app made of it.
            console.write(Level.ERROR, errors.from_exception(error).stack)
    if exchange.broken is not None and not exchange.complete:
        # The client may still read: the answer is no whole one.
        raise exchange.broken
    return GIVEN if exchange.left else await exchange.end()


class _Exchange:
    """One request and its answer."""

    def __init__(self, request):
        self._body, self._arriving = request.body, request.arriving
        self._answer = HttpAnswer()
        self._over = asyncio.Event()
        self._last = b""
        self._due = self._giving = None
        self._task = asyncio.current_task()
        self.reader = None
        self.complete = self.left = False
        # The error of a request's body that broke off.
        self.broken = None

    @property
    def streams(self):
        return self._answer.streams

    def leave(self):
        """The client has left, or has the whole answer. Told of it, the app has a moment; then it is cancelled."""
        self._over.set()
        if not self.complete:
            self.left = True
            asyncio.get_running_loop().call_later(_MOMENT, self._task.cancel)

    async def receive(self):
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        if self._arriving is not None:
            return await self._next_part()
        waiting.attend(self.reader)
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def _next_part(self):
        try:
            part = await self._arriving.next_later()
        except ConnectionError as error:
            self._arriving = None
            self.broken = error
            self.left = True
            self._over.set()
            return {"type": "http.disconnect"}
        if part is None:
            self._arriving = None
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    async def send(self, message):
        kind = message["type"]
        if kind == "http.response.start":
            if self._answer.started:
                raise RuntimeError("the app sent http.response.start twice")
            headers = [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
                       for name, value in message.get("headers", ())]
            self._answer.start(int(message["status"]), headers)
            self._due = asyncio.get_running_loop().call_soon(self._let_go)
        elif kind != "http.response.body":
            raise RuntimeError(f"the app sent {kind!r}: here it can send http.response.start and http.response.body")
        elif not self._answer.started:
            raise RuntimeError("the app sent http.response.body before http.response.start")
        elif self.complete:
            raise RuntimeError("the app sent http.response.body after the last one")
        elif self.left:
            raise ClientLeft("the client has left")
        elif message.get("more_body", False):
            self._answer.begin()
            await self._write(bytes(message.get("body", b"")))
        else:
            self.complete = True
            self._last = bytes(message.get("body", b""))
            self._over.set()
            if self._due is None:
                # The app has waited since its head.
                self._due = asyncio.get_running_loop().call_soon(self._let_go)

    async def _write(self, data):
        if not await output.write_later(self._answer.add(data)):
            self.left = True
            self._over.set()
        if self.left:
            raise ClientLeft("the client has left")

    def _let_go(self):
        """The app waits: what it has sent so far is sent."""
        self._due = None
        self._answer.begin()
        if self.complete and self._giving is None:
            self._giving = asyncio.get_running_loop().create_task(self._give())

    async def _give(self):
        try:
            await self._write(self._last)
        except ClientLeft:
            return GIVEN
        return self._answer.finish()

    async def end(self):
        """The result, once the app has returned."""
        if not self._answer.started:
            raise RuntimeError("the app returned without an answer: it sent no http.response.start")
        if not self.complete:
            raise RuntimeError("the app returned before its answer was complete: the last http.response.body said more_body")
        if self._giving is not None:
            return await self._giving
        if self._due is not None:
            self._due.cancel()
        pieces = self._answer.add(self._last, whole=True)
        return self._answer.finish() if await output.write_later(pieces) else GIVEN
