"""What a function prints, logs or warns of becomes its log; and its environment. Both hold for invocations only: what runs
beside them prints as before."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from .._local import Running, running

_lock = threading.RLock()
_active = 0
_restore: list[Any] = []


class _Stream(io.TextIOBase):
    """A text stream whose lines are log entries of one level, within an invocation."""

    def __init__(self, original: TextIO, level: str) -> None:
        self._original, self._level = original, level
        self._held: dict[int, str] = {}

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._original.fileno()

    def write(self, text: str, /) -> int:
        found = running.get()
        if found is None or found.echo:
            self._original.write(text)
        if found is not None:
            *lines, rest = (self._held.pop(id(found), "") + text).split("\n")
            for line in lines:
                found.note(self._level, line)
            if rest:
                self._held[id(found)] = rest
        return len(text)

    def flush(self) -> None:
        self._original.flush()

    def end_line(self, of: Running) -> None:
        rest = self._held.pop(id(of), "")
        if rest:
            of.note(self._level, rest)


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        found = running.get()
        if found is not None:
            number = record.levelno
            level = "error" if number >= 40 else "warn" if number >= 30 else "info" if number >= 20 else "debug"
            found.note(level, self.format(record))


@contextlib.contextmanager
def captured(invocation: Running) -> Iterator[None]:
    """Within it, what the invocation says is its log, in whatever thread it runs."""
    _install()
    streams = sys.stdout, sys.stderr
    try:
        yield
    finally:
        for stream in streams:
            if isinstance(stream, _Stream):
                stream.end_line(invocation)
        _remove()


def _install() -> None:
    global _active
    with _lock:
        _active += 1
        if _active > 1:
            return
        _restore[:] = [sys.stdout, sys.stderr, warnings.showwarning, _Handler()]
        sys.stdout, sys.stderr = _Stream(sys.stdout, "info"), _Stream(sys.stderr, "error")
        warnings.showwarning = _show_warning
        logging.root.addHandler(_restore[3])


def _remove() -> None:
    global _active
    with _lock:
        _active -= 1
        if _active == 0:
            sys.stdout, sys.stderr, warnings.showwarning, handler = _restore
            logging.root.removeHandler(handler)


def _show_warning(message: Warning | str, category: type[Warning], filename: str, lineno: int,
                  file: TextIO | None = None, line: str | None = None) -> None:
    found = running.get()
    if found is None or file is not None:
        _restore[2](message, category, filename, lineno, file, line)
    else:
        found.note("warn", f"{filename}:{lineno}: {category.__name__}: {message}")


_layers: list[Mapping[str, str]] = []
_before: dict[str, str | None] = {}


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """The variables in `os.environ`. Where several invocations run at once, the latest of each name holds."""
    with _lock:
        layer = dict(values)
        _layers.append(layer)
        for name, value in layer.items():
            _before.setdefault(name, os.environ.get(name))
            os.environ[name] = value
    try:
        yield
    finally:
        with _lock:
            _layers[:] = [other for other in _layers if other is not layer]
            for name in layer:
                left = next((other[name] for other in reversed(_layers) if name in other), None)
                restored = left if left is not None else _before.pop(name, None)
                if restored is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = restored
