"""Results of functions that say what they return: what JSON has no word for is written as the table of function types has it.

By what a value is, not by what the hint says: a hint is no promise. The C encoder asks here only for what it does not know.
"""

import binascii
import dataclasses
import datetime
import decimal
import enum
import functools
import inspect
import types
import typing
import uuid
from collections import deque
from json import encoder

from . import result
from .hints import enum_value
from .scalars import milliseconds


def _base64(value):
    return binascii.b2a_base64(bytes(value), newline=False).decode()


def _in_order(value):
    """A set as a list: in its own order where it has one, so that the same set is the same text."""
    try:
        return sorted(value)
    except TypeError:
        return list(value)


# In this order: a datetime is a date too.
_KINDS = (
    (enum.Enum, enum_value),
    ((bytes, bytearray, memoryview), _base64),
    (datetime.datetime, milliseconds),
    ((datetime.date, datetime.time), lambda value: value.isoformat()),
    ((decimal.Decimal, uuid.UUID), str),
    ((set, frozenset), _in_order),
    (deque, list),
)


def plain(value):
    """One step towards JSON; TypeError where there is none."""
    for kinds, convert in _KINDS:
        if isinstance(value, kinds):
            return convert(value)
    names = _fields(type(value))
    if not names:
        raise TypeError
    return {name: getattr(value, name) for name in names if hasattr(value, name)}


@functools.lru_cache(maxsize=256)
def _fields(cls):
    """The fields of a class of the user's: of a dataclass, or of one with type hints of its own."""
    if dataclasses.is_dataclass(cls):
        return tuple(field.name for field in dataclasses.fields(cls))
    found = {}
    for base in reversed(cls.__mro__):
        if base.__module__ in ("builtins", "typing"):
            continue
        for name, hint in inspect.get_annotations(base).items():
            if typing.get_origin(hint) is not typing.ClassVar and not str(hint).startswith(("ClassVar", "typing.ClassVar")):
                found[name] = None
    return tuple(found)


# Containers inside of containers, where something in them had to be converted.
_DEEPEST = 500
# Results without parts of their own.
_WHOLE = frozenset({dict, list, tuple, str, int, float, bool, type(None)})
_SINGLE = (str, dict, bytes, bytearray, memoryview)
_being_encoded = {}
_encode = encoder.c_make_encoder(_being_encoded, plain, encoder.encode_basestring, None, ":", ",", False, False, False)


def to_json(value):
    """As `result.to_json`, of all values that a declared type can have."""
    if value is None:
        return "null"
    try:
        text = "".join(_encode(value, 0))
        if text.isascii():
            return text
    except Exception:
        # Whatever is in the way now: a key that is a date, or a value that cannot be written at all.
        _being_encoded.clear()
    return result.to_json(_rebuilt(value))


def _rebuilt(value, above=()):
    """The value with all of it converted, keys too. What cannot be stays, for whoever says so."""
    if type(value) in (str, int, float, bool, type(None)):
        return value
    if id(value) in above:
        raise result.NotJson(f"the result holds a {type(value).__name__}, which JSON cannot hold: it contains itself")
    if len(above) == _DEEPEST:
        raise result.NotJson("the result is nested too deeply to be written as JSON")
    inside = (*above, id(value))
    if isinstance(value, dict):
        return {_key(key): _rebuilt(item, inside) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rebuilt(item, inside) for item in value]
    try:
        return _rebuilt(plain(value), inside)
    except TypeError:
        return value


def answering(call, streaming):
    """A call whose result, where it has parts, has them converted: a generator's, or those of whatever a function that is
    marked as streaming gives."""
    def of(answer):
        kind = type(answer)
        if kind in _WHOLE and not (streaming and kind in (list, tuple)):
            return answer
        if hasattr(kind, "__await__"):
            return later(answer)
        if kind is types.AsyncGeneratorType or streaming and hasattr(kind, "__aiter__"):
            return _parts_later(answer)
        if kind is types.GeneratorType or streaming and hasattr(kind, "__iter__") and not isinstance(answer, _SINGLE):
            return _parts(answer)
        return answer

    async def later(awaitable):
        return of(await awaitable)

    return lambda event, context: of(call(event, context))


def _parts(source):
    try:
        for part in source:
            yield _rebuilt(part)
    finally:
        if hasattr(source, "close"):
            source.close()


async def _parts_later(source):
    try:
        async for part in source:
            yield _rebuilt(part)
    finally:
        if hasattr(source, "aclose"):
            await source.aclose()


def _key(key):
    if isinstance(key, (str, int, float, type(None))) and not isinstance(key, enum.Enum):
        return key
    try:
        made = plain(key)
    except TypeError:
        return key
    return key if isinstance(made, (dict, list)) else made
