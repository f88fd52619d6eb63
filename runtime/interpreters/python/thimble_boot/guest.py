"""What the server calls: `load` takes over a source, `invoke` runs it on an event.

Everything that can be decided once is decided in `load`; an invocation that neither waits nor prints is one call of
the user's function between reading the event and writing the result.
"""

import builtins
import keyword

import thimble
from componentize_py_types import Err
from wit_world.exports.guest import FailureKind, Loaded

from . import console, context, errors, event_loop, forms, functions, instance, retirement, waiting
from .result import NotJson, from_json, to_json

_PROVIDED = {"thimble": thimble, "cache": thimble.cache, "functions": thimble.functions}


def _reserved(name):
    return name in _PROVIDED or hasattr(builtins, name) or keyword.iskeyword(name)


class _Loaded:
    """The instance's one program. The bindings may make a new `Guest` for a call, so nothing is kept there."""

    plans = {}
    entries = ()
    fresh = False


class Guest:
    """The exported interface."""

    def load(self, source):
        instance.refresh()
        context.begin()
        failure = None
        try:
            provided = {**functions.globals_for(source.functions, _reserved), **_PROVIDED}
            program = forms.read(source, provided)
        except forms.Refused as refused:
            failure = refused.failure
        except waiting.NeverSettles as error:
            failure = errors.from_waiting_for_ever(error)
        except BaseException as error:
            failure = errors.from_exception(error)
        finally:
            _end()
        _Loaded.fresh = False
        if failure is not None:
            raise Err(failure)
        _Loaded.plans, _Loaded.entries = program.plans, tuple(program.entries)
        return Loaded(program.form, None in program.plans, program.entries)

    def invoke(self, entry, event):
        if not _Loaded.fresh:
            instance.refresh()
            _Loaded.fresh = True
        plan = _Loaded.plans.get(entry)
        if plan is None:
            raise Err(_no_such_entry(entry))
        failure = None
        try:
            try:
                value = from_json(event)
            except (ValueError, RecursionError) as error:
                raise errors.BadArguments(f"the event cannot be read as JSON: {error}") from None
            result = plan(value, context.begin())
            if hasattr(type(result), "__await__"):
                result = event_loop.run(result)
            return to_json(result)
        except NotJson as error:
            failure = errors.failure(FailureKind.NOT_JSON, "NotJson", str(error))
        except errors.BadArguments as error:
            failure = errors.failure(FailureKind.BAD_ARGUMENTS, "BadArguments", str(error), "",
                                     errors.position(error.line, 1) if hasattr(error, "line") else None)
        except waiting.NeverSettles as error:
            failure = errors.from_waiting_for_ever(error)
        except BaseException as error:
            failure = errors.from_exception(error)
        finally:
            _end()
        raise Err(failure)

    def retire(self):
        context.begin()
        try:
            retirement.tell()
        finally:
            _end()


def forget():
    """As if nothing had been loaded."""
    _Loaded.plans, _Loaded.entries, _Loaded.fresh = {}, (), False


def _end():
    """Nothing of an invocation reaches the next one: no half line, no operation."""
    console.end_lines()
    if waiting.anything_under_way():
        waiting.forget_all()


def _no_such_entry(entry):
    listed = ", ".join(_Loaded.entries)
    if entry is None:
        message = f"the source has several functions and none is the handler: name one of them: {listed}"
    elif _Loaded.entries:
        message = f"there is no entry point {entry!r}; there are: {listed}"
    else:
        message = f"there is no entry point {entry!r}: the source is one function without a name"
    return errors.failure(FailureKind.NO_SUCH_ENTRY, "NoSuchEntry", message)
