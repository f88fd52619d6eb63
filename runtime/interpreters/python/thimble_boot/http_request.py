"""The request that an event stands for, as apps take it; an event that is no request is one that posts it as JSON."""

import base64
from urllib.parse import unquote_to_bytes

from . import request_body
from .result import to_json


class Request:
    """Text is as it came over the wire; headers have names in lower case and are listed as often as they came.

    `body` is bytes, or None where it is read as it arrives, from `arriving`.
    """

    __slots__ = ("method", "base", "path", "query", "headers", "body", "arriving", "scheme", "server")

    def __init__(self, event):
        self.arriving = None
        context = event.get("requestContext") if isinstance(event, dict) and event.get("version") == "2.0" else None
        http = context.get("http") if isinstance(context, dict) else None
        if isinstance(http, dict):
            self._read(event, context, http)
        else:
            self.method, self.base, self.path, self.query = "POST", "", "/", ""
            self.body = to_json(event).encode()
            self.headers = [("host", "localhost"), ("content-type", "application/json")]
        self._place()

    def _read(self, event, context, http):
        self.method = str(http.get("method", "GET"))
        self.base = str(context.get("basePath", ""))
        self.path = str(event.get("rawPath", "/"))
        self.query = str(event.get("rawQueryString", ""))
        repeated = event.get("multiValueHeaders") or {}
        self.headers = []
        for name, value in (event.get("headers") or {}).items():
            values = repeated.get(name) or (value,)
            # RFC 9110 joins headers by commas, but for this one.
            values = ("; ".join(values),) if name == "cookie" else values
            self.headers.extend((name.lower(), str(each)) for each in values)
        body = event.get("body") or ""
        if not body and any(name == "transfer-encoding" or name == "content-length" and value != "0"
                            for name, value in self.headers):
            self.arriving = request_body.arriving()
        self.body = None if self.arriving is not None else base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()

    def _place(self):
        first = dict(reversed(self.headers))
        self.scheme = "https" if first.get("x-forwarded-proto") == "https" else "http"
        host, colon, port = first.get("host", "localhost").rpartition(":")
        # A colon of an IPv6 address is none of a port.
        if not colon or not port.isdecimal():
            host, port = first.get("host", "localhost"), "443" if self.scheme == "https" else "80"
        self.server = (host, int(port))


def decoded(path):
    """The bytes of a path, without percent signs."""
    return unquote_to_bytes(path)
