//! The last call of an instance: `process.on("SIGTERM")` and `signal.signal(SIGTERM)`, seen by a web server that they
//! report to.

use crate::client::{Workspace, listen};
use crate::server::{Home, Server, Setup};
use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

/// A web server that keeps the paths it was asked for.
struct Upstream {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    fn start() -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = heard.clone();
        let port = listen(move |stream| {
            let notes = notes.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                notes.lock().expect("a list").push(request.uri().path()[1..].to_string());
                async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"noted")))) }
            });
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service)
        });
        Self { port, heard }
    }

    /// What was heard so far, sorted.
    fn heard(&self) -> Vec<String> {
        let mut heard = self.heard.lock().expect("a list").clone();
        heard.sort();
        heard
    }

    /// Waits until these were heard, in any order, and nothing else.
    #[track_caller]
    fn hears(&self, expected: &[&str]) {
        let began = Instant::now();
        while self.heard().len() < expected.len() && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(self.heard(), expected);
    }

    /// Deploys these functions, each as it is written or its code alone; they may report here.
    #[track_caller]
    fn deploy(&self, workspace: &Workspace<'_>, mut functions: Value) {
        for function in functions.as_object_mut().expect("functions").values_mut().filter(|value| value.is_string()) {
            *function = json!({ "code": function.take() });
        }
        let body = json!({
            "egress": [format!("127.0.0.1:{}", self.port)],
            "env": { "TO": format!("http://127.0.0.1:{}/", self.port) },
            "functions": functions,
        });
        workspace.deploy(&body).expect(200);
    }

    #[track_caller]
    fn workspace<'a>(&self, server: &'a Server, functions: Value) -> Workspace<'a> {
        let workspace = Workspace::on(server);
        self.deploy(&workspace, functions);
        workspace
    }
}

/// For what happens while nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A server that logs how instances end.
fn verbose() -> Server {
    let setup = Setup { environment: &[("THIMBLE_LOG", "info,thimble::instance=debug")], ..Setup::default() };
    Server::start_in(Home::new(), &setup)
}

/// A counter of the server.
fn count(server: &Server, name: &str) -> u64 {
    let text = server.client.get("/metrics").text().to_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).expect("the metric");
    line.parse::<f64>().expect("a number") as u64
}

fn told(server: &Server) -> u64 {
    count(server, "thimble_retirements_told_total")
}

/// A function that reports `name` at its end, and answers 1.
fn reporting(name: &str) -> String {
    format!("process.on('SIGTERM', async () => {{ await fetch(process.env.TO + '{name}') }}); export default () => 1")
}

const SILENT: &str = "export default () => 1";

#[test]
fn listeners_of_every_kind_are_called_when_a_function_is_replaced_or_removed() {
    let (server, upstream) = (verbose(), Upstream::start());
    let workspace = upstream.workspace(
        &server,
        json!({
            "top": reporting("top"),
            // Registered by the call; its name, number and environment are there, and a timer works.
            "inside": "let calls = 0;
                export default () => {
                    process.once('SIGTERM', (name, number) => {
                        setTimeout(() => fetch(`${process.env.TO}${name}-${number}-${calls}`), 20);
                    });
                    return ++calls;
                }",
            "added": "import process from 'node:process';
                process.addListener('SIGTERM', () => { fetch(process.env.TO + 'added').then(() => process.exit(0)) });
                process.on('SIGTERM', () => { setInterval(() => {}, 1000) });
                export default () => 1",
            // A secret can be read, and a function cannot be called.
            "asks": "process.on('SIGTERM', async () => {
                    const called = await functions.top({}).catch((error) => error.code);
                    await fetch(`${process.env.TO}${thimble.secrets.get('KEY')}-${called}`);
                });
                export default () => 1",
            "py": { "language": "python", "code": "
import os, signal, sys
async def end(number, frame):
    await thimble.fetch(f\"{os.environ['TO']}py-{number}\")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
def handler(event): return 1" },
            "plain": { "language": "python", "code": "
import os, signal, urllib.request
def end(*_):
    urllib.request.urlopen(os.environ['TO'] + 'plain').read()
def handler(event):
    signal.signal(signal.SIGTERM, end)
    return 1" },
        }),
    );
    workspace.client.put(&workspace.path("/secrets/KEY"), "text/plain", "s3").expect(204);
    for function in ["top", "inside", "inside", "added", "asks", "py", "plain"] {
        workspace.result(function);
    }
    assert_eq!(upstream.heard(), Vec::<String>::new(), "nothing ends yet");
    workspace.client.delete(&workspace.path("/top")).expect(204);
    // Each is loaded again, as the names of the workspace's functions have changed.
    let all = ["SIGTERM-15-2", "SIGTERM-15-2", "added", "plain", "py-15", "s3-not_while_retiring", "top"];
    upstream.hears(&all);
    workspace.client.delete(&workspace.path("")).expect(204);
    assert_eq!(told(&server), 6, "what never served has nothing to end");
}

#[test]
fn a_connection_of_an_earlier_call_is_closed_in_words() {
    let (server, upstream) = (Server::start(""), Upstream::start());
    let notes = upstream.heard.clone();
    let port = listen(move |mut stream| {
        let notes = notes.clone();
        async move {
            let mut said = String::new();
            stream.read_to_string(&mut said).await.expect("an orderly end");
            notes.lock().expect("a list").push(said);
        }
    });
    let code = "
        const socket = require('node:net').connect(event.port, '127.0.0.1');
        await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
        process.once('SIGTERM', async () => {
            await new Promise((done) => socket.write('quit', done));
            socket.end();
            await new Promise((done) => socket.once('close', done));
            console.log('closed');
        });
        return 1";
    let workspace = Workspace::on(&server);
    let egress = [format!("127.0.0.1:{port}")];
    workspace.deploy(&json!({ "egress": egress, "functions": { "f": { "code": code } } })).expect(200);
    assert_eq!(workspace.run("f", json!({ "port": port })).result(), 1);
    assert_eq!(upstream.heard(), Vec::<String>::new(), "it stays open between calls");
    workspace.client.delete(&workspace.path("")).expect(204);
    upstream.hears(&["quit"]);
}

#[test]
fn an_image_remembers_the_listener_over_a_restart() {
    let (server, upstream) = (Server::start(""), Upstream::start());
    let name = upstream.workspace(&server, json!({ "f": reporting("end") })).name;
    let server = Server::restart(server.kill());
    let workspace = Workspace::named(&server, &name);
    workspace.result("f");
    upstream.deploy(&workspace, json!({ "f": SILENT }));
    upstream.hears(&["end"]);
}

#[test]
fn instances_that_expire_or_make_room_are_told() {
    let upstream = Upstream::start();
    let server = Server::start("[instances]\nidle_expiry_s = 1");
    let workspace = upstream.workspace(&server, json!({ "f": reporting("expired") }));
    workspace.result("f");
    upstream.hears(&["expired"]);

    let upstream = Upstream::start();
    let server = Server::start("[instances]\nwarm = 1");
    let workspace = upstream.workspace(&server, json!({ "f": reporting("made-room"), "g": SILENT }));
    workspace.result("f");
    workspace.result("g");
    upstream.hears(&["made-room"]);
}

#[test]
fn a_server_that_stops_tells_all_of_them() {
    let (server, upstream) = (Server::start(""), Upstream::start());
    // More than one workspace may have told at once while the server runs.
    let names: Vec<String> = (0..40).map(|n| format!("f{n:02}")).collect();
    let mut functions: serde_json::Map<_, _> =
        names.iter().map(|name| (name.clone(), reporting(name).into())).collect();
    functions.insert("stuck".into(), "process.on('SIGTERM', () => { for (;;); }); export default () => 1".into());
    let workspace = upstream.workspace(&server, functions.into());
    for name in &names {
        workspace.result(name);
    }
    workspace.result("stuck");
    let began = Instant::now();
    server.terminate();
    let (status, _) = server.ended();
    assert!(status.success(), "{status}");
    assert!(began.elapsed() < Duration::from_secs(15), "it took {:?}", began.elapsed());
    upstream.hears(&names.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_fresh_instance_for_each_call_is_told_after_each() {
    let (server, upstream) = (Server::start(""), Upstream::start());
    let function = |code: String| json!({ "code": code, "isolation": "request" });
    let workspace = upstream.workspace(
        &server,
        json!({
            "f": function(reporting("end")),
            "stuck": function("process.on('SIGTERM', () => new Promise(() => setInterval(() => {}, 10))); export default () => 1".into()),
            "silent": function(SILENT.into()),
        }),
    );
    for _ in 0..5 {
        workspace.result("f");
    }
    upstream.hears(&["end"; 5]);
    // Answers wait for none of them; what is too many ends untold, and in time there is room again.
    let began = Instant::now();
    for _ in 0..40 {
        workspace.result("stuck");
    }
    assert!(began.elapsed() < Duration::from_secs(2), "it took {:?}", began.elapsed());
    let untold = || count(&server, "thimble_retirements_untold_total");
    assert_eq!((told(&server), untold()), (37, 8));
    assert!(server.home().log().contains("without its SIGTERM"), "{}", server.home().log());
    // Another workspace has its own places.
    let other = upstream.workspace(&server, json!({ "f": function(reporting("other")) }));
    other.result("f");
    upstream.hears(&["end", "end", "end", "end", "end", "other"]);
    workspace.result("silent");
    assert_eq!(told(&server), 38);
    eventually("a place", || {
        let before = untold();
        workspace.result("f");
        untold() == before
    });
    eventually("one more", || upstream.heard().iter().filter(|path| *path == "end").count() == 6);
}

#[test]
fn a_listener_that_fails_harms_nobody() {
    let (server, upstream) = (verbose(), Upstream::start());
    let hooked = |code: &str| format!("{code}; export default () => 1");
    let functions = json!({
        "throws": hooked("process.on('SIGTERM', () => { throw new Error('first') }).on('SIGTERM', () => { fetch(process.env.TO + 'second') })"),
        "rejects": hooked("process.on('SIGTERM', async () => { throw new Error('late\\nline') }).on('SIGTERM', () => fetch(process.env.TO + 'other'))"),
        "loops": hooked("process.on('SIGTERM', () => { for (;;); })"),
        "hangs": hooked("process.on('SIGTERM', () => new Promise(() => setInterval(() => {}, 1000)))"),
        "grows": hooked("process.on('SIGTERM', () => { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)) })"),
        "never": hooked("process.on('SIGTERM', () => new Promise(() => {}))"),
        "py": { "language": "python", "code": "
import signal
def end(*_): raise ValueError('oh')
signal.signal(signal.SIGTERM, end)
def handler(event): return 1" },
    });
    let workspace = upstream.workspace(&server, functions.clone());
    for function in functions.as_object().expect("functions").keys() {
        workspace.result(function);
    }
    let began = Instant::now();
    upstream.deploy(&workspace, json!({ "f": SILENT }));
    assert_eq!(workspace.result("f"), 1);
    server.is_well();
    assert!(began.elapsed() < Duration::from_secs(2), "a deploy waits for none of them: {:?}", began.elapsed());
    upstream.hears(&["other", "second"]);
    let lines = || -> Vec<String> {
        server.home().log().lines().filter(|line| line.contains(" retired ")).map(str::to_string).collect()
    };
    eventually("all have ended", || lines().len() == 7);
    assert!(began.elapsed() < Duration::from_secs(10), "they end by their deadline: {:?}", began.elapsed());
    for (function, said) in [
        ("throws", "Uncaught Error: first"),
        ("rejects", "Unhandled promise rejection: Error: late\\nline"),
        ("loops", "did not end within 2000 ms"),
        ("hangs", "did not end within 2000 ms"),
        ("grows", "memory"),
        ("never", "outcome=\"ok\""),
        ("py", "ValueError: oh"),
    ] {
        let lines = lines();
        let line = lines.iter().find(|line| line.contains(&format!("function={function} "))).expect("a line");
        assert!(line.contains(said), "{line}");
    }
}

#[test]
fn who_did_not_ask_or_ended_for_cause_is_not_called() {
    let (server, upstream) = (Server::start(""), Upstream::start());
    let listening = "const f = async () => { await fetch(process.env.TO + 'wrong') }; process.on('SIGTERM', f);";
    let functions = json!({
        "silent": SILENT,
        "removed": format!("{listening} process.off('SIGTERM', f); export default () => 1"),
        "all": format!("{listening} process.removeAllListeners('SIGTERM'); export default () => 1"),
        "inside": format!("{listening} export default () => {{ process.removeListener('SIGTERM', f); return 1 }}"),
        "signals": "process.on('SIGINT', () => fetch(process.env.TO + 'wrong')); export default () => 1",
        "uncalled": { "code": format!("{listening} export default () => 1"), "provisionedConcurrency": 3 },
        "late": { "code": format!("{listening} export default () => {{ for (;;); }}"), "timeout": 500 },
        "large": format!("{listening} export default () => {{ const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)) }}"),
        "py": { "language": "python", "code": "
import signal, urllib.request
signal.signal(signal.SIGTERM, lambda *_: urllib.request.urlopen('http://127.0.0.1/'))
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def handler(event): return 1" },
    });
    let workspace = upstream.workspace(&server, functions);
    for function in ["silent", "removed", "all", "inside", "signals", "py"] {
        assert_eq!(workspace.result(function), 1);
    }
    workspace.run("late", json!({})).fails(504, "timeout", "");
    assert!(workspace.run("large", json!({})).status >= 400);
    upstream.deploy(&workspace, json!({ "f": reporting("f") }));
    workspace.result("f");
    workspace.client.delete(&workspace.path("")).expect(204);
    upstream.hears(&["f"]);
    assert_eq!(told(&server), 1);
}
