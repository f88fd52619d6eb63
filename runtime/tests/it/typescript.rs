//! TypeScript and JSX: every form and every kind of syntax, places of what the author wrote, and input that means harm.

use crate::client::Workspace;
use serde_json::{Value, json};

/// Deploys each code by its media type, runs it on the parameters and compares the result.
#[track_caller]
fn check(media: &str, cases: &[(&str, Value, Value)]) {
    let workspace = Workspace::new();
    for (code, parameters, expected) in cases {
        let deployed = workspace.put("hello", media, code.to_string());
        assert!(deployed.status < 300, "{code}\n{}", deployed.text());
        let answer = workspace.run("hello", parameters.clone());
        assert_eq!(answer.status, 200, "{code}\n{}", answer.text());
        assert_eq!(answer.json()["result"], *expected, "{code}");
    }
}

#[test]
fn every_form_of_a_function_is_run() {
    let e = || json!({ "a": 2, "b": 3 });
    check(
        "text/typescript",
        &[
            ("return (event.a as number) + event.b!", e(), json!(5)),
            ("const x: number = await Promise.resolve<number>(event.a); return x", e(), json!(2)),
            ("#!/usr/bin/env node\nreturn 1 as const", e(), json!(1)),
            ("// hi\n(event: { a: number }): number => event.a ;\n// end", e(), json!(2)),
            ("x => x", e(), e()),
            ("async <T extends { a: number }>({ a }: T) => `${a})`", e(), json!("2)")),
            ("async function foo(e: any): Promise<number> { return e.b }", e(), json!(3)),
            ("/* unnamed */ function (e: any, context: any) { return context.functionName }", e(), json!("hello")),
            ("async function (e: { a: number }) { return e.a }", e(), json!(2)),
            ("interface E { a: number }\n(event: E) => event.a", e(), json!(2)),
            ("exports.handler = async (event: any) => event.a", e(), json!(2)),
            ("import type { E } from './e'; module.exports = (e: E) => e.a", e(), json!(2)),
            ("export = (e: any) => e.a", e(), json!(2)),
            ("import thimble = require('thimble'); export = () => typeof thimble.cache.get", e(), json!("function")),
            ("export default (e: any) => e.a", e(), json!(2)),
            (
                "import { cache, type Cache } from 'thimble'; const c: Cache = cache; export default () => typeof c.get",
                e(),
                json!("function"),
            ),
            (
                "import { Elided } from './nowhere'; export async function handler(e: Elided) { return e.a * 2 }",
                e(),
                json!(4),
            ),
            ("export interface Foo { x: number }\nreturn event.a satisfies number", e(), json!(2)),
            (
                "const k: number = 2;\nfunction handler(e: any): number { return k + e.a }\nexport type { X } from './x'",
                e(),
                json!(4),
            ),
            ("const x = await Promise.resolve(3); export const only = (): number => x", e(), json!(3)),
            ("const package: number = 010; return package", e(), json!(8)),
            (
                "exports.handler = (event: any, context: unknown, callback: Function) => { callback(null, event.a) }",
                e(),
                json!(2),
            ),
        ],
    );
}

#[test]
fn what_types_stand_for_at_run_time_is_made() {
    let none = || json!({});
    check(
        "application/typescript",
        &[
            (
                "enum A { X = 1, Y, Z = 'z' } const enum B { Q = A.Y << 2 } return [A.Y, A[1], A.Z, B.Q]",
                none(),
                json!([2, "X", "z", 8]),
            ),
            (
                "namespace N { export const z = 4; export namespace M { export const f = () => z + 1 } } return N.M.f()",
                none(),
                json!(5),
            ),
            (
                "class P { constructor(private readonly a: number, public b = 2) {} get sum(): number { return this.a + this.b } }\nreturn new P(1).sum",
                none(),
                json!(3),
            ),
            (
                "abstract class A { declare x: number; y?: string; abstract f(): void; static { (this as any).s = 1 } #p = 2; q() { return this.#p } }\nclass B extends A { override f() {} }\nreturn [(A as any).s, new B().q(), 'x' in new B(), 'y' in new B()]",
                none(),
                json!([1, 2, false, true]),
            ),
            (
                "function seen(...a: any[]): any { log.push(typeof a[1] + (a[2]?.value ? 'm' : typeof a[2])) } const log: string[] = [];
                 function named(target: any) { return class extends target { extra = 1 } as any }
                 @named class A { @seen x = 1; @seen m(@seen p: string) {} }
                 return [log, (new A() as any).extra]",
                none(),
                json!([["stringundefined", "stringnumber", "stringm"], 1]),
            ),
            (
                "function over(a: string): string; function over(a: number): number; function over(a: any) { return a }\nreturn over(1)",
                none(),
                json!(1),
            ),
            (
                "type T<K extends string> = { [P in K as `get${P}`]?: K extends `a${infer R}` ? R : never };\nconst v = <any>{ a: 1 }; let d!: number; d = v.a; return d",
                none(),
                json!(1),
            ),
            (
                "function is(x: unknown): asserts x is string {} is(1); const o = { m<T>(this: any, x: T) { return x } }; return o.m<number>(4)",
                none(),
                json!(4),
            ),
            (
                "const a = (v: number) => v; const b = a<number>; using r = { [Symbol.dispose]() {} }; return b(3) ?? 1_000n",
                none(),
                json!(3),
            ),
            ("declare const x: number; declare module 'y' {} declare global { var z: number } return typeof x", none(), json!("undefined")),
        ],
    );
}

#[test]
fn elements_become_calls() {
    let h = "/** @jsx h @jsxFrag 'frag' */\nconst h = (t: any, p: any, ...c: any[]) => typeof t === 'function' ? t(p) : [t, p, c];\n";
    let classic = |code: &str| format!("{h}{code}").replace("'frag'", "F").replace("const h", "const F = 'frag', h");
    let cases = [
        (
            classic("return <p id='x'>a {event.n} <b/></p>"),
            json!(["p", { "id": "x" }, ["a ", 1, " ", ["b", null, []]]]),
        ),
        (classic("return <><i/>{...[1]}</>"), json!(["frag", null, [["i", null, []], 1]])),
        (classic("const C = (p: { n: number }) => p.n + 1; return <C n={event.n} />"), json!(2)),
        (
            classic("const o = <T,>(x: T) => x; return <p {...o({ a: 1 })} b />"),
            json!(["p", { "a": 1, "b": true }, []]),
        ),
    ];
    let cases: Vec<(&str, Value, Value)> =
        cases.iter().map(|(code, expected)| (code.as_str(), json!({ "n": 1 }), expected.clone())).collect();
    check("text/tsx", &cases);
    // Whoever says TypeScript may use JSX, where it is nothing else.
    check("text/typescript", &cases[..2]);
    check("text/jsx", &[("/** @jsx h */ function h(t) { return t } return <p>x</p>", json!({}), json!("p"))]);
    check(
        "text/jsx",
        &[("const React = { createElement: (t, p) => p }; /* @jsxRuntime classic */ return 1", json!({}), json!(1))],
    );
    // The automatic runtime imports what it calls, a package as any other.
    let workspace = Workspace::new();
    for (code, package) in [
        ("export default () => <p>x</p>", "react"),
        ("/** @jsxImportSource preact */ export default () => <p/>", "preact"),
        ("(event: any) => <p>{event.x}</p>", "react"),
    ] {
        let functions = json!({ "page": { "code": code, "language": "tsx" } });
        let body = json!({ "functions": functions, "disableNpmRegistry": true });
        workspace.deploy(&body).fails(422, "registry_disabled", package);
    }
}

#[test]
fn a_source_that_does_not_parse_is_refused_with_its_place() {
    let workspace = Workspace::new();
    for (code, said) in [
        ("return 1 +", &[r#""line":1"#, r#""column":11"#, r#""text":"return 1 +""#, "hello.ts:1:11"][..]),
        ("const a: number = 1;\nconst b: = ;\nreturn a", &[r#""file":"hello.ts""#, r#""line":2"#, r#""column":10"#]),
        ("let é: string = '漢字'; let x = @;", &[r#""line":1"#]),
        ("let a;\nlet b;\nlet a;", &["already been declared", r#""line":3"#, r#""column":5"#]),
        ("function (e: any) {\n  return 1 1\n}", &[r#""line":2"#, r#""column":11"#, r#""text":"  return 1 1""#]),
        ("(event) => {\r\n  let y: ;\r\n}", &[r#""line":2"#, r#""column":10"#, r#""text":"  let y: ;""#]),
        ("const p = <p>x</p>;\nreturn p +* 1", &["tsx"]),
        ("return 1;\n}\nfunction evil() {", &[r#""line":2"#]),
        ("}); evil(); (function () {", &[r#""line":1"#]),
    ] {
        workspace.put("hello", "text/typescript", code).refuses(code, 422, "syntax_error", said);
    }
    let broken = workspace.deploy(&json!({ "functions": {
        "good": { "code": "return 1 as number", "language": "typescript" },
        "bad": { "code": "\n\n  enum {", "language": "typescript" },
    }}));
    broken.refuses(
        "bad",
        422,
        "syntax_error",
        &["function `bad`", "bad.ts:3:", r#""function":"bad""#, r#""name":"SyntaxError""#],
    );
    workspace.put("none", "text/typescript", "interface A {}").fails(422, "no_handler", "none.ts");
    // What only the interpreter refuses has the original's place too.
    let code = "type A = 1;\n\nimport x from 'node:nowhere';\nexport default () => x as A";
    workspace.put("hello", "text/typescript", code).refuses(
        code,
        422,
        "function_error",
        &[r#""line":3"#, "nowhere", "hello.ts"],
    );
}

#[test]
fn what_was_thrown_has_the_places_of_the_original() {
    let workspace = Workspace::new();
    for (code, said) in [
        (
            "interface A {\n  a: number;\n}\n\nconst a: A = { a: 1 };\n  throw new TypeError('bad')",
            &[
                "bad",
                r#""name":"TypeError""#,
                r#""file":"hello.ts""#,
                r#""line":6"#,
                r#""column":13"#,
                r#""text":"  throw new TypeError('bad')""#,
            ][..],
        ),
        (
            "type T = {\n  x: string\n};\nfunction inner<T>(t: T): never {\n  throw new Error('deep' as string)\n}\n\n\nreturn inner<number>(1)",
            &["deep", r#""line":5"#, "at inner (hello.ts:5:", "at hello (hello.ts:9:"],
        ),
        ("const s: string = '漢字漢字'; (null as any).x", &["TypeError", r#""line":1"#]),
        (
            "enum A {\n  X,\n  Y\n}\nconst f = (a: A) => {\n\n  return (undefined as any)[a].y;\n};\nreturn f(A.X)",
            &[r#""line":7"#],
        ),
        (
            "class MyErr extends Error { constructor(readonly code: number) { super('x', { cause: new Error('inner') }) } }\n\n\nthrow new MyErr(1)",
            &["caused by: Error: inner", r#""line":4"#, r#""text":"throw new MyErr(1)""#],
        ),
        ("await 0;\nawait Promise.reject<void>(new RangeError('late'))", &["late", "RangeError", r#""line":2"#]),
        ("export default (\n  e: any,\n): void => {\n  throw new Error('m')\n}", &[r#""line":4"#, r#""column":13"#]),
        ("async function (\n  e: any,\n) {\n  await e.missing.x\n}", &[r#""line":4"#, "hello.ts:4:"]),
    ] {
        let deployed = workspace.put("hello", "text/typescript", code);
        assert!(deployed.status < 300, "{code}\n{}", deployed.text());
        // In a warm instance as in a fresh one.
        for _ in 0..2 {
            workspace.run("hello", json!({})).refuses(code, 500, "function_error", said);
        }
    }
    let code = "type A = 1;\n\n\nexports.handler = () => 1;\nthrow new Error('top' as string)";
    workspace.put("top", "text/typescript", code).refuses(code, 422, "function_error", &["top", "top.ts:5:"]);
    let code = "/** @jsx h */\nconst h = (t: any) => t();\nfunction Broken(): any {\n  throw new Error('in it');\n}\nreturn (\n  <Broken />\n);";
    workspace.put("page", "text/tsx", code).expect(201);
    workspace.run("page", json!({})).refuses(
        code,
        500,
        "function_error",
        &["at Broken (page.tsx:4:", "at page (page.tsx:7:"],
    );
}

#[test]
fn stacks_that_the_code_prints_have_the_places_of_the_original() {
    let workspace = Workspace::new();
    let code = "interface Gone {\n  x: number;\n}\n\nfunction fail(): never {\n  throw new Error('m' as string);\n}\ntry {\n  fail();\n} catch (e: any) {\n  console.log(e.stack);\n  console.error(e);\n  console.trace('here');\n  class Own extends Error { constructor() { super('own'); Error.captureStackTrace(this, Own); } }\n  const own = new Own();\n  return [e.stack, own.stack];\n}";
    workspace.put("show", "text/typescript", code).expect(201);
    let answer = workspace.run("show", json!({})).expect(200);
    let (logs, result) = (answer.logs(), answer.json()["result"].clone());
    let expected = "at fail (show.ts:6:";
    for shown in [&logs[0], &logs[1], result[0].as_str().unwrap()] {
        assert!(shown.contains(expected) && shown.contains("at show (show.ts:9:"), "{shown}");
        assert!(!shown.contains("thimble:"), "{shown}");
    }
    assert!(logs[2].contains("show.ts:13:"), "{}", logs[2]);
    assert_eq!(result[1].as_str().unwrap().lines().count(), 1, "{result}");
    assert!(result[1].as_str().unwrap().contains("at show (show.ts:15:"), "{result}");
}

/// A bundler's map below plain JavaScript is read as well.
#[test]
fn a_map_that_the_author_brings_is_used() {
    let workspace = Workspace::new();
    let map = json!({
        "version": 3, "sources": ["src/orders.ts"], "sourcesContent": ["type A = 1;\n\nthrow new Error('x');\n"],
        "names": [], "mappings": "AAEA",
    });
    use base64::Engine as _;
    let map = base64::engine::general_purpose::STANDARD.encode(map.to_string());
    let comment = "//# sourceMappingURL=data:application/json;base64,";
    workspace.put("f", "text/javascript", format!("throw new Error('x');\n{comment}{map}")).expect(201);
    let said = [r#""file":"src/orders.ts""#, r#""line":3"#, r#""column":11"#, r#""text":"throw new Error('x');""#];
    workspace.run("f", json!({})).refuses("mapped", 500, "function_error", &said);
    for broken in ["!!!", "e30=", "eyJtYXBwaW5ncyI6ICJBQUFBQUFBQUEiLCAic291cmNlcyI6IFtdfQ==", ""] {
        workspace.put("f", "text/javascript", format!("throw new Error('x');\n{comment}{broken}")).expect(200);
        workspace.run("f", json!({})).refuses(broken, 500, "function_error", &[r#""file":"f.js""#, r#""line":1"#]);
    }
}

#[test]
fn the_original_is_what_is_read_back_and_deployed_again() {
    let workspace = Workspace::new();
    let code = "interface A { n: number } // kept\nreturn (n as number) + 1";
    let body = json!({ "functions": {
        "ts": { "code": code, "language": "typescript", "parameters": { "n": { "type": "number" } } },
        "tsx": { "code": "/** @jsx h */ const h = (t: string) => t; return <p/>", "language": "tsx" },
        "js": { "code": "return (await ts(1)) + 1", "language": "javascript" },
    }});
    workspace.deploy(&body).expect(200);
    assert_eq!(workspace.run("ts", json!({ "n": 1 })).result(), 2);
    assert_eq!(workspace.result("tsx"), "p");
    assert_eq!(workspace.result("js"), 3);
    let read = workspace.client.get(&workspace.path("")).expect(200).json();
    assert_eq!(read["functions"]["ts"]["code"], code);
    assert_eq!(read["functions"]["ts"]["language"], "typescript");
    assert_eq!(read["functions"]["tsx"]["language"], "tsx");
    workspace.deploy(&read).expect(200);
    assert_eq!(workspace.run("ts", json!({ "n": 2 })).result(), 3);
    // Settings load everything anew; the translation is still there.
    workspace
        .client
        .send(
            ::http::Method::PUT,
            &workspace.path("/settings"),
            &[("content-type", "application/json")],
            r#"{"env":{"A":"1"}}"#,
        )
        .expect(200);
    assert_eq!(workspace.run("ts", json!({ "n": 3 })).result(), 4);
    // The same text in another language is another function.
    let same = "const a = <any>1; return a";
    workspace.put("same", "text/typescript", same).expect(201);
    workspace.put("same", "text/tsx", same).fails(422, "syntax_error", "same.tsx");
    workspace.put("same", "text/javascript", same).fails(422, "syntax_error", "same.js");
    assert_eq!(workspace.result("same"), 1);
}

#[test]
fn a_translated_function_outlives_the_server() {
    use crate::server::Server;
    let server = Server::start("");
    let name = {
        let workspace = Workspace::on(&server);
        workspace
            .put("f", "text/typescript", "type A = 1;\n\nif (event.fail) throw new Error('x' as string); return 1")
            .expect(201);
        workspace.name.clone()
    };
    let server = Server::restart(server.kill());
    let workspace = Workspace::named(&server, &name);
    assert_eq!(workspace.result("f"), 1);
    workspace.run("f", json!({ "fail": true })).refuses("f", 500, "function_error", &[r#""line":3"#, "f.ts:3:"]);
}

/// Whatever it is made of, the server refuses it or runs it, and goes on.
#[test]
fn input_that_means_harm_harms_nobody() {
    let workspace = Workspace::new();
    let deep = 100_000;
    let around = |open: &str, middle: &str, close: &str| format!("{}{middle}{}", open.repeat(deep), close.repeat(deep));
    for (what, code) in [
        ("parentheses", format!("return {}", around("(", "1", ")"))),
        ("open parentheses", "(".repeat(deep)),
        ("arrays", format!("return {}", around("[", "1", "]"))),
        ("blocks", around("{", "", "}")),
        ("generics", format!("let a: {}", around("A<", "B", ">"))),
        ("elements", format!("/** @jsx h */ return {}", around("<a>", "x", "</a>"))),
        ("templates", format!("let a: {}", around("`${", "b", "}`"))),
        ("template text", format!("return {}", around("`${", "1", "}`"))),
        ("conditional types", format!("type T = {}", "A extends B ? C : ".repeat(deep / 2) + "D")),
        ("functions of functions", "x => ".repeat(deep) + "1"),
        ("signs", format!("return {}1", "- ".repeat(deep))),
        ("sums", format!("return 1{}", " + 1".repeat(deep))),
        ("members", format!("return a{}", ".b".repeat(deep))),
        ("branches", format!("{}1", "if (a) ".repeat(deep))),
        ("else", "if (a) 1; else ".repeat(deep / 2) + "1"),
        ("conditions", format!("return {}1", "a ? b : ".repeat(deep))),
        ("assignments", format!("{}1", "a = ".repeat(deep))),
        ("arrays of arrays", format!("let a: A{}", "[]".repeat(deep))),
        ("namespaces", format!("namespace a{} {{}}", ".b".repeat(deep / 5))),
        ("classes", format!("{}{}", "class A { m() {".repeat(deep / 2), "}}".repeat(deep / 2))),
        ("types in functions", format!("let f: {}", "(a: A) => ".repeat(deep) + "B")),
        ("decorators", format!("{} class A {{}}", "@a ".repeat(deep))),
        ("ambiguous arrows", "(a = (b".repeat(5000)),
        ("ambiguous generics", "a<b<c<".repeat(5000)),
        ("zero bytes", "\0".repeat(1000)),
        ("odd characters", "\u{2028}\u{feff}\u{202e}🏳️‍🌈".repeat(1000)),
    ] {
        let began = std::time::Instant::now();
        let answer = workspace.put("hello", "text/typescript", code);
        let took = began.elapsed();
        let found = if answer.status < 300 { String::new() } else { answer.error().code };
        let codes = [
            "",
            "syntax_error",
            "too_expensive",
            "stack_overflow",
            "no_handler",
            "memory_limit",
            "function_error",
            "invalid_source",
        ];
        assert!(codes.contains(&found.as_str()), "{what}: {} {}", answer.status, answer.text());
        assert!(took.as_secs() < 30, "{what}: {took:?}");
    }
    // The workspace is as well as it was.
    workspace.put("hello", "text/typescript", "return 1 as number");
    assert_eq!(workspace.result("hello"), 1);
    crate::server::Server::shared().is_well();
}

#[test]
fn plain_javascript_is_not_touched() {
    let workspace = Workspace::new();
    workspace.put("hello", "text/javascript", "return 1 as number").fails(422, "syntax_error", "hello.js");
    workspace.put("hello", "text/plain", "return 1").fails(415, "unsupported_media_type", "text/typescript");
    workspace.deploy(&json!({ "functions": { "f": { "code": "return 1", "language": "flow" } } })).fails(
        400,
        "bad_request",
        "flow",
    );
}

/// A function of several files, in JSON.
fn bundle(language: &str, main: &str, code: &str, files: Value) -> Value {
    json!({ "language": language, "main": main, "code": code, "files": files })
}

#[test]
fn files_of_a_bundle_are_translated() {
    let workspace = Workspace::new();
    let files = json!({
        "package.json": r##"{ "name": "app", "imports": { "#page": "./src/page.tsx" } }"##,
        "src/sum.ts": "import type { N } from './types';\nexport enum Sign { Plus = 1 }\nexport const sum = (a: N, b: N): N => a + b * Sign.Plus",
        "src/types.ts": "export type N = number",
        "src/page.tsx": "/** @jsx h */\nconst h = (name: string, _: unknown, text: string) => `<${name}>${text}</${name}>`;\nexport default (text: string) => <p>{text}</p>",
        "src/old.cts": "exports.old = (x: number): string => `old ${x}`",
        "src/late.mts": "export const late = (await Promise.resolve(7)) as number",
        "src/index.ts": "export * from './sum.js'",
        "types.d.ts": "declare const x: = broken on purpose",
        "node_modules/raw/package.json": r#"{ "main": "index.ts" }"#,
        "node_modules/raw/index.ts": "export const raw: number = 1",
        "film.ts": { "base64": "R/8Q/w==" },
    });
    let code = "import { sum } from './src';\nimport page from '#page';\nimport { old } from './src/old.cjs';\n\
        import { readFileSync } from 'node:fs';\nexport default async (event: { a: number }) => {\n\
        const { late } = await import('./src/late.mjs');\nconst text: string = readFileSync('/var/task/src/types.ts', 'utf8');\n\
        return [sum(event.a, 3), page('hi'), old(event.a), late, text, \
        await import('raw').catch((error: any) => error.code)] };";
    let function = bundle("typescript", "app.ts", code, files);
    let deployed = workspace.put("hello", "application/json", function.to_string());
    assert!(deployed.status < 300, "{}", deployed.text());
    let expected = json!([5, "<p>hi</p>", "old 2", 7, "export type N = number", "ERR_UNKNOWN_FILE_EXTENSION"]);
    let run = || workspace.run("hello", json!({ "a": 2 }));
    let answer = run();
    assert_eq!(answer.json()["result"], expected, "{}", answer.text());

    // What is shown is what was sent, and can be deployed again.
    let shown = workspace.client.get(&workspace.path("/hello")).expect(200).json();
    assert_eq!((&shown["code"], &shown["files"]["src/sum.ts"]), (&function["code"], &function["files"]["src/sum.ts"]));
    assert!(workspace.put("hello", "application/json", shown.to_string()).status < 300);
    assert!(workspace.put("other", "text/javascript", "return 1".to_string()).status < 300);
    assert_eq!(run().json()["result"], expected);
}

#[test]
fn stacks_in_a_bundle_name_the_places_that_were_written() {
    let workspace = Workspace::new();
    let files = json!({
        "lib/fail.ts": "interface Gone {\n  a: number;\n}\n\nexport function fail(e: Gone): never {\n  throw new TypeError(`a is ${e.a}`);\n}",
    });
    let code = "import { fail } from './lib/fail';\ntype Event = { a: number };\n\n\
        export const stack = (event: Event) => { try { fail(event) } catch (error: any) { return error.stack } };\n\
        export default (event: Event) => fail(event);";
    let deployed = workspace.put("hello", "application/json", bundle("ts", "app.ts", code, files).to_string());
    assert!(deployed.status < 300, "{}", deployed.text());
    let answer = workspace.run("hello", json!({ "a": 1 }));
    let said = ["a is 1", "/var/task/lib/fail.ts:6:", "/var/task/app.ts:5:", "throw new TypeError(`a is ${e.a}`)"];
    answer.refuses(code, 500, "function_error", &said);
    let read = workspace.run("hello.stack", json!({ "a": 1 }));
    let read = read.text();
    assert!(read.contains("/var/task/lib/fail.ts:6:") && read.contains("/var/task/app.ts:4:"), "{read}");

    let broken = bundle("js", "index.js", "return 1", json!({ "lib/bad.ts": "const a = 1;\nlet b: = 2" }));
    let refused = workspace.put("bad", "application/json", broken.to_string());
    refused.refuses("bad.ts", 422, "syntax_error", &["/var/task/lib/bad.ts:2:8"]);
}
