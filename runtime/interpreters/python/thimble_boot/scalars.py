"""Values without parts: what of JSON they are made of, and how they are called.

As the table of function types has them: bytes are Base64, a Decimal is a string, a datetime is an int of milliseconds since
the epoch, in UTC. A datetime is taken as ISO 8601 too, a Decimal also as a number.
"""

import binascii
import datetime
import decimal
import uuid
from json import encoder

EPOCH = datetime.datetime(1970, 1, 1)
_LONGEST_SHOWN = 60


class Misfit(Exception):
    """A value is not of its type."""


def _integer(value):
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise Misfit


def _number(value):
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            pass
    raise Misfit


def _boolean(value):
    if type(value) is bool:
        return value
    raise Misfit


def _text(value):
    if type(value) is str:
        return value
    raise Misfit


def _nothing(value):
    if value is None:
        return value
    raise Misfit


def _bytes(value):
    if type(value) is str:
        try:
            return binascii.a2b_base64(value, strict_mode=True)
        except ValueError:
            pass
    raise Misfit


def _decimal(value):
    if type(value) is float:
        value = repr(value)
    if type(value) in (str, int):
        try:
            made = decimal.Decimal(value)
            if made.is_finite():
                return made
        except decimal.InvalidOperation:
            pass
    raise Misfit


def _date(value):
    return _parsed(value, datetime.date.fromisoformat)


def _time(value):
    return _parsed(value, datetime.time.fromisoformat)


def _uuid(value):
    return _parsed(value, uuid.UUID)


def _parsed(value, parse):
    if type(value) is str:
        try:
            return parse(value)
        except ValueError:
            pass
    raise Misfit


def _datetime(value):
    try:
        if type(value) in (int, float):
            return EPOCH + datetime.timedelta(milliseconds=value)
        made = _parsed(value, datetime.datetime.fromisoformat)
        return made if made.tzinfo is None else made.astimezone(datetime.UTC).replace(tzinfo=None)
    except (OverflowError, ValueError):
        raise Misfit from None


def milliseconds(moment):
    """A datetime as JSON has it. One without a time zone is in UTC."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    return (moment - EPOCH) // datetime.timedelta(milliseconds=1)


# How a key of an object, which is a string, is read.

def _from_text(parse):
    def read(key):
        try:
            return parse(key)
        except ValueError:
            raise Misfit from None

    return read


def _truth(key):
    if key not in ("true", "false"):
        raise Misfit
    return key == "true"


def _moment(key):
    return _datetime(int(key) if key.removeprefix("-").isdecimal() else key)


def _key(format):
    return {"type": "string", "format": format}


_BASE64 = {"type": "string", "contentEncoding": "base64"}
_read_int, _read_float = _from_text(int), _from_text(float)

# By the hint: how it is called, its schema, how it is taken, and the same for keys.
SCALARS = {
    int: ("an integer", {"type": "integer"}, _integer, _read_int, _key("integer")),
    float: ("a number", {"type": "number"}, _number, _read_float, _key("number")),
    bool: ("true or false", {"type": "boolean"}, _boolean, _truth, _key("boolean")),
    str: ("a string", {"type": "string"}, _text, str, None),
    type(None): ("null", {"type": "null"}, _nothing),
    bytes: ("a string of Base64", _BASE64, _bytes, _bytes, _BASE64),
    decimal.Decimal: ("a decimal number in a string", _key("decimal"), _decimal, _decimal, _key("decimal")),
    datetime.date: ("a date such as \"2024-02-29\"", _key("date"), _date, _date, _key("date")),
    datetime.datetime: ("a time in milliseconds since 1970", {"type": "integer", "format": "unix-millis"}, _datetime,
                        _from_text(_moment), _key("unix-millis")),
    datetime.time: ("a time of day such as \"09:30:00\"", _key("time"), _time, _time, _key("time")),
    uuid.UUID: ("a UUID", _key("uuid"), _uuid, _uuid, _key("uuid")),
}


def _of_size(bits):
    bound = 1 << bits - 1

    def take(value):
        made = _integer(value)
        if -bound <= made < bound:
            return made
        raise Misfit

    return (f"an integer of {bits} bits", {"type": "integer", "format": f"int{bits}"}, take, _read_int, _key("integer"))


# The numbers of compute modules that Python has no types of its own for, by their names.
SIZED = {
    "Byte": _of_size(8),
    "Short": _of_size(16),
    "Long": _of_size(64),
    "Double": ("a number", {"type": "number", "format": "double"}, _number, _read_float, _key("double")),
}


def describe(value, bare=False):
    """A value of JSON for a message; a `bare` one without what kind of value it is."""
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if type(value) is str:
        shown = encoder.encode_basestring(value[:_LONGEST_SHOWN])
        shown = f"{shown[:-1]}…\"" if len(value) > _LONGEST_SHOWN else shown
        return shown if bare else f"the string {shown}"
    if type(value) in (int, float):
        try:
            shown = repr(value)
        except ValueError:
            return "a number of many digits"
        shown = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"
        return shown if bare else f"the number {shown}"
    return f"an array of {len(value)}" if type(value) is list else "an object"
