//! Outgoing HTTP: nothing without a rule, nothing private that is not named, every hop checked; many at once.

use crate::client::{RUNTIME, Workspace, accept, shortest};
use crate::components::{MEMORY, PROXY};
use ::http::{Request, Response, header};
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// A web server on loopback, IPv4 and, where there is one, IPv6.
struct Upstream {
    port: u16,
    hits: Arc<AtomicU32>,
}

impl Upstream {
    fn start() -> Self {
        let hits = Arc::new(AtomicU32::new(0));
        let port = RUNTIME.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
            let port = listener.local_addr().expect("an address").port();
            let mut listeners = vec![listener];
            listeners.extend(TcpListener::bind(("::1", port)).await);
            for listener in listeners {
                let hits = hits.clone();
                RUNTIME.spawn(accept(listener, move |stream| {
                    let hits = hits.clone();
                    let service = service_fn(move |request| {
                        hits.fetch_add(1, Ordering::Relaxed);
                        answer(request, port)
                    });
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service)
                }));
            }
            port
        });
        Self { port, hits }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn hits(&self) -> u32 {
        self.hits.load(Ordering::Relaxed)
    }

    /// A workspace that may reach these, with functions that ask in every language.
    fn workspace(&self, egress: &[&str]) -> Workspace<'static> {
        let egress: Vec<String> = egress.iter().map(|rule| rule.replace("PORT", &self.port.to_string())).collect();
        Workspace::new().with(json!({ "egress": egress, "functions": {
            "js": { "code": "
                try { const r = await fetch(event.url, event.init); return [r.status, await r.text()] }
                catch (e) { return [e.name, e.cause?.code ?? e.message] }" },
            "py": { "language": "python", "code": "
import urllib.request, urllib.error
try:
    with urllib.request.urlopen(urllib.request.Request(event['url'], headers=event.get('headers', {}))) as r:
        return [r.status, r.read().decode()]
except urllib.error.HTTPError as e:
    return [e.code, e.read().decode()]
except urllib.error.URLError as e:
    return ['URLError', str(e.reason)]" },
            "async": { "language": "python", "code": "
try:
    r = await thimble.fetch(event['url'])
    return [r.status, r.text()]
except thimble.FetchError as e:
    return ['FetchError', e.code]" },
        }}))
    }
}

async fn answer(request: Request<Incoming>, port: u16) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let query: HashMap<String, String> =
        url::form_urlencoded::parse(request.uri().query().unwrap_or("").as_bytes()).into_owned().collect();
    let whole = |text: String| Response::new(Full::new(Bytes::from(text)).boxed());
    let redirect = |to: String| {
        let mut response = whole(String::new());
        *response.status_mut() = ::http::StatusCode::FOUND;
        response.headers_mut().insert(header::LOCATION, to.parse().expect("a location"));
        response
    };
    Ok(match request.uri().path() {
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(query["ms"].parse().expect("a number"))).await;
            whole("slow".into())
        }
        "/to" => redirect(query["url"].clone()),
        "/hops" => match query["n"].parse::<u32>().expect("a number") {
            0 => whole("arrived".into()),
            n => redirect(format!("http://127.0.0.1:{port}/hops?n={}", n - 1)),
        },
        "/headers" => {
            let headers: HashMap<&str, &str> =
                request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or(""))).collect();
            whole(json!(headers).to_string())
        }
        "/big" => {
            let pieces: u32 = query["mib"].parse().expect("a number");
            let piece = Bytes::from(vec![b'x'; 1 << 20]);
            let stream = futures_util::stream::iter((0..pieces).map(move |_| Ok(Frame::data(piece.clone()))));
            Response::new(BodyExt::boxed(StreamBody::new(stream)))
        }
        "/echo" => {
            let method = request.method().to_string();
            let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            whole(json!([method, String::from_utf8_lossy(&body)]).to_string())
        }
        "/status" => {
            let mut response = whole("as asked".into());
            *response.status_mut() = query["code"].parse().expect("a status");
            response
        }
        _ => whole("hi".into()),
    })
}

#[test]
fn without_a_rule_nothing_is_reached() {
    let upstream = Upstream::start();
    for rules in [&[][..], &["example.com"], &["127.0.0.1:1"], &["127.0.0.2"], &["localhost:1"]] {
        let workspace = upstream.workspace(rules);
        for url in [upstream.url("/"), format!("http://localhost:{}/", upstream.port)] {
            let event = json!({ "url": url });
            assert_eq!(
                workspace.run("js", event.clone()).result(),
                json!(["TypeError", "destination-prohibited"]),
                "{rules:?}"
            );
            assert_eq!(workspace.run("async", event.clone()).result(), json!(["FetchError", "destination-prohibited"]));
            assert_eq!(workspace.run("py", event).result()[0], "URLError");
        }
    }
    assert_eq!(upstream.hits(), 0);
}

#[test]
fn what_is_named_is_reached() {
    let upstream = Upstream::start();
    for rule in ["127.0.0.1:PORT", "127.0.0.1", "127.0.0.0/8", "localhost:PORT"] {
        let workspace = upstream.workspace(&[rule]);
        let host = if rule.starts_with("localhost") { "localhost" } else { "127.0.0.1" };
        let event = json!({ "url": format!("http://{host}:{}/x", upstream.port) });
        for function in ["js", "py", "async"] {
            assert_eq!(workspace.run(function, event.clone()).result(), json!([200, "hi"]), "{rule} {function}");
        }
    }
    assert_eq!(upstream.hits(), 12);
    // A change of the setting counts from the next invocation on.
    let workspace = upstream.workspace(&["127.0.0.1:PORT"]);
    let event = json!({ "url": upstream.url("/") });
    assert_eq!(workspace.run("js", event.clone()).result()[0], 200);
    workspace.client.put(&workspace.path("/settings"), "application/json", "{}").expect(200);
    assert_eq!(workspace.run("js", event).result()[0], "TypeError");
}

#[test]
fn a_star_allows_no_spelling_of_a_private_address() {
    let upstream = Upstream::start();
    let workspace = upstream.workspace(&["*"]);
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "0",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "127.0.0.1.",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[0:0:0:0:0:0:0:1]",
        "user:password@127.0.0.1",
        "127。0。0。1",
        "①27.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "198.18.0.1",
        "224.0.0.1",
    ] {
        let event = json!({ "url": format!("http://{host}:{}/", upstream.port) });
        for function in ["js", "py", "async"] {
            let answer = workspace.run(function, event.clone());
            let result = answer.json()["result"].clone();
            assert!(!result[0].is_number(), "{function} reached {host}: {result}");
        }
    }
    assert_eq!(upstream.hits(), 0);
}

#[test]
fn only_http_is_spoken() {
    let upstream = Upstream::start();
    let workspace = upstream.workspace(&["*", "127.0.0.1:PORT"]);
    for url in ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "http://", "nonsense", ""] {
        let result = workspace.run("js", json!({ "url": url })).result();
        assert!(!result[0].is_number(), "{url}: {result}");
    }
    // Asks nobody.
    assert_eq!(workspace.run("js", json!({ "url": "data:text/plain,x" })).result(), json!([200, "x"]));
    let long = format!("{}/?{}", upstream.url(""), "x".repeat(20_000));
    assert!(!workspace.run("js", json!({ "url": long })).result()[0].is_number());
    for init in [
        json!({ "method": "GET\r\nX: y" }),
        json!({ "headers": { "a\r\nb": "c" } }),
        json!({ "headers": { "a": "b\r\nc: d" } }),
        json!({ "headers": { "large": "x".repeat(70_000) } }),
    ] {
        let result = workspace.run("js", json!({ "url": upstream.url("/"), "init": init })).result();
        assert!(!result[0].is_number(), "{init}: {result}");
    }
    assert_eq!(upstream.hits(), 0);
}

#[test]
fn methods_headers_bodies_and_statuses_pass() {
    let upstream = Upstream::start();
    let workspace = upstream.workspace(&["127.0.0.1:PORT"]);
    let js = |path: &str, init: Value| workspace.run("js", json!({ "url": upstream.url(path), "init": init })).result();
    let posted = js("/echo", json!({ "method": "POST", "body": "é😀" }));
    assert_eq!(posted, json!([200, json!(["POST", "é😀"]).to_string()]));
    let headers = js("/headers", json!({ "headers": { "X-Mine": "1", "Authorization": "Bearer x" } }));
    let headers: Value = serde_json::from_str(headers[1].as_str().expect("text")).expect("JSON");
    assert_eq!((&headers["x-mine"], &headers["authorization"]), (&json!("1"), &json!("Bearer x")));
    assert_eq!(headers["host"], format!("127.0.0.1:{}", upstream.port));
    for code in [201, 404, 500] {
        let path = format!("/status?code={code}");
        assert_eq!(js(&path, json!({})), json!([code, "as asked"]));
        assert_eq!(workspace.run("py", json!({ "url": upstream.url(&path) })).result(), json!([code, "as asked"]));
    }
}

#[test]
fn bodies_stream_both_ways_in_javascript() {
    let upstream = Upstream::start();
    let workspace = Workspace::new().with(json!({ "egress": ["127.0.0.1"], "functions": {
        "read": { "code": "
            const response = await fetch(event.url);
            const copy = response.clone();
            let length = 0;
            for await (const piece of response.body) length += piece.length;
            return [response.bodyUsed, length, (await copy.arrayBuffer()).byteLength]" },
        "stop": { "code": "
            const response = await fetch(event.url);
            const reader = response.body.getReader();
            const { value } = await reader.read();
            await reader.cancel();
            return [value.length > 0, (await reader.read()).done]" },
        "abort": { "code": "
            const controller = new AbortController();
            const response = await fetch(event.url, { signal: controller.signal });
            const reader = response.body.getReader();
            await reader.read();
            controller.abort(new Error('enough'));
            return await reader.read().catch((error) => error.message)" },
        "write": { "code": "
            const body = new Blob(['a'.repeat(100_000)]).stream().pipeThrough(new TextDecoderStream()).pipeThrough(new TextEncoderStream());
            const response = await fetch(event.url, { method: 'POST', body, duplex: 'half' });
            return (await response.json())[1].length" },
        "form": { "code": "
            const body = new FormData();
            body.append('file', new Blob(['content']), 'n.txt');
            const response = await fetch(event.url, { method: 'POST', body });
            return (await response.json())[1].includes('filename=\"n.txt\"\\r\\nContent-Type: application/octet-stream\\r\\n\\r\\ncontent')" },
    } }));
    let run = |function: &str, path: &str| workspace.run(function, json!({ "url": upstream.url(path) })).result();
    assert_eq!(run("read", "/big?mib=3"), json!([true, 3 << 20, 3 << 20]));
    assert_eq!(run("stop", "/big?mib=100"), json!([true, true]));
    assert_eq!(run("abort", "/big?mib=100"), "enough");
    assert_eq!(run("write", "/echo"), 100_000);
    assert_eq!(run("form", "/echo"), true);
}

#[test]
fn every_hop_of_a_redirect_is_checked() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let workspace = upstream.workspace(&["127.0.0.1:PORT", "*"]);
    let run = |function: &str, path: &str| workspace.run(function, json!({ "url": upstream.url(path) })).result();
    for function in ["js", "py", "async"] {
        assert_eq!(run(function, "/hops?n=1"), json!([200, "arrived"]), "{function}");
        for target in [
            other.url("/"),
            "http://169.254.169.254/".into(),
            "file:///etc/passwd".into(),
            format!("http://[::1]:{}/", other.port),
        ] {
            let target: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
            let result = run(function, &format!("/to?url={target}"));
            assert_ne!(result[0], 200, "{function} followed to {target}: {result}");
        }
    }
    assert_eq!(other.hits(), 0);
    for function in ["js", "async"] {
        assert_eq!(run(function, "/hops?n=20"), json!([200, "arrived"]), "{function}");
        assert!(!run(function, "/hops?n=21")[0].is_number(), "{function}");
    }
    let manual = |mode: &str| {
        workspace.run("js", json!({ "url": upstream.url("/hops?n=1"), "init": { "redirect": mode } })).result()
    };
    assert_eq!(manual("manual")[0], 302);
    assert_eq!(manual("error")[0], "TypeError");
}

#[test]
fn credentials_do_not_follow_to_another_origin() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let workspace = Workspace::new().with(json!({ "egress": ["127.0.0.1"], "functions": {
        "js": { "code": "
            const headers = { Authorization: 'Bearer secret', Cookie: 'a=secret', 'X-Mine': 'kept' };
            return await (await fetch(event.url, { headers })).json()" },
    }}));
    let seen = |target: String| {
        let target: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
        workspace.run("js", json!({ "url": upstream.url(&format!("/to?url={target}")) })).result()
    };
    let same = seen(upstream.url("/headers"));
    assert_eq!((&same["authorization"], &same["x-mine"]), (&json!("Bearer secret"), &json!("kept")));
    let elsewhere = seen(other.url("/headers"));
    assert_eq!(elsewhere["x-mine"], "kept");
    assert!(!elsewhere.to_string().contains("secret"), "{elsewhere}");
    assert_eq!(other.hits(), 1);
}

/// `http.request` of Node: the same rules as for `fetch`, and what its programs expect of requests and answers.
#[test]
fn nodes_http_goes_through_the_host() {
    let upstream = Upstream::start();
    let code = r#"
import http, { request, Agent } from "node:http";
import https from "https";
import { text } from "stream/consumers";
const ask = (target, options = {}, body = undefined) => new Promise((resolve, reject) => {
  const asked = request(target, options, resolve);
  asked.on("error", reject);
  asked.end(body);
});
const failed = (error) => [error.name, error.code];
export const methods = async ({ base }) => {
  const url = new URL(base);
  const posted = await ask(`${base}/echo`, { method: "POST", headers: { "Content-Type": "text/plain" } }, "sent");
  const pieces = await new Promise((resolve) => {
    const asked = request({ hostname: url.hostname, port: url.port, path: "/echo", method: "PUT", agent: new Agent({ keepAlive: true }) }, resolve);
    asked.write("one ");
    asked.write(Buffer.from("two "));
    setTimeout(() => asked.end("three"), 1);
  });
  const got = await new Promise((resolve) => http.get(new URL(`${base}/status?code=418`), resolve));
  const seen = JSON.parse(await text(await ask(`${base}/headers`, { headers: { "X-Mine": "1", Accept: ["a", "b"] }, auth: "user:pass" })));
  return [
    await text(posted), posted.statusCode, posted.statusMessage, posted.httpVersion, typeof posted.headers["content-length"], posted.rawHeaders.length % 2,
    await text(pieces), got.statusCode, got.statusMessage, await text(got), got.complete,
    seen["x-mine"], seen.accept, seen.authorization, seen.host === url.host,
    (await ask(`${base}/hops?n=1`)).headers.location === `${base}/hops?n=0`,
  ];
};
export const errors = async ({ base, closed }) => [
  await ask(closed).catch(failed),
  await ask("http://other.example/").catch(failed),
  await new Promise((resolve) => { const slow = request(`${base}/slow?ms=5000`, { timeout: 5 }); slow.on("timeout", () => slow.destroy()); slow.on("error", (error) => resolve(failed(error))); slow.end() }),
  await new Promise((resolve) => { const gone = request(`${base}/slow?ms=5000`, { signal: AbortSignal.timeout(5) }); gone.on("error", (error) => resolve(failed(error))); gone.end() }),
  await (async () => { try { request(`${base}/`, { method: "BAD METHOD" }) } catch (error) { return failed(error) } })(),
  await (async () => { try { http.get("https://a.example/") } catch (error) { return failed(error) } })(),
  https.globalAgent.protocol, http.METHODS.includes("PATCH"), http.STATUS_CODES[404],
];
export const large = async ({ base }) => {
  let length = 0;
  for await (const piece of await ask(`${base}/big?mib=40`)) length += piece.length;
  const early = await ask(`${base}/big?mib=40`);
  for await (const piece of early) { length += piece.length && 1; break }
  return [length, early.destroyed];
};"#;
    let workspace = Workspace::new().with(json!({ "egress": ["127.0.0.1"], "functions": { "f": { "code": code } } }));
    let parameters = json!({ "base": upstream.url(""), "closed": "http://127.0.0.1:1/" });
    let expected = json!([
        r#"["POST","sent"]"#,
        200,
        "OK",
        "1.1",
        "string",
        0,
        r#"["PUT","one two three"]"#,
        418,
        "I'm a Teapot",
        "as asked",
        true,
        "1",
        "b",
        "Basic dXNlcjpwYXNz",
        true,
        true,
    ]);
    assert_eq!(workspace.run("f.methods", parameters.clone()).result(), expected);
    let expected = json!([
        ["Error", "ECONNREFUSED"],
        ["Error", "EACCES"],
        ["Error", "ECONNRESET"],
        ["AbortError", "ABORT_ERR"],
        ["TypeError", "ERR_INVALID_HTTP_TOKEN"],
        ["TypeError", "ERR_INVALID_PROTOCOL"],
        "https:",
        true,
        "Not Found",
    ]);
    assert_eq!(workspace.run("f.errors", parameters.clone()).result(), expected);
    assert_eq!(workspace.run("f.large", parameters).result(), json!([(40 << 20) + 1, true]));
}

#[test]
fn ten_requests_at_once_take_the_time_of_one() {
    let upstream = Upstream::start();
    let url = upstream.url("/slow?ms=100");
    let workspace = Workspace::new().with(json!({ "egress": ["127.0.0.1"], "functions": {
        "js": { "code": "return (await Promise.all([...Array(10)].map(async () => (await fetch(event.url)).text()))).length" },
        "py": { "language": "python", "code": "
import asyncio
all = await asyncio.gather(*(thimble.fetch(event['url']) for _ in range(10)))
return len([r.text() for r in all])" },
    }}));
    for function in ["js", "py"] {
        workspace.run(function, json!({ "url": url })).expect(200);
        let best = shortest(Duration::from_millis(400), || {
            assert_eq!(workspace.run(function, json!({ "url": url })).result(), 10);
        });
        assert!(best >= Duration::from_millis(100), "{function} took {best:?}");
    }
}

#[test]
fn a_large_body_is_read_piece_by_piece() {
    let upstream = Upstream::start();
    let workspace = Workspace::new().with(json!({ "egress": ["127.0.0.1"], "functions": {
        // Far more than its memory: nobody holds the whole.
        "js": { "memory": 32, "code": "
            let n = 0; for await (const piece of (await fetch(event.url)).body) n += piece.length; return n" },
        "first": { "memory": 32, "code": "
            for await (const piece of (await fetch(event.url)).body) return piece.length > 0" },
        "py": { "language": "python", "memory": 96, "code": "
import urllib.request
n = 0
with urllib.request.urlopen(event['url']) as r:
    while piece := r.read(65536): n += len(piece)
return n" },
    }}));
    let event = json!({ "url": upstream.url("/big?mib=120") });
    assert_eq!(workspace.run("js", event.clone()).result(), 120 << 20);
    assert_eq!(workspace.run("first", event.clone()).result(), true);
    assert_eq!(workspace.run("py", event).result(), 120 << 20);
}

#[test]
fn a_request_that_outlasts_the_deadline_is_ended_with_it() {
    let upstream = Upstream::start();
    let workspace = Workspace::new().with(json!({ "egress": ["127.0.0.1"], "functions": {
        "js": { "timeout": 600, "code": "if (!event.url) return 'well'; return await (await fetch(event.url)).text()" },
        "py": { "timeout": 600, "language": "python", "code": "
import urllib.request
return urllib.request.urlopen(event['url']).read().decode() if 'url' in event else 'well'" },
        "aborts": { "code": "
            try { await fetch(event.url, { signal: AbortSignal.timeout(50) }) } catch (e) { return e.name }" },
    }}));
    let event = json!({ "url": upstream.url("/slow?ms=60000") });
    for function in ["js", "py"] {
        assert_eq!(workspace.result(function), "well");
        let began = Instant::now();
        workspace.run(function, event.clone()).fails(504, "timeout", "600 ms");
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
        assert_eq!(workspace.result(function), "well");
    }
    assert_eq!(workspace.run("aborts", event).result(), "TimeoutError");
}

/// A handler that asks with `wasi:http/outgoing-handler`: its event is `{"a":"<authority>"}`, its result the status, or
/// 900 and the number of the error's case.
fn asking() -> String {
    let (begin, end) = ("    (type $DNS-error'", "(export \"error-code\" (type $error-code (eq $error-code')))");
    let from = PROXY.find(begin).expect("the example has the error codes");
    let to = PROXY.find(end).expect("the example has the error codes") + end.len();
    let codes = &PROXY[from..to];
    format!(
        r#"(component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:http/types@0.2.0" (instance $http
    (alias outer 1 $pollable (type $pollable'))
    (export "pollable" (type $pollable (eq $pollable')))
    (export "fields" (type $fields (sub resource)))
    (export "outgoing-request" (type $request (sub resource)))
    (export "request-options" (type $options (sub resource)))
    (export "incoming-response" (type $response (sub resource)))
    (export "future-incoming-response" (type $future (sub resource)))
    {codes}
    (type $scheme' (variant (case "HTTP") (case "HTTPS") (case "other" string)))
    (export "scheme" (type $scheme (eq $scheme')))
    (export "[constructor]fields" (func (result (own $fields))))
    (export "[constructor]outgoing-request" (func (param "headers" (own $fields)) (result (own $request))))
    (export "[method]outgoing-request.set-scheme"
      (func (param "self" (borrow $request)) (param "scheme" (option $scheme)) (result (result))))
    (export "[method]outgoing-request.set-authority"
      (func (param "self" (borrow $request)) (param "authority" (option string)) (result (result))))
    (export "[method]outgoing-request.set-path-with-query"
      (func (param "self" (borrow $request)) (param "path-with-query" (option string)) (result (result))))
    (export "[method]future-incoming-response.subscribe"
      (func (param "self" (borrow $future)) (result (own $pollable))))
    (export "[method]future-incoming-response.get"
      (func (param "self" (borrow $future)) (result (option (result (result (own $response) (error $error-code)))))))
    (export "[method]incoming-response.status" (func (param "self" (borrow $response)) (result u16)))))
  (alias export $http "outgoing-request" (type $request))
  (alias export $http "request-options" (type $options))
  (alias export $http "future-incoming-response" (type $future))
  (alias export $http "error-code" (type $error-code))
  (import "wasi:http/outgoing-handler@0.2.0" (instance $out
    (alias outer 1 $request (type $request')) (export "outgoing-request" (type $r (eq $request')))
    (alias outer 1 $options (type $options')) (export "request-options" (type $o (eq $options')))
    (alias outer 1 $future (type $future')) (export "future-incoming-response" (type $f (eq $future')))
    (alias outer 1 $error-code (type $error')) (export "error-code" (type $e (eq $error')))
    (export "handle" (func (param "request" (own $r)) (param "options" (option (own $o)))
      (result (result (own $f) (error $e)))))))
  (core module $memory {MEMORY})
  (core instance $mem (instantiate $memory))
  (alias core export $mem "memory" (core memory $m))
  (alias core export $mem "cabi_realloc" (core func $realloc))
  (core func $fields (canon lower (func $http "[constructor]fields")))
  (core func $request (canon lower (func $http "[constructor]outgoing-request")))
  (core func $scheme (canon lower (func $http "[method]outgoing-request.set-scheme") (memory $m)))
  (core func $authority (canon lower (func $http "[method]outgoing-request.set-authority") (memory $m)))
  (core func $path (canon lower (func $http "[method]outgoing-request.set-path-with-query") (memory $m)))
  (core func $send (canon lower (func $out "handle") (memory $m) (realloc $realloc)))
  (core func $subscribe (canon lower (func $http "[method]future-incoming-response.subscribe")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $get (canon lower (func $http "[method]future-incoming-response.get") (memory $m) (realloc $realloc)))
  (core func $status (canon lower (func $http "[method]incoming-response.status")))
  (core func $drop (canon resource.drop $pollable))
  (core module $main
    (import "host" "memory" (memory 2))
    (import "host" "fields" (func $fields (result i32)))
    (import "host" "request" (func $request (param i32) (result i32)))
    (import "host" "scheme" (func $scheme (param i32 i32 i32 i32 i32) (result i32)))
    (import "host" "authority" (func $authority (param i32 i32 i32 i32) (result i32)))
    (import "host" "path" (func $path (param i32 i32 i32 i32) (result i32)))
    (import "host" "send" (func $send (param i32 i32 i32 i32)))
    (import "host" "subscribe" (func $subscribe (param i32) (result i32)))
    (import "host" "block" (func $block (param i32)))
    (import "host" "get" (func $get (param i32 i32)))
    (import "host" "status" (func $status (param i32) (result i32)))
    (import "host" "drop" (func $drop (param i32)))
    (data (i32.const 96) "/")
    (func $ask (param $at i32) (param $length i32) (result i32)
      (local $request i32) (local $future i32) (local $pollable i32)
      (local.set $request (call $request (call $fields)))
      (drop (call $scheme (local.get $request) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
      (drop (call $path (local.get $request) (i32.const 1) (i32.const 96) (i32.const 1)))
      (if (call $authority (local.get $request) (i32.const 1) (local.get $at) (local.get $length))
        (then (return (i32.const 999))))
      (call $send (local.get $request) (i32.const 0) (i32.const 0) (i32.const 128))
      (if (i32.load8_u (i32.const 128)) (then (return (i32.add (i32.const 900) (i32.load8_u (i32.const 136))))))
      (local.set $future (i32.load (i32.const 136)))
      (local.set $pollable (call $subscribe (local.get $future)))
      (call $block (local.get $pollable))
      (call $drop (local.get $pollable))
      (call $get (local.get $future) (i32.const 192))
      (if (i32.eqz (i32.load8_u (i32.const 192))) (then unreachable))
      (if (i32.load8_u (i32.const 200)) (then unreachable))
      (if (i32.load8_u (i32.const 208)) (then (return (i32.add (i32.const 900) (i32.load8_u (i32.const 216))))))
      (call $status (i32.load (i32.const 216))))
    (func (export "handle") (param $at i32) (param $length i32) (result i32)
      (local $n i32)
      (local.set $n (call $ask (i32.add (local.get $at) (i32.const 6)) (i32.sub (local.get $length) (i32.const 8))))
      (i32.store8 (i32.const 64) (i32.add (i32.const 48) (i32.div_u (local.get $n) (i32.const 100))))
      (i32.store8 (i32.const 65)
        (i32.add (i32.const 48) (i32.rem_u (i32.div_u (local.get $n) (i32.const 10)) (i32.const 10))))
      (i32.store8 (i32.const 66) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
      (i32.store (i32.const 0) (i32.const 0)) (i32.store (i32.const 4) (i32.const 64))
      (i32.store (i32.const 8) (i32.const 3)) (i32.const 0)))
  (core instance $i (instantiate $main (with "host" (instance
    (export "memory" (memory $m)) (export "fields" (func $fields)) (export "request" (func $request))
    (export "scheme" (func $scheme)) (export "authority" (func $authority)) (export "path" (func $path)) (export "send" (func $send))
    (export "subscribe" (func $subscribe)) (export "block" (func $block)) (export "get" (func $get))
    (export "status" (func $status)) (export "drop" (func $drop))))))
  (func $handle (param "event" string) (result (result string (error string)))
    (canon lift (core func $i "handle") (memory $m) (realloc $realloc)))
  (instance $handler (export "handle" (func $handle)))
  (export "thimble:runtime/handler@0.1.0" (instance $handler)))"#
    )
}

#[test]
fn a_component_asks_by_the_same_rules() {
    const PROHIBITED: u32 = 904;
    const DENIED: u32 = 915;
    let upstream = Upstream::start();
    let ask = |egress: &[&str], authority: &str| -> u64 {
        let workspace = upstream.workspace(egress).wasm("wasm", &asking());
        let authority = authority.replace("PORT", &upstream.port.to_string());
        let result = workspace.run("wasm", json!({ "a": authority })).result();
        result.as_u64().unwrap_or_else(|| panic!("{result}"))
    };
    for (rules, authority) in [(&["127.0.0.1:PORT"][..], "127.0.0.1:PORT"), (&["localhost:PORT"], "localhost:PORT")] {
        assert_eq!(ask(rules, authority), 200, "{rules:?}");
    }
    assert_eq!(upstream.hits(), 2);
    for rules in [&[][..], &["example.com"], &["*"], &["127.0.0.1:1"]] {
        for authority in
            ["127.0.0.1:PORT", "localhost:PORT", "[::1]:PORT", "[::ffff:127.0.0.1]:PORT", "0.0.0.0:PORT", "127.1:PORT"]
        {
            let got = ask(rules, authority);
            assert!(got >= 900, "{authority} was reached with {rules:?}: {got}");
            if authority == "127.0.0.1:PORT" {
                assert!([u64::from(PROHIBITED), u64::from(DENIED)].contains(&got), "{rules:?}: {got}");
            }
        }
    }
    assert_eq!(upstream.hits(), 2);
}

#[test]
fn a_name_that_does_not_resolve_and_a_port_that_nobody_hears_are_errors() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("an address").port();
    let upstream = Upstream::start();
    let workspace = upstream.workspace(&["127.0.0.1", "*.invalid"]);
    let closed = json!({ "url": format!("http://127.0.0.1:{free}/") });
    assert_eq!(workspace.run("js", closed.clone()).result(), json!(["TypeError", "connection-failed"]));
    assert_eq!(workspace.run("async", closed).result(), json!(["FetchError", "connection-failed"]));
    let nowhere = json!({ "url": "http://nowhere.invalid/" });
    assert_eq!(workspace.run("js", nowhere).result(), json!(["TypeError", "name-not-resolved"]));
}

#[test]
fn an_invocation_may_start_so_many_requests() {
    let upstream = Upstream::start();
    let workspace = Workspace::new().with(json!({ "egress": ["127.0.0.1"], "functions": { "js": { "code": "
        let n = 0; try { for (; n < 1200; n++) await (await fetch(event.url)).text() } catch (e) { return [n, e.cause?.code] }
        return [n, null]" } }}));
    let event = json!({ "url": upstream.url("/") });
    assert_eq!(workspace.run("js", event.clone()).result(), json!([1000, "limit-exceeded"]));
    assert_eq!(workspace.run("js", event).result()[0], 1000, "each invocation has its own count");
}
