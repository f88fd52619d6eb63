"""Scripts: sources that read their event from the environment and print their result.

`INPUT_DATA` and `TRIGGER_EVENT` are the event as JSON, `EXECUTION_ID` is the invocation's id and `FUNCTION_ID` the function's
name. The last line of standard output that is JSON is the result. A script runs anew in each invocation, as `__main__`.
"""

import ast
import os
import sys
import types
from collections import deque

from wit_world.imports import context as host

from . import console
from .result import from_json, to_json

VARIABLES = frozenset(("INPUT_DATA", "TRIGGER_EVENT", "EXECUTION_ID", "FUNCTION_ID"))
# Lines of output, from the last, among which the result is looked for.
_LINES_LOOKED_AT = 1_000
# What a failed script's answer has of its error output.
_ERROR_LINES = 20
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_WAYS_TO_PRINT = {"print", "write"}


class ScriptFailed(Exception):
    """A script ended with an exit code that says so."""


def mentions(code):
    """Whether a source may read one of the variables."""
    return any(name in code for name in VARIABLES)


def is_script(tree, code):
    """Whether a source without a handler is one: it names one of the variables, and does something when it is run."""
    named = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    if not mentions(code) or VARIABLES.isdisjoint(named):
        return False
    own = {node.name for node in tree.body if isinstance(node, _FUNCTIONS)}
    return any(_is_guard(node) or isinstance(node, ast.Expr) and _calls(node) & (own | _WAYS_TO_PRINT) for node in tree.body)


def _is_guard(node):
    """`if __name__ == "__main__":`"""
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare) or len(node.test.comparators) != 1:
        return False
    sides = (node.test.left, node.test.comparators[0])
    return (any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
            and any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides))


def _calls(node):
    called = (each.func for each in ast.walk(node) if isinstance(each, ast.Call))
    return {each.id if isinstance(each, ast.Name) else each.attr for each in called
            if isinstance(each, (ast.Name, ast.Attribute))}


def run_as_main(code, file, provided):
    """What runs a compiled script in a module of its own."""
    def run(event, context):
        module = types.ModuleType("__main__")
        module.__file__ = file
        module.__dict__.update(provided)
        sys.modules["__main__"] = module
        exec(code, module.__dict__)

    return run


def plan(run, reads_variables=True):
    """The plan of a script, or of the body of a function that answers nothing by `return`."""
    def call(event, context):
        printed = deque(maxlen=_LINES_LOOKED_AT)
        complained = deque(maxlen=_ERROR_LINES)
        console.stdout.listener, console.stderr.listener = printed.append, complained.append
        try:
            if reads_variables:
                set_variables(event)
            result = run(event, context)
        except SystemExit as end:
            result = None
            if end.code is not None and end.code != 0:
                console.end_lines()
                raise ScriptFailed(_told(end.code, complained)) from None
        finally:
            console.end_lines()
            console.stdout.listener = console.stderr.listener = None
        return _last_json(printed) if result is None else result

    return call


def _told(code, complained):
    if not isinstance(code, int):
        return str(code)
    lines = "\n".join(complained)
    return f"the script ended with the exit code {int(code)}" + (f": {lines}" if lines else "")


def _last_json(lines):
    for line in reversed(lines):
        line = line.strip()
        if line and (line[0] in "{[\"-0123456789" or line in ("true", "false", "null")):
            try:
                return from_json(line)
            except (ValueError, RecursionError):
                continue
    return None


def with_variables(call):
    """The plan of a function that reads the variables, though it answers as others do."""
    def call_with(event, context):
        set_variables(event)
        return call(event, context)

    return call_with


def set_variables(event):
    """For the invocation that begins."""
    known = host.current()
    text = to_json(event)
    os.environ["INPUT_DATA"] = os.environ["TRIGGER_EVENT"] = text
    os.environ["EXECUTION_ID"], os.environ["FUNCTION_ID"] = known.request_id, known.function
