"""`cache`: the workspace's values in the host, as a dict of JSON values.

What is read is a copy: to change it, store it again, or use `increment`, which no other instance can come between.
"""

from collections.abc import MutableMapping

from componentize_py_types import Err
from wit_world.imports import cache as host

from .console import text
from .result import NotJson, from_json, to_json


class CacheError(Exception):
    """The workspace's cache is full, or the value is larger than all of it."""


def _raise(error, key):
    kind = error.value
    if isinstance(kind, host.Error_KeyTooLong):
        raise ValueError("a cache key may have at most 1,024 bytes") from None
    if isinstance(kind, host.Error_ValueTooLarge):
        raise CacheError(f"the value of {key!r} is larger than the workspace's whole cache may be: "
                         f"{kind.value} bytes") from None
    if isinstance(kind, host.Error_Full):
        raise CacheError(f"the workspace's cache is full: it may hold {kind.value} bytes") from None
    raise TypeError(f"the value of {key!r} is no whole number, or too large to count on") from None


def _key(key):
    if not isinstance(key, str):
        raise TypeError(f"a cache key is a str, not {type(key).__name__}")
    return text(key)


class Cache(MutableMapping):
    """The mapping. Iteration is over the keys as they are when it begins."""

    __slots__ = ()

    def __getitem__(self, key):
        stored = host.get(_key(key))
        if stored is None:
            raise KeyError(key)
        return from_json(stored)

    def __setitem__(self, key, value):
        try:
            stored = to_json(value, f"the value of {key!r}")
        except NotJson as error:
            raise TypeError(str(error)) from None
        try:
            host.set(_key(key), stored)
        except Err as error:
            _raise(error, key)

    def __delitem__(self, key):
        if not host.delete(_key(key)):
            raise KeyError(key)

    def __contains__(self, key):
        return isinstance(key, str) and host.get(text(key)) is not None

    def __iter__(self):
        return iter(host.keys())

    def __len__(self):
        return len(host.keys())

    def set(self, key, value):
        """The same as `cache[key] = value`."""
        self[key] = value

    def delete(self, key):
        """Whether there was something to delete."""
        return host.delete(_key(key))

    def increment(self, key, by=1):
        """Adds in one step and returns the sum; an absent key counts as zero."""
        if not isinstance(by, int) or not -2**63 <= by < 2**63:
            raise TypeError("increment takes a whole number of 64 bits")
        try:
            return host.increment(_key(key), by)
        except Err as error:
            _raise(error, key)

    def __repr__(self):
        return f"<cache of {len(self)} values>"


cache = Cache()
