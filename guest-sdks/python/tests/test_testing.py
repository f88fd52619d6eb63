"""The harness: functions in every form, what they share, and why they fail."""

import asyncio
import logging
import os
import sys
import threading
import time
import unittest
import warnings

import order
from thimble_sdk import FunctionError, cache, context, functions
from thimble_sdk.testing import InvocationError, LogEntry, Workspace, invoke


class FormsTest(unittest.TestCase):
    def test_a_function_is_given_in_any_form(self):
        async def later(event, context):
            await asyncio.sleep(0)
            return event["a"]

        for given, expected in [
            (lambda event, context: event["a"], 2),
            (later, 2),
            (lambda a, b=3: a * b, 6),
            ("return event['a'] + 1", 3),
            ("lambda event: event", {"a": 2}),
            ("lambda a: a", 2),
            ("def handler(event, *, context):\n    return context.function_name", "handler"),
            ("def handler(context, event):\n    return event['a']", 2),
            ("import asyncio\nawait asyncio.sleep(0)\nreturn event", {"a": 2}),
            ("from math import *\nreturn sqrt(4)", 2.0),
            ({"code": "return a * 2 if b is None else b", "parameters": ["a", "b"]}, 4),
            ("for i in range(event['a']):\n    yield i", [0, 1]),
            ("async def f(a):\n    for i in range(a): yield b'x'", "xx"),
            ("import thimble\ndef main(a):\n    return thimble.context.workspace", "test"),
        ]:
            self.assertEqual(invoke(given, {"a": 2}).result, expected, given)

    def test_a_module_has_entries(self):
        workspace = Workspace(functions={"price": lambda id: len(id)})
        answered = workspace.invoke(order, {"id": "abc"}, function_name="order")
        self.assertEqual(answered.result, {"total": 3, "by": "order"})
        self.assertEqual(workspace.cache["abc"], 3)
        self.assertEqual(workspace.invoke(order, {"ids": [{"price": 2}]}, entry="total").result, 2)
        with self.assertRaisesRegex(InvocationError, "its entry points are handler, total") as caught:
            workspace.invoke(order, {}, entry="_hidden")
        self.assertEqual(caught.exception.code, "function_not_found")

    def test_why_it_fails(self):
        def late(event, context):
            time.sleep(5)

        for given, event, code, said in [
            ("return {'a': [1, {2}]}", {}, "result_not_json", "the result holds a set at $.a[1]"),
            ("return float('nan')", {}, "result_not_json", "nan"),
            ("raise ValueError('bad')", {}, "function_error", "bad"),
            ("def f(:", {}, "syntax_error", "handler.py:1"),
            ("def _f(): pass", {}, "no_handler", "defines nothing"),
            ("def f(a): return a", {"b": 1}, "bad_arguments", "misses 'a'"),
            ("def f(a): return a", {"a": 1, "b": 1}, "bad_arguments", "no parameter for 'b'"),
            (late, {}, "timeout", "0.05 s"),
            ("return event", {1, 2}, "result_not_json", "the event is a set"),
        ]:
            with self.assertRaisesRegex(InvocationError, ".") as caught:
                invoke(given, event, timeout=0.05 if given is late else 20)
            self.assertEqual(caught.exception.code, code, given)
            self.assertIn(said, str(caught.exception))
        with self.assertRaises(InvocationError) as caught:
            invoke("print('before')\nraise KeyError('x')")
        self.assertIsInstance(caught.exception.__cause__, KeyError)
        self.assertEqual([entry.message for entry in caught.exception.logs], ["before"])


class LogsTest(unittest.TestCase):
    def test_everything_said_is_logged(self):
        def handler(event, context):
            print("a", 1)
            print("half", end="")
            print(" and half\nrest", end="")
            print("wrong", file=sys.stderr)
            logging.getLogger("x").warning("careful %d", 5)
            warnings.warn("old", DeprecationWarning, stacklevel=1)
            __import__("thimble").log.debug("b", {})

        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logs = invoke(handler).logs
        self.assertEqual([entry.level for entry in logs], ["info", "info", "error", "warn", "warn", "debug", "info"])
        self.assertEqual([entry.message for entry in logs][:4], ["a 1", "half and half", "wrong", "careful 5"])
        self.assertIn("DeprecationWarning: old", logs[4].message)
        self.assertEqual((logs[5].message, logs[6].message), ("b {}", "rest"))
        self.assertRegex(logs[0].time, r"^\d{4}-\d\d-\d\dT[\d:.]+Z$")
        self.assertIsInstance(logs[0], LogEntry)
        self.assertNotIsInstance(sys.stdout, type(None))

    def test_invocations_side_by_side_keep_apart(self):
        def handler(event, context):
            for _ in range(20):
                print(event)
                time.sleep(0.001)
            return os.environ["MINE"] is not None

        found = {}
        threads = [threading.Thread(target=lambda n=n: found.update({n: invoke(handler, n, env={"MINE": str(n)})}))
                   for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for n in range(4):
            self.assertEqual([entry.message for entry in found[n].logs], [str(n)] * 20)
        self.assertNotIn("MINE", os.environ)


class WorkspaceTest(unittest.TestCase):
    def test_the_cache_is_shared_and_holds_json(self):
        workspace = Workspace(cache={"a": [1]})
        result = workspace.invoke("cache['a'].append(2)\ncache['b'] = {'x': 1}\nreturn [cache['a'], cache.increment('n', 3)]").result
        self.assertEqual(result, [[1], 3])
        self.assertEqual(dict(workspace.cache), {"a": [1], "b": {"x": 1}, "n": 3})

        def handler(event, context):
            for wrong in (lambda: cache.set("s", {1}), lambda: cache.set("k" * 1025, 1), lambda: cache.increment("a")):
                try:
                    wrong()
                except (TypeError, ValueError) as error:
                    print(error)
            return "zz" in cache or cache.delete("a") and not cache.delete("a")

        answered = workspace.invoke(handler)
        self.assertIs(answered.result, True)
        self.assertEqual(len(answered.logs), 3)

    def test_functions_call_each_other(self):
        async def both(event, context):
            first, second = await asyncio.gather(functions.double(n=2), functions.call("many.thrice", n=2))
            return [first, second, functions["double"](n=4).result(), "double" in functions, sorted(functions)]

        async def fails(event, context):
            try:
                await functions.bad()
            except FunctionError as error:
                return [error.code, error.name, error.message]

        workspace = Workspace(functions={
            "double": {"code": "print('in double')\nreturn n * 2", "parameters": ["n"]},
            "many": "def twice(n): return n * 2\ndef thrice(n): return n * 3",
            "bad": "raise IndexError('no')",
            "deep": "return deep().result()",
        })
        answered = workspace.invoke(both)
        self.assertEqual(answered.result, [4, 6, 8, True, ["bad", "deep", "double", "many"]])
        self.assertEqual([entry.message for entry in answered.logs], ["in double"] * 2)
        self.assertEqual(workspace.invoke(fails).result, ["function_error", "IndexError", "no"])
        for call, code in [("none()", "function_not_found"), ("deep()", "function_error")]:
            source = f"try:\n    functions.{call}.result()\nexcept Exception as error:\n    return error.code"
            self.assertEqual(workspace.invoke(source).result, code)

    def test_context_and_environment(self):
        def handler(event, own):
            return [own.request_id, context.requestId, own.identity.caller, own.memory_limit_in_mb,
                    0 < own.get_remaining_time_in_millis() <= 3000, os.environ["A"], os.environ["THIMBLE_FUNCTION_NAME"]]

        workspace = Workspace("shop", env={"A": "1"})
        result = workspace.invoke(handler, function_name="f", request_id="r", caller="ci", timeout=3, memory=64).result
        self.assertEqual(result, ["r", "r", "ci", 64, True, "1", "f"])
        self.assertNotIn("THIMBLE_FUNCTION_NAME", os.environ)


if __name__ == "__main__":
    unittest.main()
