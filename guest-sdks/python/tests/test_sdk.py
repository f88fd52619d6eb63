"""The classes, in plain Python."""

import asyncio
import json
import unittest
import unittest.mock
from decimal import Decimal

from thimble_sdk import Logger, Metrics, Secrets, TraceContext, Tracer, cache, context, parse_traceparent, secrets
from thimble_sdk.testing import Workspace, invoke

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def lines(work, **options):
    """What a function logs, as level and what its JSON says."""
    return [(entry.level, json.loads(entry.message)) for entry in invoke(work, {}, **options).logs]


class LoggerTest(unittest.TestCase):
    def test_a_line_is_one_object_with_the_invocations_id(self):
        def handler(event, context):
            logger = Logger(fields={"app": "shop"})
            logger.info("100% done", n=Decimal("1.5"), tags={"a"}, raw=b"x")
            logger.child(part="pay").warning("slow")

        (level, first), (second_level, second) = lines(handler, request_id="r1")
        self.assertEqual((level, second_level), ("info", "warn"))
        self.assertEqual(first, {"level": "info", "message": "100% done", "requestId": "r1", "app": "shop", "n": "1.5",
                                 "tags": ["a"], "raw": "x"})
        self.assertEqual((second["part"], second["app"], second["level"]), ("pay", "shop", "warning"))

    def test_errors_are_shown_with_their_stack(self):
        def handler(event, context):
            logger = Logger()
            try:
                raise ValueError("bad")
            except ValueError as error:
                logger.error(error)
                logger.exception("it failed", id=1)
            logger.exception("nothing is handled")

        (_, first), (level, second), (_, third) = lines(handler)
        self.assertEqual((first["message"], first["error"]["name"], level), ("bad", "ValueError", "error"))
        self.assertIn("test_sdk.py", second["error"]["stack"])
        self.assertEqual((second["message"], second["id"]), ("it failed", 1))
        self.assertNotIn("error", third)

    def test_the_level_is_the_workspaces(self):
        def handler(event, context):
            logger = Logger()
            logger.debug("a")
            logger.info("b")
            logger.set_level("silent")
            logger.error("c")
            return [logger.is_enabled("error"), Logger("warning").is_enabled("info")]

        self.assertEqual([line["message"] for _, line in lines(handler)], ["b"])
        self.assertEqual([line["message"] for _, line in lines(handler, env={"LOG_LEVEL": "DEBUG"})], ["a", "b"])
        self.assertEqual(invoke(handler).result, [False, False])
        with self.assertRaisesRegex(ValueError, "no log level 'loud'"):
            Logger("loud")

    def test_what_cannot_be_written_does_not_cost_the_message(self):
        def handler(event, context):
            loop = []
            loop.append(loop)
            Logger().info("kept", loop=loop)
            Logger().info("kept, too", number=float("nan"))

        first, second = lines(handler)
        self.assertEqual((first[1]["message"], second[1]["message"]), ("kept", "kept, too"))
        self.assertIn("unloggable", first[1])


class MetricsTest(unittest.TestCase):
    def test_values_are_gathered_into_one_line(self):
        def handler(event, context):
            with Metrics("shop", {"stage": 1}) as metrics:
                metrics.count("orders")
                metrics.count("orders", 2)
                metrics.gauge("queue", 7)
                metrics.gauge("queue", 4)
                metrics.record("size", 1, "Bytes")
                metrics.record("size", 2.5, "Bytes")
                with metrics.time("work"):
                    pass
            metrics.flush()

        ((level, line),) = lines(handler)
        self.assertEqual((level, line["orders"], line["queue"], line["size"], line["stage"]), ("info", 3, 4, [1, 2.5], "1"))
        self.assertGreaterEqual(line["work"], 0)
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        self.assertEqual((directive["Namespace"], directive["Dimensions"]), ("shop", [["stage"]]))
        self.assertIn({"Name": "work", "Unit": "Milliseconds"}, directive["Metrics"])

    def test_bounds_of_the_format(self):
        def handler(event, context):
            metrics = Metrics()
            for number in range(101):
                metrics.count(f"n{number}")
            for number in range(100):
                metrics.record("v", number)

        self.assertEqual(len(lines(handler)), 2)
        for wrong in (float("inf"), "1", True, None):
            with self.assertRaisesRegex(ValueError, "no finite number"):
                Metrics().count("a", wrong)
        with self.assertRaisesRegex(ValueError, "is a dimension already"):
            Metrics(dimensions={"a": 1}).count("a")


class TracerTest(unittest.TestCase):
    def test_a_span_continues_its_callers_trace(self):
        def handler(event, context):
            tracer = Tracer()
            with tracer.span("outer", parent={"headers": {"traceparent": PARENT}}) as outer:
                with outer.span("inner", {"n": 1}) as inner:
                    inner.set("m", 2)
            return [outer.headers({"a": "b"}), inner.trace_id]

        answered = invoke(handler, function_name="pay")
        inner, outer = (json.loads(entry.message) for entry in answered.logs)
        self.assertEqual((outer["parentId"], outer["traceId"]), (PARENT[36:52], PARENT[3:35]))
        self.assertEqual((inner["parentId"], inner["attributes"]), (outer["spanId"], {"n": 1, "m": 2}))
        self.assertEqual((outer["span"], outer["service"]), ("outer", "pay"))
        self.assertEqual(answered.result[0], {"a": "b", "traceparent": f"00-{PARENT[3:35]}-{outer['spanId']}-01"})

    def test_what_fails_is_noted(self):
        def handler(event, context):
            tracer = Tracer("own")

            @tracer.trace()
            async def fails():
                raise KeyError("x")

            @tracer.trace("named")
            def works():
                return 5

            try:
                asyncio.run(fails())
            except KeyError:
                return works()

        answered = invoke(handler)
        first, second = (json.loads(entry.message) for entry in answered.logs)
        self.assertEqual((first["span"], first["error"], second["span"]), ("fails", "KeyError: 'x'", "named"))
        self.assertEqual(answered.result, 5)

    def test_what_is_not_sampled_is_not_written(self):
        def handler(event, context):
            with Tracer().span("a", parent=PARENT[:-1] + "0") as span:
                return span.traceparent[-2:]

        self.assertEqual(invoke(handler), ("00", [], unittest.mock.ANY))

    def test_traceparents(self):
        self.assertEqual(parse_traceparent(f" {PARENT.upper()} "), TraceContext(PARENT[3:35], PARENT[36:52], True))
        for wrong in (None, "", PARENT[:-1], "ff" + PARENT[2:], PARENT + "-x", f"00-{'0' * 32}-{PARENT[36:]}", "x" * 55):
            self.assertIsNone(parse_traceparent(wrong), wrong)
        self.assertIsNotNone(parse_traceparent("01" + PARENT[2:] + "-more"))


class SecretsTest(unittest.TestCase):
    def test_secrets_are_the_workspaces(self):
        def handler(event, context):
            found = [secrets.get("key"), secrets.get("none"), secrets.get("none", "x"), secrets.json("json"), secrets["key"]]
            for fails in (lambda: secrets.require("none"), lambda: secrets.json("key")):
                try:
                    fails()
                except (KeyError, ValueError) as error:
                    found.append(f"{type(error).__name__}: {error}")
                    assert error.__context__ is None
            return found

        result = invoke(handler, secrets={"key": "v", "json": "[1]"}).result
        self.assertEqual(result[:5], ["v", None, "x", [1], "v"])
        self.assertIn("the workspace has no secret 'none'", result[5])
        self.assertEqual(result[6], "ValueError: the secret 'key' is not JSON")

    def test_not_outside_of_an_invocation(self):
        with self.assertRaisesRegex(RuntimeError, "inside the function"):
            Secrets().get("key")
        for outside in (lambda: cache["a"], lambda: context.request_id):
            with self.assertRaisesRegex(RuntimeError, "no Thimble here"):
                outside()
        self.assertEqual(Workspace(secrets={"a": "b"}).invoke("return thimble.secrets.get('a')").result, "b")


if __name__ == "__main__":
    unittest.main()
