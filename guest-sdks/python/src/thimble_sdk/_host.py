"""What the host offers: the server's module `thimble`, and where there is no server, what stands in for it."""

from __future__ import annotations

import sys

if sys.platform == "wasi":
    import thimble
else:
    from . import _local as thimble

CacheError = thimble.CacheError
FetchError = thimble.FetchError
FunctionError = thimble.FunctionError
cache = thimble.cache
context = thimble.context
fetch = thimble.fetch
functions = thimble.functions
log = thimble.log
secrets = thimble.secrets


def request_id() -> str | None:
    """The id of the invocation; None outside of one."""
    try:
        return str(context.request_id)
    except RuntimeError:
        return None
