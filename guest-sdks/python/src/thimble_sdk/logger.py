"""Structured log lines: one JSON object a call, on the level of the server's log that it belongs to."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Literal

from . import _host

Level = Literal["debug", "info", "warning", "error", "silent"]

_LEVELS = {"debug": 10, "info": 20, "warn": 30, "warning": 30, "error": 40, "critical": 50, "silent": 100}


class Logger:
    """The level is that of the variable `LOG_LEVEL`, or `info`."""

    def __init__(self, level: str | None = None, fields: Mapping[str, Any] | None = None) -> None:
        self.set_level(level or os.environ.get("LOG_LEVEL") or "info")
        self._fields = dict(fields or {})

    @property
    def level(self) -> str:
        return self._level

    def set_level(self, level: str) -> None:
        if level.lower() not in _LEVELS:
            raise ValueError(f"no log level {level!r}: use {', '.join(_LEVELS)}")
        self._level = level.lower()

    def is_enabled(self, level: str) -> bool:
        return _LEVELS[level] >= _LEVELS[self._level]

    def child(self, **fields: Any) -> Logger:
        """A logger of the same level with more fields."""
        return Logger(self._level, {**self._fields, **fields})

    def debug(self, message: object, /, **fields: Any) -> None:
        self._write("debug", message, fields)

    def info(self, message: object, /, **fields: Any) -> None:
        self._write("info", message, fields)

    def warning(self, message: object, /, **fields: Any) -> None:
        self._write("warning", message, fields)

    warn = warning

    def error(self, message: object, /, **fields: Any) -> None:
        self._write("error", message, fields)

    def exception(self, message: object, /, **fields: Any) -> None:
        """An error, with the exception that is being handled."""
        error = sys.exception() if sys.version_info >= (3, 11) else sys.exc_info()[1]
        self._write("error", message, {"error": error, **fields} if error is not None else fields)

    def _write(self, level: str, message: object, fields: Mapping[str, Any]) -> None:
        if not self.is_enabled(level):
            return
        if isinstance(message, BaseException):
            fields = {"error": message, **fields}
        entry: dict[str, Any] = {"level": level, "message": str(message)}
        request_id = _host.request_id()
        if request_id is not None:
            entry["requestId"] = request_id
        getattr(_host.log, level)(_line({**entry, **self._fields, **fields}))


def _line(entry: Mapping[str, Any]) -> str:
    try:
        return json.dumps(entry, ensure_ascii=False, allow_nan=False, default=_plain)
    except Exception as error:
        # A cycle, or a `__str__` that fails: the message is worth more than its fields.
        return json.dumps({"level": entry["level"], "message": entry["message"], "unloggable": str(error)}, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """What JSON cannot say otherwise."""
    if isinstance(value, BaseException):
        return {"name": type(value).__name__, "message": str(value),
                "stack": "".join(traceback.format_exception(value)).rstrip("\n")}
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    return str(value)
