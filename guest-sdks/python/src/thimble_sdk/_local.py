"""What stands in for the module `thimble` in plain Python: it answers for the invocation that `thimble_sdk.testing` runs."""

from __future__ import annotations

import asyncio
import json as _json
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Mapping, MutableMapping
from concurrent.futures import Future
from contextvars import ContextVar
from datetime import datetime, timezone
from email.message import Message
from typing import Any, NamedTuple

from ._strict import NotJson, to_json

_MAX_KEY = 1024


class CacheError(Exception):
    """The workspace's cache is full, or the value is larger than all of it."""


class FetchError(OSError):
    """A request had no response."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class FunctionError(Exception):
    """A called function failed. `code`, `name` and `stack` are those of its error answer."""

    def __init__(self, message: str, code: str = "function_error", name: str | None = None,
                 stack: str | None = None) -> None:
        super().__init__(message)
        self.message, self.code, self.name, self.stack = message, code, name, stack


class LogEntry(NamedTuple):
    """A line of the function's log."""

    level: str
    time: str
    message: str


class Running:
    """An invocation under way."""

    def __init__(self, context: Context, values: dict[str, str], secrets: Mapping[str, str], names: Iterable[str],
                 call: Callable[[str, list[Any]], Future[Any]], echo: bool) -> None:
        self.context, self.values, self.secrets, self.names = context, values, secrets, tuple(names)
        self.call, self.echo = call, echo
        self.logs: list[LogEntry] = []

    def note(self, level: str, message: str) -> None:
        time = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.logs.append(LogEntry(level, time, message))


running: ContextVar[Running | None] = ContextVar("running", default=None)


def _now() -> Running:
    found = running.get()
    if found is None:
        raise RuntimeError("there is no Thimble here: run this in the server, or by `invoke` of thimble_sdk.testing")
    return found


class Identity:
    """Who called."""

    cognito_identity_id = cognito_identity_pool_id = None

    def __init__(self, caller: str | None) -> None:
        self.caller = caller


class Context:
    """One invocation's context. Every field has its name in camelCase, too."""

    client_context = clientContext = None

    def __init__(self, request_id: str, workspace: str, function_name: str, function_version: str, memory: int,
                 caller: str | None, remaining: Callable[[], float]) -> None:
        self.request_id = self.requestId = self.aws_request_id = self.awsRequestId = request_id
        self.workspace = workspace
        self.function_name = self.functionName = function_name
        self.function_version = self.functionVersion = function_version
        self.invoked_function_arn = self.invokedFunctionArn = f"thimble:{workspace}:{function_name}:{function_version}"
        self.memory_limit_in_mb = self.memoryLimitInMB = self.memoryLimitInMb = memory
        self.log_group_name = self.logGroupName = f"/thimble/{workspace}/{function_name}"
        self.log_stream_name = self.logStreamName = f"{function_version}/{request_id}"
        self.identity = Identity(caller)
        self._remaining = remaining

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int(self._remaining() * 1000))

    getRemainingTimeInMillis = get_remaining_time_in_millis


class _CurrentContext:
    """Whichever invocation runs now."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_now().context, name)


class Cache(MutableMapping[str, Any]):
    """The workspace's values, as JSON. What is read is a copy."""

    def __init__(self, values: Callable[[], dict[str, str]]) -> None:
        self._values = values

    def __getitem__(self, key: str) -> Any:
        return _json.loads(self._values()[key])

    def __setitem__(self, key: str, value: Any) -> None:
        try:
            self._values()[_key(key)] = to_json(value, f"the value of {key!r}")
        except NotJson as error:
            raise TypeError(str(error)) from None

    def __delitem__(self, key: str) -> None:
        del self._values()[_key(key)]

    def __contains__(self, key: object) -> bool:
        return key in self._values()

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._values()))

    def __len__(self) -> int:
        return len(self._values())

    def set(self, key: str, value: Any) -> None:
        """The same as `cache[key] = value`."""
        self[key] = value

    def delete(self, key: str) -> bool:
        """Whether there was something to delete."""
        return self._values().pop(_key(key), None) is not None

    def increment(self, key: str, by: int = 1) -> int:
        """Adds in one step and returns the sum; an absent key counts as zero."""
        if not isinstance(by, int) or not -2**63 <= by < 2**63:
            raise TypeError("increment takes a whole number of 64 bits")
        before = self.get(_key(key), 0)
        if isinstance(before, bool) or not isinstance(before, int):
            raise TypeError(f"the value of {key!r} is no whole number, or too large to count on")
        self[key] = before + by
        return before + by

    def __repr__(self) -> str:
        return f"<cache of {len(self)} values>"


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a cache key is a str, not {type(key).__name__}")
    if len(key.encode("utf-8", "replace")) > _MAX_KEY:
        raise ValueError("a cache key may have at most 1,024 bytes")
    return key


class Call(Coroutine[Any, Any, Any]):
    """A call under way: to be awaited in a coroutine, or asked for its `result()` anywhere else."""

    def __init__(self, future: Future[Any]) -> None:
        self._future = future
        self._steps: Generator[Any, Any, Any] | None = None

    def done(self) -> bool:
        return self._future.done()

    def result(self) -> Any:
        return self._future.result()

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from asyncio.wrap_future(self._future).__await__())

    def send(self, value: Any, /) -> Any:
        self._steps = self._steps or self.__await__()
        return self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        self._steps = self._steps or self.__await__()
        return self._steps.throw(*error)

    def close(self) -> None:
        if self._steps is not None:
            self._steps.close()


class Function:
    """Another function of the workspace, or one of its entry points by attribute."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, *positional: Any, **named: Any) -> Call:
        return Call(_now().call(self.__name__, [*positional, named] if named else list(positional)))

    def __getattr__(self, entry: str) -> Function:
        if entry.startswith("_"):
            raise AttributeError(f"a function has no entry point {entry!r}: names with an underscore are private")
        return Function(f"{self.__name__}.{entry}")


class Functions:
    """All functions of the workspace by name."""

    def __getitem__(self, name: str) -> Function:
        if not isinstance(name, str):
            raise TypeError(f"a function's name is a str, not {type(name).__name__}")
        return Function(name)

    def __getattr__(self, name: str) -> Function:
        if name.startswith("_"):
            raise AttributeError(name)
        return Function(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_now().names)

    def __len__(self) -> int:
        return len(_now().names)

    def __contains__(self, name: object) -> bool:
        return name in _now().names

    def call(self, name: str, *positional: Any, **named: Any) -> Call:
        return self[name](*positional, **named)


class _Secrets:
    def get(self, name: str, default: str | None = None) -> str | None:
        if running.get() is None:
            raise RuntimeError("secrets can be read while the function runs, not while its top level does: "
                               "read them inside the function")
        return _now().secrets.get(name, default)

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value


class _Log:
    """Log lines; outside of an invocation they are printed."""

    def debug(self, *parts: object) -> None:
        self._write("debug", parts)

    def info(self, *parts: object) -> None:
        self._write("info", parts)

    def warn(self, *parts: object) -> None:
        self._write("warn", parts)

    warning = warn

    def error(self, *parts: object) -> None:
        self._write("error", parts)

    def _write(self, level: str, parts: tuple[object, ...]) -> None:
        message = " ".join(map(str, parts))
        found = running.get()
        if found is None:
            print(message)
        else:
            found.note(level, message)


class Fetched:
    """A response with its whole body."""

    def __init__(self, status: int, url: str, redirected: bool, headers: Message, body: bytes) -> None:
        self.status, self.url, self.redirected, self.headers, self.bytes = status, url, redirected, headers, body

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def text(self) -> str:
        return self.bytes.decode(self.headers.get_content_charset("utf-8"), "replace")

    def json(self) -> Any:
        return _json.loads(self.bytes)


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, wanted: str) -> None:
        self._wanted = wanted

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if self._wanted == "follow":
            return super().redirect_request(req, fp, code, msg, headers, newurl)
        if self._wanted == "error":
            raise FetchError("redirect-refused", f"{req.full_url} redirects to {newurl}")
        return None


async def fetch(url: str, *, method: str | None = None,
                headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None, body: str | bytes | None = None,
                json: Any = None, redirect: str = "follow") -> Fetched:
    """Sends a request and reads its response, from this machine: no list of allowed destinations holds here."""
    pairs = dict(headers or {})
    if json is not None:
        body = _json.dumps(json, ensure_ascii=False, allow_nan=False)
        if not any(name.lower() == "content-type" for name in pairs):
            pairs["content-type"] = "application/json"
    if redirect not in ("follow", "manual", "error"):
        raise ValueError(f"redirect is 'follow', 'manual' or 'error', not {redirect!r}")
    data = body.encode() if isinstance(body, str) else body
    request = urllib.request.Request(str(url), data, pairs, method=(method or ("GET" if data is None else "POST")).upper())
    return await asyncio.to_thread(_send, request, redirect)


def _send(request: urllib.request.Request, redirect: str) -> Fetched:
    asked = request.full_url
    try:
        response: Any = urllib.request.build_opener(_Redirects(redirect)).open(request)
    except urllib.error.HTTPError as error:
        # Any status is a response.
        response = error
    except urllib.error.URLError as error:
        raise FetchError("connection-failed", str(error.reason)) from None
    with response:
        return Fetched(response.status, response.url, response.url != asked, response.headers, response.read())


cache = Cache(lambda: _now().values)
context: Any = _CurrentContext()
functions = Functions()
log = _Log()
secrets = _Secrets()
