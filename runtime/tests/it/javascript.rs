//! JavaScript as its authors write it: forms, values, errors with the positions of their own file, logs, host APIs.

use crate::client::Workspace;
use serde_json::{Value, json};

/// Runs each code on its parameters and compares the result.
#[track_caller]
fn check(cases: &[(&str, Value, Value)]) {
    let workspace = Workspace::new();
    for (code, parameters, expected) in cases {
        let deployed = workspace.put("hello", "text/javascript", code.to_string());
        assert!(deployed.status < 300, "{code}\n{}", deployed.text());
        let answer = workspace.run("hello", parameters.clone());
        assert_eq!(answer.status, 200, "{code}\n{}", answer.text());
        assert_eq!(answer.json()["result"], *expected, "{code}");
    }
}

/// Each code deploys, and fails when it is run: the code of the error, and what stands in it.
#[track_caller]
fn check_failures(cases: &[(&str, &str, &[&str])]) {
    let workspace = Workspace::new();
    for (code, expected, said) in cases {
        let deployed = workspace.put("hello", "text/javascript", code.to_string());
        assert!(deployed.status < 300, "{code}\n{}", deployed.text());
        workspace.run("hello", json!({})).refuses(code, 500, expected, said);
    }
}

/// Each code cannot be deployed.
#[track_caller]
fn check_refusals(cases: &[(&str, &str, &[&str])]) {
    let workspace = Workspace::new();
    for (code, expected, said) in cases {
        workspace.put("hello", "text/javascript", code.to_string()).refuses(code, 422, expected, said);
    }
    workspace.run("hello", json!({})).fails(404, "workspace_not_found", "");
}

#[test]
fn every_form_of_a_function_is_run() {
    let e = || json!({ "a": 2, "b": 3 });
    check(&[
        ("return event.a + event.b", e(), json!(5)),
        ("const x = await Promise.resolve(event.a); return x", e(), json!(2)),
        ("#!/usr/bin/env node\nreturn 1", e(), json!(1)),
        ("// exports.x = 1\nreturn 'exports.y'", e(), json!("exports.y")),
        ("  // hi\n/* x */ (event) => event.a ;\n// end", e(), json!(2)),
        ("x => x", e(), e()),
        ("async ({ a, b }) => `${a})${b}`", e(), json!("2)3")),
        ("async function foo(e) { return e.b }", e(), json!(3)),
        ("(event, context) => context.functionName", e(), json!("hello")),
        ("exports.handler = async (event, context) => [event.a, context.functionName]", e(), json!([2, "hello"])),
        ("module.exports = async e => e.a", e(), json!(2)),
        ("module.exports = { handler() { return this.x }, x: 4 }", e(), json!(4)),
        ("module.exports.handler = function (e) { return e.b }", e(), json!(3)),
        ("export default e => e.a", e(), json!(2)),
        ("export default { handler() { return this.x }, x: 3 }", e(), json!(3)),
        ("export async function handler(e) { return e.a * 2 }", e(), json!(4)),
        ("export function hello() { return 'own name' }\nexport function other() {}", e(), json!("own name")),
        ("const x = await Promise.resolve(3); export const only = () => x", e(), json!(3)),
        ("const k = 2;\nfunction handler(e) { return k + e.a }\n", e(), json!(4)),
        ("const k = 2;\nconst hello = async e => k * e.b\n", e(), json!(6)),
        ("function handler(e) { return 1 }\nreturn handler(event) + 1", e(), json!(2)),
        (
            "exports.handler = (event, context, callback) => { setTimeout(() => callback(null, { ok: event.a }), 5) }",
            e(),
            json!({ "ok": 2 }),
        ),
        ("function* gen() { yield 1 }\nexports.handler = async () => [...gen()]", e(), json!([1])),
        ("import { cache } from 'thimble'; export default () => typeof cache.get", e(), json!("function")),
        ("const { cache } = require('thimble'); exports.handler = () => typeof cache.get", e(), json!("function")),
        ("return { then(resolve) { resolve(7) } }", e(), json!(7)),
    ]);
}

#[test]
fn declared_parameters_are_variables_of_a_body() {
    let workspace = Workspace::new().with(json!({ "functions": {
        "sum": { "code": "return a + b", "parameters": { "a": { "type": "number" }, "b": {} } },
        "odd": { "code": "return [event, typeof valid]", "parameters": { "event": {}, "not valid": {}, "class": {} } },
        "quotes": { "code": "return `${a / 2} ${'x'.replace(/['\"`]/g, '')} ${b}`", "parameters": { "a": {}, "b": {} } },
        "missing": { "code": "return typeof a", "parameters": { "a": {} } },
    }}));
    assert_eq!(workspace.run("sum", json!({ "a": 1, "b": 2.5 })).result(), 3.5);
    assert_eq!(workspace.run("odd", json!({ "event": 5 })).result(), json!([5, "undefined"]));
    assert_eq!(workspace.run("quotes", json!({ "a": 4, "b": "}" })).result(), "2 x }");
    assert_eq!(workspace.run("missing", json!({})).result(), "undefined");
}

#[test]
fn results_are_json_as_written() {
    let none = || json!({});
    check(&[
        ("return", none(), Value::Null),
        ("return undefined", none(), Value::Null),
        (
            "return { a: undefined, b: [null], d: new Date(0) }",
            none(),
            json!({ "b": [null], "d": "1970-01-01T00:00:00.000Z" }),
        ),
        ("const o = { x: 1 }; return [o, o]", none(), json!([{ "x": 1 }, { "x": 1 }])),
        ("return [-5, 2147483648, 0.1, 1e21]", none(), json!([-5, 2_147_483_648_u64, 0.1, 1e21])),
        ("return 'q\"\\\\\\n\\u0001é漢😀'", none(), json!("q\"\\\n\u{1}é漢😀")),
        ("return { toJSON() { return { x: [1] } } }", none(), json!({ "x": [1] })),
        ("return [new Number(3), new String('s'), Object(true)]", none(), json!([3, "s", true])),
        ("return new Proxy([1, 2], {})", none(), json!([1, 2])),
        ("class P { constructor() { this.x = 1 } } return new P", none(), json!({ "x": 1 })),
        (
            "return event",
            json!({ "deep": [{ "é\u{0}": "😀\n" }], "n": 1.5 }),
            json!({ "deep": [{ "é\u{0}": "😀\n" }], "n": 1.5 }),
        ),
    ]);
}

#[test]
fn what_json_cannot_hold_is_named_with_its_path() {
    check_failures(&[
        ("return { items: [1, {}, { price: NaN }] }", "result_not_json", &["NaN at $.items[2].price"]),
        ("return -Infinity", "result_not_json", &["-Infinity at $"]),
        ("return { 'a b': 1n }", "result_not_json", &["a BigInt at $[\"a b\"]"]),
        ("return [() => 1]", "result_not_json", &["a function at $[0]"]),
        ("return [undefined]", "result_not_json", &["undefined at $[0]"]),
        ("return { a: new Set }", "result_not_json", &["a Set at $.a"]),
        ("return new Map", "result_not_json", &["a Map at $"]),
        ("return { p: Promise.resolve(1) }", "result_not_json", &["a Promise", "at $.p"]),
        ("return new Uint8Array(2)", "result_not_json", &["a Uint8Array"]),
        ("const a = {}; a.self = { a }; return a", "result_not_json", &["cycle", "$.self.a"]),
        ("return Symbol('x')", "result_not_json", &["a symbol at $"]),
        ("let a = []; for (let i = 0; i < 600; i++) a = [a]; return a", "result_not_json", &["levels"]),
        ("let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; return o", "result_not_json", &["levels"]),
    ]);
}

#[test]
fn what_was_thrown_comes_with_name_message_and_the_authors_positions() {
    check_failures(&[
        (
            "const a = 1;\n\nthrow new TypeError('bad')",
            "function_error",
            &["bad", r#""name":"TypeError""#, r#""file":"hello.js""#, r#""line":3"#, r#""column":11"#, "hello.js:3:11"],
        ),
        (
            "function inner() {\n  throw new Error('deep')\n}\n\nreturn inner()",
            "function_error",
            &["deep", r#""line":2"#, "at inner (hello.js:2:", "at hello (hello.js:5:"],
        ),
        ("const s = '漢字漢字'; null.x", "function_error", &["TypeError", r#""line":1"#, r#""column":19"#]),
        (
            "class MyErr extends Error { get name() { return 'MyErr' } }\nthrow new MyErr('x', { cause: new Error('inner') })",
            "function_error",
            &[r#""name":"MyErr""#, "caused by: Error: inner", r#""line":2"#],
        ),
        (
            "await 0;\nawait Promise.reject(new RangeError('late'))",
            "function_error",
            &["late", "RangeError", r#""line":2"#],
        ),
        ("export default () => { throw new Error('m') }", "function_error", &[r#""line":1"#, r#""column":34"#]),
        (
            "exports.handler = (e, c, callback) => { callback(new TypeError('no')) }",
            "function_error",
            &["no", "TypeError"],
        ),
        ("throw 'boom'", "function_error", &["thrown value: 'boom'"]),
        ("throw { a: 1 }", "function_error", &["thrown value: { a: 1 }"]),
        ("throw undefined", "function_error", &["thrown value: undefined"]),
        ("throw Object.create(null)", "function_error", &["thrown value:"]),
        ("throw new Proxy({}, { get() { throw new Error('trap') } })", "function_error", &[]),
        ("const e = new Error('x'); e.cause = e; throw e", "function_error", &["x"]),
        ("Error.prepareStackTrace = (e, s) => s.length; throw new Error('x')", "function_error", &["x"]),
        ("return JSON.parse('{')", "function_error", &["SyntaxError"]),
        ("await new Promise(() => {})", "never_settles", &[]),
        ("exports.handler = (event, context, callback) => {}\n", "never_settles", &[]),
        ("function f() { return f() + 1 } return f()", "stack_overflow", &["RangeError"]),
        ("return JSON.parse('['.repeat(100000))", "stack_overflow", &[]),
    ]);
}

#[test]
fn a_source_that_does_not_parse_is_refused_with_its_place() {
    check_refusals(&[
        ("return 1 +", "syntax_error", &["unexpected end", r#""line":1"#, r#""column":11"#, r#""text":"return 1 +""#]),
        (
            "const a = 1;\nconst b = ;\nreturn a",
            "syntax_error",
            &[r#""file":"hello.js""#, r#""line":2"#, r#""column":11"#, r#""text":"const b = ;""#],
        ),
        ("let é = '漢字'; let x = @;", "syntax_error", &[r#""line":1"#, r#""column":23"#]),
        ("export default function () {\n  return 1 1\n}", "syntax_error", &[r#""line":2"#, r#""column":12"#]),
        ("let x = 1;\r\nlet y = ;\r\n", "syntax_error", &[r#""line":2"#, r#""column":9"#, r#""text":"let y = ;""#]),
        ("let a;\nlet b;\nlet a;", "syntax_error", &[r#""line":3"#]),
        ("}); evil(); (function () {", "syntax_error", &[]),
        ("}, function () {", "syntax_error", &[]),
        ("() => 1); evil(); (() => 2", "syntax_error", &[]),
        ("return 1;\n}\nfunction evil() {", "syntax_error", &[]),
        ("export const n = 1", "no_handler", &["hello.js"]),
        ("exports.handler = () => 1;\nthrow new Error('top')", "function_error", &["top", r#""line":2"#]),
        (
            "require('lo' + 'dash'); exports.handler = () => 1",
            "function_error",
            &["Cannot find module 'lodash'", r#""line":1"#],
        ),
        (
            "const a = 1;\nimport _ from 'node:lodash';\nexport default () => 1",
            "function_error",
            &["Cannot find module 'node:lodash'", r#""line":2"#],
        ),
        ("await new Promise(() => {}); export default () => 1", "never_settles", &[]),
    ]);
}

/// The tenth of a thousand: an upload that is large for a source, and all brackets.
#[test]
fn a_source_of_nothing_but_brackets_is_refused() {
    let workspace = Workspace::new();
    for code in ["(".repeat(200_000), "[".repeat(200_000), format!("x = /{}/", "(".repeat(100_000))] {
        let answer = workspace.put("hello", "text/javascript", code);
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert!(matches!(answer.error().code.as_str(), "syntax_error" | "stack_overflow"), "{}", answer.text());
    }
}

#[test]
fn the_context_says_what_runs() {
    let workspace = Workspace::new().with(json!({ "env": { "GREETING": "wörld" }, "functions": {
        "tell": { "timeout": 5000, "memory": 64, "code": "
            const left = context.getRemainingTimeInMillis();
            return {
                named: [context.functionName, context.workspace, context.memoryLimitInMB],
                caller: context.identity ?? null,
                left: left > 0 && left <= 5000,
                id: context.requestId, version: context.functionVersion,
                env: [process.env.GREETING, process.env.THIMBLE_WORKSPACE, process.env.THIMBLE_FUNCTION_NAME,
                      process.env.THIMBLE_MEMORY_SIZE, process.env.THIMBLE_TIMEOUT, process.env.PATH ?? null, 'GREETING' in process.env],
            }" },
    }}));
    let first = workspace.result("tell");
    assert_eq!(first["named"], json!(["tell", workspace.name, 64]));
    assert_eq!(first["caller"], Value::Null);
    assert_eq!(first["left"], true);
    assert_eq!(first["env"], json!(["wörld", workspace.name, "tell", "64", "5000", null, true]));
    let answer = workspace.run("tell", json!({}));
    let second = answer.json()["result"].clone();
    assert_ne!(first["id"], second["id"]);
    assert_eq!(second["id"].as_str(), answer.header("x-request-id"), "the answer carries the invocation's id");
    assert_eq!(first["version"], second["version"]);
}

#[test]
fn logs_are_in_order_with_their_levels() {
    let workspace = Workspace::new().javascript(
        "talk",
        "console.log('a', 1, { b: [1, 'x', { c: { d: { e: { f: 1 } } } }] }, null);
         console.warn('%s is %d%% of %j', 'x', 5, { a: 1 }, 'extra');
         console.error(new TypeError('oops'));
         console.debug([undefined, () => 1, class A {}, Symbol('s'), 1n]);
         console.info('line\\n{\"level\":\"error\",\"message\":\"forged\"}');
         const a = {}; a.a = a; console.log(a);
         if (event.fail) throw new Error('after the logs');
         return 1",
    );
    let answer = workspace.run("talk", json!({})).expect(200);
    let logs = answer.logs();
    assert_eq!(logs[0], "info a 1 { b: [ 1, 'x', { c: { d: { e: [Object] } } } ] } null");
    assert_eq!(logs[1], "warn x is 5% of {\"a\":1} extra");
    assert!(logs[2].starts_with("error TypeError: oops\n    at talk (talk.js:3:"), "{}", logs[2]);
    assert_eq!(logs[3], "debug [ undefined, [Function (anonymous)], [class A], Symbol(s), 1n ]");
    assert_eq!(logs[4], "info line\n{\"level\":\"error\",\"message\":\"forged\"}");
    assert_eq!(logs[5], "info { a: [Circular] }");
    assert_eq!(logs.len(), 6);
    let times: Vec<String> =
        answer.json()["logs"].as_array().unwrap().iter().map(|entry| entry["time"].to_string()).collect();
    assert!(times.is_sorted(), "{times:?}");
    // A failure shows what was printed before it, and the next invocation nothing of that.
    let failed = workspace.run("talk", json!({ "fail": true })).fails(500, "function_error", "after the logs");
    assert_eq!(failed.logs.len(), 6);
    assert_eq!(workspace.run("talk", json!({})).logs().len(), 6);
}

#[test]
fn what_happens_beside_the_result_is_logged_and_ends_with_the_invocation() {
    let workspace = Workspace::new()
        .javascript("lost", "Promise.reject(new Error('lost')); await new Promise(r => setTimeout(r, 5)); return 1")
        .javascript("timer", "setTimeout(() => { throw new Error('in timer') }, 1); await new Promise(r => setTimeout(r, 10)); return 'ok'")
        .javascript("late", "if (event.start) { setTimeout(() => console.log('leak'), 1); return 1 } await new Promise(r => setTimeout(r, 50)); return 2");
    assert!(workspace.run("lost", json!({})).expect(200).logs().concat().contains("lost"));
    assert!(workspace.run("timer", json!({})).expect(200).logs().concat().contains("in timer"));
    workspace.run("late", json!({ "start": true })).expect(200);
    assert_eq!(workspace.run("late", json!({})).expect(200).logs(), Vec::<String>::new());
}

#[test]
fn timers_and_promises_run_side_by_side_in_order() {
    check(&[
        (
            "const began = Date.now(); const all = await Promise.all([...Array(10)].map((_, i) => new Promise(r => setTimeout(r, 100 - i, i)))); return [all, Date.now() - began < 400]",
            json!({}),
            json!([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], true]),
        ),
        (
            "return await new Promise(r => { let k = 0; const i = setInterval(() => { if (++k === 3) { clearInterval(i); r(k) } }, 1) })",
            json!({}),
            json!(3),
        ),
        (
            "const o = []; setTimeout(() => o.push('timer')); queueMicrotask(() => o.push('micro')); process.nextTick(() => o.push('tick')); await new Promise(r => setTimeout(r, 5)); return o.indexOf('timer') === 2",
            json!({}),
            json!(true),
        ),
        (
            "return await Promise.race([new Promise(r => setTimeout(r, 5000, 'slow')), new Promise(r => setTimeout(r, 1, 'fast'))])",
            json!({}),
            json!("fast"),
        ),
    ]);
}

#[test]
fn the_web_platforms_basics_are_there() {
    check(&[
        (
            "return [btoa('hi'), atob('aGk='), new TextDecoder().decode(new TextEncoder().encode('é😀'))]",
            json!({}),
            json!(["aGk=", "hi", "é😀"]),
        ),
        (
            "return [new URL('../b?x=1#h', 'http://u:p@h.test:81/a/c').href, [...new URLSearchParams('a=1&b=%20')]]",
            json!({}),
            json!(["http://u:p@h.test:81/b?x=1#h", [["a", "1"], ["b", " "]]]),
        ),
        (
            "const m = structuredClone({ d: new Date(5), m: new Map([[1, { a: [2] }]]), s: new Set([3]) }); return [m.d.getTime(), m.m.get(1).a, [...m.s]]",
            json!({}),
            json!([5, [2], [3]]),
        ),
        (
            "const id = crypto.randomUUID(); return [/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id), crypto.getRandomValues(new Uint8Array(4)).length]",
            json!({}),
            json!([true, 4]),
        ),
        (
            "const r = new Response('{\"a\":1}', { status: 201 }); return [r.status, await r.clone().json(), await r.text()]",
            json!({}),
            json!([201, { "a": 1 }, "{\"a\":1}"]),
        ),
        (
            "return [typeof std, typeof os, typeof bjson, typeof scriptArgs, typeof SharedArrayBuffer === 'function' && typeof Worker]",
            json!({}),
            json!(["undefined", "undefined", "undefined", "undefined", "undefined"]),
        ),
        ("return new Date().getFullYear() >= 2024 && performance.now() >= 0", json!({}), json!(true)),
    ]);
}

/// Instances start from one image of memory; what is random must yet differ.
#[test]
fn randomness_differs_between_instances() {
    let code = "return [Math.random(), crypto.randomUUID(), [...crypto.getRandomValues(new Uint8Array(8))]]";
    let workspace = Workspace::new();
    let mut seen = Vec::new();
    for name in ["a", "b", "c", "d"] {
        workspace.put(name, "text/javascript", code).expect(201);
        seen.push(workspace.result(name));
        seen.push(workspace.result(name));
    }
    for index in 0..3 {
        let mut column: Vec<String> = seen.iter().map(|row| row[index].to_string()).collect();
        column.sort();
        column.dedup();
        assert_eq!(column.len(), seen.len(), "{seen:?}");
    }
}

#[test]
fn a_guest_that_breaks_its_own_globals_harms_only_itself() {
    check(&[
        (
            "Array.prototype.map = null; Object.prototype.toJSON = undefined; Promise.prototype.then = 3; Array.prototype.push = null; JSON.stringify = null; return { a: [1] }",
            json!({}),
            json!({ "a": [1] }),
        ),
        ("globalThis.fetch = null; globalThis.console = null; thimble.cache = null; return 1", json!({}), json!(1)),
        (
            "const o = {}; Object.defineProperty(o, 'x', { get() { throw 5 }, enumerable: true }); console.log(o); return 1",
            json!({}),
            json!(1),
        ),
        (
            "const p = new Proxy({}, { get() { throw 1 }, ownKeys() { throw 2 }, getPrototypeOf() { throw 3 } }); console.log(p); return 1",
            json!({}),
            json!(1),
        ),
    ]);
}

#[test]
fn cache_holds_json_and_says_what_it_cannot_hold() {
    check(&[
        (
            "cache.a = { x: [1] }; const r = [cache.a, cache.b === undefined, 'a' in cache, Object.keys(cache)]; delete cache.a; r.push(cache.a === undefined); return r",
            json!({}),
            json!([{ "x": [1] }, true, true, ["a"], true]),
        ),
        (
            "try { cache.f = () => 1 } catch (e) { return e.message.startsWith('the cache value holds a function at $') }",
            json!({}),
            json!(true),
        ),
        (
            "try { cache.big = 'x'.repeat(17 << 20) } catch (e) { return e.message.includes('16') || e.message }",
            json!({}),
            json!(true),
        ),
        (
            "try { cache['k'.repeat(1025)] = 1 } catch (e) { return e.message.includes('1,024') || e.message.includes('1024') || e.message }",
            json!({}),
            json!(true),
        ),
        ("cache['k'.repeat(1024)] = 1; return Object.keys(cache).length", json!({}), json!(1)),
    ]);
}
