"""The workspace's secrets. They can be read while a function runs, not while its module is loaded."""

from __future__ import annotations

import json
from typing import Any, overload

from . import _host


class Secrets:
    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str: ...

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value, or the default where there is no secret of that name."""
        return _host.secrets.get(name, default)

    def require(self, name: str) -> str:
        """The value; an error that names the secret where it is missing."""
        value = self.get(name)
        if value is None:
            raise KeyError(f"the workspace has no secret {name!r}: set it by PUT …/secrets/{name}")
        return value

    __getitem__ = require

    def json(self, name: str) -> Any:
        """The value, parsed as JSON."""
        try:
            return json.loads(self.require(name))
        except ValueError:
            # The parser's message, or its exception, would show a part of the secret.
            pass
        raise ValueError(f"the secret {name!r} is not JSON")

    def __repr__(self) -> str:
        return "<secrets>"


secrets = Secrets()
