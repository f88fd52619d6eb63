"""The JSON text of a value as the server writes it: what JSON cannot hold is refused with its place."""

from __future__ import annotations

import json
import math
from typing import Any


class NotJson(Exception):
    """A value that JSON cannot hold."""


def to_json(value: Any, what: str) -> str:
    _check(value, what, "$", set())
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _check(value: Any, what: str, path: str, above: set[int]) -> None:
    def refuse(found: str, advice: str = "") -> None:
        raise NotJson(f"{what} {f'is {found}' if path == '$' else f'holds {found} at {path}'}, which JSON cannot hold{advice}")

    if value is None or isinstance(value, (bool, int)):
        return
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            refuse("a str with a lone surrogate")
    elif isinstance(value, float):
        if not math.isfinite(value):
            refuse(repr(value))
    elif isinstance(value, (dict, list, tuple)):
        if id(value) in above:
            refuse(f"a {type(value).__name__}", ": it contains itself")
        above = above | {id(value)}
        if isinstance(value, dict):
            for key, item in value.items():
                if not isinstance(key, (str, int, float, type(None))):
                    raise NotJson(f"{what} has a key at {path} that is a {type(key).__name__}, which JSON cannot hold")
                name = str(key)
                _check(item, what, path + (f".{name}" if name.isidentifier() else f"[{json.dumps(name)}]"), above)
        else:
            for index, item in enumerate(value):
                _check(item, what, f"{path}[{index}]", above)
    else:
        name = type(value).__name__
        refuse(f"{'an' if name[:1] in 'aeiouAEIOU' else 'a'} {name}")
