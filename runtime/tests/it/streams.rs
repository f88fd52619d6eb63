//! Answers that come while the function runs: generators and streams in each delivery, slow readers, clients that leave;
//! and handlers of the form `fetch(request, env, ctx)`.

use crate::client::{Client, Workspace};
use crate::server::Server;
use ::http::Method;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

pub const LINES: (&str, &str) = ("accept", "application/x-ndjson");
pub const EVENTS: (&str, &str) = ("accept", "text/event-stream");

const COUNT: &str = "export default async function* (event) {
    for (let i = 0; i < (event.to ?? 3); i++) { yield { i }; await new Promise((done) => setTimeout(done, 5)); }
}";

/// What a run answers in a streaming form.
pub fn streamed(
    workspace: &Workspace,
    function: &str,
    form: (&str, &str),
    parameters: &Value,
) -> (Option<String>, String) {
    let path = workspace.path(&format!("/run/{function}"));
    let body = json!({ "parameters": parameters }).to_string();
    let answer = workspace.client.send(Method::POST, &path, &[form], body).expect(200);
    (answer.header("content-type").map(str::to_string), answer.text().to_string())
}

/// A request over a connection of its own, read up to the end of the answer's head.
fn open(client: &Client, request: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(client.address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert!(reader.read_line(&mut line).expect("a line") > 0, "the answer has a head");
    }
    reader
}

pub fn get(workspace: &Workspace, rest: &str) -> BufReader<TcpStream> {
    open(workspace.client, &format!("GET {} HTTP/1.1\r\nhost: x\r\n\r\n", workspace.path(rest)))
}

/// Waits until a question has the answer.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Reads `f`, which makes a first line, and a second one only after `go`.
#[track_caller]
pub fn arrives_as_it_is_made(workspace: &Workspace) {
    let mut reader = get(workspace, "/http/f");
    let mut seen = String::new();
    while !seen.contains("first") {
        assert!(reader.read_line(&mut seen).expect("a line") > 0);
    }
    // Only now may it go on: whoever collects would wait for ever.
    workspace.result("go");
    while !seen.contains("second") {
        assert!(reader.read_line(&mut seen).expect("a line") > 0);
    }
}

#[test]
fn what_has_several_parts_is_taken_as_the_caller_wants_it() {
    let workspace = Workspace::new()
        .javascript("async", COUNT)
        .javascript("sync", "export default function* (event) { yield { i: 0 }; yield { i: 1 }; yield { i: 2 }; }")
        .javascript(
            "stream",
            "export default () => { let i = 0; return new ReadableStream({ pull(c) { c.enqueue({ i }); if (++i === 3) c.close(); } }); }",
        )
        .javascript("body", "yield_ = 0; async function* all() { yield { i: 0 }; yield { i: 1 }; yield { i: 2 }; }\nreturn all();");
    for name in ["async", "sync", "stream", "body"] {
        assert_eq!(workspace.result(name), json!([{ "i": 0 }, { "i": 1 }, { "i": 2 }]), "{name}");
        let (kind, text) = streamed(&workspace, name, LINES, &json!({}));
        assert_eq!(
            (kind.as_deref(), text.as_str()),
            (Some("application/x-ndjson"), "{\"i\":0}\n{\"i\":1}\n{\"i\":2}\n")
        );
        let (kind, text) = streamed(&workspace, name, EVENTS, &json!({}));
        assert_eq!(kind.as_deref(), Some("text/event-stream"));
        let (elements, end) = text.split_once("event: end\ndata: ").expect("an end");
        assert_eq!(elements, "data: {\"i\":0}\n\ndata: {\"i\":1}\n\ndata: {\"i\":2}\n\n");
        let end: Value = serde_json::from_str(end.trim()).expect("JSON");
        assert!(end["logs"].is_array() && end["duration"].is_number(), "{end}");
        let over_http = workspace.client.get(&workspace.path(&format!("/http/{name}"))).expect(200);
        assert_eq!(over_http.text(), "{\"i\":0}\n{\"i\":1}\n{\"i\":2}\n", "{name}");
        assert_eq!(over_http.header("content-type"), Some("application/x-ndjson"));
    }
}

#[test]
fn text_and_bytes_are_the_body_itself() {
    let workspace = Workspace::new()
        .javascript("text", "export default async function* () { yield 'é'; yield ' 1'; }")
        .javascript(
            "bytes",
            "export default async function* () { yield new Uint8Array([0xc3]); yield new Uint8Array([0xa9, 0x21]); }",
        )
        .javascript("none", "export default async function* () {}");
    let http = |name: &str| workspace.client.get(&workspace.path(&format!("/http/{name}"))).expect(200);
    assert_eq!((http("text").text(), http("text").header("content-type")), ("é 1", Some("text/plain; charset=utf-8")));
    let bytes = http("bytes");
    assert_eq!((bytes.text(), bytes.header("content-type")), ("é!", Some("application/octet-stream")));
    assert_eq!(http("none").text(), "");
    assert_eq!(workspace.result("text"), json!(["é", " 1"]));
    assert_eq!(workspace.result("bytes"), json!("é!"));
    assert_eq!(workspace.result("none"), json!([]));
    assert_eq!(streamed(&workspace, "none", LINES, &json!({})).1, "");
    assert_eq!(streamed(&workspace, "text", LINES, &json!({})).1, "\"é\"\n\" 1\"\n");
}

#[test]
fn a_single_result_is_a_stream_of_one() {
    let workspace = Workspace::new().javascript("f", "console.log('hi'); return { a: 1 };");
    let (kind, text) = streamed(&workspace, "f", LINES, &json!({}));
    assert_eq!((kind.as_deref(), text.as_str()), (Some("application/x-ndjson"), "{\"a\":1}\n"));
    let (_, text) = streamed(&workspace, "f", EVENTS, &json!({}));
    assert!(text.starts_with("data: {\"a\":1}\n\nevent: end\ndata: {\"logs\":[{") && text.contains("\"hi\""), "{text}");
    // Other media types that a client takes do not ask for a stream.
    let (kind, _) = streamed(&workspace, "f", ("accept", "application/json, */*"), &json!({}));
    assert_eq!(kind.as_deref(), Some("application/json"));
}

#[test]
fn parts_arrive_as_they_are_made() {
    let workspace = Workspace::new().javascript(
        "f",
        "export default async function* () {
            yield 'first\\n';
            while (!cache.go) await new Promise((done) => setTimeout(done, 5));
            yield 'second\\n';
        }",
    );
    let workspace = workspace.javascript("go", "cache.go = true; return null;");
    arrives_as_it_is_made(&workspace);
}

#[test]
fn a_function_runs_no_faster_than_its_client_reads_and_ends_with_it() {
    let workspace = Workspace::new()
        .javascript(
            "f",
            "export default async function* () {
                const piece = new Uint8Array(64 * 1024);
                try { for (;;) { cache.made = (cache.made ?? 0) + 1; yield piece; } }
                finally { cache.closed = true; }
            }",
        )
        .javascript("look", "return { made: cache.made ?? 0, closed: cache.closed ?? false };");
    let reader = get(&workspace, "/http/f");
    let made = || workspace.result("look")["made"].as_u64().expect("a number");
    // The kernel's buffers and one piece in the server, then it waits.
    let mut before = 0;
    eventually("it stops making pieces", || {
        std::thread::sleep(Duration::from_millis(200));
        std::mem::replace(&mut before, made()) == made()
    });
    assert!(before > 1 && before < 1000, "{before} pieces of 64 KiB for a client that reads nothing");
    assert_eq!(workspace.result("look")["closed"], json!(false));
    drop(reader);
    eventually("its `finally` block runs", || workspace.result("look")["closed"] == json!(true));
}

#[test]
fn a_function_that_does_not_end_with_its_client_is_ended() {
    let server = Server::start("");
    let workspace = Workspace::on(&server);
    let code = "return (async function* () { try { for (;;) yield 'x'.repeat(100000); } finally { for (;;); } })()";
    let spec = json!({ "functions": { "f": { "timeout": 60_000, "code": code } } });
    workspace.client.post(&workspace.path(""), &spec).expect(200);
    let running = || {
        let metrics = workspace.client.get("/metrics");
        let line = metrics.text().lines().find(|line| line.starts_with("thimble_invocations_running "));
        line.and_then(|line| line.rsplit(' ').next()).expect("the gauge").to_string()
    };
    let reader = get(&workspace, "/http/f");
    assert_eq!(running(), "1");
    drop(reader);
    // Its time-out is a minute; a client that is gone gives it a second.
    eventually("its place is free again", || running() == "0");
}

#[test]
fn the_deadline_holds_for_a_client_that_reads_nothing() {
    let workspace = Workspace::new();
    workspace
        .client
        .post(
            &workspace.path(""),
            &json!({ "functions": {
                "f": { "timeout": 300, "code": "return (async function* () { for (;;) yield 'x'.repeat(100000); })()" },
                "tick": { "timeout": 300, "code": "return (async function* () { yield 1; await new Promise(() => setTimeout(() => {}, 60000)); })()" },
            } }),
        )
        .expect(200);
    let mut reader = get(&workspace, "/http/f");
    std::thread::sleep(Duration::from_millis(600));
    let mut all = Vec::new();
    // The body ends without its last chunk: the client sees that it is not whole.
    let _ = reader.read_to_end(&mut all);
    assert!(!all.ends_with(b"0\r\n\r\n"));
    let (_, text) = streamed(&workspace, "tick", LINES, &json!({}));
    let (first, last) = text.split_once('\n').expect("two lines");
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!((first, &last["error"]["code"]), ("1", &json!("timeout")));
}

#[test]
fn an_error_before_the_first_part_is_an_error_answer_and_later_it_ends_the_stream() {
    let workspace = Workspace::new()
        .javascript("early", "export default async function* () { throw new RangeError('early'); yield 1; }")
        .javascript("late", "export default async function* () { yield 1; throw new RangeError('late'); }")
        .javascript("json", "export default async function* () { yield 1; yield () => 2; }");
    for form in [LINES, EVENTS] {
        let path = workspace.path("/run/early");
        let error = workspace.client.send(Method::POST, &path, &[form], "").expect(500).error();
        assert_eq!((error.code.as_str(), error.message.as_str()), ("function_error", "early"));
    }
    let (_, text) = streamed(&workspace, "late", LINES, &json!({}));
    let last: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    assert_eq!(
        (&last["error"]["code"], &last["error"]["details"]["name"]),
        (&json!("function_error"), &json!("RangeError"))
    );
    let (_, text) = streamed(&workspace, "late", EVENTS, &json!({}));
    assert!(text.starts_with("data: 1\n\nevent: error\ndata: {\"error\":{\"code\":\"function_error\""), "{text}");
    assert!(!text.contains("event: end"));
    let (_, text) = streamed(&workspace, "json", LINES, &json!({}));
    assert!(text.contains("result_not_json") || text.contains("a function"), "{text}");
    // Over HTTP the head is gone: the connection says it.
    let mut rest = Vec::new();
    let _ = get(&workspace, "/http/late").read_to_end(&mut rest);
    assert_eq!(String::from_utf8_lossy(&rest), "2\r\n1\n\r\n");
    assert_eq!(workspace.client.get(&workspace.path("/http/early")).expect(500).error().message, "early");
    // The instance is none the worse.
    assert_eq!(workspace.client.post(&workspace.path("/run/late"), &json!({})).expect(500).error().message, "late");
}

const APP: &str = r#"
let made = 0;
export default {
  prefix: "p",
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    switch (url.pathname) {
      case "/json": return Response.json({
        method: request.method, url: request.url, header: request.headers.get("x-a"), body: await request.text(),
        env: env.THIMBLE_FUNCTION_NAME, id: typeof ctx.awsRequestId, self: this.prefix, made: ++made,
      }, { status: 201, headers: { "x-b": "c" } });
      case "/bytes": return new Response(new Uint8Array([0, 255, 1]), { headers: { "content-type": "image/png" } });
      case "/echo": return new Response(await request.arrayBuffer());
      case "/cookies": {
        const headers = new Headers();
        headers.append("set-cookie", "a=1"); headers.append("set-cookie", "b=2");
        return new Response(null, { status: 204, headers });
      }
      case "/redirect": return Response.redirect("http://example.com/x", 307);
      case "/none": return undefined;
      case "/later": ctx.waitUntil(new Promise((done) => setTimeout(() => { cache.later = true; done(); }, 200))); return new Response("now");
      case "/fails": ctx.waitUntil(Promise.reject(new Error("in the background"))); return new Response("sent");
      case "/throw": throw new TypeError("wrong");
    }
    return new Response("no such page", { status: 404 });
  },
};"#;

#[test]
fn a_fetch_handler_answers_requests() {
    let workspace = Workspace::new().javascript("app", APP).javascript("look", "return cache.later ?? false;");
    let send = |method: Method, path: &str, body: &[u8]| {
        workspace.client.send(
            method,
            &workspace.path(&format!("/http/app{path}")),
            &[("x-a", "1"), ("host", "h.test")],
            body.to_vec(),
        )
    };
    let answer = send(Method::POST, "/json?q=%20", b"hi").expect(201);
    assert_eq!((answer.header("content-type"), answer.header("x-b")), (Some("application/json"), Some("c")));
    assert_eq!(
        answer.json(),
        json!({ "method": "POST", "url": "http://h.test/json?q=%20", "header": "1", "body": "hi", "env": "app", "id": "string", "self": "p", "made": 1 })
    );
    let bytes = send(Method::GET, "/bytes", b"").expect(200);
    assert_eq!((&bytes.body[..], bytes.header("content-type")), (&[0, 255, 1][..], Some("image/png")));
    assert_eq!(&send(Method::PUT, "/echo", &[0xff, 0, 0xfe]).expect(200).body[..], [0xff, 0, 0xfe]);
    let cookies = send(Method::GET, "/cookies", b"").expect(204);
    assert_eq!(cookies.headers.get_all("set-cookie").iter().count(), 2);
    assert_eq!(send(Method::GET, "/redirect", b"").expect(307).header("location"), Some("http://example.com/x"));
    assert_eq!(send(Method::GET, "/nowhere", b"").expect(404).text(), "no such page");
    assert_eq!(send(Method::HEAD, "/json", b"").expect(201).body.len(), 0);
    let error = send(Method::GET, "/none", b"").expect(500).error();
    assert!(error.message.contains("must answer a Response"), "{}", error.message);
    assert_eq!(send(Method::GET, "/throw", b"").expect(500).error().message, "wrong");
    // By `run`, its body is the result.
    let run = |event: Value| workspace.run("app", event);
    assert_eq!(run(json!({})).expect(500).error().message, "the handler answered with status 404: no such page");
}

#[test]
fn work_goes_on_after_the_answer_where_it_is_asked_to() {
    let workspace = Workspace::new().javascript("app", APP).javascript("look", "return cache.later ?? false;");
    let began = Instant::now();
    let path = workspace.path("/http/app/later");
    assert_eq!(workspace.client.get(&path).expect(200).text(), "now");
    assert_eq!(workspace.result("look"), json!(false), "after {:?}", began.elapsed());
    eventually("it is done in the end", || workspace.result("look") == json!(true));
    assert_eq!(workspace.client.get(&workspace.path("/http/app/fails")).expect(200).text(), "sent");
    // An event handler may ask for it too; its caller gets the result when all is done.
    let workspace = workspace.javascript(
        "event",
        "export default (event, context) => { context.waitUntil(new Promise((done) => setTimeout(() => { cache.done = 1; done(); }, 20))); return 5; }",
    );
    assert_eq!(workspace.result("event"), json!(5));
    let workspace = workspace.javascript("done", "return cache.done ?? 0;");
    assert_eq!(workspace.result("done"), json!(1));
}

#[test]
fn a_commonjs_module_may_be_such_a_handler() {
    let workspace = Workspace::new()
        .javascript("plain", "module.exports = { fetch: (request) => new Response(request.method), other() {} };")
        .javascript("compiled", "exports.default = { fetch: (request) => new Response(request.method) };")
        .javascript(
            "class",
            "class App { fetch(request) { return new Response(request.method); } }\nexport default new App();",
        );
    for name in ["plain", "compiled", "class"] {
        assert_eq!(workspace.client.get(&workspace.path(&format!("/http/{name}"))).expect(200).text(), "GET", "{name}");
    }
}
