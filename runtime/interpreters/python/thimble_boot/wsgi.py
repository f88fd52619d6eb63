"""WSGI apps (PEP 3333): `app(environ, start_response)` answers the request that an event stands for."""

import contextlib
import io
import sys
from wsgiref.util import FileWrapper

from . import output, request_body
from .delivery import GIVEN
from .http_answer import HttpAnswer
from .http_request import Request, decoded

# Bytes of a request's body that are read at once.
_BUFFER = 64 * 1024


def plan(app):
    return lambda event, context: _serve(app, event)


def environ_of(request):
    host, port = request.server
    environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": decoded(request.base).decode("latin-1"),
        "PATH_INFO": decoded(request.path).decode("latin-1"),
        "QUERY_STRING": _of_wire(request.query),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REQUEST_URI": _of_wire(request.base + request.path + (f"?{request.query}" if request.query else "")),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": _input(request),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in request.headers:
        # A header with an underscore could pass for another one; how the body was framed on its way is over.
        if "_" not in name and name not in ("content-type", "content-length", "transfer-encoding"):
            key = "HTTP_" + name.upper().replace("-", "_")
            value = _of_wire(value)
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        elif name == "content-type":
            environ["CONTENT_TYPE"] = _of_wire(value)
    announced = next((value for name, value in request.headers if name == "content-length"), None)
    if request.arriving is not None:
        environ["CONTENT_LENGTH"] = announced
    elif request.body or announced is not None:
        environ["CONTENT_LENGTH"] = str(len(request.body))
    return environ


def _input(request):
    if request.arriving is not None and not any(name == "content-length" for name, _ in request.headers):
        # Django and Bottle read as much as CONTENT_LENGTH says, and nothing without it.
        request.body, request.arriving = b"".join(iter(request.arriving.next, None)), None
    if request.arriving is None:
        return io.BytesIO(request.body)
    return io.BufferedReader(request_body.File(request.arriving), _BUFFER)


def _of_wire(text):
    """The bytes of a text, each as the character of that number."""
    return text if text.isascii() else text.encode("utf-8").decode("latin-1")


def _serve(app, event):
    answer = HttpAnswer()
    given = 0

    def start_response(status, headers, exc_info=None):
        if exc_info:
            try:
                if answer.begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif answer.started:
            raise AssertionError("start_response was called twice, the second time without exc_info")
        if not isinstance(status, str) or not status[:3].isdecimal():
            raise AssertionError(f"the status is a str such as '200 OK', not {status!r}")
        for name, value in headers:
            if not isinstance(name, str) or not isinstance(value, str):
                raise AssertionError(f"names and values of headers are str: {name!r}: {value!r}")
        answer.start(int(status[:3]), headers)
        return write

    def write(data, whole=False):
        """Whether anybody still reads."""
        nonlocal given
        if not answer.started:
            raise AssertionError("the app writes before it has called start_response")
        if not isinstance(data, bytes):
            raise AssertionError(f"an app writes bytes, not {type(data).__name__}")
        given += len(data)
        return not data or output.write(answer.add(data, whole or given == answer.length()))

    chunks = ()
    try:
        with output.watching_reader(output.close_waits) if answer.streams else contextlib.nullcontext():
            chunks = app(environ_of(Request(event)), start_response)
            single = isinstance(chunks, (list, tuple)) and len(chunks) == 1
            for chunk in chunks:
                if not write(chunk, single):
                    return GIVEN
    except GeneratorExit:
        # Of a wait: that of the app, or that for its client.
        return GIVEN
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    if not answer.started:
        raise AssertionError("the app returned without having called start_response")
    return answer.finish()
