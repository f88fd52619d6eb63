"""What went wrong, in the contract's words: exceptions to `Failure`, with the user's own frames and no others.

The stack reads as Python's own traceback, chained causes and carets included; its innermost user frame gives the
position.
"""

import linecache
import sys
import traceback

from wit_world.exports.guest import Failure, FailureKind, Misfit, Position

from . import files
from .console import text

# A stack or message longer than this helps nobody, and would travel with every answer.
_LONGEST = 64 * 1024
# More of what does not fit helps nobody either.
_MISFITS = 20


# Asked for most of what cannot be had.
_NATIVE = frozenset({"numpy", "pandas", "scipy", "lxml", "PIL", "regex", "pydantic", "pydantic_core", "sklearn",
                     "torch", "tensorflow", "cv2", "matplotlib", "cryptography", "psycopg2", "grpc"})


class BadArguments(Exception):
    """The event does not fit the function's parameters."""


class BadEvent(Exception):
    """Values of the event are not of their types: `misfits` are their paths, what is wanted and what is there."""


class _Source:
    file = ""
    lines = ()


def remember_source(file, code):
    """Keeps the source's lines, for positions and for Python's own tracebacks."""
    _Source.file = file
    # Lines as Python's tokenizer knows them; str.splitlines would split at form feeds, too.
    _Source.lines = tuple(code.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    # No time of change: it is never looked for on a disk.
    linecache.cache[file] = (len(code), None, [f"{line}\n" for line in _Source.lines], file)


def current_file():
    return _Source.file


def position(line, column, file=None):
    line = max(line, 1)
    if file is None or file == _Source.file:
        shown = _Source.lines[line - 1] if line <= len(_Source.lines) else ""
    else:
        shown = linecache.getline(file, line).rstrip("\n")
    return Position(file or _Source.file, line, max(column, 1), text(shown))


def _is_users(file):
    return file == _Source.file or file.startswith(files.FOLDERS)


def failure(kind, name, message, stack="", at=None):
    return Failure(kind, text(name), text(message[:_LONGEST]), text(stack[:_LONGEST]), at, [])


def from_syntax_error(error, in_bytes):
    """A source that does not parse. The compiler counts columns in bytes, the parser in characters."""
    line, column = error.lineno or 1, error.offset or 1
    at = position(line, column)
    if in_bytes:
        at.column = len(at.text.encode()[:at.column - 1].decode("utf-8", "replace")) + 1
    message = error.msg or "invalid syntax"
    shown = at.text.strip()
    caret = " " * max(at.column - 1 - (len(at.text) - len(at.text.lstrip())), 0) + "^"
    stack = f'  File "{_Source.file}", line {line}\n'
    if shown:
        stack += f"    {shown}\n    {caret}\n"
    name = type(error).__name__
    return failure(FailureKind.SYNTAX, name, message, f"{stack}{name}: {message}", at)


def from_exception(error):
    """Whatever the user's code raised."""
    kind = FailureKind.THROWN
    if isinstance(error, RecursionError):
        kind = FailureKind.STACK_OVERFLOW
    elif isinstance(error, MemoryError):
        kind = FailureKind.OUT_OF_MEMORY
    try:
        message = str(error)
    except BaseException as nested:
        message = f"<str() of it raised {type(nested).__name__}>"
    message += hint(error)
    name = type(error).__name__
    if not message and kind is FailureKind.OUT_OF_MEMORY:
        message = "out of memory"
    return failure(kind, name, message, _stack(error, name, message), _position_of(error))


def hint(error):
    """What to do about a module that is not there; empty where nothing is to be said."""
    name = (getattr(error, "name", None) or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or not name:
        return ""
    if name in sys.stdlib_module_names:
        return "; this module of the standard library does not exist in a sandbox"
    if name in _NATIVE:
        return "; it is made of machine code, or needs a package that is, and cannot run in a sandbox"
    return "; add the package that it belongs to to `requirements`, or the file to the function's own"


def place_of_suspended(coroutine):
    """Where a coroutine waits: the innermost of the user's frames on its chain of awaits."""
    at = None
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
        if frame is not None and _is_users(frame.f_code.co_filename):
            at = _position_in(frame.f_code, frame.f_lasti, frame.f_lineno)
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)
    return at


def from_bad_event(error):
    made = failure(FailureKind.MISFIT, "BadEvent", str(error), "", position(*error.place))
    made.misfits = [Misfit(text(path), text(expected), text(given)) for path, expected, given in error.misfits[:_MISFITS]]
    return made


def from_waiting_for_ever(error):
    """A wait that nothing can end."""
    at = getattr(error, "place", None) or _position_of(error)
    message = f"the function never finishes: {error}"
    stack = f'  File "{_Source.file}", line {at.line}\n    {at.text.strip()}\n' if at else ""
    return failure(FailureKind.NEVER_SETTLES, "NeverSettles", message, f"{stack}NeverSettles: {message}", at)


def _stack(error, name, message):
    try:
        report = traceback.TracebackException(type(error), error, error.__traceback__, compact=True)
        _keep_user_frames(report, set())
        return "".join(report.format()).rstrip("\n")
    except Exception:
        return f"{name}: {message}"


def _keep_user_frames(report, seen):
    if report is None or id(report) in seen:
        return
    seen.add(id(report))
    report.stack = traceback.StackSummary.from_list([frame for frame in report.stack
                                                     if _is_users(frame.filename)])
    _keep_user_frames(report.__cause__, seen)
    _keep_user_frames(report.__context__, seen)
    for inner in report.exceptions or ():
        _keep_user_frames(inner, seen)


def _position_of(error):
    """The innermost frame of the user's in the traceback; in a group without one, that of its first exception."""
    if isinstance(error, SyntaxError) and error.filename != _Source.file and _is_users(error.filename or ""):
        return position(error.lineno or 1, error.offset or 1, error.filename)
    found, step = None, error.__traceback__
    while step is not None:
        if _is_users(step.tb_frame.f_code.co_filename):
            found = step
        step = step.tb_next
    if found is not None:
        return _position_in(found.tb_frame.f_code, found.tb_lasti, found.tb_lineno)
    if isinstance(error, BaseExceptionGroup) and error.exceptions:
        return _position_of(error.exceptions[0])
    if isinstance(error, SyntaxError) and error.filename == _Source.file:
        return position(error.lineno or 1, error.offset or 1)
    return None


def _position_in(code, lasti, line):
    column = None
    for index, (start, _, start_column, _) in enumerate(code.co_positions()):
        if index * 2 == lasti:
            line, column = start or line, start_column
            break
    at = position(line or 1, 1, code.co_filename)
    if column:
        at.column = len(at.text.encode()[:column].decode("utf-8", "replace")) + 1
    return at
