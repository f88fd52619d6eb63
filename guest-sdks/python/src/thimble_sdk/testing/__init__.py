"""Runs functions in plain Python as the server does, with a workspace of their own: context, cache, secrets, environment and
the other functions. Nothing of it is shared between workspaces; the environment of the process is, while a function runs.
"""

from __future__ import annotations

import contextvars
import json
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from typing import Any, NamedTuple

from .. import _local
from .._local import Cache, LogEntry
from .._strict import NotJson, to_json
from . import _capture, _program
from ._program import Invocable, InvocationError

__all__ = ["Invocable", "Invocation", "InvocationError", "LogEntry", "Workspace", "invoke"]

_MAX_DEPTH = 16
# So that a function's own `import thimble` finds what stands in for it.
sys.modules.setdefault("thimble", _local)


class Invocation(NamedTuple):
    """What came of an invocation."""

    result: Any
    logs: list[LogEntry]
    # In milliseconds.
    duration: float


class Workspace:
    """What functions share: cache, secrets, environment, each other."""

    def __init__(self, name: str = "test", *, env: Mapping[str, str] | None = None,
                 secrets: Mapping[str, str] | None = None, functions: Mapping[str, Invocable] | None = None,
                 cache: Mapping[str, Any] | None = None) -> None:
        self.name, self.version = name, str(uuid.uuid4())
        self.env, self.secrets = dict(env or {}), dict(secrets or {})
        self._functions = dict(functions or {})
        self._values: dict[str, str] = {}
        self.cache = Cache(lambda: self._values)
        self.cache.update(cache or {})

    def invoke(self, function: Invocable | str, event: Any = None, *, entry: str | None = None,
               function_name: str | None = None, parameters: list[str] | None = None,
               env: Mapping[str, str] | None = None, timeout: float = 20.0, memory: int = 128,
               caller: str | None = None, request_id: str | None = None, echo: bool = False) -> Invocation:
        """Invokes a function, or the one of this name. `timeout` is in seconds; with `echo` log lines are printed, too."""
        known = self._functions.get(function) if isinstance(function, str) else None
        name = function_name or (function if known is not None and isinstance(function, str) else "handler")
        options = _Options(entry, parameters, dict(env or {}), timeout, memory, caller, echo)
        return self._invoke(function if known is None else known, name, {} if event is None else event, options,
                            request_id or str(uuid.uuid4()), 0)

    def _invoke(self, given: Invocable, name: str, event: Any, options: _Options, request_id: str,
                depth: int) -> Invocation:
        start = time.monotonic()
        context = _local.Context(request_id, self.name, name, self.version, options.memory, options.caller,
                                 lambda: start + options.timeout - time.monotonic())

        def call(called: str, values: list[Any]) -> Future[Any]:
            return self._call(called, values, options, request_id, depth + 1, running)

        running = _local.Running(context, self._values, self.secrets, self._functions, call, options.echo)
        system = {
            "THIMBLE_WORKSPACE": self.name, "THIMBLE_FUNCTION_NAME": name, "THIMBLE_FUNCTION_VERSION": self.version,
            "THIMBLE_MEMORY_SIZE": str(options.memory), "THIMBLE_TIMEOUT": str(int(options.timeout * 1000)),
        }

        def run() -> Any:
            _local.running.set(running)
            program = _program.load(given, name, options.parameters, list(self._functions))
            plan = program.find(options.entry)
            value = json.loads(to_json(event, "the event"))
            return json.loads(to_json(_program.settle(plan(value, context)), "the result"))

        try:
            with _capture.captured(running), _capture.environment({**system, **self.env, **options.env}):
                result = _started(run).result(options.timeout)
        except NotInTime:
            raise InvocationError("timeout", f"the function did not end within its time-out of {options.timeout:g} s",
                                  running.logs) from None
        except InvocationError as error:
            error.logs = running.logs
            raise
        except NotJson as error:
            raise InvocationError("result_not_json", str(error), running.logs) from None
        except BaseException as error:
            raise InvocationError("function_error", str(error), running.logs) from error
        return Invocation(result, running.logs, (time.monotonic() - start) * 1000)

    def _call(self, name: str, values: list[Any], options: _Options, request_id: str, depth: int,
              caller: _local.Running) -> Future[Any]:
        """A call of one function by another, which starts at once."""
        own, _, entry = (name, "", "") if name in self._functions else name.rpartition(".")

        def run() -> Any:
            given = self._functions.get(own)
            if given is None:
                raise _local.FunctionError(f"there is no function `{name}` in the workspace `{self.name}`",
                                           "function_not_found")
            if depth >= _MAX_DEPTH:
                raise _local.FunctionError(f"calls of functions go at most {_MAX_DEPTH} deep", "recursion_limit")
            declared = given.get("parameters") if isinstance(given, Mapping) else None
            single = len(values) <= 1 and (declared is None or not values or isinstance(values[0], dict))
            event = (values[0] if values else {}) if single else dict(zip(declared or (), values))
            inner = options._replace(entry=entry or None, parameters=None)
            try:
                answered = self._invoke(given, own, event, inner, request_id, depth)
            except InvocationError as error:
                caller.logs.extend(error.logs)
                cause = error.__cause__
                stack = "".join(traceback.format_exception(cause)) if cause else None
                raise _local.FunctionError(str(error), error.code, type(cause).__name__ if cause else None, stack) from None
            caller.logs.extend(answered.logs)
            return answered.result

        return _started(run)


class _Options(NamedTuple):
    entry: str | None
    parameters: list[str] | None
    env: dict[str, str]
    timeout: float
    memory: int
    caller: str | None
    echo: bool


def _started(work: Any) -> Future[Any]:
    """Work in a thread of its own: a function that does not end holds up nobody for longer than its time-out."""
    future: Future[Any] = Future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            future.set_result(context.run(work))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="thimble function", daemon=True).start()
    return future


def invoke(function: Invocable | str, event: Any = None, *, workspace: Workspace | None = None,
           env: Mapping[str, str] | None = None, secrets: Mapping[str, str] | None = None,
           functions: Mapping[str, Invocable] | None = None, cache: Mapping[str, Any] | None = None,
           **options: Any) -> Invocation:
    """Invokes a function in a workspace of its own, or in the one that is given. `options` are those of
    `Workspace.invoke`."""
    if workspace is None:
        workspace = Workspace(env=env, secrets=secrets, functions=functions, cache=cache)
    elif secrets or functions or cache:
        raise TypeError("secrets, functions and cache are the workspace's: give them to it")
    else:
        options["env"] = env
    return workspace.invoke(function, event, **options)
