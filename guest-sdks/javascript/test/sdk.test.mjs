import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import * as sdk from "thimble-sdk";
import { invoke } from "thimble-sdk/testing";

const { Logger, Metrics, Tracer, parseTraceparent, secrets } = sdk;
const lines = async (fn, options) => (await invoke(fn, {}, options)).logs.map(({ level, message }) => [level, JSON.parse(message)]);

test("both kinds of module are the same", () => {
  assert.deepEqual({ ...sdk }, createRequire(import.meta.url)("thimble-sdk"));
});

test("a logger writes one line a call, with its fields and the invocation's id", async () => {
  const logs = await lines(() => {
    const logger = new Logger({ fields: { app: "shop" } });
    logger.debug("not this");
    logger.child({ order: 1n }).info("100% sold", { app: "other", list: [1] });
    logger.error(new TypeError("bad", { cause: new Error("inner") }));
    logger.warn("late", new Error("slow"));
    const cycle = {};
    cycle.self = cycle;
    logger.info("cycle", { cycle });
  }, { requestId: "r1" });
  assert.deepEqual(logs.map(([level]) => level), ["info", "error", "warn", "info"]);
  assert.deepEqual(logs[0][1], { level: "info", message: "100% sold", requestId: "r1", app: "other", order: "1", list: [1] });
  assert.equal(logs[1][1].message, "bad");
  assert.equal(logs[1][1].error.name, "TypeError");
  assert.equal(logs[1][1].error.cause.message, "inner");
  assert.equal(logs[2][1].error.message, "slow");
  assert.match(logs[3][1].unloggable, /circular/i);
});

test("a logger's level is that of LOG_LEVEL", async () => {
  const talk = () => ["debug", "info", "warn", "error"].forEach((level) => new Logger()[level](level));
  for (const [level, expected] of [["debug", 4], ["info", 3], ["error", 1], ["silent", 0]]) {
    assert.equal((await lines(talk, { env: { LOG_LEVEL: level } })).length, expected, level);
  }
  assert.throws(() => new Logger({ level: "toString" }), /no log level/);
});

test("metrics are one line in the embedded format", async () => {
  const [[, line], ...more] = await lines(async () => {
    const metrics = new Metrics({ namespace: "shop", dimensions: { stage: "test" } });
    metrics.count("orders");
    metrics.count("orders", 2);
    metrics.gauge("load", 1);
    metrics.gauge("load", 0.5, "Percent");
    metrics.record("size", 1);
    metrics.record("size", 2);
    await metrics.time("work", async () => 1);
    await assert.rejects(metrics.time("work", () => { throw new Error("x"); }), /x/);
    assert.throws(() => metrics.count("orders", NaN), /finite/);
    assert.throws(() => metrics.count("stage"), /dimension/);
    metrics.flush();
    metrics.flush();
  });
  assert.deepEqual(more, []);
  assert.deepEqual([line.stage, line.orders, line.load, line.size, line.work.length], ["test", 3, 0.5, [1, 2], 2]);
  const [{ Namespace, Dimensions, Metrics: metrics }] = line._aws.CloudWatchMetrics;
  assert.deepEqual([Namespace, Dimensions], ["shop", [["stage"]]]);
  assert.deepEqual(metrics.map(({ Name, Unit }) => `${Name} ${Unit}`), ["orders Count", "load None", "size None", "work Milliseconds"]);
  assert.ok(Math.abs(line._aws.Timestamp - Date.now()) < 60_000);
});

test("a line of metrics is never larger than the format allows", async () => {
  const logs = await lines(() => {
    const metrics = new Metrics();
    for (let index = 0; index < 250; index++) metrics.record("a", index);
    for (let index = 0; index < 150; index++) metrics.count(`m${index}`);
    metrics.flush();
  });
  assert.ok(logs.length >= 4);
  const values = logs.flatMap(([, line]) => line.a ?? []);
  assert.equal(values.length, 250);
  for (const [, line] of logs) assert.ok(line._aws.CloudWatchMetrics[0].Metrics.length <= 100);
});

test("spans carry a trace on", async () => {
  const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const logs = await lines(async () => {
    const tracer = new Tracer({ service: "shop" });
    await assert.rejects(tracer.trace("outer", async (span) => {
      const headers = span.set("n", 1).headers({ accept: "text/plain" });
      assert.equal(headers.get("accept"), "text/plain");
      assert.equal(headers.get("traceparent"), span.traceparent);
      assert.match(span.traceparent, /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
      const inner = span.span("inner");
      inner.end();
      inner.end();
      throw new RangeError("no");
    }, { parent: { headers: { traceparent: parent } } }), RangeError);
    tracer.span("unseen", { parent: parent.replace(/01$/, "00") }).end();
    tracer.span("own", { parent: "nonsense" }).end();
  });
  const [inner, outer, own] = logs.map(([, line]) => line);
  assert.equal(logs.length, 3);
  assert.deepEqual([inner.span, inner.traceId, inner.parentId], ["inner", outer.traceId, outer.spanId]);
  assert.deepEqual([outer.service, outer.parentId, outer.error, outer.attributes], ["shop", "b7ad6b7169203331", "RangeError: no", { n: 1 }]);
  assert.ok(own.traceId !== outer.traceId && own.parentId === undefined && own.duration >= 0);
});

test("a traceparent is read as the recommendation says", () => {
  const [trace, span] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
  assert.deepEqual(parseTraceparent(`00-${trace}-${span}-01`), { traceId: trace, spanId: span, sampled: true });
  assert.equal(parseTraceparent(`01-${trace}-${span}-00-more`).sampled, false);
  for (const bad of [undefined, "", `ff-${trace}-${span}-01`, `00-${trace}-${span}-01-x`, `00-${"0".repeat(32)}-${span}-01`, `00-${trace}-${"0".repeat(16)}-01`, `00-${trace}-${span}`]) {
    assert.equal(parseTraceparent(bad), undefined, bad);
  }
});

test("secrets are read, and missed by their name", async () => {
  const read = () => {
    const failed = (work) => { try { return work(); } catch (error) { return error.message; } };
    return [secrets.get("a"), secrets.get("none") ?? null, secrets.json("j").x, failed(() => secrets.require("none")), failed(() => secrets.json("a"))];
  };
  const { result } = await invoke(read, {}, { secrets: { a: "top", j: '{"x":1}' } });
  assert.deepEqual(result.slice(0, 3), ["top", null, 1]);
  assert.match(result[3], /no secret "none"/);
  assert.equal(result[4], 'the secret "a" is not JSON');
});

test("the host API is there by its names, in an invocation only", async () => {
  const { cache, context, functions, log } = sdk;
  assert.throws(() => cache.get("a"), /no Thimble here/);
  const { result, logs } = await invoke(async () => {
    log.warn("x", 1);
    cache.set("a", 1);
    return [cache.get("a"), context.functionName, "workspace" in context, await functions.other(2), await functions.other.twice(3), await functions.call("other", 4)];
  }, {}, { functions: { other: { default: { handler: (n) => n, twice: (n) => n * 2 } } } });
  assert.deepEqual(result, [1, "handler", true, 2, 6, 4]);
  assert.deepEqual([logs[0].level, logs[0].message], ["warn", "x 1"]);
});
