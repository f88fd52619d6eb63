//! Functions behind HTTP: requests as events, results as answers; and the connection itself.

use crate::client::{Client, Workspace};
use crate::server::Server;
use ::http::Method;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

#[test]
fn a_request_is_an_event() {
    let workspace = Workspace::new()
        .javascript("js", "export default e => e")
        .python("py", "def handler(event, context):\n    return event");
    for name in ["js", "py"] {
        let path = workspace.path(&format!("/http/{name}/a%20b/c?x=1&y=%C3%A9&x=2&flag"));
        let headers = [("X-One", "1"), ("x-two", "a"), ("x-two", "b"), ("cookie", "k=v")];
        let answer = workspace.client.send(Method::POST, &path, &headers, "é😀").expect(200);
        let event = answer.json();
        assert_eq!(event["version"], "2.0");
        assert_eq!((&event["method"], &event["requestContext"]["http"]["method"]), (&json!("POST"), &json!("POST")));
        assert_eq!((&event["path"], &event["rawPath"]), (&json!("/a%20b/c"), &json!("/a%20b/c")));
        assert_eq!(event["rawQueryString"], "x=1&y=%C3%A9&x=2&flag");
        assert_eq!(event["query"], json!({ "flag": "", "x": "1,2", "y": "é" }));
        assert_eq!(event["queryStringParameters"], event["query"]);
        assert_eq!((&event["headers"]["x-one"], &event["headers"]["x-two"]), (&json!("1"), &json!("a,b")));
        assert_eq!(event["multiValueHeaders"], json!({ "x-two": ["a", "b"] }));
        assert_eq!(event["requestContext"]["basePath"], workspace.path(&format!("/http/{name}")));
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("é😀"), &json!(false)));
        assert_eq!(event["requestContext"]["requestId"].as_str(), answer.header("x-request-id"));
        assert!(event["requestContext"]["timeEpoch"].as_u64().is_some_and(|ms| ms > 1_700_000_000_000));

        let binary =
            workspace.client.send(Method::PUT, &workspace.path(&format!("/http/{name}")), &[], vec![0xff, 0x00, 0xfe]);
        let event = binary.expect(200).json();
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("/wD+"), &json!(true)));
        assert_eq!((&event["path"], &event["rawQueryString"]), (&json!("/"), &json!("")));

        let empty = workspace.client.get(&workspace.path(&format!("/http/{name}/"))).expect(200).json();
        assert_eq!((&empty["body"], &empty["isBase64Encoded"]), (&Value::Null, &json!(false)));
        assert_eq!(empty["multiValueHeaders"], Value::Null);
        assert_eq!(empty["requestContext"]["basePath"], event["requestContext"]["basePath"]);
    }
}

#[test]
fn every_method_reaches_the_function() {
    let workspace = Workspace::new()
        .javascript("f", "export default e => ({ statusCode: 200, headers: { 'x-method': e.method }, body: 'text' })");
    let path = workspace.path("/http/f");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let answer = workspace.client.send(method.parse().expect("a method"), &path, &[], "").expect(200);
        assert_eq!((answer.header("x-method"), answer.text()), (Some(method), "text"));
    }
    let head = workspace.client.send(Method::HEAD, &path, &[], "").expect(200);
    assert_eq!((head.header("x-method"), head.body.len()), (Some("HEAD"), 0));
    assert_eq!(head.header("content-length"), Some("4"));
}

#[test]
fn a_result_is_an_answer() {
    let workspace = Workspace::new().javascript("f", "export default e => JSON.parse(e.body)");
    let answer =
        |result: Value| workspace.client.send(Method::POST, &workspace.path("/http/f"), &[], result.to_string());
    for plain in [json!(null), json!("text"), json!(5), json!([1]), json!({ "a": { "statusCode": 404 } })] {
        let got = answer(plain.clone()).expect(200);
        assert_eq!((got.header("content-type"), got.json()), (Some("application/json"), plain));
    }
    let got = answer(json!({
        "statusCode": 201, "body": "hi", "cookies": ["a=1", "b=2"],
        "headers": { "X-A": "1", "n": 2, "location": "/x", "Connection": "close", "Content-Length": "99", "transfer-encoding": "chunked" },
        "multiValueHeaders": { "x-many": ["1", "2"] },
    }))
    .expect(201);
    assert_eq!(
        (got.text(), got.header("x-a"), got.header("n"), got.header("location")),
        ("hi", Some("1"), Some("2"), Some("/x"))
    );
    let all = |name: &str| got.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!((all("set-cookie"), all("x-many")), (vec!["a=1", "b=2"], vec!["1", "2"]));
    assert_eq!((got.header("content-length"), got.header("transfer-encoding")), (Some("2"), None));
    assert_eq!(got.header("content-type"), Some("text/plain; charset=utf-8"));

    assert_eq!(answer(json!({ "statusCode": 404 })).expect(404).body.len(), 0);
    assert_eq!(answer(json!({ "statusCode": 204 })).expect(204).body.len(), 0);
    assert_eq!(answer(json!({ "statusCode": 200, "body": { "a": 1 } })).expect(200).json(), json!({ "a": 1 }));
    let binary = answer(
        json!({ "statusCode": 200, "body": "/wD+", "isBase64Encoded": true, "headers": { "content-type": "image/x" } }),
    );
    assert_eq!((&binary.body[..], binary.header("content-type")), (&[0xff, 0x00, 0xfe][..], Some("image/x")));
}

#[test]
fn an_answer_that_cannot_be_sent_is_a_bad_gateway() {
    let workspace = Workspace::new().javascript("f", "export default e => JSON.parse(e.body)");
    for wrong in [
        json!({ "statusCode": 99 }),
        json!({ "statusCode": 101 }),
        json!({ "statusCode": 600 }),
        json!({ "statusCode": -1 }),
        json!({ "statusCode": "ok" }),
        json!({ "statusCode": 200, "headers": { "a b": "c" } }),
        json!({ "statusCode": 200, "headers": { "a": "b\r\nset-cookie: c" } }),
        json!({ "statusCode": 200, "headers": { "a\r\nb": "c" } }),
        json!({ "statusCode": 200, "cookies": ["a\r\nb: c"] }),
        json!({ "statusCode": 200, "body": "%", "isBase64Encoded": true }),
        json!({ "statusCode": 200, "headers": [1] }),
    ] {
        let answer = workspace.client.send(Method::POST, &workspace.path("/http/f"), &[], wrong.to_string());
        answer.fails(502, "invalid_response", "");
        assert!(answer.header("set-cookie").is_none());
    }
    let answer =
        workspace.client.send(Method::POST, &workspace.path("/http/f"), &[], r#"{"statusCode":200,"body":"well"}"#);
    assert_eq!(answer.expect(200).text(), "well");
}

#[test]
fn a_failure_behind_http_is_the_same_typed_error() {
    let workspace = Workspace::new().javascript("f", "console.log('seen'); throw new TypeError('no')");
    let error = workspace.client.get(&workspace.path("/http/f/x")).fails(500, "function_error", "no");
    assert_eq!((error.logs, &error.details["name"]), (vec!["info seen".to_string()], &json!("TypeError")));
    workspace.client.get(&workspace.path("/http/none")).fails(404, "function_not_found", "none");
    workspace.client.get("/v2/functions/nowhere/http/f").fails(404, "workspace_not_found", "");
}

/// A connection, spoken to byte for byte.
struct Raw(BufReader<TcpStream>);

impl Raw {
    fn new(client: &Client) -> Self {
        let socket = TcpStream::connect(client.address).expect("it listens");
        socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
        Self(BufReader::new(socket))
    }

    fn send(&mut self, text: &[u8]) -> &mut Self {
        // A server that has heard enough may have closed.
        let _ = self.0.get_mut().write_all(text);
        self
    }

    /// Status and body of the next answer.
    #[track_caller]
    fn answer(&mut self) -> (u16, String) {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("an answer");
        let status =
            line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("`{line}`"));
        let mut length = 0;
        loop {
            let mut header = String::new();
            self.0.read_line(&mut header).expect("a header");
            match header.trim_end().split_once(": ") {
                None => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().expect("a length");
                }
                Some(_) => {}
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("a body");
        (status, String::from_utf8(body).expect("text"))
    }

    /// Whether the server has closed the connection, waiting for that.
    fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

fn get(workspace: &Workspace<'_>, query: &str) -> Vec<u8> {
    format!("GET {} HTTP/1.1\r\nhost: x\r\n\r\n", workspace.path(&format!("/http/f{query}"))).into_bytes()
}

const ECHO: &str = "export default e => ({ statusCode: 200, body: e.rawQueryString + '|' + (e.body ?? '') })";

#[test]
fn a_connection_is_kept_and_requests_may_be_pipelined() {
    let workspace = Workspace::new().javascript("f", ECHO);
    let mut raw = Raw::new(workspace.client);
    for n in 0..3 {
        assert_eq!(raw.send(&get(&workspace, &format!("?{n}"))).answer(), (200, format!("{n}|")));
    }
    let two = [get(&workspace, "?first"), get(&workspace, "?second")].concat();
    raw.send(&two);
    assert_eq!(raw.answer(), (200, "first|".into()));
    assert_eq!(raw.answer(), (200, "second|".into()));
    // An error of one request leaves the connection to the next.
    raw.send(b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(raw.answer().0, 404);
    assert_eq!(raw.send(&get(&workspace, "?on")).answer(), (200, "on|".into()));
    // HTTP/1.0 closes, unless it is asked not to.
    let old = format!("GET {} HTTP/1.0\r\n\r\n", workspace.path("/http/f?old"));
    assert_eq!(raw.send(old.as_bytes()).answer(), (200, "old|".into()));
    assert!(raw.is_closed());
}

#[test]
fn bodies_come_in_every_framing() {
    let workspace = Workspace::new().javascript("f", ECHO);
    let path = workspace.path("/http/f");
    let mut raw = Raw::new(workspace.client);
    raw.send(format!("POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nx-trailer: 1\r\n\r\n").as_bytes());
    assert_eq!(raw.answer(), (200, "|abcde".into()));
    raw.send(format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab").as_bytes());
    raw.send(b"cde");
    assert_eq!(raw.answer(), (200, "|abcde".into()));
    raw.send(
        format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n").as_bytes(),
    );
    assert_eq!(raw.answer(), (100, String::new()));
    assert_eq!(raw.send(b"hi").answer(), (200, "|hi".into()));
    // Framing that means two things at once, or nothing.
    for headers in [
        "content-length: 3\r\ntransfer-encoding: chunked",
        "content-length: 3\r\ncontent-length: 4",
        "content-length: -1",
        "content-length: 99999999999999999999",
        "transfer-encoding: nonsense",
    ] {
        let mut raw = Raw::new(workspace.client);
        raw.send(format!("POST {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n0\r\n\r\n").as_bytes());
        let (status, body) = raw.answer();
        // With both, the chunks count and the length is ignored, as RFC 9112 allows: the empty body is the chunks'.
        assert!(status == 400 || (status, body.as_str()) == (200, "|"), "{headers}: {status} {body}");
        if headers.starts_with("content-length: 3\r\ntransfer") && status == 200 {
            assert!(raw.is_closed(), "and the connection is not used again");
        }
    }
    let mut raw = Raw::new(workspace.client);
    raw.send(format!("POST {path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n").as_bytes());
    assert_eq!(raw.answer().0, 400);
    Server::shared().is_well();
}

#[test]
fn heads_are_bounded() {
    let workspace = Workspace::new().javascript("f", "return Object.keys(event.headers).length");
    let path = workspace.path("/http/f");
    let with = |head: String| Raw::new(workspace.client).send(format!("GET {head}\r\n\r\n").as_bytes()).answer();
    let headers = |count: usize| (0..count).map(|n| format!("\r\nx-{n}: 1")).collect::<String>();
    assert_eq!(with(format!("{path} HTTP/1.1\r\nhost: x{}", headers(99))), (200, "100".into()));
    assert_eq!(with(format!("{path} HTTP/1.1\r\nhost: x{}", headers(100))).0, 431);
    assert_eq!(with(format!("{path} HTTP/1.1\r\nhost: x\r\nx-long: {}", "y".repeat(60_000))), (200, "2".into()));
    assert_eq!(with(format!("{path} HTTP/1.1\r\nhost: x\r\nx-long: {}", "y".repeat(500_000))).0, 431);
    assert_eq!(with(format!("{path}?{} HTTP/1.1\r\nhost: x", "y".repeat(20_000))), (200, "1".into()));
    assert!(matches!(with(format!("{path}?{} HTTP/1.1\r\nhost: x", "y".repeat(70_000))).0, 414 | 431));
    for wrong in
        ["/\0 HTTP/1.1\r\nhost: x", "/ HTTP/9.9\r\nhost: x", "/ HTTP/1.1\r\nno colon", "/ HTTP/1.1\r\na b: c", "\u{1}"]
    {
        assert!(matches!(with(wrong.into()).0, 400 | 404 | 505), "{wrong:?}");
    }
    let mut raw = Raw::new(workspace.client);
    raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(raw.is_closed(), "HTTP/2 without TLS is not spoken");
    assert_eq!(with(format!("{path} HTTP/1.1\r\nhost: x")), (200, "1".into()));
    Server::shared().is_well();
}

/// The one test that waits for a time-out of ten seconds; beside it others run.
#[test]
fn a_head_that_does_not_come_is_waited_for_only_so_long() {
    let workspace = Workspace::new().javascript("f", "return 'right'");
    let began = Instant::now();
    let mut slow = Raw::new(workspace.client);
    slow.send(b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ");
    let mut silent = Raw::new(workspace.client);
    for connection in [&mut slow, &mut silent] {
        assert!(connection.is_closed());
        let took = began.elapsed();
        assert!(took > Duration::from_secs(5) && took < Duration::from_secs(15), "{took:?}");
    }
    assert_eq!(workspace.result("f"), "right");
}

#[test]
fn a_client_that_left_ends_its_invocation() {
    let server = Server::start("");
    let workspace = Workspace::on(&server)
        .javascript("f", "await new Promise(r => setTimeout(r, 60000))")
        .javascript("ok", "return 1");
    let running = |expected: u32| {
        let began = Instant::now();
        let line = format!("thimble_invocations_running {expected}");
        while !server.client.get("/metrics").text().lines().any(|found| found == line) {
            assert!(began.elapsed() < Duration::from_secs(20), "never `{line}`");
            std::thread::yield_now();
        }
    };
    for leave in [Shutdown::Both, Shutdown::Write] {
        let mut raw = Raw::new(&server.client);
        raw.send(&get(&workspace, ""));
        running(1);
        // A client that only says that it has no more to say is taken to be gone as well.
        raw.0.get_ref().shutdown(leave).expect("it is open");
        running(0);
    }
    // One that leaves in the middle of its body never began one.
    let mut raw = Raw::new(&server.client);
    let head = format!("POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf", workspace.path("/http/f"));
    raw.send(head.as_bytes());
    drop(raw);
    assert_eq!(workspace.result("ok"), 1);
    running(0);
}

#[test]
fn headers_of_the_connection_and_of_identity_are_not_the_callers_to_set() {
    let workspace = Workspace::new()
        .javascript("f", "return [context.identity ?? null, context.requestId, event.requestContext?.requestId]");
    let headers = [("x-request-id", "forged"), ("x-thimble-caller", "root"), ("x-forwarded-for", "1.2.3.4")];
    let answer = workspace.client.send(Method::GET, &workspace.path("/http/f"), &headers, "").expect(200);
    let seen = answer.json();
    assert_eq!(seen[0], Value::Null);
    assert_eq!(seen[1], seen[2]);
    assert_eq!(seen[1].as_str(), answer.header("x-request-id"));
    assert_ne!(seen[1], "forged");
}
