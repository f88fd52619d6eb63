//! What one function, version or workspace leaves behind is never seen by another; secrets stay with their workspace.

use crate::client::Workspace;
use crate::server::Server;
use ::http::Method;
use serde_json::{Value, json};

/// Counts in a global, a module's variable, a prototype and the file system, and tells what it found.
const JS: &str = "
let inModule = 0;
export default function (event) {
    const found = [inModule, globalThis.leaked ?? 0, ({}).polluted ?? 0];
    inModule++; globalThis.leaked = found[1] + 1; Object.prototype.polluted = found[2] + 1;
    if (event.then === 'trap') (function f() { f(); })();
    if (event.then === 'loop') for (;;);
    if (event.then === 'memory') { const a = []; for (;;) a.push(new Uint8Array(1 << 20)); }
    if (event.then === 'caught') try { new Uint8Array(1 << 30) } catch { return found }
    if (event.then === 'throw') throw new Error('as asked');
    return found;
}";

const PY: &str = "
import builtins, sys, os
in_module = 0
def handler(event, context):
    global in_module
    import json
    found = [in_module, getattr(builtins, 'leaked', 0), getattr(json, 'leaked', 0)]
    in_module += 1; builtins.leaked = found[1] + 1; json.leaked = found[2] + 1
    os.environ['LEAKED'] = 'x'
    if event.get('then') == 'trap': os._exit(3)
    if event.get('then') == 'loop':
        while True: pass
    if event.get('then') == 'memory': x = b'x' * (1 << 30)
    if event.get('then') == 'caught':
        try: x = b'x' * (1 << 30)
        except MemoryError: return found
    if event.get('then') == 'throw': raise ValueError('as asked')
    return found
";

#[test]
fn globals_stay_in_a_warm_instance_of_one_function_and_go_nowhere_else() {
    for (media, code) in [("text/javascript", JS), ("text/x-python", PY)] {
        let workspace = Workspace::new();
        let other = Workspace::new();
        for w in [&workspace, &other] {
            w.put("f", media, code).expect(201);
            w.put("g", media, code).expect(201);
        }
        let fresh = json!([0, 0, 0]);
        assert_eq!(workspace.result("f"), fresh);
        assert_eq!(workspace.result("f"), json!([1, 1, 1]), "a warm instance keeps what is its own");
        assert_eq!(workspace.result("g"), fresh, "another function");
        assert_eq!(other.result("f"), fresh, "another workspace");
        // A new version of the same code, and of another function of the deployment.
        workspace.put("f", media, format!("{code}\n")).expect(200);
        assert_eq!(workspace.result("f"), fresh, "another version");
        assert_eq!(workspace.result("f"), json!([1, 1, 1]));
        // An exception is no reason to lose a warm instance.
        workspace.run("f", json!({ "then": "throw" })).fails(500, "function_error", "as asked");
        assert_eq!(workspace.result("f"), json!([3, 3, 3]));
    }
}

#[test]
fn an_instance_that_trapped_is_never_used_again() {
    for (media, code) in [("text/javascript", JS), ("text/x-python", PY)] {
        let workspace = Workspace::new();
        workspace.client.put(&workspace.path("/f?timeout=1000&memory=96"), media, code).expect(201);
        for then in ["trap", "loop", "memory"] {
            assert_eq!(workspace.result("f")[0], 0, "before {then}");
            assert_eq!(workspace.result("f")[0], 1, "before {then}");
            let error = workspace.run("f", json!({ "then": then })).error();
            assert!(
                matches!(
                    (then, error.code.as_str()),
                    ("trap", "function_error" | "stack_overflow") | ("loop", "timeout") | ("memory", "memory_limit")
                ),
                "{then}: {} {}",
                error.code,
                error.message
            );
            assert_eq!(workspace.result("f"), json!([0, 0, 0]), "after {then}");
            assert_eq!(workspace.result("f"), json!([1, 1, 1]), "after {then}");
            // Memory that was refused may have left anything half done, even where the function got over it.
            assert_eq!(workspace.run("f", json!({ "then": "caught" })).result()[0], 2);
            assert_eq!(workspace.result("f"), json!([0, 0, 0]), "after a refusal that was caught");
            // For the next round.
            workspace.run("f", json!({ "then": "loop" })).fails(504, "timeout", "");
        }
    }
}

#[test]
fn files_of_one_invocation_are_gone_in_the_next() {
    let code = "
import os
def write(name):
    os.makedirs('/tmp/deep/er', exist_ok=True)
    for path in ('/tmp/' + name, '/tmp/deep/er/' + name):
        with open(path, 'w') as f: f.write('secret')
    return sorted(os.listdir('/tmp'))
def left():
    return os.listdir('/tmp')
def keep():
    global handle
    handle = open('/tmp/kept', 'w+')
    handle.write('secret'); handle.flush()
    return 1
def use():
    try:
        handle.seek(0)
        return handle.read()
    except OSError:
        return 'gone'
";
    let workspace = Workspace::new().python("f", code);
    let other = Workspace::new().python("f", code);
    assert_eq!(workspace.run("f.write", json!({ "name": "x" })).result(), json!(["deep", "x"]));
    assert_eq!(workspace.result("f.left"), json!([]));
    assert_eq!(other.result("f.left"), json!([]));
    // Two at once do not see each other's.
    let slow = "
import os, time
def f(name):
    with open('/tmp/' + name, 'w') as file: file.write(name)
    time.sleep(0.2)
    return sorted(os.listdir('/tmp'))
";
    let workspace = Workspace::new().python("f", slow);
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let workspace = &workspace;
            scope.spawn(move || assert_eq!(workspace.run("f", json!({ "name": name })).result(), json!([name])));
        }
    });
}

#[test]
fn secrets_are_for_the_functions_of_their_workspace_only() {
    const CANARY: &str = "c4nary-Value-0f-a-secret";
    const ROTATED: &str = "r0tated-Value-0f-a-secret";
    let server = Server::start("");
    let workspace = Workspace::on(&server).with(json!({ "env": { "A": "b" }, "functions": {
        "js": { "code": "return thimble.secrets.get('TOKEN') ?? null" },
        "py": { "language": "python", "code": "return thimble.secrets.get('TOKEN')" },
        "environment": { "code": "return JSON.stringify([process.env, context, globalThis, thimble])" },
    }}));
    let other = Workspace::on(&server).javascript("js", "return thimble.secrets.get('TOKEN') ?? null");
    let path = |w: &Workspace<'_>, rest: &str| w.path(&format!("/secrets{rest}"));
    let put = |value: &'static str| server.client.send(Method::PUT, &path(&workspace, "/TOKEN"), &[], value);

    assert_eq!(workspace.result("js"), Value::Null);
    put(CANARY).expect(204);
    for name in ["js", "py"] {
        assert_eq!(workspace.result(name), CANARY, "a warm instance sees it at once");
    }
    assert_eq!(other.result("js"), Value::Null);
    let listed = server.client.get(&path(&workspace, "")).expect(200);
    assert_eq!(listed.json(), json!({ "secrets": ["TOKEN"] }));
    assert_eq!(server.client.get(&path(&other, "")).expect(200).json(), json!({ "secrets": [] }));

    put(ROTATED).expect(204);
    for name in ["js", "py"] {
        assert_eq!(workspace.result(name), ROTATED);
    }
    // Nowhere but in the answers of those who asked for it.
    for place in ["", "/js", "/settings", "/secrets", "/secrets/TOKEN"] {
        let answer = server.client.get(&workspace.path(place));
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!text.contains(CANARY) && !text.contains(ROTATED), "{place}: {text}");
    }
    let seen = workspace.run("environment", json!({})).text().to_string();
    assert!(!seen.contains(CANARY) && !seen.contains(ROTATED), "{seen}");

    // Not while a top level runs: what is read there could be kept in an image.
    for (media, code) in [
        ("text/javascript", "const s = thimble.secrets.get('TOKEN'); export default () => s"),
        ("text/x-python", "import thimble\ns = thimble.secrets.get('TOKEN')\ndef handler(event): return s"),
    ] {
        let refused = workspace.put("early", media, code);
        assert_eq!(refused.status, 422, "{}", refused.text());
        assert!(!refused.text().contains(ROTATED), "{}", refused.text());
    }

    server.client.delete(&path(&workspace, "/TOKEN")).expect(204);
    server.client.delete(&path(&workspace, "/TOKEN")).fails(404, "secret_not_found", "TOKEN");
    assert_eq!(workspace.result("js"), Value::Null);
    assert_eq!(workspace.result("py"), Value::Null);

    for (name, value, status) in [("a%2fb", "x", 400), ("..", "x", 400), ("-x", "x", 400)] {
        let answer = server.client.send(Method::PUT, &path(&workspace, &format!("/{name}")), &[], value);
        assert!(answer.status == status || answer.status == 404, "{name}: {}", answer.status);
    }
    let large = |size: usize| server.client.send(Method::PUT, &path(&workspace, "/LARGE"), &[], "x".repeat(size));
    large(64 << 10).expect(204);
    large((64 << 10) + 1).fails(413, "payload_too_large", "64 KiB");
    server.client.send(Method::PUT, &path(&workspace, "/BYTES"), &[], vec![0xff, 0xfe]).fails(
        400,
        "bad_request",
        "UTF-8",
    );
    server.client.send(Method::PUT, "/v2/functions/nowhere/secrets/X", &[], "x").fails(404, "workspace_not_found", "");

    // On disk only sealed, in the log not at all.
    put(CANARY).expect(204);
    assert_eq!(workspace.result("js"), CANARY);
    let name = workspace.name.clone();
    let home = server.kill();
    assert!(!home.log().contains(CANARY));
    for file in std::fs::read_dir(home.data()).expect("the data folder").flatten() {
        let content = std::fs::read(file.path()).unwrap_or_default();
        assert!(!content.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()), "{:?}", file.path());
    }
    // And it is there after a start.
    let server = Server::start_in(home, &crate::server::Setup::default());
    let workspace = Workspace { client: &server.client, name };
    assert_eq!(workspace.result("js"), CANARY);
}

/// What a function calls and does not wait for must not have turns on the CPU that it does not use.
#[test]
fn others_are_served_while_nobody_waits_for_what_was_called() {
    let busy = Workspace::new().with(json!({ "functions": {
        "caller": {
            "code": "called(); called(); const until = Date.now() + 30; while (Date.now() < until);
                     await new Promise((done) => setTimeout(done, 5)); for (;;);",
            "timeout": 6000,
        },
        "called": { "code": "for (;;);" },
    }}));
    busy.lets_others_be_served("caller");
}
