"""What a function is (a callable, a module, or source as it is deployed), how an event becomes its arguments, and how its result
is awaited and collected. As the server does it, without the conversions that type hints ask for."""

from __future__ import annotations

import ast
import asyncio
import builtins
import inspect
import keyword
import re
import types
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any, Union

from .. import _local
from .._local import LogEntry

# A handler, a module, source, or source with its declared parameters.
Invocable = Union[Callable[..., Any], types.ModuleType, str, Mapping[str, Any]]
_Plan = Callable[[Any, Any], Any]
_BOTH = ("event", "context")
# What a second parameter with a default may be called, to be given the context.
_SECONDS = ("context", "ctx", "_context", "_ctx", "_", "event")
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BYTES = (bytes, bytearray, memoryview)


class InvocationError(Exception):
    """Why a function has no result. `code` is the server's, the cause what the function raised, `logs` what it had
    logged by then."""

    def __init__(self, code: str, message: str, logs: list[LogEntry] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.logs = logs or []


class Program:
    def __init__(self, name: str, handler: _Plan | None = None) -> None:
        self._name, self._handler = name, handler
        self.entries: dict[str, _Plan] = {}

    def choose(self) -> Program:
        """Which of the entries is the function itself."""
        if not self.entries:
            raise InvocationError("no_handler", f"{self._name} defines nothing that could be invoked")
        bare = next((each for each in ("handler", identifier(self._name), "main") if each in self.entries), None)
        if bare is None and len(self.entries) == 1:
            bare = next(iter(self.entries))
        self._handler = self.entries[bare] if bare is not None else None
        return self

    def find(self, entry: str | None) -> _Plan:
        found = self._handler if entry is None else self.entries.get(entry)
        if found is None:
            names = ", ".join(self.entries) or "none"
            asked = f"{self._name} has no handler of its own" if entry is None else f"there is no entry point {entry!r}"
            code = "entry_required" if entry is None else "function_not_found"
            raise InvocationError(code, f"{asked}; its entry points are {names}")
        return found


def load(given: Invocable, name: str, parameters: list[str] | None, functions: list[str]) -> Program:
    if isinstance(given, str):
        return _from_source(given, name, parameters, _provided(functions))
    if isinstance(given, Mapping):
        return _from_source(given["code"], name, parameters or given.get("parameters"), _provided(functions))
    if isinstance(given, types.ModuleType):
        _give(given.__dict__, functions)
        return _from_names({key: value for key, value in given.__dict__.items()
                            if inspect.isroutine(value) and getattr(value, "__module__", None) == given.__name__
                            or key in ("handler", "main")}, name)
    if callable(given):
        _give(getattr(inspect.unwrap(given), "__globals__", {}), functions)
        return Program(name, plan(given, getattr(given, "__name__", name)))
    raise InvocationError("no_handler", "a function is given as a callable, as a module, or as its source")


def _provided(functions: list[str]) -> dict[str, Any]:
    """What a function's module begins with."""
    own = {each: _local.Function(each) for each in functions
           if each.isidentifier() and not keyword.iskeyword(each) and not hasattr(builtins, each)}
    return {**own, "thimble": _local, "cache": _local.cache, "functions": _local.functions}


def _give(namespace: dict[str, Any], functions: list[str]) -> None:
    for name, value in _provided(functions).items():
        namespace.setdefault(name, value)


def _from_names(names: Mapping[str, Any], name: str) -> Program:
    program = Program(name)
    for key, value in names.items():
        if callable(value) and (not key.startswith("_") or key == identifier(name)):
            program.entries[key] = plan(value, key)
    return program.choose()


def identifier(name: str) -> str:
    """A deployment's name as a Python name."""
    own = re.sub(r"\W", "_", name)
    return f"_{own}" if own[:1].isdigit() or keyword.iskeyword(own) or not own else own


def _from_source(code: str, name: str, parameters: list[str] | None, provided: dict[str, Any]) -> Program:
    file = f"{name}.py"
    namespace: dict[str, Any] = {"__name__": identifier(name), "__file__": file, **provided}
    try:
        tree = ast.parse(code, file)
        if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr) and isinstance(tree.body[0].value, ast.Lambda):
            function = eval(compile(ast.Expression(tree.body[0].value), file, "eval", dont_inherit=True), namespace)
            return Program(name, plan(function, "the function"))
        if _is_body(tree):
            return Program(name, _body(tree, file, parameters or [], namespace))
        compiled = compile(tree, file, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise InvocationError("syntax_error", f"{file}:{error.lineno}: {error.msg}") from error
    exec(compiled, namespace)
    names = [node.name for node in _top_level(tree.body) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    names += [key for key in namespace if _is_lambda(namespace[key]) or key in ("handler", "main", identifier(name))]
    return _from_names({key: namespace[key] for key in names if key in namespace and key not in provided}, name)


def _is_lambda(value: Any) -> bool:
    return inspect.isfunction(value) and value.__code__.co_name == "<lambda>"


def _top_level(statements: list[ast.stmt]) -> list[ast.AST]:
    found: list[ast.AST] = []
    todo: list[ast.AST] = list(statements)
    while todo:
        node = todo.pop(0)
        found.append(node)
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            todo[:0] = ast.iter_child_nodes(node)
    return found


def _is_asynchronous(node: ast.AST) -> bool:
    return (isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith))
            or isinstance(node, ast.comprehension) and bool(node.is_async))


def _is_body(tree: ast.Module) -> bool:
    nodes = _top_level(tree.body)
    if any(isinstance(node, (ast.Return, ast.Yield, ast.YieldFrom)) or _is_asynchronous(node) for node in nodes):
        return True
    return not any(isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
                   or isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Lambda) for node in nodes)


def _body(tree: ast.Module, file: str, parameters: list[str], namespace: dict[str, Any]) -> _Plan:
    before = [node for node in tree.body if isinstance(node, ast.ImportFrom)
              and (node.module == "__future__" or any(alias.name == "*" for alias in node.names))]
    rest = [node for node in tree.body if node not in before]
    kind = "async def" if any(_is_asynchronous(node) for node in _top_level(rest)) else "def"
    names = list(dict.fromkeys([*parameters, *_BOTH]))
    made = ast.parse(f"{kind} body({', '.join(names)}): pass", file)
    if rest:
        made.body[0].body = rest  # type: ignore[attr-defined]
    made.body[:0] = before
    exec(compile(ast.fix_missing_locations(made), file, "exec", dont_inherit=True), namespace)
    function = namespace.pop("body")

    def call(event: Any, context: Any) -> Any:
        given = event if isinstance(event, dict) else {}
        own = {"event": event, "context": context}
        return function(*[given.get(name, own.get(name)) if name in parameters else own[name] for name in names])

    return call


def plan(function: Callable[..., Any], name: str) -> _Plan:
    """How an event becomes a function's arguments."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return lambda event, context: function(event)
    if name == "handler" or all(each.name in _BOTH for each in parameters):
        return lambda event, context: _as_handler(function, parameters, event, context)
    return lambda event, context: _by_name(function, name, parameters, event, context)


def _as_handler(function: Callable[..., Any], parameters: list[Parameter], event: Any, context: Any) -> Any:
    values = {"event": event, "context": context}
    named = {each.name: values[each.name] for each in parameters
             if each.kind is Parameter.KEYWORD_ONLY and each.name in values}
    places = [each for each in parameters if each.kind in _POSITIONAL]
    if any(each.kind is Parameter.VAR_POSITIONAL for each in parameters):
        return function(event, context, **named)
    if len(places) > 1 and places[1].default is not Parameter.empty and places[1].name not in _SECONDS:
        del places[1:]
    swapped = places and places[0].name == "context" or len(places) > 1 and places[1].name == "event"
    order = [context, event] if swapped else [event, context]
    return function(*[each for each, _ in zip(order, places)], **named)


def _by_name(function: Callable[..., Any], name: str, parameters: list[Parameter], event: Any, context: Any) -> Any:
    taken = [each for each in parameters if each.kind not in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)]
    shown = f"{name}({', '.join(map(str, parameters))})"
    if event is None:
        event = {}
    if not isinstance(event, dict):
        if len(taken) != 1:
            raise InvocationError("bad_arguments", f"{shown} takes its arguments by name: the event must be a JSON object")
        event = {taken[0].name: event}
    missing = [each.name for each in taken
               if each.default is Parameter.empty and each.name not in event and each.name not in _BOTH]
    if missing:
        raise InvocationError("bad_arguments", f"{shown} misses {', '.join(map(repr, missing))} in the event")
    extra = [key for key in event if key not in [each.name for each in taken]]
    if extra and not any(each.kind is Parameter.VAR_KEYWORD for each in parameters):
        raise InvocationError("bad_arguments", f"{shown} has no parameter for {', '.join(map(repr, extra))} in the event")
    values = {**event, **{each.name: event if each.name == "event" else context for each in taken if each.name in _BOTH}}
    places = [values.pop(each.name) for each in taken if each.kind is Parameter.POSITIONAL_ONLY and each.name in values]
    return function(*places, **values)


def settle(result: Any) -> Any:
    """Awaits what is awaitable, and collects what has parts."""
    if hasattr(type(result), "__await__") or hasattr(type(result), "__aiter__"):
        return asyncio.run(_settled(result))
    return _collected(list(result)) if isinstance(result, types.GeneratorType) else result


async def _settled(result: Any) -> Any:
    while hasattr(type(result), "__await__"):
        result = await result
    if hasattr(type(result), "__aiter__"):
        return _collected([part async for part in result])
    return _collected(list(result)) if isinstance(result, types.GeneratorType) else result


def _collected(parts: list[Any]) -> Any:
    if parts and all(isinstance(part, _BYTES) for part in parts):
        return b"".join(parts).decode("utf-8", "replace")
    return parts
