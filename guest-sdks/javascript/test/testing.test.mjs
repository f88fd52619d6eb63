import assert from "node:assert/strict";
import { test } from "node:test";
import { InvocationError, Workspace, invoke } from "thimble-sdk/testing";

const result = async (...given) => (await invoke(...given)).result;
const fails = (code, message) => (error) => {
  assert.ok(error instanceof InvocationError, error);
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

test("every form of a function is run", async () => {
  const event = { a: 2, b: 3 };
  for (const [fn, expected, options] of [
    [(e) => e.a, 2],
    [async ({ b }) => b, 3],
    [(e, context) => context.functionName, "f"],
    [(e, context, callback) => { setTimeout(() => callback(null, e.a), 1); }, 2],
    [async (e, context, callback) => e.b, 3],
    [{ handler: (e) => e.a }, 2],
    [{ handler() { return this.x; }, x: 4 }, 4],
    [{ default: (e) => e.b, other: () => 0 }, 3],
    [{ default: { handler() { return this.x; }, x: 5 } }, 5],
    [{ f: () => "own name", g: () => 0 }, "own name"],
    [{ only: () => "only" }, "only"],
    [{ one: () => 1, two: () => 2 }, 2, { entry: "two" }],
    [await import("./handler.mjs"), 4],
    ["return event.a + event.b", 5],
    ["const x = await Promise.resolve(a); return x", 2, { parameters: ["a"] }],
    ["#!/usr/bin/env node\n// hi\nasync (event) => event.a;", 2],
    ["/* a */ (event) => `${event.b}//` ;\n// end", "3//"],
    ["x => x.b", 3],
    ["async function (e) { return e.b }", 3],
    ["exports.handler = async (event) => event.a", 2],
    ["module.exports = (event) => event.b", 3],
    ["const { cache } = require('thimble'); exports.handler = () => typeof cache.get", "function"],
    [{ code: "return a * b", parameters: ["a", "b"] }, 6],
  ]) {
    assert.deepEqual(await result(fn, event, { functionName: "f", ...options }), expected, JSON.stringify(fn) ?? `${fn}`);
  }
});

test("a function of requests gets one, and its answer is the result", async () => {
  const seen = [];
  const app = { default: { async fetch(request, env, ctx) {
    ctx.waitUntil(new Promise((resolve) => setTimeout(() => resolve(seen.push("after")), 5)));
    return new Response(`${request.method} ${new URL(request.url).search} ${await request.text()} ${env.A}`, { status: 201, headers: { "x-a": "b" } });
  } } };
  const answer = await result(app, { method: "POST", rawPath: "/x", rawQueryString: "q=1", body: "hi" }, { env: { A: "1" } });
  assert.deepEqual([answer.statusCode, answer.headers["x-a"], answer.body, seen], [201, "b", "POST ?q=1 hi 1", ["after"]]);
});

test("results are JSON, and what JSON cannot hold is named with its place", async () => {
  assert.equal(await result(() => undefined), null);
  assert.deepEqual(await result(() => ({ a: undefined, d: new Date(0), n: [null, Object(1)] })), { d: "1970-01-01T00:00:00.000Z", n: [null, 1] });
  const cycle = {};
  cycle.a = [cycle];
  for (const [value, said] of [
    [{ items: [1, { price: NaN }] }, /NaN at \$\.items\[1\]\.price/], [{ "a b": 1n }, /a BigInt at \$\["a b"\]/], [[() => 1], /a function at \$\[0\]/],
    [[undefined], /undefined at \$\[0\]/], [new Map(), /a Map at \$/], [{ p: Promise.resolve() }, /a Promise that is not awaited at \$\.p/],
    [new Uint8Array(1), /a Uint8Array/], [cycle, /a cycle at \$\.a\[0\]/], [Symbol("x"), /a symbol/],
  ]) {
    await assert.rejects(invoke(() => value), fails("result_not_json", said));
  }
});

test("what goes wrong says what", async () => {
  await assert.rejects(invoke(() => { console.log("before"); throw new TypeError("bad"); }), (error) => {
    assert.deepEqual(error.logs.map(({ message }) => message), ["before"]);
    assert.ok(error.cause instanceof TypeError);
    return fails("function_error", /^bad$/)(error);
  });
  await assert.rejects(invoke(() => Promise.reject("boom")), fails("function_error", /thrown value: 'boom'/));
  await assert.rejects(invoke((e, c, callback) => callback("no")), fails("function_error", /^no$/));
  await assert.rejects(invoke(() => new Promise(() => {}), {}, { timeout: 20 }), fails("timeout", /20 ms/));
  await assert.rejects(invoke({ a: () => 1, b: () => 2 }), fails("function_not_found", /a, b/));
  await assert.rejects(invoke(() => 1, {}, { entry: "x" }), fails("function_not_found", /"x"/));
  await assert.rejects(invoke({ n: 1 }), fails("no_handler", /nothing/));
  await assert.rejects(invoke("return 1 +"), fails("syntax_error", /handler/));
  await assert.rejects(invoke("export default () => 1"), fails("no_handler", /import/));
});

test("the context says what runs", async () => {
  const seen = await result((event, context) => ({ ...context, left: context.getRemainingTimeInMillis(), getRemainingTimeInMillis: undefined }), {}, {
    functionName: "tell", workspace: "shop", timeout: 5000, memory: 64, caller: "ci", requestId: "r",
  });
  assert.deepEqual([seen.functionName, seen.workspace, seen.memoryLimitInMB, seen.timeoutInMillis, seen.identity, seen.requestId], ["tell", "shop", 64, 5000, "ci", "r"]);
  assert.ok(seen.left > 0 && seen.left <= 5000);
  const env = await result(() => [process.env.GREETING, process.env.THIMBLE_FUNCTION_NAME, process.env.PATH ?? null], {}, { functionName: "f", env: { GREETING: "hi" } });
  assert.deepEqual(env, ["hi", "f", null]);
  assert.ok(process.env.PATH);
});

test("an invocation goes on until what it waits for is settled", async () => {
  let done = false;
  const value = await result((event, context) => {
    context.waitUntil(new Promise((resolve) => setTimeout(resolve, 5)).then(() => { done = true; }));
    context.waitUntil(Promise.reject(new Error("of no interest to the answer")));
    return "answer";
  });
  assert.deepEqual([value, done], ["answer", true]);
});

test("the cache is the workspace's", async () => {
  const workspace = new Workspace({ cache: { start: { x: [1] } } });
  const { result } = await workspace.invoke(() => {
    const seen = [cache.start, "start" in cache, Object.keys(cache), thimble.cache.increment("n", 2), thimble.cache.increment("n")];
    cache.own = { a: 1 };
    delete cache.start;
    return [...seen, cache.start === undefined, thimble.cache.keys()];
  });
  assert.deepEqual(result, [{ x: [1] }, true, ["start"], 2, 3, true, ["n", "own"]]);
  assert.deepEqual({ ...workspace.cache }, { n: 3, own: { a: 1 } });
  assert.equal((await workspace.invoke(() => cache.own.a)).result, 1);
  assert.equal(await invoke(() => cache.own ?? null).then(({ result }) => result), null);
  await assert.rejects(workspace.invoke(() => { cache.f = () => 1; }), /the cache value holds a function at \$/);
  await assert.rejects(workspace.invoke(() => { cache["k".repeat(1025)] = 1; }), (error) => error.cause.code === "key_too_long");
  await assert.rejects(workspace.invoke(() => thimble.cache.increment("own")), (error) => error.cause.code === "not_an_integer");
});

test("functions call each other by their names", async () => {
  const workspace = new Workspace({ functions: {
    double: ({ n }) => ({ n: n * 2 }),
    sum: { code: "console.log('adding'); return a + b", parameters: ["a", "b"] },
    many: { one: () => 1, two: (e) => e },
    broken: () => { throw new RangeError("inner"); },
    endless: () => endless(),
    all: async () => [await double({ n: 4 }), await sum(1, 2), await many.two({ x: 1 }), await functions.call("many.one"), await functions.sum({ a: 1, b: 5 })],
  } });
  const { result, logs } = await workspace.invoke("all");
  assert.deepEqual(result, [{ n: 8 }, 3, { x: 1 }, 1, 6]);
  assert.deepEqual(logs.map(({ message }) => message), ["adding", "adding"]);
  const caught = await workspace.invoke(async () => {
    try { await broken(); } catch ({ code, name, message }) { return { code, name, message }; }
  });
  assert.deepEqual(caught.result, { code: "function_error", name: "RangeError", message: "inner" });
  await assert.rejects(workspace.invoke("endless"), /at most 16 deep/);
  await assert.rejects(workspace.invoke(() => functions.call("none")), /no function `none`/);
  assert.equal(typeof globalThis.double, "undefined");
});

test("invocations side by side have nothing of each other", async () => {
  const fn = async ({ n }) => {
    cache.mine = n;
    console.log(n);
    await new Promise((resolve) => setTimeout(resolve, 10 - n));
    return [cache.mine, process.env.N, thimble.context.requestId];
  };
  const all = await Promise.all([...Array(10).keys()].map((n) => invoke(fn, { n }, { env: { N: `${n}` }, requestId: `r${n}` })));
  all.forEach(({ result, logs }, n) => {
    assert.deepEqual(result, [n, `${n}`, `r${n}`]);
    assert.deepEqual(logs.map(({ message }) => message), [`${n}`]);
  });
});
