"""The HTTP answer of an app, as its caller takes it: sent piece by piece, or as a plain result through `run`."""

import base64
import codecs
import json

from wit_world.imports import output as host
from wit_world.imports.output import Delivery

from . import output
from .delivery import GIVEN
from .result import to_json

# An answer that is known to be whole goes as one result, with its length. A larger one is sent in pieces.
_SMALL = 256 * 1024


class AppError(Exception):
    """An app that was called through `run` answered with an error."""

    # How it is shown.
    __module__ = "builtins"


class HttpAnswer:
    """Begins with `start`. `add` gives the pieces to be written, `finish` what the function's result is then."""

    def __init__(self):
        self._wanted = host.wanted()
        self.status = None
        self.begun = False
        self._headers = ()
        self._held = []
        self._decoder = None

    @property
    def streams(self):
        """Whether there is a reader, who may leave."""
        return self._wanted != Delivery.WHOLE

    @property
    def started(self):
        return self.status is not None

    def start(self, status, headers):
        """Status and headers; text of Latin-1, as the wire has it. May be told anew until it has begun."""
        self.status, self._headers = status, [(name.lower(), _as_sent(value)) for name, value in headers]

    def length(self):
        """The length that the app declares."""
        declared = next((value for name, value in self._headers if name == "content-length"), "")
        return int(declared) if declared.isdecimal() and len(declared) < 16 else None

    def begin(self):
        """Sends the head, where there is one to be sent, and no other than this from here on."""
        if not self.begun:
            self.begun = True
            if self._wanted == Delivery.HTTP:
                output.begin(self.status, self._headers)

    def add(self, data, whole=False):
        """The pieces to be written for bytes of the body. `whole` says that no others are expected."""
        if self._wanted == Delivery.ELEMENTS:
            return self._element(data)
        if self._wanted == Delivery.WHOLE or not self.begun and whole and len(data) <= _SMALL:
            self._held.append(data)
            return ()
        self.begin()
        held, self._held = b"".join((*self._held, data)), []
        return output.pieces(held)

    def _element(self, data):
        """As text, which may be cut anywhere."""
        self._check(data)
        if not data:
            return ()
        self._decoder = self._decoder or codecs.getincrementaldecoder("utf-8")("replace")
        return (to_json(self._decoder.decode(data)).encode(),)

    def finish(self):
        """The answer is complete: `GIVEN`, or a result that says it all."""
        if self._wanted == Delivery.ELEMENTS or self._wanted == Delivery.HTTP and self.begun:
            self._check()
            output.end()
            return GIVEN
        body = b"".join(self._held)
        if self._wanted == Delivery.WHOLE:
            self._check(body)
            return _result(body)
        headers = {}
        for name, value in self._headers:
            headers.setdefault(name, []).append(value)
        return {"statusCode": self.status, "multiValueHeaders": headers, "isBase64Encoded": True,
                "body": base64.b64encode(body).decode("ascii")}

    def _check(self, body=b""):
        """Through `run`, an error is one of the call."""
        if self._wanted != Delivery.HTTP and not 200 <= self.status < 300:
            said = body[:2000].decode("utf-8", "replace").strip()
            raise AppError(f"the app answered with status {self.status}{': ' if said else ''}{said}\n`run` posts its "
                           "parameters to the path / of the app, as JSON. Call the app by HTTP, at …/http/ and the "
                           "function's name, or give `run` the event of an HTTP request")


def _result(body):
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def _as_sent(value):
    """The text whose UTF-8 are the bytes that the app means; Latin-1 that is no UTF-8 is sent as UTF-8."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value
