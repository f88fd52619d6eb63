"""What a function can ask of Thimble: `import thimble`, or the global of that name.

`cache`, `secrets`, `functions`, `log`, `context` and `fetch`; the contract behind each is the host's interface of the
same name.
"""

from componentize_py_types import Err as _Err
from thimble_boot.cache import CacheError, cache
from thimble_boot.console import write as _write
from thimble_boot.context import CurrentContext as _CurrentContext
from thimble_boot.functions import FunctionError, functions
from thimble_boot.http_client import FetchError, fetch
from wit_world.imports import secrets as _secrets
from wit_world.imports.log import Level as _Level

__all__ = ["CacheError", "FetchError", "FunctionError", "cache", "context", "fetch", "functions", "log", "secrets"]


class _Secrets:
    """The workspace's secrets. Not to be read while the top level runs: they would stay in its image."""

    def get(self, name, default=None):
        try:
            value = _secrets.get(name)
        except _Err:
            raise RuntimeError("secrets can be read while the function runs, not while its top level does: "
                               "read them inside the function") from None
        return default if value is None else value

    def __getitem__(self, name):
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __repr__(self):
        return "<secrets>"


class _Log:
    """The function's log, by level. Arguments that are no str are shown as `print` would."""

    def debug(self, *parts):
        _write(_Level.DEBUG, " ".join(map(str, parts)))

    def info(self, *parts):
        _write(_Level.INFO, " ".join(map(str, parts)))

    def warn(self, *parts):
        _write(_Level.WARN, " ".join(map(str, parts)))

    warning = warn

    def error(self, *parts):
        _write(_Level.ERROR, " ".join(map(str, parts)))


context = _CurrentContext()
log = _Log()
secrets = _Secrets()
