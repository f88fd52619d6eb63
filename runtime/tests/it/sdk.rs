//! The npm package `guest-sdks/javascript`: its own tests by Node, its types by tsc, and its files in the server.

use crate::client::Workspace;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdks/javascript")
}

/// Whether a program is there. In CI it has to be.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(found || std::env::var_os("CI").is_none(), "{program} is missing: CI tests the JavaScript SDK with it");
    if !found {
        eprintln!("skipped: there is no {program} here");
    }
    found
}

#[track_caller]
fn succeeds(command: &mut Command) {
    let output = command.current_dir(package()).output().expect("it can be started");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&said));
}

/// Runs `all`, which uses every class of an SDK, and looks at all that comes of it.
#[track_caller]
pub fn every_class_works(workspace: &Workspace, place: &str, plain: &str) {
    let secret = workspace.path("/secrets/key");
    assert!(workspace.client.put(&secret, "text/plain", "top").status < 300);
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let answer = workspace.run("all", json!({ "headers": { "traceparent": traceparent } })).expect(200);
    let result = answer.json()["result"].clone();
    assert_eq!(result["secret"], json!(["top", null]));
    assert_eq!(result["cache"], json!([{ "v": [1] }, 3, ["k", "n"]]));
    assert_eq!(result["calls"], json!([8, 6, 10]));
    assert_eq!(result["context"], json!(["all", true, true]));
    assert_eq!(result["a"], "b");
    assert!(result["traceparent"].as_str().unwrap().starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{result}");
    let lines: Vec<(String, String)> = answer
        .logs()
        .iter()
        .map(|line| line.split_once(' ').map(|(level, text)| (level.into(), text.into())).expect("a level and a text"))
        .collect();
    let parsed = |index: usize| serde_json::from_str::<Value>(&lines[index].1).expect("a line is JSON");
    let levels: Vec<&str> = lines.iter().map(|(level, _)| level.as_str()).collect();
    assert_eq!(levels, ["debug", "error", "info", "info", "warn"]);
    assert_eq!(
        (&parsed(0)["message"], &parsed(0)["n"], &parsed(0)["app"]),
        (&json!("100% done"), &json!("1"), &json!("shop"))
    );
    assert_eq!(parsed(0)["requestId"].as_str(), answer.header("x-request-id"));
    assert!(parsed(1)["error"]["stack"].as_str().unwrap().contains(place), "{:?}", lines[1]);
    assert_eq!((&parsed(2)["orders"], &parsed(2)["stage"]), (&json!(2), &json!("test")));
    assert_eq!((&parsed(3)["span"], &parsed(3)["service"]), (&json!("outer"), &json!("all")));
    assert_eq!(lines[4].1, plain);
}

#[test]
fn its_own_tests_pass_in_node() {
    if has("node") {
        let mut tests: Vec<PathBuf> = std::fs::read_dir(package().join("test"))
            .expect("it has tests")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
            .collect();
        tests.sort();
        assert_eq!(tests.len(), 2);
        succeeds(Command::new("node").arg("--test").args(tests));
    }
}

#[test]
fn its_types_are_what_they_say() {
    if !has("node") || !has("npm") {
        return;
    }
    let tsc = package().join("node_modules/typescript/bin/tsc");
    if !tsc.exists() {
        succeeds(Command::new("npm").args(["ci", "--silent", "--ignore-scripts"]));
    }
    succeeds(Command::new("node").arg(tsc).args(["--project", "test/tsconfig.json"]));
}

/// The package as one source: each file as a CommonJS module, and a `require` between them.
fn bundled(handler: &str) -> String {
    let mut files = String::new();
    for name in ["host", "logger", "metrics", "secrets", "tracer", "index"] {
        let code = std::fs::read_to_string(package().join(format!("src/{name}.cjs"))).expect("a file of the package");
        files.push_str(&format!("'./{name}.cjs': (module, exports, require) => {{{code}\n}},\n"));
    }
    format!(
        "const files = {{ {files} }}, made = {{}};
         function load(name) {{
           if (!made[name]) files[name](made[name] = {{ exports: {{}} }}, made[name].exports, load);
           return made[name].exports;
         }}
         const sdk = load('./index.cjs');
         exports.handler = async (event, context) => {{ {handler} }};"
    )
}

#[test]
fn its_classes_work_in_the_server() {
    let workspace = Workspace::new().with(json!({ "env": { "LOG_LEVEL": "debug" }, "functions": {
        "double": { "code": "return event.n * 2" },
        "many": { "code": "export const twice = (e) => e.n * 2; export const thrice = (e) => e.n * 3" },
        "all": { "code": bundled("
            const { Logger, Metrics, Tracer, secrets, cache, functions, log, context: own } = sdk;
            const logger = new Logger({ fields: { app: 'shop' } });
            logger.debug('100% done', { n: 1n });
            logger.error(new TypeError('bad'));
            const metrics = new Metrics({ namespace: 'shop', dimensions: { stage: 'test' } });
            metrics.count('orders', 2);
            await metrics.time('work', async () => 1);
            metrics.flush();
            const headers = await new Tracer().trace('outer', (span) => span.headers({ a: 'b' }), { parent: event });
            log.warn('plain', { a: 1 });
            cache.set('k', { v: [1] });
            return {
              secret: [secrets.require('key'), secrets.get('none') ?? null],
              cache: [cache.get('k'), cache.increment('n', 3), cache.keys().sort()],
              calls: [await functions.double({ n: 4 }), await functions.many.thrice({ n: 2 }), await functions.call('many.twice', { n: 5 })],
              context: [own.functionName, own.requestId === context.requestId, own.getRemainingTimeInMillis() > 0],
              traceparent: headers.get('traceparent'), a: headers.get('a'),
            };
        ") },
    }}));
    every_class_works(&workspace, "all.js:", "plain { a: 1 }");
}

/// What the harness says of a function is what the server says of it.
#[test]
fn the_harness_and_the_server_agree() {
    if !has("node") {
        return;
    }
    let cases = json!([
        { "code": "return event.a + event.b", "event": { "a": 1, "b": 2 } },
        { "code": "(event) => ({ got: event, none: undefined, at: new Date(5) })", "event": { "x": [1, null] } },
        { "code": "exports.handler = (e, c, callback) => callback(null, c.functionName)", "event": {} },
        { "code": "module.exports = { handler() { return this.x }, x: 4 }", "event": {} },
        { "code": "return { items: [1, { price: NaN }] }", "event": {} },
        { "code": "return new Map", "event": {} },
        { "code": "return [() => 1]", "event": {} },
        { "code": "throw new TypeError('bad')", "event": {} },
        { "code": "exports.handler = (e, c, callback) => callback('no')", "event": {} },
        { "code": "cache.a = { x: 1 }; return [cache.a, 'b' in cache, Object.keys(cache), thimble.cache.increment('n')]", "event": {} },
        { "code": "try { cache.f = () => 1 } catch (e) { return [e.name, e.message.slice(0, 38)] }", "event": {} },
        { "code": "try { thimble.cache.set('k'.repeat(2000), 1) } catch (e) { return [e.code, e.message] }", "event": {} },
        { "code": "console.log('a', 1, { b: [1, 'x'] }); console.warn('%s is %d', 'x', 5); return thimble.context.functionName", "event": {} },
        { "code": "try { await functions.call('none') } catch (e) { return e.code }", "event": {} },
        { "code": "return [process.env.THIMBLE_FUNCTION_NAME, process.env.THIMBLE_MEMORY_SIZE, thimble.secrets.get('x') ?? null]", "event": {} },
    ]);
    let script = "
        const { invoke } = require('./src/testing.cjs');
        const shown = ({ level, message }) => `${level} ${message}`;
        (async () => {
          const all = [];
          for (const { code, event } of JSON.parse(process.argv[1])) {
            all.push(await invoke(code, event, { functionName: 'f' }).then(
              ({ result, logs }) => ({ result, logs: logs.map(shown) }),
              ({ code, logs }) => ({ code, logs: logs.map(shown) })));
          }
          console.log(JSON.stringify(all));
        })();";
    let output = Command::new("node").args(["-e", script, &cases.to_string()]).current_dir(package()).output();
    let output = output.expect("node runs");
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    for (case, told) in cases.as_array().unwrap().iter().zip(told.as_array().unwrap()) {
        let code = case["code"].as_str().unwrap();
        let workspace = Workspace::new().javascript("f", code);
        let answer = workspace.run("f", case["event"].clone());
        let served = match answer.status {
            200 => json!({ "result": answer.json()["result"], "logs": answer.logs() }),
            _ => json!({ "code": answer.error().code, "logs": answer.logs() }),
        };
        assert_eq!(*told, served, "{code}");
    }
}
