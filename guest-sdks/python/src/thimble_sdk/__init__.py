"""For functions on Thimble: structured log lines, metrics, spans and secrets, and what the host offers with types.

The server has this package without its being sent along. `thimble_sdk.testing` runs functions in plain Python.
"""

from ._host import CacheError, FetchError, FunctionError, cache, context, fetch, functions, log
from .logger import Logger
from .metrics import Metrics
from .secrets import Secrets, secrets
from .tracer import Span, TraceContext, Tracer, parse_traceparent

__all__ = [
    "CacheError", "FetchError", "FunctionError", "Logger", "Metrics", "Secrets", "Span", "TraceContext", "Tracer",
    "cache", "context", "fetch", "functions", "log", "parse_traceparent", "secrets",
]
