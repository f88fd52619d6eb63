"""Everything that a function prints, logs or warns of, to the host's log: `print`, `logging`, `warnings`, tracebacks.

No stream here holds a handle of the host, so nothing of it is left in a memory image. An entry is a line; what was
printed without its newline becomes one at the end of the invocation.
"""

import io
import logging
import sys
import warnings

from wit_world.imports import log
from wit_world.imports.log import Level

# A line without an end is cut here, so that what it holds back stays small.
_LONGEST_LINE = 64 * 1024


def text(value):
    """The text as the host can take it: without lone surrogates."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def write(level, message):
    log.write(level, text(message))


class LineStream(io.TextIOBase):
    """A text stream whose lines are log entries of one level."""

    def __init__(self, name, level):
        self.name = name
        self.mode = "w"
        self._level = level
        self._line = ""
        # Gets each line as a whole, however long, while there is one.
        self.listener = None
        self._heard = ""
        self.buffer = _Bytes(self)

    encoding = "utf-8"
    errors = "replace"
    newlines = None
    line_buffering = True

    def writable(self):
        return True

    def write(self, piece):
        if not isinstance(piece, str):
            raise TypeError(f"write() argument must be str, not {type(piece).__name__}")
        if self.listener is not None:
            self._tell(piece)
        if piece == "\n":
            line, self._line = self._line, ""
            log.write(self._level, text(line))
            return 1
        held = self._line + piece
        if "\n" in piece:
            *lines, held = held.split("\n")
            for line in lines:
                log.write(self._level, text(line))
        while len(held) > _LONGEST_LINE:
            log.write(self._level, text(held[:_LONGEST_LINE]))
            held = held[_LONGEST_LINE:]
        self._line = held
        return len(piece)

    def _tell(self, piece):
        *lines, self._heard = (self._heard + piece).split("\n")
        for line in lines:
            self.listener(line)

    def flush(self):
        """Keeps the line that has no end yet: `print(…, end="", flush=True)` is still part of a line."""

    def end_line(self):
        if self._heard:
            heard, self._heard = self._heard, ""
            if self.listener is not None:
                self.listener(heard)
        if self._line:
            line, self._line = self._line, ""
            log.write(self._level, text(line))

    def close(self):
        """Stays open: the next invocation prints, too."""

    def reconfigure(self, **_):
        """Has nothing to configure; programs call it to ask for UTF-8, which this is."""


class _Bytes(io.BufferedIOBase):
    """`sys.stdout.buffer`, for programs that write bytes."""

    def __init__(self, stream):
        self._stream = stream

    def writable(self):
        return True

    def write(self, data):
        self._stream.write(bytes(data).decode("utf-8", "replace"))
        return len(data)

    def flush(self):
        pass

    def close(self):
        pass


class LogHandler(logging.StreamHandler):
    """What logging writes to where a program says nothing else: a record is an entry of its own level."""

    def emit(self, record):
        try:
            number = record.levelno
            level = (Level.ERROR if number >= logging.ERROR else Level.WARN if number >= logging.WARNING
                     else Level.INFO if number >= logging.INFO else Level.DEBUG)
            write(level, self.format(record))
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)


stdout = LineStream("<stdout>", Level.INFO)
stderr = LineStream("<stderr>", Level.ERROR)
_handler = LogHandler(stderr)
_basic_config = logging.basicConfig


def _configure(**options):
    """`logging.basicConfig`: where it would write to the standard error, it writes entries of the log."""
    root = logging.root
    own = root.handlers in ([], [_handler])
    if not own or options.keys() & {"filename", "stream", "handlers"}:
        if own:
            root.removeHandler(_handler)
        return _basic_config(**options)
    format, style = options.pop("format", None), options.pop("style", "%")
    datefmt, level = options.pop("datefmt", None), options.pop("level", None)
    for ignored in ("force", "encoding", "errors", "filemode"):
        options.pop(ignored, None)
    if options:
        raise ValueError(f"Unrecognised argument(s): {', '.join(options)}")
    if format is not None or datefmt is not None:
        _handler.setFormatter(logging.Formatter(format, datefmt, style))
    root.addHandler(_handler)
    if level is not None:
        root.setLevel(level)


def _show_warning(message, category, filename, lineno, file=None, line=None):
    if file is not None:
        file.write(warnings.formatwarning(message, category, filename, lineno, line))
    else:
        write(Level.WARN, f"{filename}:{lineno}: {category.__name__}: {message}")


def end_lines():
    """At the end of an invocation."""
    if stdout._line or stdout._heard:
        stdout.end_line()
    if stderr._line or stderr._heard:
        stderr.end_line()


def install():
    sys.stdout = sys.__stdout__ = stdout
    sys.stderr = sys.__stderr__ = stderr
    sys.stdin = sys.__stdin__ = io.StringIO("")
    # What loggers without handlers use. Their own level decides: it is enough to set that, as functions elsewhere do.
    logging.lastResort = LogHandler(stderr)
    logging.basicConfig = _configure
    warnings.showwarning = _show_warning
