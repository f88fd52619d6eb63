"""Outgoing HTTP: `urllib.request` over the host, and `await thimble.fetch(…)`.

TLS, names, redirects and the list of allowed destinations are the host's, which keeps connections open, too. A body is
read piece by piece, each piece an operation of its own. `http.client` and what stands on it go over sockets, and so
does `urllib.request` where a program wants what the host does not do: checks of certificates of its own, a proxy, a
connection of a class of its own.
"""

import asyncio
import http
import http.client
import io
import json
import socket
import urllib.error
import urllib.request

from componentize_py_types import Err
from wit_world.imports import http as host

from . import waiting
from .console import text

# The host writes these itself, from the URL and the body.
_OWN_TO_HOST = {"host", "connection", "content-length", "transfer-encoding"}
_REDIRECT = {"follow": host.Redirect.FOLLOW, "manual": host.Redirect.MANUAL, "error": host.Redirect.ERROR}


class FetchError(OSError):
    """A request had no response. `code` is the host's, such as `destination-prohibited`."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def _failed(error):
    # See `connections.explain`.
    error.with_traceback(None)
    return FetchError(error.value.code.name.lower().replace("_", "-"), error.value.message)


def _request(method, url, headers, body, redirect):
    kept = [(text(str(name)), text(str(value))) for name, value in headers if str(name).lower() not in _OWN_TO_HOST]
    return host.Request(text(method), text(url), kept, body, redirect)


def _headers(pairs):
    headers = http.client.HTTPMessage()
    for name, value in pairs:
        headers[name] = value
    return headers


# For code that is not a coroutine.

def _finish(operation, timeout=None):
    """Waits for one operation; TimeoutError after `timeout` seconds."""
    over, late = [], []
    waiting.watch(operation, over.append)
    timer = None if timeout is None else waiting.start_timer(timeout, late.append)
    waiting.block_until(lambda: over or late)
    if not over:
        waiting.cancel(operation)
        raise TimeoutError("timed out")
    if timer is not None:
        waiting.cancel(timer)


class _Body(io.RawIOBase):
    """A response's body as a file, a piece at a time."""

    def __init__(self, body, timeout):
        self._body, self._timeout = body, timeout
        self._piece, self._ended = b"", False

    def readable(self):
        return True

    def readinto(self, target):
        while not self._piece and not self._ended:
            try:
                operation = host.read(self._body)
                _finish(operation, self._timeout)
                piece = host.chunk(operation)
            except Err as error:
                raise _failed(error) from None
            if piece is None:
                self._ended = True
            else:
                self._piece = piece
        size = min(len(target), len(self._piece))
        target[:size] = self._piece[:size]
        self._piece = self._piece[size:]
        return size

    def close(self):
        if not self.closed:
            host.close(self._body)
            self._piece = b""
        super().close()


class Response(io.BufferedReader):
    """What `urllib.request.urlopen` answers: the parts of `http.client.HTTPResponse` that programs use."""

    version = 11
    chunked = False

    def __init__(self, head, timeout):
        super().__init__(_Body(head.body, timeout))
        self.status = self.code = head.status
        self.url = head.url
        self.headers = _headers(head.headers)
        try:
            self.reason = http.HTTPStatus(head.status).phrase
        except ValueError:
            self.reason = ""
        # urllib's handlers look for the reason there.
        self.msg = self.reason
        length = self.headers.get("content-length", "")
        self.length = int(length) if length.isdecimal() else None

    def getheader(self, name, default=None):
        found = self.headers.get_all(name)
        return ", ".join(found) if found else default

    def getheaders(self):
        return list(self.headers.items())

    def isclosed(self):
        return self.closed

    def geturl(self):
        return self.url

    def info(self):
        return self.headers

    def getcode(self):
        return self.status

    def begin(self):
        """Has begun."""


def _body_bytes(data):
    if data is None:
        return b""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    if hasattr(data, "read"):
        return data.read()
    return b"".join(data)


_open_by_socket = urllib.request.AbstractHTTPHandler.do_open
_USUAL = (http.client.HTTPConnection, http.client.HTTPSConnection)


def _do_open(handler, http_class, request, **options):
    """Stands in for `AbstractHTTPHandler.do_open`: also an opener with cookies goes through the host."""
    context = options.get("context")
    proxy = request.has_proxy() or request._tunnel_host
    if http_class not in _USUAL or proxy or context is not None and not context.is_usual():
        return _open_by_socket(handler, http_class, request, **options)
    headers = {**request.unredirected_hdrs, **request.headers}
    timeout = request.timeout
    if timeout is socket._GLOBAL_DEFAULT_TIMEOUT:
        timeout = socket.getdefaulttimeout()
    # An opener with a redirect handler of the program's own gets to see the redirects.
    own = any(isinstance(each, urllib.request.HTTPRedirectHandler) and type(each) is not
              urllib.request.HTTPRedirectHandler for each in handler.parent.handlers)
    wanted = _request(request.get_method(), request.full_url, headers.items(), _body_bytes(request.data),
                      host.Redirect.MANUAL if own else host.Redirect.FOLLOW)
    try:
        operation = host.send(wanted)
        _finish(operation, timeout)
        return Response(host.receive(operation), timeout)
    except Err as error:
        raise urllib.error.URLError(_failed(error)) from None
    except TimeoutError as error:
        raise urllib.error.URLError(error) from None


# For coroutines.

async def _wait(operation):
    future = asyncio.get_running_loop().create_future()

    def finished(_):
        if not future.done() and not future.get_loop().is_closed():
            future.set_result(None)

    waiting.watch(operation, finished)
    try:
        await future
    finally:
        waiting.cancel(operation)


class Fetched:
    """The response of `fetch`, with its whole body."""

    __slots__ = ("status", "url", "redirected", "headers", "bytes")

    def __init__(self, head, body):
        self.status, self.url, self.redirected = head.status, head.url, head.redirected
        self.headers = _headers(head.headers)
        self.bytes = body

    @property
    def ok(self):
        return 200 <= self.status < 300

    def text(self):
        try:
            return self.bytes.decode(self.headers.get_content_charset("utf-8"), "replace")
        except LookupError:
            return self.bytes.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.bytes)

    def __repr__(self):
        return f"<response {self.status} of {self.url}>"


async def fetch(url, *, method=None, headers=None, body=None, json=None, redirect="follow"):
    """Sends a request and reads its response. `body` is str or bytes; `json` a value to send as JSON instead.

    Any status is a response; `FetchError` says that there was none. For a time limit, `asyncio.timeout`.
    """
    pairs = list(headers.items() if hasattr(headers, "items") else headers or ())
    if json is not None:
        body = _json_text(json)
        if not any(name.lower() == "content-type" for name, _ in pairs):
            pairs.append(("content-type", "application/json"))
    if isinstance(body, str):
        body = body.encode()
    if redirect not in _REDIRECT:
        raise ValueError(f"redirect is 'follow', 'manual' or 'error', not {redirect!r}")
    method = method or ("GET" if body is None else "POST")
    try:
        operation = host.send(_request(method.upper(), str(url), pairs, _body_bytes(body), _REDIRECT[redirect]))
        await _wait(operation)
        head = host.receive(operation)
    except Err as error:
        raise _failed(error) from None
    pieces = []
    try:
        while True:
            operation = host.read(head.body)
            await _wait(operation)
            piece = host.chunk(operation)
            if piece is None:
                return Fetched(head, b"".join(pieces))
            pieces.append(piece)
    except Err as error:
        raise _failed(error) from None
    finally:
        host.close(head.body)


def _json_text(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def install():
    urllib.request.AbstractHTTPHandler.do_open = _do_open
