//! Uploaded WebAssembly, written here as text: every kind that runs, every kind that is refused, and its limits.

use crate::client::Workspace;
use crate::server::Server;
use base64::Engine as _;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// The string functions that a component's host needs, over a bump allocator, as core wasm.
pub const MEMORY: &str = r#"
    (memory (export "memory") 2)
    (global $top (mut i32) (i32.const 4096))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
"#;

/// A component of our function world. `body` is the core function: its parameters are the event's address and length,
/// its result the address of a `result<string, string>`; the memory is two pages, free from 0 to 4096.
pub fn handler(body: &str) -> String {
    format!(
        r#"(component
  (core module $m {MEMORY}
    (func (export "handle") (param $at i32) (param $length i32) (result i32) {body})
    (func (export "reset") (param i32) (global.set $top (i32.const 4096))))
  (core instance $i (instantiate $m))
  (type $handle (func (param "event" string) (result (result string (error string)))))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "cabi_realloc" (core func $realloc))
  (func $handle (type $handle)
    (canon lift (core func $i "handle") (memory $memory) (realloc $realloc) (post-return (core func $i "reset"))))
  (instance $handler (export "handle" (func $handle)))
  (export "thimble:runtime/handler@0.1.0" (instance $handler)))"#
    )
}

/// Answers its event.
pub fn echo() -> String {
    handler(
        "(i32.store (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (local.get $at))
         (i32.store (i32.const 8) (local.get $length)) (i32.const 0)",
    )
}

/// Answers echo, but does what `work` says first if the event is longer than `{}`.
fn sometimes(work: &str) -> String {
    handler(&format!(
        "(if (i32.gt_u (local.get $length) (i32.const 2)) (then {work}))
         (i32.store (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (local.get $at))
         (i32.store (i32.const 8) (local.get $length)) (i32.const 0)"
    ))
}

/// A core module of WASI preview 1 that prints a text and ends with that code.
pub fn preview1(text: &str, exit: u32) -> String {
    let escaped: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    format!(
        r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00")
  (data (i32.const 16) "{escaped}")
  (func (export "_start")
    (i32.store (i32.const 4) (i32.const {length}))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (if (i32.const {exit}) (then (call $exit (i32.const {exit}))))))"#,
        length = text.len()
    )
}

#[test]
fn a_component_of_our_world_takes_an_event_and_answers_a_result() {
    let workspace = Workspace::new().wasm("echo", &echo());
    for parameters in [json!({}), json!({ "é": ["😀", 1.5, null] }), json!({ "long": "x".repeat(50_000) })] {
        assert_eq!(workspace.run("echo", parameters.clone()).result(), parameters);
    }
    let http = workspace.client.get(&workspace.path("/http/echo/a/b?c=d")).expect(200).json();
    assert_eq!((&http["rawPath"], &http["query"]["c"]), (&json!("/a/b"), &json!("d")));
}

#[test]
fn bytes_and_text_format_are_the_same_upload() {
    let bytes = wat::parse_str(echo()).expect("our component is well formed");
    let workspace = Workspace::new();
    workspace.put("echo", "application/wasm", bytes.clone()).expect(201);
    assert_eq!(workspace.run("echo", json!({ "a": 1 })).result(), json!({ "a": 1 }));
    let code = base64::engine::general_purpose::STANDARD.encode(&bytes);
    let workspace = workspace.with(json!({ "functions": { "again": { "language": "wasm", "code": code } } }));
    assert_eq!(workspace.run("again", json!({ "a": 2 })).result(), json!({ "a": 2 }));
    let shown = workspace.client.get(&workspace.path("/again")).expect(200).json();
    assert_eq!((&shown["language"], &shown["code"]), (&json!("wasm"), &json!(code)));
}

#[test]
fn an_error_of_a_component_is_its_message() {
    let workspace = Workspace::new().wasm(
        "no",
        &handler(
            "(i32.store (i32.const 0) (i32.const 1)) (i32.store (i32.const 4) (local.get $at))
             (i32.store (i32.const 8) (local.get $length)) (i32.const 0)",
        ),
    );
    workspace.run("no", json!({ "why": "because" })).fails(500, "function_error", r#"{"why":"because"}"#);
}

#[test]
fn a_result_that_is_not_json_is_refused() {
    // The event without its first byte.
    let workspace = Workspace::new().wasm(
        "cut",
        &handler(
            "(i32.store (i32.const 0) (i32.const 0))
             (i32.store (i32.const 4) (i32.add (local.get $at) (i32.const 1)))
             (i32.store (i32.const 8) (i32.sub (local.get $length) (i32.const 1))) (i32.const 0)",
        ),
    );
    workspace.run("cut", json!({ "a": 1 })).fails(500, "result_not_json", "not JSON");
}

#[test]
fn a_preview1_module_prints_its_result() {
    let workspace = Workspace::new()
        .wasm("json", &preview1("{\"answer\": 42}", 0))
        .wasm("lines", &preview1("first\nsecond\n[1]\n", 0))
        .wasm("text", &preview1("plain text", 0))
        .wasm("fails", &preview1("what went wrong\n", 3));
    assert_eq!(workspace.result("json"), json!({ "answer": 42 }));
    let lines = workspace.run("lines", json!({})).expect(200);
    assert_eq!((lines.logs(), lines.result()), (vec!["info first".into(), "info second".into()], json!([1])));
    assert_eq!(workspace.result("text"), "plain text");
    let error = workspace.run("fails", json!({})).fails(500, "function_error", "exit code 3");
    assert_eq!(error.logs, ["info what went wrong"]);
}

/// Reads standard input and writes it to standard output: an adapted module gets its parameters there.
#[test]
fn a_command_reads_its_parameters_from_standard_input() {
    let cat = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $more
      (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 4096))
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (i32.load (i32.const 8)) (then
        (i32.store (i32.const 4) (i32.load (i32.const 8)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
        (br $more))))))"#;
    let workspace = Workspace::new().wasm("cat", cat);
    for parameters in [json!({ "name": "world" }), json!({ "long": "y".repeat(20_000) })] {
        assert_eq!(workspace.run("cat", parameters.clone()).result(), parameters);
    }
}

#[test]
fn a_command_component_runs_once_for_each_invocation() {
    // `run: func() -> result` of a component without any import, which says ok and prints nothing.
    let command = |outcome: u32| {
        format!(
            r#"(component
  (core module $m (global $n (mut i32) (i32.const {outcome}))
    (func (export "run") (result i32)
      (global.get $n) (global.set $n (i32.const 1))))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $cli (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $cli)))"#
        )
    };
    let workspace = Workspace::new().wasm("fine", &command(0)).wasm("fails", &command(1));
    // The module says failure the second time that it is called: so each call has an instance of its own.
    for _ in 0..3 {
        assert_eq!(workspace.result("fine"), Value::Null);
        workspace.run("fails", json!({})).fails(500, "function_error", "exit code 1");
    }
}

/// The example's `wasi:http` component: it answers with a line of text that names the path.
pub const PROXY: &str = include_str!("../../../examples/wasi-http-component/hello.wat");

/// The example, with other work where it begins to handle a request.
fn proxy(work: &str) -> String {
    let begin = "(call $path (local.get $request) (i32.const 0))";
    assert!(PROXY.contains(begin), "the example changed");
    PROXY.replace(begin, &format!("{work} {begin}"))
}

#[test]
fn a_wasi_http_component_answers_requests_itself() {
    let workspace = Workspace::new().wasm("hello", PROXY);
    for (path, seen) in [("", "/"), ("/", "/"), ("/a/path?with=query", "/a/path?with=query"), ("?x", "/?x")] {
        let answer = workspace.client.get(&workspace.path(&format!("/http/hello{path}"))).expect(200);
        assert_eq!(
            (answer.text(), answer.header("content-type")),
            (format!("Hello from {seen}\n").as_str(), Some("text/plain; charset=utf-8"))
        );
        assert!(answer.header("x-request-id").is_some());
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"] {
        let path = workspace.path("/http/hello/m");
        assert_eq!(
            workspace.client.send(method.parse().expect("a method"), &path, &[], "body").expect(200).text(),
            "Hello from /m\n"
        );
    }
    assert_eq!(workspace.result("hello"), "Hello from /\n");
    let workspace = workspace.javascript("calls", "return await hello()");
    assert_eq!(workspace.result("calls"), "Hello from /\n");
    // A global counts its requests; each has an instance of its own.
    let once = PROXY.replace("(func $ok (result i32)", "(global $n (mut i32) (i32.const 0)) (func $ok (result i32)").replace(
        "(call $path (local.get $request) (i32.const 0))",
        "(if (global.get $n) (then unreachable)) (global.set $n (i32.const 1)) (call $path (local.get $request) (i32.const 0))",
    );
    let workspace = workspace.wasm("once", &once);
    for _ in 0..3 {
        workspace.client.get(&workspace.path("/http/once")).expect(200);
    }
}

#[test]
fn a_wasi_http_component_that_fails_ends_with_a_typed_error() {
    let workspace = Workspace::new();
    let check = |code: &str, status: u16, error: &str| {
        let path = workspace.path("/f?timeout=300&memory=32");
        assert!(workspace.client.put(&path, "application/wasm", code.to_string()).status < 300);
        for _ in 0..2 {
            workspace.client.get(&workspace.path("/http/f")).fails(status, error, "");
            workspace.run("f", json!({})).fails(status, error, "");
        }
        Server::shared().is_well();
    };
    check(&proxy("unreachable"), 500, "trap");
    check(&proxy("(loop $l (br $l))"), 504, "timeout");
    // It ends without having answered.
    check(&proxy("(return)"), 500, "function_error");
}

#[test]
fn an_endless_answer_ends_with_the_deadline_or_with_the_client() {
    let server = Server::start("[limits]\nworkspace_concurrency = 1\n");
    let workspace = Workspace::on(&server).javascript("ok", "return 'right'");
    let endless = PROXY.replace(
        "(br_if $more (local.get $length))",
        "(local.set $from (i32.const 112)) (local.set $length (i32.const 4096)) (br $more)",
    );
    assert_ne!(endless, PROXY, "the example changed");
    let put = |timeout: u32| {
        let path = workspace.path(&format!("/f?timeout={timeout}"));
        assert!(workspace.client.put(&path, "application/wasm", endless.clone()).status < 300);
    };
    let running = |expected: u32| {
        let began = std::time::Instant::now();
        let line = format!("thimble_invocations_running {expected}");
        while !server.client.get("/metrics").text().lines().any(|found| found == line) {
            assert!(began.elapsed().as_secs() < 20, "never `{line}`");
            std::thread::yield_now();
        }
    };
    let ask = || {
        let mut socket = std::net::TcpStream::connect(server.address()).expect("it listens");
        socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a time-out");
        socket
            .write_all(format!("GET {} HTTP/1.1\r\nhost: x\r\n\r\n", workspace.path("/http/f")).as_bytes())
            .expect("it reads");
        let mut first = [0; 4096];
        let count = socket.read(&mut first).expect("an answer begins");
        assert!(String::from_utf8_lossy(&first[..count]).starts_with("HTTP/1.1 200 OK"));
        socket
    };
    put(60_000);
    for _ in 0..2 {
        let socket = ask();
        running(1);
        workspace.run("ok", json!({})).fails(429, "too_many_requests", "");
        drop(socket);
        running(0);
        assert_eq!(workspace.result("ok"), "right");
    }
    put(300);
    let mut socket = ask();
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest);
    assert!(!rest.ends_with(b"0\r\n\r\n"), "a body that broke off does not look complete");
    running(0);
    // A client that does not read holds its place no longer than the deadline.
    let _unread = ask();
    running(0);
    assert_eq!(workspace.result("ok"), "right");
}

#[test]
fn what_is_no_component_that_can_run_is_refused() {
    let workspace = Workspace::new();
    let check = |code: &[u8], status: u16, expected: &str, said: &str| {
        workspace.put("f", "application/wasm", code.to_vec()).fails(status, expected, said);
    };
    check(b"\0asm\x01\0\0\0 nonsense", 422, "invalid_component", "");
    check(b"\0asm\x0d\0\x01\0\xff", 422, "invalid_component", "");
    check(b"", 422, "invalid_setting", "empty");
    check(b"not wasm at all", 422, "invalid_component", "");
    check(b"(component", 422, "invalid_component", "");
    check(b"(module (func (result i32)))", 422, "invalid_component", "");
    check(b"(component)", 422, "no_handler", "exports nothing");
    check(
        br#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f"))) (export "something-else" (func $f)))"#,
        422,
        "no_handler",
        "something-else",
    );
    check(br#"(component (import "acme:custom/thing" (func)))"#, 422, "unknown_import", "acme:custom/thing");
    check(
        br#"(component (import "wasi:sockets/tcp@0.2.0" (instance (export "tcp-socket" (type (sub resource))))))"#,
        422,
        "unknown_import",
        "wasi:sockets/tcp",
    );
    check(
        br#"(component (import "wasi:sockets/instance-network@0.2.0" (instance
            (export "network" (type $n (sub resource))) (export "instance-network" (func (result (own $n)))))))"#,
        422,
        "unknown_import",
        "wasi:sockets",
    );
    for import in ["env", "wasi_unstable"] {
        let module =
            format!(r#"(module (import "{import}" "f" (func)) (memory (export "memory") 1) (func (export "_start")))"#);
        let answer = workspace.put("f", "application/wasm", module);
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert!(answer.error().message.contains(import), "{}", answer.text());
    }
    // Nothing of all that was stored.
    workspace.run("f", json!({})).fails(404, "workspace_not_found", "");
}

#[test]
fn compiled_code_is_never_taken() {
    let mut compiler = Command::new(env!("CARGO_BIN_EXE_thimble"))
        .arg("compile")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server's program can be started");
    let component = wat::parse_str(echo()).expect("our component is well formed");
    compiler.stdin.take().expect("piped").write_all(&component).expect("it reads");
    let output = compiler.wait_with_output().expect("it ends");
    // The child may frame its output: the compiled file is an ELF file in it.
    let start = output.stdout.windows(4).position(|bytes| bytes == b"\x7fELF").expect("compiled code");
    let workspace = Workspace::new();
    workspace.put("f", "application/wasm", output.stdout[start..].to_vec()).fails(400, "unsupported_artifact", "");
    let code = base64::engine::general_purpose::STANDARD.encode(&output.stdout[start..]);
    workspace.deploy(&json!({ "functions": { "f": { "language": "wasm", "code": code } } })).fails(
        400,
        "unsupported_artifact",
        "",
    );
}

#[test]
fn the_limits_of_a_component_hold_and_the_next_request_is_right() {
    let canary = Workspace::new().javascript("ok", "return 'right'");
    let check = |work: &str, status: u16, code: &str, setting: &str| {
        let workspace = Workspace::new();
        let path = format!("{}?{setting}", workspace.path("/f"));
        workspace.client.put(&path, "application/wasm", sometimes(work)).expect(201);
        for _ in 0..2 {
            workspace.run("f", json!({ "bad": true })).fails(status, code, "");
            assert_eq!(workspace.result("f"), json!({}), "after {work}");
            assert_eq!(canary.result("ok"), "right");
        }
        Server::shared().is_well();
    };
    check("unreachable", 500, "trap", "timeout=5000");
    check("(drop (i32.load (i32.const -4)))", 500, "trap", "timeout=5000");
    check("(drop (i32.div_u (i32.const 1) (i32.const 0)))", 500, "trap", "timeout=5000");
    check("(loop (br 0))", 504, "timeout", "timeout=300");
    check("(loop (br 0))", 500, "fuel_exhausted", "fuel=1000000");
    check(
        "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable",
        500,
        "memory_limit",
        "memory=32&timeout=5000",
    );
    check(
        "(loop $l (memory.fill (i32.const 8192) (i32.const 0) (i32.const 100000)) (br $l))",
        504,
        "timeout",
        "timeout=300",
    );
}

#[test]
fn a_component_that_fails_while_it_starts_is_not_deployed() {
    let start = |work: &str| {
        format!(
            r#"(component (core module $m (func $s {work}) (start $s) (func (export "run") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $cli (export "run" (func $run))) (export "wasi:cli/run@0.2.0" (instance $cli)))"#
        )
    };
    let workspace = Workspace::new();
    let path = format!("{}?timeout=300", workspace.path("/f"));
    workspace.client.put(&path, "application/wasm", start("(loop (br 0))")).fails(422, "timeout", "300 ms");
    let trapped = workspace.client.put(&path, "application/wasm", start("unreachable"));
    assert_eq!(trapped.error().code, "trap", "{}", trapped.text());
    workspace.client.put(&path, "application/wasm", start("nop")).expect(201);
}

#[test]
fn a_component_that_is_too_much_is_refused() {
    let workspace = Workspace::new();
    let check = |module: &str| {
        let answer = workspace.put("f", "application/wasm", module.to_string());
        assert!((400..500).contains(&answer.status) || answer.error().code == "memory_limit", "{}", answer.text());
    };
    let wrap = |items: &str| format!(r#"(module (memory (export "memory") 1) {items} (func (export "_start")))"#);
    check(&wrap("(table 4294967295 funcref)"));
    check(r#"(module (memory (export "memory") 65536) (func (export "_start")))"#);
    check(&wrap(&"(memory 1)".repeat(100)));
    Server::shared().is_well();
}

/// `thimble:runtime/log` and `cache` by the canonical ABI: logs the event, counts, and answers the count's digit.
#[test]
fn a_component_uses_the_host_api() {
    let component = format!(
        r#"(component
  (import "thimble:runtime/log@0.1.0" (instance $log
    (type $level' (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level')))
    (export "write" (func (param "level" $level) (param "message" string)))))
  (import "thimble:runtime/cache@0.1.0" (instance $cache
    (type $error' (variant (case "key-too-long") (case "value-too-large" u64) (case "full" u64) (case "not-an-integer")))
    (export "error" (type $error (eq $error')))
    (export "increment" (func (param "key" string) (param "by" s64) (result (result s64 (error $error)))))))
  (core module $memory {MEMORY})
  (core instance $mem (instantiate $memory))
  (alias core export $mem "memory" (core memory $m))
  (alias core export $mem "cabi_realloc" (core func $realloc))
  (core func $write (canon lower (func $log "write") (memory $m) (realloc $realloc)))
  (core func $increment (canon lower (func $cache "increment") (memory $m) (realloc $realloc)))
  (core module $main
    (import "host" "memory" (memory 2))
    (import "host" "write" (func $write (param i32 i32 i32)))
    (import "host" "increment" (func $increment (param i32 i32 i64 i32)))
    (data (i32.const 64) "n")
    (func (export "handle") (param $at i32) (param $length i32) (result i32)
      (call $write (i32.const 2) (local.get $at) (local.get $length))
      (call $increment (i32.const 64) (i32.const 1) (i64.const 2) (i32.const 32))
      (i32.store8 (i32.const 80) (i32.add (i32.const 48) (i32.wrap_i64 (i64.load (i32.const 40)))))
      (i32.store (i32.const 0) (i32.load8_u (i32.const 32))) (i32.store (i32.const 4) (i32.const 80))
      (i32.store (i32.const 8) (i32.const 1)) (i32.const 0)))
  (core instance $i (instantiate $main (with "host" (instance
    (export "memory" (memory $m)) (export "write" (func $write)) (export "increment" (func $increment))))))
  (func $handle (param "event" string) (result (result string (error string)))
    (canon lift (core func $i "handle") (memory $m) (realloc $realloc)))
  (instance $handler (export "handle" (func $handle)))
  (export "thimble:runtime/handler@0.1.0" (instance $handler)))"#
    );
    let workspace = Workspace::new().wasm("count", &component).javascript("see", "return cache.n");
    let first = workspace.run("count", json!({ "a": 1 })).expect(200);
    assert_eq!((first.logs(), first.result()), (vec![r#"warn {"a":1}"#.into()], json!(2)));
    assert_eq!(workspace.result("count"), 4);
    assert_eq!(workspace.result("see"), 4);
}
