"""How an event becomes a function's arguments. Decided once, when the source is loaded: a plan is called with the event
and the context, and calls the function.

A function named `handler`, or whose parameters are all among `event` and `context`, gets the two. Any other gets the
event's keys as parameters by name.
"""

import annotationlib
import datetime
import decimal
import inspect
from inspect import Parameter

from .errors import BadArguments

# A hint with a name that is not there yet, or only for a type checker, is no reason to fail.
FORWARDREF = annotationlib.Format.FORWARDREF
POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
SCALARS = {bool, bytes, datetime.date, datetime.datetime, decimal.Decimal, float, int, str}

_BOTH = {"event", "context"}
_CONTEXT_NAMES = {"context", "ctx", "_context", "_ctx", "_"}


def plan_of_body(function, names):
    """The plan of a function body: each declared parameter is a variable, None where the event has no such key."""
    keys = names[:-2] if names[-2:] == ["event", "context"] else None
    if keys == []:
        return function
    if keys is not None and len(keys) == 1:
        key, = keys

        def call_one(event, context):
            return function(event.get(key) if type(event) is dict else None, event, context)

        return call_one

    def call(event, context):
        get = event.get if type(event) is dict else {}.get
        if keys is not None:
            return function(*[get(key) for key in keys], event, context)
        # A declared `event` or `context` is the key's value where the event has one.
        own = {"event": event, "context": context}
        return function(*[get(name, own.get(name)) for name in names])

    return call


def signature(function):
    """None where it is not known."""
    try:
        return inspect.signature(function, annotation_format=FORWARDREF)
    except (TypeError, ValueError):
        return None


def place(function):
    """Where a function is defined: line, column and file, as `errors.position` takes them."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return (1, 1) if code is None else (code.co_firstlineno, 1, code.co_filename)


def plan(function, name, known):
    """The plan of a function of the user's module, and what it takes: the parameter for the event, or those for its fields.
    `known` is its signature."""
    if known is None:
        return lambda event, context: function(event), None
    parameters = list(known.parameters.values())
    handler = name == "handler" or {each.name for each in parameters} <= _BOTH
    if handler:
        made = _as_handler(function, parameters)
        if made is not None:
            return made
    fields = tuple(each for each in parameters if each.name not in _BOTH
                   and each.kind not in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL))
    return by_name(function, name, parameters), fields


def _as_handler(function, parameters):
    """Event and context by their names, else by their places, and the parameter that the event is; None where more is wanted
    than the two."""
    positional = [each for each in parameters if each.kind in POSITIONAL]
    rest = [each for each in parameters if each.kind not in POSITIONAL]
    named = {each.name for each in rest if each.kind is Parameter.KEYWORD_ONLY}
    needed = [each for each in positional if each.default is Parameter.empty]
    if len(needed) > 2 or any(each.kind is Parameter.KEYWORD_ONLY and each.default is Parameter.empty
                              and each.name not in _BOTH for each in rest):
        return None
    if named & _BOTH:
        def call_named(event, context):
            values = {"event": event, "context": context}
            places = [values[each.name] for each in positional if each.name in values] if positional else []
            return function(*places, **{each: values[each] for each in named & _BOTH})
        return call_named, next((each for each in parameters if each.name == "event"), None)
    if any(each.kind is Parameter.VAR_POSITIONAL for each in rest):
        return function, None
    if not positional:
        return None if any(each.kind is Parameter.VAR_KEYWORD for each in rest) else (lambda event, context: function(), None)
    first, second = positional[0], positional[1] if len(positional) > 1 else None
    if second is not None and second.default is not Parameter.empty and second.name not in _CONTEXT_NAMES | {"event"}:
        second = None
    if second is None:
        if first.name == "context":
            return lambda event, context: function(context), None
        return lambda event, context: function(event), first
    if first.name == "context" or second.name == "event":
        return lambda event, context: function(context, event), second
    return function, first


def by_name(function, name, parameters):
    open_ended = any(each.kind is Parameter.VAR_KEYWORD for each in parameters)
    taken = [each for each in parameters if each.kind not in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)]
    given = [each.name for each in taken if each.name in _BOTH]
    positional_only = [each for each in taken if each.kind is Parameter.POSITIONAL_ONLY]
    allowed = frozenset(each.name for each in taken)
    required = frozenset(each.name for each in taken
                         if each.default is Parameter.empty and each.name not in _BOTH)
    order = [each.name for each in taken]
    simple = not given and not positional_only
    shown = f"{name}({', '.join(map(str, parameters))})"
    at = place(function)

    def refuse(reason):
        error = BadArguments(f"{shown} {reason}")
        error.place = at
        return error

    def check(event):
        """The event as a dict that fits the parameters."""
        if event is None:
            event = {}
        elif type(event) is not dict:
            if len(order) == 1:
                return {order[0]: event}
            raise refuse("takes its arguments by name: the event must be a JSON object, not "
                         f"{_json_name(event)}")
        missing = [f"'{each}'" for each in order if each in required and each not in event]
        if missing:
            raise refuse(f"misses {_listed(missing)} in the event")
        if not open_ended:
            extra = [f"'{each}'" for each in event if each not in allowed]
            if extra:
                raise refuse(f"has no parameter for {_listed(extra)} in the event")
        return event

    def call(event, context):
        if type(event) is not dict or not required <= event.keys() or not (open_ended or event.keys() <= allowed):
            event = check(event)
        if simple:
            return function(**event)
        values = dict(event)
        for each in given:
            values[each] = event if each == "event" else context
        places = []
        for each in positional_only:
            if each.name not in values:
                break
            places.append(values.pop(each.name))
        return function(*places, **values)

    return call


def _listed(names):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _json_name(value):
    return {str: "a string", list: "an array", bool: "true or false"}.get(type(value), "a number")
