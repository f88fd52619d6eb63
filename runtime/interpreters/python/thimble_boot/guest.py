"""What the server calls: `load` takes over a source, `invoke` runs it on an event.

Everything that can be decided once is decided in `load`; an invocation that neither waits nor prints is one call of
the user's function between reading the event and writing the result.
"""

import builtins
import keyword

import thimble
from componentize_py_types import Err
from wit_world.exports.guest import FailureKind, Loaded

from . import (connections, console, context, convertible, delivery, errors, files, forms, functions, instance, retirement,
               scripts, threads, waiting)
from .result import NotJson, from_json, to_json

# Results that are neither awaited nor handed over in parts.
_PLAIN = frozenset({dict, list, tuple, str, int, float, bool, type(None)})
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
            signatures = program.signatures()
            threads.finish()
        except forms.Refused as refused:
            failure = refused.failure
        except waiting.NeverSettles as error:
            failure = errors.from_waiting_for_ever(error)
        except BaseException as error:
            failure = errors.from_exception(error)
        finally:
            _end()
        files.close_folders()
        _Loaded.fresh = False
        if failure is not None:
            raise Err(failure)
        _Loaded.plans, _Loaded.entries = program.plans, tuple(program.entries)
        return Loaded(program.form, None in program.plans, program.entries, program.takes_requests(), signatures)

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
            result = plan.call(value, context.begin())
            if type(result) not in _PLAIN:
                result = delivery.settle(result)
            if result is delivery.GIVEN:
                text = "null"
            else:
                text = convertible.to_json(result) if plan.typed_result else to_json(result)
            if waiting.standing_by:
                threads.finish()
            return text
        except NotJson as error:
            failure = errors.failure(FailureKind.NOT_JSON, "NotJson", str(error))
        except errors.BadArguments as error:
            failure = errors.failure(FailureKind.BAD_ARGUMENTS, "BadArguments", str(error), "",
                                     errors.position(*error.place) if hasattr(error, "place") else None)
        except errors.BadEvent as error:
            failure = errors.from_bad_event(error)
        except scripts.ScriptFailed as error:
            failure = errors.failure(FailureKind.THROWN, "SystemExit", str(error))
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
    if waiting.standing_by:
        threads.forget_all()
    console.end_lines()
    connections.settle()
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
