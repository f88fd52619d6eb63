//! Forks: a top level runs once for all instances, what it left is in each of them, and nothing else is.

use crate::client::{RUNTIME, Workspace};
use crate::components;
use crate::server::{Home, Server, Setup};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::process::{Pid, Resource, getrlimit, prlimit};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, Row};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use thimble::store::blobs::Hash;
use thimble::store::key::MasterKey;

/// A number that the top level draws, and how often this instance was called before.
const JS: &str = "
const drawn = Math.random();
const table = Array.from({ length: 1000 }, (_, index) => ({ index, text: `entry ${index}` }));
let calls = 0;
globalThis.shared = { calls: 0 };
export default () => [drawn, table[999].text, calls++, shared.calls++];
";
const PY: &str = "
import random, builtins
drawn = random.random()
table = [{'index': index, 'text': f'entry {index}'} for index in range(1000)]
calls = 0
builtins.shared = {'calls': 0}
def handler(event):
    global calls
    calls += 1
    shared['calls'] += 1
    return [drawn, table[999]['text'], calls - 1, shared['calls'] - 1]
";

fn both(isolation: &str) -> Value {
    json!({ "functions": {
        "js": { "code": JS, "isolation": isolation },
        "py": { "code": PY, "language": "python", "isolation": isolation },
    }})
}

#[test]
fn a_top_level_runs_once_for_all_instances_and_restarts() {
    let server = Server::start("");
    let workspace = Workspace::on(&server).with(both("request"));
    let name = workspace.name.clone();
    let first = [workspace.result("js"), workspace.result("py")];
    assert_ne!(first[0][0], first[1][0]);
    for (function, first) in ["js", "py"].iter().zip(&first) {
        assert_eq!(first[1], "entry 999");
        for _ in 0..5 {
            assert_eq!(workspace.result(function), *first, "a fresh fork is as the top level left it");
        }
    }
    let home = server.kill();
    let server = Server::restart(home);
    let workspace = Workspace::named(&server, &name);
    assert_eq!([workspace.result("js"), workspace.result("py")], first, "an image outlives the process");
    // A deploy that does not touch a function leaves its image; one that changes what its top level may see does not.
    workspace.put("js", "text/javascript", "return 1").expect(200);
    assert_eq!(workspace.result("py"), first[1]);
    workspace.put("other", "text/javascript", "return 1").expect(201);
    assert_ne!(workspace.result("py")[0], first[1][0]);
}

#[test]
fn a_slow_top_level_costs_its_deploy_and_no_call() {
    let server = Server::start("");
    let slow = "const until = Date.now() + 4000; while (Date.now() < until); export default () => 7";
    let workspace = Workspace::on(&server)
        .javascript("js", slow)
        .python("py", "import time\ntime.sleep(4)\ndef handler(event): return 7");
    let name = workspace.name.clone();
    let server = Server::restart(server.kill());
    let workspace = Workspace::named(&server, &name);
    for function in ["js", "py"] {
        let began = Instant::now();
        assert_eq!(workspace.result(function), 7);
        assert!(began.elapsed() < Duration::from_secs(2), "{function} took {:?}", began.elapsed());
    }
}

#[test]
fn the_same_comes_of_both_isolations_where_no_state_is_kept() {
    for (code, language) in [
        ("export default (event) => ({ ...event, length: JSON.stringify(event).length })", "javascript"),
        ("import json\ndef handler(event): return {**event, 'length': len(json.dumps(event))}", "python"),
    ] {
        let workspace = Workspace::new().with(json!({ "functions": {
            "shared": { "code": code, "language": language },
            "fresh": { "code": code, "language": language, "isolation": "request" },
        }}));
        for event in [json!({}), json!({ "a": [1, 2.5, "x", null] }), json!({ "deep": { "er": { "é": "\u{1F600}" } } })]
        {
            let shared = workspace.run("shared", event.clone()).result();
            assert_eq!(workspace.run("fresh", event).result(), shared);
        }
    }
    let workspace = Workspace::new().with(both("workspace"));
    for function in ["js", "py"] {
        let first = workspace.result(function);
        assert_eq!((&first[2], &first[3]), (&json!(0), &json!(0)));
        assert_eq!(workspace.result(function)[2], 1, "a warm instance keeps its state");
    }
    let shown = Workspace::new().with(both("request"));
    let shown = shown.client.get(&shown.path("")).json();
    assert_eq!(shown["functions"]["js"]["isolation"], "request");
    let refused = Workspace::new().deploy(&both("process"));
    assert!(refused.fails(400, "bad_request", "process").message.contains("request"));
}

/// Calls over a connection that is kept, as fast as they are answered.
fn call_often(server: &Server, path: &str, count: usize, mut check: impl FnMut(&str)) {
    let mut socket = TcpStream::connect(server.address()).expect("it listens");
    socket.set_nodelay(true).expect("an option");
    let mut answers = BufReader::new(socket.try_clone().expect("a handle"));
    let request = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}");
    for _ in 0..count {
        socket.write_all(request.as_bytes()).expect("it reads");
        let mut length = 0;
        loop {
            let mut line = String::new();
            answers.read_line(&mut line).expect("it answers");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        answers.read_exact(&mut body).expect("a body");
        check(std::str::from_utf8(&body).expect("text"));
    }
}

#[test]
fn no_state_leaks_from_fork_to_fork_in_a_hundred_thousand_calls() {
    let server = Server::start("");
    // Whatever one call leaves anywhere in the interpreter's reach, the next one would find.
    let js = "
        let calls = 0; const kept = new Map();
        export default () => {
            const found = [calls++, kept.size, Object.keys(globalThis).includes('left'), 'left' in Object.prototype, Array.prototype.left ?? 0];
            kept.set(Math.random(), new Uint8Array(5000).fill(calls)); globalThis.left = 1; Object.prototype.left = 1; Array.prototype.left = 1;
            return found;
        }";
    let py = "
import builtins, json, os, sys
calls = 0
kept = {}
def handler(event):
    global calls
    found = [calls, len(kept), hasattr(builtins, 'left'), hasattr(json, 'left'), 'LEFT' in os.environ]
    calls += 1; kept[calls] = bytearray(5000); builtins.left = json.left = 1; os.environ['LEFT'] = 'x'
    return found";
    let workspace = Workspace::on(&server).with(json!({ "functions": {
        "js": { "code": js, "isolation": "request" },
        "py": { "code": py, "language": "python", "isolation": "request" },
    }}));
    let (js, py) = (workspace.path("/run/js"), workspace.path("/run/py"));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                call_often(&server, &js, 30_000, |body| {
                    assert!(body.starts_with(r#"{"result":[0,0,false,false,0],"#), "{body}");
                });
            });
        }
        scope.spawn(|| {
            call_often(&server, &py, 10_000, |body| {
                assert!(body.starts_with(r#"{"result":[0,0,false,false,false],"#), "{body}");
            });
        });
    });
}

#[test]
fn no_two_forks_draw_the_same() {
    let js = "
        Math.random(); crypto.randomUUID();
        const bytes = () => Array.from(crypto.getRandomValues(new Uint8Array(16))).join();
        bytes();
        export default () => [Math.random(), crypto.randomUUID(), bytes()]";
    let py = "
import os, random, secrets, uuid
from random import randrange
random.random(); uuid.uuid4(); secrets.token_hex(); randrange(5)
mine = random.Random(); mine.random()
def handler(event):
    return [random.random(), str(uuid.uuid4()), secrets.token_hex(), os.urandom(8).hex(), randrange(1 << 60), mine.random()]";
    let workspace = Workspace::new().with(json!({ "functions": {
        "js": { "code": js, "isolation": "request" },
        "py": { "code": py, "language": "python", "isolation": "request" },
    }}));
    for function in ["js", "py"] {
        let mut seen = HashSet::new();
        for _ in 0..50 {
            for drawn in workspace.result(function).as_array().expect("a list") {
                assert!(seen.insert(drawn.to_string()), "{function} drew {drawn} twice");
            }
        }
    }
}

#[test]
fn clocks_and_the_environment_are_those_of_the_call() {
    let js = "
        const then = Date.now(); performance.now();
        export default async () => {
            const before = performance.now();
            await new Promise((done) => setTimeout(done, 20));
            return [Date.now() - then, performance.now() - before >= 19 && before < 50, process.env.WHAT];
        }";
    let py = "
import os, time
then = time.time(); ticks = time.monotonic()
def handler(event, context): return [(time.time() - then) * 1000, time.monotonic() - ticks >= 0.1, os.environ['WHAT']]";
    let workspace = Workspace::new().with(json!({ "env": { "WHAT": "first" }, "functions": {
        "js": { "code": js, "isolation": "request" },
        "py": { "code": py, "language": "python", "isolation": "request" },
    }}));
    std::thread::sleep(Duration::from_millis(120));
    for function in ["js", "py"] {
        let seen = workspace.result(function);
        assert!(seen[0].as_f64().is_some_and(|age| age >= 100.0), "{function}: {seen}");
        assert_eq!((&seen[1], &seen[2]), (&json!(true), &json!("first")), "{function}");
    }
    let settings = json!({ "env": { "WHAT": "second" } }).to_string();
    workspace.client.put(&workspace.path("/settings"), "application/json", settings).expect(200);
    for function in ["js", "py"] {
        assert_eq!(workspace.result(function)[2], "second");
    }
}

#[test]
fn what_a_top_level_began_and_left_is_not_in_a_fork() {
    let js = "
        setTimeout(() => console.log('never'), 5);
        let settled = 'no'; new Promise((done) => setTimeout(done, 5)).then(() => settled = 'yes');
        console.log('printed at the deploy');
        export default async () => { await new Promise((done) => setTimeout(done, 30)); return settled; }";
    let py = "
import asyncio
print('printed at the deploy')
async def handler(event):
    await asyncio.sleep(0.03)
    return 'no'";
    let workspace = Workspace::new().javascript("js", js).python("py", py);
    for function in ["js", "py"] {
        let answer = workspace.run(function, json!({}));
        assert_eq!(answer.logs(), Vec::<String>::new(), "{function}");
        assert_eq!(answer.result(), "no", "{function}");
    }
}

#[test]
fn a_handle_that_stays_open_is_said_and_the_function_runs_all_the_same() {
    let code = "
import random
drawn = random.random()
file = open('/tmp/kept', 'w+')
def handler(event):
    return drawn";
    let workspace = Workspace::new();
    let answer = workspace.put("f", "text/x-python", code).expect(201).json();
    let warning = answer["warnings"][0].as_str().expect("a warning").to_owned();
    assert!(warning.contains("`f`") && warning.contains("inside the function"), "{warning}");
    assert!(workspace.result("f").is_number());
    let body = json!({ "functions": { "f": { "code": code, "language": "python" } } });
    let answer = Workspace::new().deploy(&body).expect(200).json();
    assert_eq!((&answer["functions"], &answer["warnings"][0]), (&body["functions"], &json!(warning)));
    // Nothing to say, nothing said.
    assert_eq!(Workspace::new().put("f", "text/x-python", "return 1").expect(201).json()["warnings"], Value::Null);
}

#[test]
fn what_a_top_level_allocated_counts_in_every_fork() {
    let js = "const kept = []; for (let i = 0; i < 40; i++) kept.push(new Uint8Array(1 << 20).fill(i + 1));
        export default ({ more }) => { const own = []; for (let i = 0; i < more; i++) own.push(new Uint8Array(1 << 20).fill(1)); return [kept.length, kept[39][5], own.length]; }";
    let py = "kept = [bytes([i + 1]) * (1 << 20) for i in range(40)]\ndef handler(event):\n    own = [b'x' * (1 << 20) for _ in range(event['more'])]\n    return [len(kept), kept[39][5], len(own)]";
    let workspace = Workspace::new().with(json!({ "functions": {
        "js": { "code": js, "isolation": "request", "memory": 96 },
        "py": { "code": py, "language": "python", "isolation": "request", "memory": 128 },
    }}));
    for function in ["js", "py"] {
        for _ in 0..3 {
            assert_eq!(workspace.run(function, json!({ "more": 10 })).result(), json!([40, 40, 10]), "{function}");
            workspace.run(function, json!({ "more": 120 })).fails(500, "memory_limit", "");
        }
    }
}

#[test]
fn a_top_level_that_leaves_too_much_is_said_and_runs_in_each_instance() {
    let js = "const kept = []; for (let i = 0; i < 60; i++) kept.push(new Uint8Array(1 << 20).fill(i + 1)); const drawn = Math.random();
        export default () => [kept.length, kept[59][5], drawn]";
    let workspace = Workspace::new();
    let answer = workspace.put("f", "text/javascript", js).expect(201).json();
    assert!(answer["warnings"][0].as_str().is_some_and(|said| said.contains("48 MiB")), "{answer}");
    let result = workspace.result("f");
    assert_eq!((&result[0], &result[1]), (&json!(60), &json!(60)));
    workspace.client.put(&workspace.path("/f?isolation=request"), "text/javascript", js).expect(200);
    assert_ne!(workspace.result("f")[2], workspace.result("f")[2], "each runs the top level itself");
}

#[test]
fn an_image_ends_with_the_settings_under_which_there_was_one() {
    let code = "
import os, random
drawn = random.random()
file = open('/tmp/kept', 'w+') if 'OPEN' in os.environ else None
def handler(event): return drawn";
    let server = Server::start("");
    let workspace = Workspace::on(&server).python("f", code);
    let drawn = workspace.result("f");
    let settings = json!({ "env": { "OPEN": "yes" } }).to_string();
    workspace.client.put(&workspace.path("/settings"), "application/json", settings).expect(200);
    let name = workspace.name.clone();
    let server = Server::restart(server.kill());
    assert_ne!(Workspace::named(&server, &name).result("f"), drawn, "the top level ran with the new settings");
}

#[test]
fn functions_of_the_workspace_are_known_by_name_in_forks() {
    let workspace = Workspace::new().with(json!({ "functions": {
        "a": { "code": "return await b()", "isolation": "request" },
        "b": { "code": "return 'from b'" },
    }}));
    assert_eq!(workspace.result("a"), "from b");
    workspace.put("a", "text/javascript", "return await c()").expect(200);
    workspace.put("c", "text/x-python", "return 'from c'").expect(201);
    assert_eq!(workspace.result("a"), "from c", "the name came after the image");
}

#[test]
fn an_image_that_was_damaged_is_made_anew() {
    let server = Server::start("");
    let workspace = Workspace::on(&server).with(both("request"));
    let name = workspace.name.clone();
    let before = workspace.result("js");
    let home = server.kill();
    for entry in std::fs::read_dir(home.data().join("blobs")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let mut content = std::fs::read(&path).expect("a file");
        if content.starts_with(b"thimble2") {
            let last = content.len() - 1;
            content[last] ^= 1;
            std::fs::write(&path, content).expect("damage");
        }
    }
    made_anew_once(home, &name, &before);
}

/// A restart finds an image that it cannot use: the top level runs again, once for all instances and restarts to come.
#[track_caller]
fn made_anew_once(home: Home, name: &str, before: &Value) -> Home {
    // Each function drives the other's instances out.
    let server = Server::start_in(home, &Setup { config: "[instances]\nwarm = 1", ..Setup::default() });
    let workspace = Workspace::named(&server, name);
    let after = workspace.result("js");
    assert_ne!(before[0], after[0], "the top level ran again");
    for _ in 0..3 {
        assert_eq!(workspace.result("py")[1], "entry 999");
        assert_eq!(workspace.result("js"), after, "and only once");
    }
    let server = Server::restart(server.kill());
    assert_eq!(Workspace::named(&server, name).result("js"), after, "the new image is kept");
    server.kill()
}

/// The stored document of a workspace, after a change to it.
pub fn stored_document(home: &Home, workspace: &str, change: impl FnOnce(&mut Value)) -> Value {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(home.data().join("thimble.db"));
    RUNTIME.block_on(async {
        let mut database = options.connect().await.expect("a database");
        let query = sqlx::query("SELECT document FROM deployments WHERE workspace = ?").bind(workspace);
        let text: String = query.fetch_one(&mut database).await.expect("a row").get(0);
        let mut document = serde_json::from_str(&text).expect("JSON");
        change(&mut document);
        let query = sqlx::query("UPDATE deployments SET document = ? WHERE workspace = ?");
        query.bind(document.to_string()).bind(workspace).execute(&mut database).await.expect("an update");
        database.close().await.expect("it closes");
        document
    })
}

#[test]
fn an_image_of_another_interpreter_is_made_anew() {
    let server = Server::start("");
    let workspace = Workspace::on(&server).with(both("request"));
    let name = workspace.name.clone();
    let before = workspace.result("js");
    let home = server.kill();
    let image = |document: &Value| document["functions"][0]["image"].clone();
    let data = Dir::open_ambient_dir(home.data(), ambient_authority()).expect("a folder");
    let key = MasterKey::open(&data).expect("a key");
    let mut was = Value::Null;
    stored_document(&home, &name, |document| {
        was = image(document);
        // As an earlier version would have left it: whole, and sealed.
        let earlier = "an earlier interpreter";
        let content = was["content"].as_str().and_then(Hash::parse).expect("a hash");
        let seal = key.mark(&[name.as_bytes(), b"js", earlier.as_bytes(), content.as_bytes()]);
        let image = &mut document["functions"][0]["image"];
        (image["interpreter"], image["seal"]) = (earlier.into(), seal.to_hex().as_str().into());
        document["functions"][0]["entries"] = json!(["what it found out"]);
    });
    let home = made_anew_once(home, &name, &before);
    let document = stored_document(&home, &name, |_| {});
    assert_eq!(document["functions"][0]["entries"], json!([]));
    let is = image(&document);
    assert_eq!(is["interpreter"], was["interpreter"]);
    assert!(is["interpreter"].as_str().is_some_and(|fingerprint| fingerprint.len() == 32), "{is}");
    assert_ne!((&is["content"], &is["seal"]), (&was["content"], &was["seal"]));
}

/// Lets the server have so much more address space than it has now, or as much as it wants.
fn limit_address_space(server: &Server, more: Option<u64>) {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", server.pid())).expect("its size");
    let pages: u64 = statm.split(' ').next().and_then(|pages| pages.parse().ok()).expect("a number");
    let mut limit = getrlimit(Resource::As);
    limit.current = more.map(|more| pages * rustix::param::page_size() as u64 + more).or(limit.maximum);
    let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw).expect("an id");
    prlimit(Some(pid), Resource::As, limit).expect("a limit");
}

#[test]
fn where_the_kernel_has_no_memory_there_is_no_room_until_it_has() {
    let server = Server::start("");
    let workspace = Workspace::on(&server)
        .javascript("js", "return 1")
        .python("py", "return 1")
        .python("loads", "file = open('/tmp/kept', 'w+')\ndef handler(event): return 1")
        .wasm("handler", &components::echo())
        .wasm("command", &components::preview1("1", 0))
        .wasm("proxy", components::PROXY);
    let all = ["js", "py", "loads", "handler", "command", "proxy"];
    let name = workspace.name.clone();
    // Nothing is ready after a restart, and a linear memory reserves more than is left.
    let server = Server::restart(server.kill());
    let workspace = Workspace::named(&server, &name);
    limit_address_space(&server, Some(1 << 30));
    for function in all {
        workspace.run(function, json!({})).fails(503, "capacity", "room");
    }
    for (media, code) in [("text/javascript", "return 2"), ("application/wasm", &components::echo())] {
        workspace.put("new", media, code.to_owned()).fails(503, "capacity", "room");
    }
    assert!(server.home().log().contains("vm.max_map_count"), "{}", server.home().log());
    limit_address_space(&server, None);
    for function in all {
        workspace.run(function, json!({})).expect(200);
    }
}

/// Waits until something is so, and fails where it takes longer.
#[track_caller]
fn within(time: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < time, "{what}: not within {time:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_functions_were_loaded_into_is_given_back() {
    let server = Server::start("");
    // Memories of interpreters, as guests write to them.
    let slots = || {
        let mappings = std::fs::read_to_string(format!("/proc/{}/maps", server.pid())).expect("its mappings");
        mappings.lines().filter(|line| line.contains(" rw-p ") && line.ends_with(".memory")).count()
    };
    assert_eq!(slots(), 0);
    let workspace = Workspace::on(&server).with(both("workspace"));
    assert!(slots() >= 2);
    // Without the workspace, nothing is left but what its functions were loaded into.
    workspace.client.delete(&workspace.path("")).expect(204);
    within(Duration::from_secs(30), "no slot", || slots() == 0);
}

/// How many instances wait.
fn idle(server: &Server) -> u64 {
    let text = server.client.get("/metrics").text().to_owned();
    let line = text.lines().find(|line| line.starts_with("thimble_instances_idle ")).expect("the metric");
    line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).expect("a number") as u64
}

/// Shorter than the sweeper's period.
const SOON: Duration = Duration::from_secs(8);

#[test]
fn provisioned_instances_are_ready_soon_after_a_deploy_that_left_their_function() {
    let server = Server::start("");
    let workspace = Workspace::on(&server).javascript("other", "return 1");
    let path = workspace.path("/f?provisionedConcurrency=5");
    workspace.client.put(&path, "text/javascript", "return 1").expect(201);
    workspace.javascript("other", "return 2");
    within(SOON, "five, and one of the other", || idle(&server) == 6);
}

#[test]
fn provisioned_instances_are_ready_where_there_is_no_image() {
    let server = Server::start("");
    let workspace = Workspace::on(&server);
    let open = "file = open('/tmp/kept', 'w+')\ndef handler(event): return 1";
    let put = |function: &str, media: &str, code: &str| {
        workspace.client.put(&workspace.path(function), media, code.to_owned()).expect(201);
    };
    put("/loads?provisionedConcurrency=2&isolation=request", "text/x-python", open);
    put("/handler?provisionedConcurrency=3", "application/wasm", &components::echo());
    within(SOON, "two and three", || idle(&server) == 5);
    for _ in 0..3 {
        assert_eq!(workspace.result("loads"), 1);
        assert_eq!(workspace.result("handler"), json!({}));
    }
    within(SOON, "those that were used up are replaced", || idle(&server) == 5);
}

#[test]
fn what_has_no_instances_to_keep_ready_is_told_so() {
    let workspace = Workspace::new();
    for code in [components::PROXY, &components::preview1("1", 0)] {
        let put = |count| {
            let path = workspace.path(&format!("/f?provisionedConcurrency={count}"));
            workspace.client.put(&path, "application/wasm", code.to_owned())
        };
        put(1).fails(422, "invalid_setting", "leave it out");
        assert!(put(0).status < 300);
    }
}

#[test]
fn no_more_instances_are_made_ready_than_may_wait() {
    let server = Server::start("[instances]\nwarm = 3");
    let workspace = Workspace::on(&server);
    let path = workspace.path("/f?provisionedConcurrency=7");
    workspace.client.put(&path, "text/javascript", "return 1").expect(201);
    within(SOON, "three", || idle(&server) == 3);
    assert_eq!(workspace.result("f"), 1);
}

#[test]
fn provisioned_instances_are_ready_also_after_a_restart() {
    let server = Server::start("");
    let workspace = Workspace::on(&server);
    let path = workspace.path("/f?provisionedConcurrency=7&isolation=request");
    workspace.client.put(&path, "text/javascript", "return 1").expect(201);
    assert_eq!(idle(&server), 7);
    for _ in 0..20 {
        assert_eq!(workspace.result("f"), 1);
    }
    assert_eq!(workspace.client.get(&workspace.path("/f")).json()["provisionedConcurrency"], 7);
    let name = workspace.name.clone();
    let server = Server::restart(server.kill());
    within(SOON, "seven", || idle(&server) == 7);
    // It is over with the function.
    Workspace::named(&server, &name).client.delete(&format!("/v2/functions/{name}/f")).expect(204);
    within(SOON, "none", || idle(&server) == 0);
    let workspace = Workspace::named(&server, &name);
    workspace.client.put(&workspace.path("/f?provisionedConcurrency=101"), "text/javascript", "return 1").fails(
        422,
        "invalid_setting",
        "provisionedConcurrency",
    );
}
