"""Spans, and W3C trace context to carry them on. An ended span is a log line; the host collects no traces of functions yet."""

from __future__ import annotations

import functools
import inspect
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from types import TracebackType
from typing import Any, NamedTuple, TypeVar, Union, cast

from . import _host

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_F = TypeVar("_F", bound=Callable[..., Any])


class TraceContext(NamedTuple):
    """What a `traceparent` says."""

    trace_id: str
    span_id: str
    sampled: bool


# A span, the text of a `traceparent`, or an HTTP event that may carry one.
Parent = Union["Span", TraceContext, str, Mapping[str, Any], None]


def parse_traceparent(text: str | None) -> TraceContext | None:
    """The ids in a `traceparent`; None where it is not one."""
    found = _TRACEPARENT.fullmatch((text or "").strip().lower())
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "ff" or version == "00" and rest or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return TraceContext(trace_id, span_id, int(flags, 16) & 1 == 1)


def _context_of(parent: Parent) -> TraceContext | None:
    if isinstance(parent, Span):
        return TraceContext(parent.trace_id, parent.span_id, parent.sampled)
    if isinstance(parent, (TraceContext, type(None))):
        return parent
    if isinstance(parent, str):
        return parse_traceparent(parent)
    headers = parent.get("headers")
    return parse_traceparent(headers.get("traceparent")) if isinstance(headers, Mapping) else None


class Span:
    """A span of time. In a `with` block it ends with the block, and says what the block raised."""

    def __init__(self, tracer: Tracer, name: str, parent: Parent = None,
                 attributes: Mapping[str, Any] | None = None) -> None:
        context = _context_of(parent)
        self._tracer = tracer
        self.name = name
        self.trace_id = context.trace_id if context else _random_hex(16)
        self.parent_id = context.span_id if context else None
        self.sampled = context.sampled if context else True
        self.span_id = _random_hex(8)
        self._attributes = dict(attributes or {})
        self._error: str | None = None
        self._ended = False
        self._start, self._clock = time.time(), time.perf_counter()

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def set(self, name: str, value: Any) -> Span:
        self._attributes[name] = value
        return self

    def fail(self, error: object) -> Span:
        """Notes that the span failed."""
        self._error = f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error)
        return self

    def span(self, name: str, attributes: Mapping[str, Any] | None = None) -> Span:
        """A span inside this one."""
        return Span(self._tracer, name, self, attributes)

    def headers(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Headers for a request that belongs to this span."""
        return {**(more or {}), "traceparent": self.traceparent}

    def end(self) -> None:
        """Writes the span, once."""
        if self._ended:
            return
        self._ended = True
        if not self.sampled:
            return
        entry: dict[str, Any] = {"service": self._tracer.service, "span": self.name, "traceId": self.trace_id,
                                 "spanId": self.span_id}
        if self.parent_id is not None:
            entry["parentId"] = self.parent_id
        entry["start"] = datetime.fromtimestamp(self._start, timezone.utc).isoformat(timespec="milliseconds")
        entry["duration"] = (time.perf_counter() - self._clock) * 1000
        if self._error is not None:
            entry["error"] = self._error
        if self._attributes:
            entry["attributes"] = self._attributes
        _host.log.info(json.dumps(entry, ensure_ascii=False, default=str))

    def __enter__(self) -> Span:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if error is not None:
            self.fail(error)
        self.end()


class Tracer:
    """Makes spans; `service` is the function's name where none is given."""

    def __init__(self, service: str | None = None) -> None:
        self._service = service

    @property
    def service(self) -> str:
        if self._service is not None:
            return self._service
        try:
            return str(_host.context.function_name)
        except RuntimeError:
            return "function"

    def span(self, name: str, parent: Parent = None, attributes: Mapping[str, Any] | None = None) -> Span:
        """A span of its own, or the continuation of its parent's trace."""
        return Span(self, name, parent, attributes)

    def trace(self, name: str | None = None) -> Callable[[_F], _F]:
        """Decorates a function or coroutine function: each call is a span."""
        def decorate(function: _F) -> _F:
            called = name or function.__name__

            @functools.wraps(function)
            def call(*arguments: Any, **named: Any) -> Any:
                with self.span(called):
                    return function(*arguments, **named)

            @functools.wraps(function)
            async def call_later(*arguments: Any, **named: Any) -> Any:
                with self.span(called):
                    return await function(*arguments, **named)

            return cast(_F, call_later if inspect.iscoroutinefunction(function) else call)
        return decorate


def _random_hex(size: int) -> str:
    drawn = secrets.token_hex(size)
    return drawn if drawn.strip("0") else _random_hex(size)
