"""A function's types: its event becomes what its hints say, and two JSON Schemas tell what it takes and gives.

A function without hints has no signature, and its calls go the way that they went. One that is registered by `@function`
takes a context and an event, by their places, and is refused where its hints mean nothing.
"""

import inspect
import typing
from inspect import Parameter

from wit_world.exports.guest import FailureKind
from wit_world.exports.guest import Signature as Shown

from . import calling, convertible, errors, job
from .hints import BadHint, Reader
from .kinds import ANYTHING, MOST_MISFITS, Anything, Map, Optional, Struct, misfits, schema_of
from .result import to_json
from .scalars import Misfit

_CONTEXT_NAMES = {"context", "ctx", "_context", "_ctx", "_"}


class Refused(Exception):
    """A function whose hints mean nothing. Carries the failure."""

    def __init__(self, failure):
        self.failure = failure


class Plan:
    """How an entry point is called, and what is known of its types: its input and output, or None."""

    __slots__ = ("call", "input", "output", "typed_result")

    def __init__(self, call):
        self.call = call
        self.input = self.output = None
        self.typed_result = False

    def shown(self, entry):
        """The schemas, for the server; None where nothing is known."""
        if self.input is None:
            return None
        return Shown(entry, to_json(schema_of(self.input)), to_json(schema_of(self.output)))


def plan(function, name):
    """The plan of a function of the user's module. Hints that mean nothing are as if they were not there."""
    known = calling.signature(function)
    call, takes = calling.plan(function, name, known)
    streams = _streams(function)
    made = Plan(convertible.answering(call, True) if streams else call)
    if known is None:
        return made
    parameters = takes if isinstance(takes, tuple) else (takes,) if takes is not None else ()
    if known.return_annotation is Parameter.empty and all(each.annotation is Parameter.empty for each in parameters):
        return made
    try:
        return _typed(function, name, call, takes, streams)
    except Exception:
        return made


def _streams(function):
    return getattr(function, "__thimble_streaming__", False) is True


def _typed(function, name, call, takes, streams):
    made = Plan(call)
    hints = _hints(function)
    reader = Reader(strict=False)
    made.output = reader.read(hints.get("return", typing.Any))
    made.typed_result = "return" in hints
    made.input = ANYTHING
    if isinstance(takes, tuple):
        made.input = _of_parameters(reader, takes, hints)
        if any(not isinstance(kind, Anything) for kind in made.input.parts):
            made.call = _by_name(made, name, call, calling.place(function))
    elif takes is not None:
        made.input = _optional(reader, hints.get(takes.name, typing.Any), takes)
        if not isinstance(made.input, Anything):
            made.call = _whole(made.input, name, call, calling.place(function))
    if made.typed_result or streams:
        made.call = convertible.answering(made.call, streams)
    return made


def plan_registered(function, name):
    """The plan of a function that was registered; `Refused` where its types are none."""
    try:
        return _registered(function, name)
    except BadHint as error:
        raise Refused(errors.failure(FailureKind.BAD_SIGNATURE, "BadSignature", f"{name}: {error}", "",
                                     errors.position(*calling.place(function)))) from None


def _registered(function, name):
    known = calling.signature(function)
    if known is None:
        raise BadHint("what it takes is not known: register a function that is written in Python")
    parameters = list(known.parameters.values())
    try:
        hints = _hints(function)
    except NameError as error:
        raise BadHint(f"a hint cannot be resolved: {error}") from None
    except TypeError:
        hints = {}
    reader = Reader(strict=True)
    shape = _shape(parameters, hints)
    if shape is None:
        made = Plan(calling.by_name(function, name, parameters))
        taken = tuple(each for each in parameters if each.name not in ("event", "context")
                      and each.kind not in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL))
        made.input = _of_parameters(reader, taken, hints)
        made.call = _by_name(made, name, made.call, calling.place(function))
    else:
        made = _by_places(function, name, shape, hints, reader)
    made.output = reader.read(_with_parameters(hints["return"])) if "return" in hints else ANYTHING
    made.typed_result = True
    made.call = convertible.answering(made.call, _streams(function))
    return made


def _shape(parameters, hints):
    """The parameters for the context and the event, and whether the event comes first; None where the event's fields are
    taken by name."""
    positional = [each for each in parameters if each.kind in calling.POSITIONAL]
    rest = next((each for each in parameters if each.kind is Parameter.VAR_POSITIONAL), None)
    if rest is not None and len(positional) < 2:
        # Whatever it is called with, it gets both.
        return *positional, *(rest,) * (2 - len(positional)), False
    if any(each.kind is Parameter.KEYWORD_ONLY and each.default is Parameter.empty for each in parameters):
        return None
    needed = [each for each in positional if each.default is Parameter.empty]
    if len(needed) > 2:
        return None
    if not positional:
        return None, None, False
    first, second = (*positional, None)[:2]
    if second is None:
        if _is_context(first, hints):
            return first, None, False
        is_field = first.name != "event" and _is_scalar(hints.get(first.name, typing.Any))
        return None if is_field else (None, first, True)
    if first.name == "event" or _is_context(second, hints):
        return second, first, True
    if _is_context(first, hints) or first.name not in hints:
        return first, second, False
    return None


def _is_context(parameter, hints):
    return parameter.name in _CONTEXT_NAMES or getattr(hints.get(parameter.name), "__name__", "") == "QueryContext"


def _is_scalar(hint):
    return hint is not typing.Any and isinstance(hint, type) and hint in calling.SCALARS


def _by_places(function, name, shape, hints, reader):
    context, event, event_first = shape
    typed = hints.get(context.name) if context is not None else None
    make_context = _query_context if getattr(typed, "__name__", "") == "QueryContext" else job.JobContext
    if context is None and event is None:
        call = lambda event, context: function()  # noqa: E731
    elif context is None:
        call = lambda event, context: function(event)  # noqa: E731
    elif event is None:
        call = lambda event, context: function(make_context(context))  # noqa: E731
    elif event_first:
        call = lambda event, context: function(event, make_context(context))  # noqa: E731
    else:
        call = lambda event, context: function(make_context(context), event)  # noqa: E731
    made = Plan(call)
    counts = event is not None and event.kind is not Parameter.VAR_POSITIONAL
    hint = hints.get(event.name, typing.Any) if counts else typing.Any
    hint = _with_parameters(hint)
    made.input = _optional(reader, hint, event)
    inner = made.input.parts[0] if isinstance(made.input, Optional) else made.input
    if not isinstance(inner, (Struct, Map, Anything)):
        raise BadHint(f"the type of {event.name} is {getattr(hint, '__name__', hint)}: an event is an object, so give it a "
                      "class: a TypedDict or a dataclass with a field for it")
    if not isinstance(made.input, Anything):
        made.call = _whole(made.input, name, call, calling.place(function))
    return made


def _with_parameters(hint):
    """An event or a result that is just a dict may hold anything."""
    return dict[str, typing.Any] if hint is dict or hint is typing.Dict else hint


def _query_context(invocation):
    from compute_modules.context import QueryContext

    known = job.fields(invocation)
    return QueryContext(**{name: known.get(name) for name in QueryContext.__dataclass_fields__})


def _of_parameters(reader, parameters, hints):
    struct = Struct("", None)
    fields = []
    for each in parameters:
        absence = Struct.LEFT_OUT_IF_ABSENT if each.default is not Parameter.empty else Struct.MUST_BE_THERE
        try:
            kind = _optional(reader, hints.get(each.name, typing.Any), each)
        except BadHint as error:
            raise BadHint(f"{each.name}: {error}") from None
        if isinstance(kind, Optional) and absence == Struct.MUST_BE_THERE:
            absence = Struct.NONE_IF_ABSENT
        fields.append((each.name, kind, absence))
    struct.set_fields(fields)
    return struct


def _optional(reader, hint, parameter):
    """The type of a parameter. One whose default is None takes that, too."""
    kind = reader.read(hint)
    if parameter is not None and parameter.default is None and not isinstance(kind, (Optional, Anything)):
        return Optional(kind)
    return kind


def _hints(function):
    return typing.get_type_hints(inspect.unwrap(function), include_extras=True)


def _whole(kind, name, call, at):
    """A call whose event is converted as a whole."""
    take = kind.take

    def call_typed(event, context):
        try:
            event = take(event)
        except Misfit:
            raise _bad_event(kind, event, name, at) from None
        return call(event, context)

    return call_typed


def _by_name(plan, name, call, at):
    """A call with the event's fields as arguments. What is there and no parameter is left to the call to refuse."""
    struct = plan.input
    names = [field[0] for field in struct.fields]

    def call_typed(event, context):
        if event is None:
            event = {}
        elif type(event) is not dict and len(names) == 1:
            event = {names[0]: event}
        try:
            taken = struct.take(event)
        except Misfit:
            raise _bad_event(struct, event, name, at) from None
        return call(event | taken, context)

    return call_typed


def _bad_event(kind, event, name, at):
    found = misfits(kind, event)
    told = "; ".join(f"{path} is {'missing' if given == 'nothing' else given}, and must be {expected}"
                     for path, expected, given in found[:3])
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    more = "; and many more" if len(found) == MOST_MISFITS else more
    error = errors.BadEvent(f"the event does not fit {name}: {told}{more}")
    error.misfits, error.place = found, at
    return error
