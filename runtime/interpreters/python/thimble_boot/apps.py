"""Web apps: whether a module has one, and how it is called. An app is what the module has under one of four names, and
that is called as WSGI or ASGI 3 has it."""

import ast
import inspect
from inspect import Parameter

from . import asgi, wsgi
from .functions import Function

NAMES = ("app", "application", "asgi", "wsgi")
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_HANDLERS = {"event", "context"}
# How the parameters of functions that are apps are called; others of that name are functions like any other.
_WSGI_WORDS = ("environ", "env", "start")
_ASGI_WORDS = ("scope", "receive", "send")


def may_be_defined_by(node):
    """Whether a statement may give an app its name, without being the definition of a function."""
    if isinstance(node, ast.ImportFrom):
        return any((alias.asname or alias.name) in NAMES for alias in node.names)
    if isinstance(node, ast.Assign) and isinstance(node.value, (ast.Call, ast.Name, ast.Attribute)):
        return any(isinstance(target, ast.Name) and target.id in NAMES for target in node.targets)
    if isinstance(node, ast.AnnAssign) and isinstance(node.value, (ast.Call, ast.Name, ast.Attribute)):
        return isinstance(node.target, ast.Name) and node.target.id in NAMES
    return isinstance(node, ast.ClassDef) and node.name in NAMES


def find(namespace):
    """The name of the module's app, and its plan."""
    for name in NAMES:
        value = namespace.get(name)
        if callable(value) and not isinstance(value, Function):
            interface = _interface(value, name)
            if interface is not None:
                return name, interface.plan(value)
    return None


def _interface(value, name):
    try:
        parameters = list(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        return None
    places = [each for each in parameters if each.kind in _POSITIONAL]
    needed = [each.name for each in places if each.default is Parameter.empty]
    if any(each.kind is Parameter.KEYWORD_ONLY and each.default is Parameter.empty for each in parameters):
        return None
    open_ended = any(each.kind is Parameter.VAR_POSITIONAL for each in parameters)
    called = value if inspect.isroutine(value) else getattr(type(value), "__call__", value)
    is_object = not inspect.isroutine(value) and not isinstance(value, type)
    if inspect.iscoroutinefunction(inspect.unwrap(called)):
        return asgi if _takes(3, places, needed, open_ended) else None
    if _takes(3, places, needed, False) and (is_object or name == "asgi" or _sounds(needed, _ASGI_WORDS)):
        return asgi
    if _takes(2, places, needed, open_ended) and not set(needed) & _HANDLERS:
        return wsgi if is_object or name != "app" or _sounds(needed, _WSGI_WORDS) else None
    return None


def _takes(number, places, needed, open_ended):
    return len(needed) <= number and (len(places) >= number or open_ended)


def _sounds(names, words):
    return any(word in name.lower() for name in names for word in words)
