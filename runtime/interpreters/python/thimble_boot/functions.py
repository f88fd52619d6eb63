"""Calls to the workspace's other functions: `await other(x=1)`, `functions["my-fn"](…)`, `other(…).result()`.

A call starts at once, so that several run side by side; what it brought is kept in its `Call`.
"""

import asyncio
from collections.abc import Coroutine

from componentize_py_types import Err
from wit_world.imports import functions as host

from . import waiting
from .console import text
from .result import NotJson, from_json, to_json


class FunctionError(Exception):
    """A called function failed. `code`, `name` and `stack` are those of its error answer."""

    def __init__(self, message, code="function_error", name=None, stack=None):
        super().__init__(message)
        self.message, self.code, self.name, self.stack = message, code, name, stack


class Call(Coroutine):
    """A call under way: to be awaited in a coroutine, or asked for its `result()` anywhere else.

    A coroutine in name, so that `asyncio.create_task` takes it.
    """

    __slots__ = ("_function", "_operation", "_done", "_value", "_error", "_waiters", "_steps")

    def __init__(self, function, arguments):
        self._function = function
        self._done = False
        self._value = self._error = None
        self._waiters = []
        self._steps = None
        try:
            self._operation = host.start(text(function), arguments)
        except Err as error:
            self._fail(error.value)
        else:
            waiting.watch(self._operation, self._finished)

    def _finished(self, operation):
        try:
            self._value = from_json(host.finish(operation))
        except Err as error:
            self._fail(error.value)
        self._done = True
        for future in self._waiters:
            if not future.done() and not future.get_loop().is_closed():
                future.set_result(None)
        self._waiters.clear()

    def _fail(self, failure):
        self._error = FunctionError(failure.message, failure.code, failure.name, failure.stack)
        self._done = True

    def _outcome(self):
        if self._error is not None:
            raise self._error
        return self._value

    def done(self):
        return self._done

    def result(self):
        """Waits for the result, for code that is not a coroutine. Other operations go on meanwhile."""
        waiting.block_until(self.done)
        return self._outcome()

    def __await__(self):
        if not self._done:
            future = asyncio.get_running_loop().create_future()
            self._waiters.append(future)
            yield from future
        return self._outcome()

    def send(self, value):
        if self._steps is None:
            self._steps = self.__await__()
        return self._steps.send(value)

    def throw(self, *error):
        if self._steps is None:
            self._steps = self.__await__()
        return self._steps.throw(*error)

    def close(self):
        if self._steps is not None:
            self._steps.close()

    def __repr__(self):
        state = "failed" if self._error is not None else "finished" if self._done else "under way"
        return f"<call of {self._function}, {state}>"


class Function:
    """Another function of the workspace, or one of its entry points by attribute: `math.add(a=1, b=2)`."""

    __slots__ = ("__name__",)

    def __init__(self, name):
        self.__name__ = name

    def __call__(self, *positional, **named):
        arguments = list(positional)
        if named:
            arguments.append(named)
        return Call(self.__name__, _arguments(self.__name__, arguments))

    def __getattr__(self, entry):
        if entry.startswith("_"):
            raise AttributeError(f"a function has no entry point {entry!r}: names with an underscore are private")
        return Function(f"{self.__name__}.{entry}")

    def __repr__(self):
        return f"<function {self.__name__} of this workspace>"


class Functions:
    """All functions of the workspace by name, also those whose names are no Python names."""

    __slots__ = ("_names",)

    def __init__(self):
        self._names = ()

    def __getitem__(self, name):
        if not isinstance(name, str):
            raise TypeError(f"a function's name is a str, not {type(name).__name__}")
        return Function(name)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return Function(name)

    def __iter__(self):
        return iter(self._names)

    def __len__(self):
        return len(self._names)

    def __contains__(self, name):
        return name in self._names

    def call(self, name, *positional, **named):
        """`await functions.call("my-fn", …)`."""
        return self[name](*positional, **named)

    def __repr__(self):
        return f"<functions: {', '.join(self._names)}>"


def _arguments(name, arguments):
    try:
        return to_json(arguments, f"the arguments of {name}")
    except NotJson as error:
        raise TypeError(str(error)) from None


functions = Functions()


def globals_for(names, reserved):
    """The functions that get a name in the user's module: identifiers that hide nothing of Python's or ours."""
    functions._names = tuple(names)
    return {name: Function(name) for name in names if name.isidentifier() and not reserved(name)}
