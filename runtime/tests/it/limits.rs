//! Limits: what is just under passes, what is over ends with a typed error, and afterwards the same function, another
//! workspace and the server are as before.

use crate::client::{Answer, Workspace};
use crate::server::{Home, Server, Setup};
use ::http::Method;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// A function of another workspace, which must be right whatever happens in the others.
static CANARY: LazyLock<Workspace<'static>> =
    LazyLock::new(|| Workspace::new().javascript("ok", "cache.n = (cache.n ?? 0) + 1; return 'right'"));

/// A function that misbehaves if its event says so, and what must come of that.
struct Hostile {
    media: &'static str,
    code: String,
    /// Query of the upload: its limits.
    asked: &'static str,
    status: u16,
    error: &'static [&'static str],
}

impl Hostile {
    fn javascript(work: &str, asked: &'static str, status: u16, error: &'static [&'static str]) -> Self {
        let code = format!("if (event.bad) {{ {work} }} return 'well'");
        Self { media: "text/javascript", code, asked, status, error }
    }

    fn python(work: &str, asked: &'static str, status: u16, error: &'static [&'static str]) -> Self {
        let work = work.replace('\n', "\n    ");
        let code = format!("if event.get('bad'):\n    {work}\nreturn 'well'");
        Self { media: "text/x-python", code, asked, status, error }
    }

    /// Runs it well, badly, and well again, twice.
    #[track_caller]
    fn check(&self) {
        let workspace = Workspace::new();
        let path = workspace.path(&format!("/f?{}", self.asked));
        let deployed = workspace.client.put(&path, self.media, self.code.clone());
        assert_eq!(deployed.status, 201, "{}\n{}", self.code, deployed.text());
        assert_eq!(workspace.result("f"), "well");
        for _ in 0..2 {
            let began = Instant::now();
            let answer = workspace.run("f", json!({ "bad": true }));
            let took = began.elapsed();
            let error = answer.error();
            assert!(self.error.contains(&error.code.as_str()), "{}\n{} {}", self.code, error.code, error.message);
            assert_eq!(error.status, self.status, "{}", self.code);
            if let Some(limit) = self.asked.strip_prefix("timeout=").filter(|_| error.code == "timeout") {
                let limit = Duration::from_millis(limit.parse().expect("a number"));
                // The machine is shared with the other tests; what counts is that it ends.
                assert!(took >= limit && took < limit + Duration::from_secs(5), "{}\ntook {took:?}", self.code);
            }
            assert_eq!(workspace.result("f"), "well", "after {}", self.code);
            assert_eq!(CANARY.result("ok"), "right", "after {}", self.code);
            Server::shared().is_well();
        }
    }
}

#[test]
fn a_deadline_ends_what_does_not_end_by_itself() {
    let code = &["timeout"][..];
    let limit = "timeout=500";
    for work in [
        "while (true) {}",
        "for (;;) await null",
        "for (;;) { try { for (;;); } catch {} finally { continue } }",
        "await new Promise(resolve => setTimeout(resolve, 3600_000))",
        "/(a+)+$/.test('a'.repeat(40) + 'b')",
        "'x'.repeat(1 << 20).split('').sort().join('').repeat(3); for (;;) 'x'.repeat(1 << 20).indexOf('y')",
        "for (;;) new Promise(() => {})",
        "const tick = () => queueMicrotask(tick); tick(); await new Promise(r => setTimeout(r, 1))",
    ] {
        Hostile::javascript(work, limit, 504, code).check();
    }
    for work in [
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "import time\ntime.sleep(3600)",
        "import asyncio\nawait asyncio.sleep(3600)",
        "import re\nre.match(r'(a+)+$', 'a' * 40 + 'b')",
        "sum(range(10**12))",
        "10 ** (10 ** 8)",
    ] {
        Hostile::python(work, limit, 504, code).check();
    }
}

#[test]
fn a_top_level_that_does_not_end_is_not_deployed() {
    let workspace = Workspace::new();
    for (media, code) in [
        ("text/javascript", "while (true) {}\nexport default () => 1"),
        ("text/javascript", "await new Promise(r => setTimeout(r, 60000));\nexport default () => 1"),
        ("text/x-python", "while True: pass\ndef handler(event): return 1"),
        ("text/x-python", "import time\ntime.sleep(60)\ndef handler(event): return 1"),
    ] {
        let began = Instant::now();
        let answer = workspace.client.put(&workspace.path("/f?timeout=300"), media, code);
        answer.fails(422, "timeout", "300 ms");
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
    workspace.run("f", json!({})).fails(404, "workspace_not_found", "");
    Server::shared().is_well();
}

#[test]
fn memory_is_bounded() {
    let code = &["memory_limit"][..];
    for work in [
        "const a = []; for (;;) a.push(new Array(10000).fill(1))",
        "const a = []; for (let i = 0; ; i++) a.push({ i, s: 'x' + i })",
        "return 'x'.repeat(2 ** 29).length",
        "return new Uint8Array(2 ** 31 - 1)",
    ] {
        Hostile::javascript(work, "memory=24&timeout=20000", 500, code).check();
    }
    for work in
        ["a = []\nwhile True:\n    a.append(bytearray(1 << 20))", "x = b'x' * (1 << 30)", "a = list(range(10**9))"]
    {
        Hostile::python(work, "memory=96&timeout=20000", 500, code).check();
    }
}

#[test]
fn memory_just_under_the_limit_is_there() {
    let workspace = Workspace::new();
    let put = |name: &str, media: &str, memory: u32, code: &str| {
        let path = workspace.path(&format!("/{name}?memory={memory}"));
        workspace.client.put(&path, media, code.to_string()).expect(201);
    };
    put("js", "text/javascript", 64, "return new Uint8Array(event.mib << 20).fill(1).length >> 20");
    put("py", "text/x-python", 128, "return len(bytearray(event['mib'] << 20)) >> 20");
    for (name, under, over) in [("js", 40, 80), ("py", 60, 160)] {
        for _ in 0..3 {
            assert_eq!(workspace.run(name, json!({ "mib": under })).result(), under);
            workspace.run(name, json!({ "mib": over })).fails(500, "memory_limit", "MiB");
        }
        assert_eq!(workspace.run(name, json!({ "mib": under })).result(), under);
    }
}

#[test]
fn recursion_ends_with_a_typed_error() {
    for work in [
        "(function f() { f() })()",
        "const f = () => [1].map(f); f()",
        "JSON.parse('['.repeat(100000))",
        "let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; JSON.stringify(o)",
        "eval('('.repeat(20000) + '1' + ')'.repeat(20000))",
        "class A { get x() { return this.x } } new A().x",
        "const p = new Proxy({}, { get(t, k, r) { return r[k] } }); p.x",
    ] {
        Hostile::javascript(work, "timeout=20000", 500, &["stack_overflow"]).check();
    }
    for work in [
        "f = lambda n: f(n + 1)\nf(0)",
        "a = []\nfor i in range(100000): a = [a]\nrepr(a)",
        "class A:\n    def __getattr__(self, n): return getattr(self, n + 'x')\nA().a",
        "def c(n): return sorted([2, 1], key=lambda x: c(n + 1))\nc(0)",
    ] {
        Hostile::python(work, "timeout=20000", 500, &["stack_overflow"]).check();
    }
    // A result that is deep is no result; whether the check or the stack says so first is the interpreter's business.
    let deep = &["result_not_json", "stack_overflow"][..];
    Hostile::javascript("let o = {}; for (let i = 0; i < 1e5; i++) o = { o }; return o", "timeout=20000", 500, deep)
        .check();
    Hostile::python("a = []\nfor i in range(100000): a = [a]\nreturn a", "timeout=20000", 500, deep).check();
}

#[test]
fn an_invocations_log_is_cut_and_the_function_goes_on() {
    let workspace = Workspace::new()
        .javascript("js", "for (let i = 0; i < event.lines; i++) console.log('x'.repeat(event.size)); return 'done'")
        .python("py", "for i in range(event['lines']): print('x' * event['size'])\nreturn 'done'");
    for name in ["js", "py"] {
        let run = |lines: u32, size: u32| workspace.run(name, json!({ "lines": lines, "size": size })).expect(200);
        let total = |logs: &[String]| logs.iter().map(String::len).sum::<usize>();
        let under = run(200, 1024).logs();
        assert_eq!((under.len(), total(&under)), (200, 200 * (1024 + "info ".len())));
        for (lines, size) in [(20_000, 1), (1_000, 1024), (1, 4 << 20)] {
            let answer = run(lines, size);
            let logs = answer.logs();
            assert!(total(&logs) < 400 << 10, "{name}: {lines} lines of {size} gave {}", total(&logs));
            assert!(logs.len() <= 10_001);
            assert_eq!(answer.json()["result"], "done");
            if lines > 1 {
                let last = logs.last().expect("a last entry");
                assert!(!last.contains("xx"), "the last entry says that the log is cut: {last}");
            }
        }
        assert_eq!(run(1, 1).logs(), ["info x"]);
    }
}

#[test]
fn a_result_has_a_size() {
    let home = Home::new();
    let setup = Setup { config: "[limits]\nresponse_size = \"64kb\"\n", ..Setup::default() };
    let server = Server::start_in(home, &setup);
    let workspace =
        Workspace::on(&server).javascript("js", "return 'x'.repeat(event.n)").python("py", "return 'x' * event['n']");
    for name in ["js", "py"] {
        for _ in 0..2 {
            let under = workspace.run(name, json!({ "n": 65534 })).result();
            assert_eq!(under.as_str().map(str::len), Some(65534));
            workspace.run(name, json!({ "n": 65535 })).fails(500, "result_too_large", "64 KiB");
        }
    }
}

#[test]
fn what_is_too_much_for_one_call_of_the_host_is_said() {
    let workspace = Workspace::new().with(json!({ "functions": {
        "js": { "code": "return 'x'.repeat(event.n)", "memory": 512 },
        "py": { "code": "return 'x' * event['n']", "memory": 512, "language": "python" },
        "ask": { "code": "return cache['x' * event['n']]", "memory": 512, "language": "python" },
    } }));
    for name in ["js", "py"] {
        workspace.run(name, json!({ "n": 100 << 20 })).fails(500, "result_too_large", "6 MiB");
    }
    workspace.run("ask", json!({ "n": 100 << 20 })).fails(500, "trap", "more than 80 MiB to the host at once");
    assert_eq!(workspace.run("js", json!({ "n": 1 })).result(), "x");
}

#[test]
fn a_request_has_a_size() {
    let workspace = Workspace::new().javascript("f", "return event.x?.length ?? 0");
    let body = |size: usize| {
        let frame = r#"{"parameters":{"x":""}}"#.len();
        format!(r#"{{"parameters":{{"x":"{}"}}}}"#, "x".repeat(size - frame))
    };
    let most = 1 << 20;
    let run = |size: usize| workspace.client.send(Method::POST, &workspace.path("/run/f"), &[], body(size));
    assert_eq!(run(most).result(), most - 23);

    // Sent without waiting for the answer, which comes as soon as it is clear that there is one byte too many.
    let sent = |head: &str, pieces: &mut dyn Iterator<Item = Vec<u8>>| -> Answer {
        let mut socket = TcpStream::connect(Server::shared().address()).expect("it listens");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        let path = workspace.path("/run/f");
        socket
            .write_all(format!("POST {path} HTTP/1.1\r\nhost: x\r\n{head}\r\nconnection: close\r\n\r\n").as_bytes())
            .expect("it reads");
        // The server may have answered and closed already.
        let _ = (&mut *pieces).map(|piece| socket.write_all(&piece)).take_while(Result::is_ok).count();
        let mut text = Vec::new();
        let _ = socket.read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, headers: Default::default(), body: body.to_string().into() }
    };
    let whole = |size: usize| sent(&format!("content-length: {size}"), &mut std::iter::once(body(size).into_bytes()));
    assert_eq!(whole(most).result(), most - 23);
    whole(most + 1).fails(413, "payload_too_large", "1 MiB");
    let chunked = |size: usize| {
        let body = body(size).into_bytes();
        let chunks =
            body.chunks(60_000).map(|piece| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
        sent("transfer-encoding: chunked", &mut chunks.chain(std::iter::once(b"0\r\n\r\n".to_vec())))
    };
    assert_eq!(chunked(most).result(), most - 23);
    chunked(most + 1).fails(413, "payload_too_large", "1 MiB");
    chunked(3 << 20).fails(413, "payload_too_large", "1 MiB");
    Server::shared().is_well();
}

#[test]
fn json_has_a_depth() {
    let workspace = Workspace::new().javascript("f", "return JSON.stringify(event).length");
    // The body and `parameters` are two levels of their own.
    let run = |depth: usize| {
        let inner = depth - 2;
        let body = format!(r#"{{"parameters":{{"x":{}{}}}}}"#, "[".repeat(inner), "]".repeat(inner));
        workspace.client.send(Method::POST, &workspace.path("/run/f"), &[], body)
    };
    assert_eq!(run(128).result(), 2 * 126 + r#"{"x":}"#.len());
    run(129).fails(400, "invalid_json", "129 deep; 128 are allowed");
    run(100_000).fails(400, "invalid_json", "");
    assert_eq!(run(128).result(), 2 * 126 + r#"{"x":}"#.len());
    let deep = format!(
        r#"{{"functions":{{"f":{{"code":"return 1","parameters":{{"x":{}{}}}}}}}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    workspace.client.send(Method::POST, &workspace.path(""), &[], deep).fails(400, "invalid_json", "");
    assert_eq!(run(128).status, 200);
}

const TMP: &str = "
import os
def fill(event):
    try:
        with open('/tmp/' + event.get('name', 'x'), 'wb') as f:
            for i in range(event['kib']):
                f.write(bytes(1024))
    except OSError as e:
        import errno
        return errno.errorcode[e.errno]
    if event.get('then') == 'trap':
        os._exit(3)
    if event.get('then') == 'loop':
        while True: pass
    return sum(os.stat('/tmp/' + n).st_size for n in os.listdir('/tmp'))
def seek(event):
    try:
        with open('/tmp/x', 'wb') as f:
            f.seek(event['to'])
            f.write(b'x')
    except (OSError, OverflowError) as e:
        return 'refused'
    return 'written'
def truncate(event):
    try:
        with open('/tmp/x', 'wb') as f:
            f.truncate(event['to'])
    except (OSError, OverflowError) as e:
        return 'refused'
    return 'made'
def many(event):
    try:
        for i in range(event['n']):
            open(f'/tmp/{i}', 'wb').close()
    except OSError as e:
        return 'refused'
    return len(os.listdir('/tmp'))
def again(event):
    for i in range(5):
        with open('/tmp/x', 'wb') as f:
            f.write(bytes(900 << 10))
        os.remove('/tmp/x')
    with open('/tmp/x', 'wb') as f:
        f.write(bytes(900 << 10))
    with open('/tmp/x', 'wb') as f:
        return f.write(bytes(900 << 10))
def left(event):
    return os.listdir('/tmp')
";

#[test]
fn tmp_has_a_quota_that_comes_back() {
    let server = Server::start("[limits]\ntmp_size = \"1mb\"\n");
    let workspace = Workspace::on(&server);
    for (name, timeout) in [("f", 60_000), ("brief", 8_000)] {
        workspace.client.put(&workspace.path(&format!("/{name}?timeout={timeout}")), "text/x-python", TMP).expect(201);
    }
    let fill = |event: Value| workspace.run("f.fill", event);
    for _ in 0..2 {
        assert_eq!(fill(json!({ "kib": 1024 })).result(), 1 << 20, "just what is allowed");
        let over = fill(json!({ "kib": 1025 })).result();
        // The adapter under CPython knows no name for it yet, and says EIO.
        assert!(matches!(over.as_str(), Some("ENOSPC" | "EIO")), "{over}");
        assert_eq!(workspace.result("f.left"), json!([]), "nothing is left for the next invocation");
    }
    // Given back after every kind of end.
    fill(json!({ "kib": 1000, "then": "trap" })).error();
    assert_eq!(fill(json!({ "kib": 1024 })).result(), 1 << 20);
    workspace.run("brief.fill", json!({ "kib": 1000, "then": "loop" })).fails(504, "timeout", "");
    for function in ["f", "brief"] {
        assert_eq!(workspace.run(&format!("{function}.fill"), json!({ "kib": 1024 })).result(), 1 << 20);
        assert_eq!(workspace.result(&format!("{function}.left")), json!([]));
    }
    // Within one invocation too, as soon as files are removed or cut.
    assert_eq!(workspace.result("f.again"), 900 << 10);
    // By logical size: a hole counts as what it pretends to be.
    for to in [2_u64 << 20, 1 << 40, 1 << 62] {
        assert_eq!(workspace.run("f.seek", json!({ "to": to })).result(), "refused", "{to}");
        assert_eq!(workspace.run("f.truncate", json!({ "to": to })).result(), "refused", "{to}");
    }
    assert_eq!(workspace.run("f.seek", json!({ "to": 1000 })).result(), "written");
    assert_eq!(workspace.run("f.truncate", json!({ "to": 1 << 20 })).result(), "made");
    assert_eq!(workspace.run("f.many", json!({ "n": 500 })).result(), 500);
    assert_eq!(workspace.run("f.many", json!({ "n": 20_000 })).result(), "refused");
    assert_eq!(workspace.result("f.left"), json!([]));
    // And on the host nothing stays behind, once the last invocation is over.
    let tmp = server.home().data().join("tmp");
    let began = Instant::now();
    // Emptying goes on after the answer.
    while let Some(left) = walk(&tmp).into_iter().find(|path| path.is_file()) {
        assert!(began.elapsed() < Duration::from_secs(5), "{} is left", left.display());
        std::thread::yield_now();
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn nothing_outside_of_tmp_can_be_reached() {
    let server = Server::start("");
    let sentinel = server.home().path().join("sentinel");
    std::fs::write(&sentinel, "untouched").expect("a sentinel");
    let path = sentinel.to_str().expect("a path in text");
    let data = server.home().data();
    let workspace = Workspace::on(&server).python(
        "f",
        "
import os
def f(paths, sentinel):
    reached = []
    def attempt(what, work):
        try:
            reached.append([what, repr(work())])
        except (OSError, ValueError, NotImplementedError, AttributeError):
            pass
    for path in paths:
        attempt('read ' + path, lambda: open(path).read())
        attempt('write ' + path, lambda: open(path, 'w').write('touched'))
        attempt('list ' + path, lambda: os.listdir(path))
    links = 0
    for i, target in enumerate([sentinel, '../sentinel', '../../sentinel', '../../../sentinel', '/', '..', '/proc/self']):
        try:
            os.symlink(target, f'/tmp/link{i}')
            links += 1
        except OSError:
            continue
        for tail in ('', '/', '/sentinel', '/etc/passwd', '/environ', '/../sentinel'):
            attempt(f'through link to {target}{tail}', lambda: open(f'/tmp/link{i}{tail}').read())
            attempt(f'write through link to {target}{tail}', lambda: open(f'/tmp/link{i}{tail}', 'w').write('touched'))
            attempt(f'truncate through {target}{tail}', lambda: os.truncate(f'/tmp/link{i}{tail}', 0))
    open('/tmp/mine', 'w').write('mine')
    for target in (sentinel, '/tmp/../sentinel', '/tmp/../../sentinel', '/etc/x'):
        attempt('rename to ' + target, lambda: os.rename('/tmp/mine', target))
        attempt('link to ' + target, lambda: os.link('/tmp/mine', target))
        attempt('link from ' + target, lambda: os.link(target, '/tmp/stolen') or open('/tmp/stolen').read())
        attempt('remove ' + target, lambda: os.remove(target))
    for fd in range(3, 64):
        attempt(f'fd {fd}', lambda: os.listdir(f'/proc/self/fd/{fd}'))
        attempt(f'openat {fd}', lambda: os.read(os.open('../sentinel', os.O_RDONLY, dir_fd=fd), 10))
    return reached
",
    );
    let paths = [
        path,
        "/tmp/../sentinel",
        "/tmp/../../sentinel",
        "/tmp/../../../sentinel",
        "../sentinel",
        "/etc/passwd",
        "/proc/self/environ",
        "/tmp/../etc/passwd",
        data.to_str().expect("a path in text"),
        "/..",
    ];
    let reached = workspace.run("f", json!({ "paths": paths, "sentinel": path })).result();
    let reached: Vec<&Value> = reached
        .as_array()
        .expect("a list")
        .iter()
        // The root of the sandbox itself may be listed: it has nothing but `/tmp`.
        .filter(|entry| !matches!(entry[1].as_str(), Some("['tmp']" | "[]")))
        .collect();
    assert_eq!(reached, Vec::<&Value>::new());
    assert_eq!(std::fs::read_to_string(&sentinel).expect("it is there"), "untouched");
    assert!(data.join("tmp").is_dir());
}

/// A server where a workspace may have two invocations at once, and all together three.
fn narrow() -> Server {
    Server::start("[limits]\nworkspace_concurrency = 2\nconcurrency = 3\n")
}

const WAIT: &str = "await new Promise(r => setTimeout(r, event.ms)); return 'done'";

/// Waits until that many invocations have got inside.
#[track_caller]
fn until_inside(workspace: &Workspace<'_>, metric: &str, expected: u32) {
    let began = Instant::now();
    loop {
        let metrics = workspace.client.get("/metrics").expect(200);
        let wanted = format!("{metric} {expected}");
        if metrics.text().lines().any(|line| line == wanted) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "no `{wanted}` in\n{}", metrics.text());
        std::thread::yield_now();
    }
}

#[test]
fn a_workspace_has_so_many_invocations_at_once_and_no_more() {
    let server = narrow();
    let busy = Workspace::on(&server).javascript("wait", WAIT);
    let other = Workspace::on(&server).javascript("wait", WAIT).javascript("ok", "return 'right'");
    std::thread::scope(|scope| {
        let long = || busy.run("wait", json!({ "ms": 1500 })).result();
        let (first, second) = (scope.spawn(long), scope.spawn(long));
        until_inside(&busy, "thimble_invocations_running", 2);
        for _ in 0..3 {
            let refused = busy.run("wait", json!({ "ms": 1 }));
            refused.fails(429, "too_many_requests", "2 invocations");
            assert!(refused.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok_and(|n| n >= 1)));
        }
        assert_eq!(other.result("ok"), "right", "another workspace has places of its own");
        let third = scope.spawn(|| other.run("wait", json!({ "ms": 500 })).result());
        until_inside(&busy, "thimble_invocations_running", 3);
        let full = other.run("ok", json!({}));
        full.fails(503, "capacity", "");
        assert!(full.header("retry-after").is_some());
        server.is_well();
        for waiting in [third, first, second] {
            assert_eq!(waiting.join().expect("it was let in"), "done");
        }
        assert_eq!(busy.run("wait", json!({ "ms": 1 })).result(), "done", "places come back");
    });
}

#[test]
fn a_workspace_is_called_so_often_and_no_more() {
    let server = Server::start("[limits]\nworkspace_rate = 2\nworkspace_burst = 4\n");
    let workspace = || {
        Workspace::on(&server)
            .javascript("f", "return 'right'")
            .javascript("many", "for (let i = 0; i < 20; i++) await f(); return 'done'")
    };
    let (hasty, other) = (workspace(), workspace());
    let began = Instant::now();
    for _ in 0..4 {
        assert_eq!(hasty.result("f"), "right");
    }
    let refused = hasty.run("f", json!({}));
    // On a machine that stood still for half a second, another turn has come.
    if began.elapsed() < Duration::from_millis(500) {
        refused.fails(429, "too_many_requests", "more than 2 times a second");
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    // Another one is not concerned, nor is what a function calls, nor a deploy.
    assert_eq!(other.result("many"), "done");
    let hasty = hasty.javascript("f", "return 'new'");
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(hasty.result("f"), "new", "turns come back");
}

#[test]
fn places_come_back_after_a_deadline_a_trap_and_a_client_that_left() {
    let server = narrow();
    let workspace = Workspace::on(&server).javascript("ok", "return 'right'");
    let put = |code: &str, asked: &str| {
        workspace.client.put(&workspace.path(&format!("/f?{asked}")), "text/javascript", code.to_string()).status
    };
    assert_eq!(put("while (true) {}", "timeout=200"), 201);
    for _ in 0..4 {
        workspace.run("f", json!({})).fails(504, "timeout", "");
    }
    assert_eq!(put("const a = []; for (;;) a.push(new Uint8Array(1 << 20))", "memory=24"), 200);
    for _ in 0..4 {
        workspace.run("f", json!({})).fails(500, "memory_limit", "");
    }
    // Clients that leave, while their function waits and while it computes.
    for code in ["await new Promise(r => setTimeout(r, 60000))", "for (;;);"] {
        assert_eq!(put(code, "timeout=60000"), 200);
        for _ in 0..3 {
            let mut sockets: Vec<TcpStream> = Vec::new();
            for expected in 1..=2 {
                let mut socket = TcpStream::connect(server.address()).expect("it listens");
                let head =
                    format!("POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n", workspace.path("/run/f"));
                socket.write_all(head.as_bytes()).expect("it reads");
                sockets.push(socket);
                until_inside(&workspace, "thimble_invocations_running", expected);
            }
            workspace.run("ok", json!({})).fails(429, "too_many_requests", "");
            drop(sockets);
            until_inside(&workspace, "thimble_invocations_running", 0);
            assert_eq!(workspace.result("ok"), "right");
        }
    }
}

#[test]
fn many_invocations_at_once_all_come_out_right() {
    let workspace = Workspace::new()
        .javascript("js", "await new Promise(r => setTimeout(r, 20)); return event.n * 2")
        .python("py", "import asyncio\nawait asyncio.sleep(0.02)\nreturn event['n'] * 2");
    std::thread::scope(|scope| {
        for name in ["js", "py"] {
            let workspace = &workspace;
            for start in 0..12 {
                scope.spawn(move || {
                    for n in start * 10..start * 10 + 5 {
                        assert_eq!(workspace.run(name, json!({ "n": n })).result(), n * 2);
                    }
                });
            }
        }
    });
}

#[test]
fn asked_limits_are_checked() {
    let workspace = Workspace::new();
    let check = |setting: Value, status: u16, said: &str| {
        let mut function = json!({ "code": "return 1" });
        function.as_object_mut().expect("an object").extend(setting.as_object().expect("an object").clone());
        let answer = workspace.deploy(&json!({ "functions": { "f": function } }));
        match status {
            200 => drop(answer.expect(200)),
            _ => drop(answer.fails(status, "invalid_setting", said)),
        }
    };
    check(json!({ "timeout": 10 }), 200, "");
    check(json!({ "timeout": 9 }), 422, "timeout is 9 ms");
    check(json!({ "timeout": 900_000 }), 200, "");
    check(json!({ "timeout": 900_001 }), 422, "timeout");
    check(json!({ "timeout": u64::MAX }), 422, "timeout");
    check(json!({ "memory": 16 }), 200, "");
    check(json!({ "memory": 15 }), 422, "memory is 15 MiB");
    check(json!({ "memory": 4096 }), 200, "");
    check(json!({ "memory": 4097 }), 422, "memory");
    check(json!({ "memory": u64::MAX }), 422, "memory");
    check(json!({ "memory": 63, "language": "python" }), 422, "memory is 63 MiB");
    check(json!({ "fuel": 0 }), 422, "fuel");
    let one = workspace.client.put(&workspace.path("/f?timeout=9"), "text/javascript", "return 1");
    one.fails(422, "invalid_setting", "timeout");
    workspace.client.put(&workspace.path("/f?timeout=x"), "text/javascript", "return 1").fails(400, "bad_request", "");
    workspace.client.put(&workspace.path("/f?nonsense=1"), "text/javascript", "return 1").fails(
        400,
        "bad_request",
        "nonsense",
    );
}

#[test]
fn fuel_is_a_budget_for_each_invocation() {
    let workspace = Workspace::new();
    let code = "let s = 0; for (let i = 0; i < event.n; i++) s += i; return s > 0";
    workspace.client.put(&workspace.path("/f?fuel=20000000"), "text/javascript", code).expect(201);
    for _ in 0..3 {
        assert_eq!(workspace.run("f", json!({ "n": 1000 })).result(), true);
        workspace.run("f", json!({ "n": 100_000_000 })).fails(500, "fuel_exhausted", "20000000");
    }
    assert_eq!(workspace.run("f", json!({ "n": 1000 })).result(), true);
}

#[test]
fn calls_to_functions_are_bounded_in_number() {
    let workspace = Workspace::new().javascript("leaf", "return 1").javascript(
        "fan",
        "let made = 0; try { for (; made < 5000; made++) await leaf() } catch (e) { return [made, e.code ?? e.message] } return made",
    );
    let answer = workspace.result("fan");
    let made = answer[0].as_u64().unwrap_or_else(|| panic!("{answer}"));
    assert!(made <= 1000, "{answer}");
    assert_eq!(workspace.result("leaf"), 1);
}
