"""Values to JSON text and back, strictly: what JSON cannot hold is refused with its path, never bent.

The C encoder does the work; only where it refuses does a walk in Python look for the place and for advice.
"""

import json
from json import encoder, scanner

_HINTS = (
    # (module, class name): what to do. By name, so that none of these modules has to be loaded for it.
    (("builtins", "set"), "return list(…) or sorted(…) of it"),
    (("builtins", "frozenset"), "return list(…) or sorted(…) of it"),
    (("builtins", "bytes"), "decode it, or encode it with base64"),
    (("builtins", "bytearray"), "decode it, or encode it with base64"),
    (("builtins", "memoryview"), "decode it, or encode it with base64"),
    (("builtins", "complex"), "return its real and imaginary parts"),
    (("builtins", "range"), "return list(…) of it"),
    (("builtins", "generator"), "return list(…) of it"),
    (("builtins", "map"), "return list(…) of it"),
    (("builtins", "filter"), "return list(…) of it"),
    (("builtins", "zip"), "return list(…) of it"),
    (("builtins", "dict_keys"), "return list(…) of it"),
    (("builtins", "dict_values"), "return list(…) of it"),
    (("builtins", "dict_items"), "return dict(…) or list(…) of it"),
    (("builtins", "async_generator"), "return [item async for item in …]"),
    (("builtins", "coroutine"), "await it"),
    (("thimble_boot.functions", "Call"), "await it"),
    (("collections", "deque"), "return list(…) of it"),
    (("decimal", "Decimal"), "return str(…) or float(…) of it"),
    (("fractions", "Fraction"), "return str(…) or float(…) of it"),
    (("datetime", "datetime"), "return its .isoformat()"),
    (("datetime", "date"), "return its .isoformat()"),
    (("datetime", "time"), "return its .isoformat()"),
    (("datetime", "timedelta"), "return its .total_seconds()"),
    (("uuid", "UUID"), "return str(…) of it"),
    (("pathlib", "PurePath"), "return str(…) of it"),
    (("enum", "Enum"), "return its .value"),
    (("builtins", "BaseException"), "return str(…) of it, or raise it"),
)
_HINT_BY_TYPE = dict(_HINTS)


class NotJson(Exception):
    """A value that JSON cannot hold. The message names the path, the value and what to do."""


def _refuse(value):
    raise TypeError


# A mapping of what is being encoded, to notice cycles. One for good, as making an encoder costs more than using it.
_being_encoded = {}
_quote = encoder.encode_basestring
_encode = encoder.c_make_encoder(_being_encoded, _refuse, _quote, None, ":", ",", False, False, False)
_scan = scanner.make_scanner(json.JSONDecoder())


def to_json(value, what="the result"):
    """The value as JSON text. `what` is how the message calls it."""
    if value is None:
        return "null"
    try:
        text = _quote(value) if type(value) is str else "".join(_encode(value, 0))
        if not text.isascii():
            # A lone surrogate is a str to Python, and no text to anybody else.
            text.encode()
        return text
    except Exception as error:
        _being_encoded.clear()
        raise NotJson(_explain(value, what, error)) from None


def from_json(text):
    """The value of a JSON text; ValueError where it is none."""
    try:
        value, end = _scan(text, 0)
        if end == len(text):
            return value
    except StopIteration:
        pass
    return json.loads(text)


def _explain(root, what, error):
    """The first thing in the way, depth first and in order; without recursion, as the value may be deep."""
    # Places are links upwards, (place above, step), and become text only for the message. A container that has been
    # walked is marked by an entry without a value behind its children: it is above all that comes before.
    todo = [(root, None, True)]
    above = set()
    while todo:
        value, place, entering = todo.pop()
        if not entering:
            above.discard(value)
        elif value is None or value is True or value is False:
            continue
        elif isinstance(value, str):
            if not _is_text(value):
                return _say(what, "a str with a lone surrogate", place, ": replace or remove it")
        elif isinstance(value, float):
            if not _is_finite(value):
                return _say(what, float.__repr__(value), place)
        elif isinstance(value, int):
            try:
                int.__repr__(value)
            except ValueError:
                return _say(what, "an int of too many digits", place, ": return it as str, in hexadecimal for example")
        elif isinstance(value, (dict, list, tuple)):
            if id(value) in above:
                return _say(what, f"a {type(value).__name__}", place, ": it contains itself")
            above.add(id(value))
            todo.append((id(value), place, False))
            if isinstance(value, dict):
                bad = next((key for key in value if not _is_key(key)), None)
                if bad is not None:
                    return f"{what} has a key at {_path(place)} {_describe_key(bad)}, which JSON cannot hold"
                children = [(item, (place, str(key)), True) for key, item in value.items()]
            else:
                children = [(item, (place, index), True) for index, item in enumerate(value)]
            todo.extend(reversed(children))
        else:
            return _say(what, _describe(value), place, _advice(value))
    if isinstance(error, RecursionError):
        return f"{what} is nested too deeply to be written as JSON"
    return f"{what} cannot be written as JSON: {type(error).__name__}: {error}"


def _say(what, found, place, advice=""):
    where = f"{what} is {found}" if place is None else f"{what} holds {found} at {_path(place)}"
    return f"{where}, which JSON cannot hold{advice}"


def _path(place):
    steps = []
    while place is not None:
        place, step = place
        if isinstance(step, int):
            steps.append(f"[{step}]")
        else:
            steps.append(f".{step}" if step.isidentifier() else f"[{_quote(step)}]")
    if len(steps) > 40:
        steps[20:-20] = ["…"]
    return "$" + "".join(reversed(steps))


def _is_key(key):
    if isinstance(key, str):
        return _is_text(key)
    return key is None or isinstance(key, int) or isinstance(key, float) and _is_finite(key)


def _describe_key(key):
    if isinstance(key, str):
        return "with a lone surrogate"
    return f"that is {float.__repr__(key)}" if isinstance(key, float) else f"that is {_describe(key)}"


def _is_finite(number):
    return number == number and number not in (float("inf"), float("-inf"))


def _is_text(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _describe(value):
    name = type(value).__name__
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if name in ("function", "builtin_function_or_method", "method"):
        return f"the function {getattr(value, '__name__', '?')}"
    return f"{'an' if name[:1] in 'aeiouAEIOU' else 'a'} {name}"


def _advice(value):
    for base in type(value).__mro__:
        module = "pathlib" if base.__module__.startswith("pathlib") else base.__module__
        hint = _HINT_BY_TYPE.get((module, base.__name__))
        if hint:
            return f": {hint}"
    if hasattr(type(value), "__dataclass_fields__"):
        return ": return dataclasses.asdict(…) of it"
    if hasattr(type(value), "__await__"):
        return ": await it"
    return ": return its parts as dict, list, str, int, float, bool or None"
