//! Bodies of requests that are not held: those that functions take as they arrive, and those that they send while they make them.

use crate::client::{RUNTIME, Workspace, listen};
use crate::components::{MEMORY, PROXY};
use ::http::{Method, Request, Response, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

const COUNT: &str = "export default { async fetch(request) {
    let size = 0, pieces = 0;
    for await (const piece of request.body) { size += piece.length; pieces++; }
    return Response.json({ size, several: pieces > 1, type: request.headers.get('content-type') });
} }";

/// A connection on which a request's head was sent.
pub fn begin(workspace: &Workspace, function: &str, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(workspace.client.address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
    stream.set_nodelay(true).expect("no delay");
    let path = workspace.path(&format!("/http/{function}"));
    write!(stream, "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n").expect("it is sent");
    stream
}

pub fn chunk(stream: &mut TcpStream, data: &str) {
    write!(stream, "{:x}\r\n{data}\r\n", data.len()).expect("it is sent");
}

/// Reads until a text has come.
#[track_caller]
pub fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let seen = String::from_utf8_lossy(&all).into_owned();
        if seen.contains(text) {
            return seen;
        }
        let size = stream.read(&mut buffer).expect("more of the answer");
        assert!(size > 0, "the answer ends before {text:?}: {seen}");
        all.extend_from_slice(&buffer[..size]);
    }
}

/// A function that sends its request's body back in capitals has sent each part before the next one comes.
#[track_caller]
pub fn answers_while_it_arrives(workspace: &Workspace, function: &str) {
    let mut stream = begin(workspace, function, "transfer-encoding: chunked\r\n");
    chunk(&mut stream, "one");
    read_until(&mut stream, "ONE");
    chunk(&mut stream, "two");
    read_until(&mut stream, "TWO");
    write!(stream, "0\r\n\r\n").expect("the end");
    read_until(&mut stream, "0\r\n\r\n");
}

#[test]
fn a_body_is_answered_while_it_arrives() {
    let workspace = Workspace::new().javascript(
        "echo",
        "export default { fetch(request) {
            return new Response(request.body.pipeThrough(new TextDecoderStream()).pipeThrough(new TransformStream({
                transform(text, to) { to.enqueue(text.toUpperCase()) } })).pipeThrough(new TextEncoderStream()));
        } }",
    );
    answers_while_it_arrives(&workspace, "echo");
}

#[test]
fn a_large_body_needs_no_memory() {
    let component = PROXY.replace("MEMORY", MEMORY);
    let workspace = Workspace::new()
        .with(json!({ "functions": { "count": { "code": COUNT, "memory": 24, "timeout": 60000 } } }))
        .javascript("event", "export const handler = async (event) => event.body.length")
        .wasm("component", &component);
    let large = Bytes::from(vec![7; 96 << 20]);
    let sent = |name: &str, body: Bytes| {
        let path = workspace.path(&format!("/http/{name}"));
        workspace.client.send(Method::POST, &path, &[("content-type", "x/y")], body)
    };
    let expected = json!({ "size": 96 << 20, "several": true, "type": "x/y" });
    assert_eq!(sent("count", large.clone()).expect(200).json(), expected);
    // What is held has a bound; a component that reads nothing answers all the same.
    sent("event", large.slice(..8 << 20)).fails(413, "payload_too_large", "larger than");
    assert_eq!(sent("event", large.slice(..1 << 20)).expect(200).text(), (1 << 20).to_string());
    sent("component", large.slice(..8 << 20)).expect(200);
    let small = sent("count", Bytes::from_static(b"small")).expect(200).json();
    assert_eq!(small, json!({ "size": 5, "several": false, "type": "x/y" }));
}

#[test]
fn a_body_is_read_in_every_form_and_once() {
    let workspace = Workspace::new().javascript(
        "f",
        "export default { async fetch(request) {
            const how = new URL(request.url).searchParams.get('how');
            if (how === 'used') { const all = await request.text(); return new Response(`${all.length} ${request.bodyUsed} ` + await request.text().catch((e) => e.name)) }
            if (how === 'clone') { const copy = request.clone(); return new Response(`${(await copy.text()).length} ${(await request.text()).length}`) }
            if (how === 'new') { return new Response(`${(await new Request(request, { headers: {} }).text()).length}`) }
            if (how === 'form') { const form = await request.formData(); return new Response(`${form.get('a').size}`) }
            const read = await request[how]();
            return new Response(`${read.byteLength ?? read.size ?? read.length}`);
        } }",
    );
    let sent = |how: &str, kind: &str, body: String| {
        let path = workspace.path(&format!("/http/f?how={how}"));
        workspace.client.send(Method::POST, &path, &[("content-type", kind)], body).expect(200).text().to_string()
    };
    let list = json!(vec![1; 50_000]).to_string();
    let size = list.len().to_string();
    for how in ["arrayBuffer", "bytes", "blob", "text", "new"] {
        assert_eq!(sent(how, "application/json", list.clone()), size, "{how}");
    }
    assert_eq!(sent("json", "application/json", list.clone()), "50000");
    assert_eq!(sent("used", "text/plain", list.clone()), format!("{size} true TypeError"));
    assert_eq!(sent("clone", "text/plain", list.clone()), format!("{size} {size}"));
    let form = format!("--b\r\ncontent-disposition: form-data; name=\"a\"; filename=\"x\"\r\n\r\n{list}\r\n--b--\r\n");
    assert_eq!(sent("form", "multipart/form-data; boundary=b", form), size);
}

#[test]
fn who_does_not_read_a_body_answers_all_the_same() {
    let workspace = Workspace::new()
        .javascript("early", "export default { fetch: () => new Response('no thanks', { status: 403 }) }")
        .javascript("throws", "export default { fetch() { throw new Error('no') } }")
        .javascript(
            "some",
            "export default { async fetch(request) { const reader = request.body.getReader(); await reader.read(); return new Response('enough') } }",
        );
    let body = Bytes::from(vec![7; 4 << 20]);
    let sent =
        |name: &str| workspace.client.send(Method::POST, &workspace.path(&format!("/http/{name}")), &[], body.clone());
    for _ in 0..3 {
        assert_eq!(sent("early").expect(403).text(), "no thanks");
        sent("throws").fails(500, "function_error", "no");
        assert_eq!(sent("some").expect(200).text(), "enough");
    }
    // The answer does not wait for a body that nobody reads.
    let began = Instant::now();
    let mut stalls = begin(&workspace, "early", "content-length: 1000000\r\n");
    stalls.write_all(b"some").expect("a part is sent");
    read_until(&mut stalls, "no thanks");
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
    // A client that waits to be told to go on is answered, and sends nothing.
    let mut waits = begin(&workspace, "early", "content-length: 1000000\r\nexpect: 100-continue\r\n");
    assert!(read_until(&mut waits, "no thanks").starts_with("HTTP/1.1 403"));
}

#[test]
fn who_still_sends_when_the_answer_is_there_gets_to_read_it() {
    let workspace = Workspace::new()
        .javascript("early", "export default { fetch: () => new Response('no thanks', { status: 403 }) }")
        .javascript("event", "export const handler = async (event) => event.body.length")
        .wasm("component", &PROXY.replace("MEMORY", MEMORY));
    let functions = workspace.path("");
    let requests = [
        (format!("POST {functions}/http/early"), 1u64 << 20, "HTTP/1.1 403"),
        (format!("POST {functions}/http/event"), 64 << 20, "HTTP/1.1 413"),
        (format!("POST {functions}/http/component"), 1 << 20, "HTTP/1.1 200"),
        (format!("PUT {functions}/large"), 1 << 40, "HTTP/1.1 413"),
    ];
    for (line, size, answer) in requests {
        let mut stream = TcpStream::connect(workspace.client.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
        let head =
            format!("{line} HTTP/1.1\r\nhost: x\r\ncontent-type: text/javascript\r\ncontent-length: {size}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("the head is sent");
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("the answer begins");
        assert_eq!(String::from_utf8_lossy(&first), answer, "{line}");
        // A server that closes now resets the connection at the first byte, and the second write fails.
        for _ in 0..8 {
            std::thread::sleep(Duration::from_millis(10));
            stream.write_all(&[b'x'; 64 << 10]).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        stream.read_to_end(&mut Vec::new()).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn a_body_that_breaks_off_or_stands_still_ends() {
    let workspace = Workspace::new().with(json!({ "functions": {
        "f": { "timeout": 1000, "code": "export default { async fetch(request) {
            try { return new Response(`${(await request.text()).length}`) }
            catch (error) { cache.error = `${error.name}: ${error.message}`; throw error }
        } }" },
        "seen": { "code": "return cache.error ?? null" },
    } }));
    let mut left = begin(&workspace, "f", "content-length: 100000\r\n");
    left.write_all(b"some").expect("a part is sent");
    drop(left);
    let until = Instant::now() + Duration::from_secs(10);
    let error = loop {
        match workspace.result("seen") {
            Value::Null => assert!(Instant::now() < until, "the function is told"),
            error => break error,
        }
    };
    let error = error.as_str().expect("a text");
    assert!(error.starts_with("TypeError: the request's body broke off"), "{error}");
    let mut stalls = begin(&workspace, "f", "content-length: 100000\r\n");
    stalls.write_all(b"some").expect("a part is sent");
    assert!(read_until(&mut stalls, "time").starts_with("HTTP/1.1 504"));
    let path = workspace.path("/http/f");
    assert_eq!(workspace.client.send(Method::POST, &path, &[], "x".repeat(40_000)).expect(200).text(), "40000");
}

/// A server that tells what it was sent.
struct Peer {
    port: u16,
    /// Set by the first piece of a body.
    arrived: Arc<Notify>,
    /// How bodies ended: their size and head, or that they broke off.
    ends: Arc<Mutex<Vec<String>>>,
    reads: Arc<AtomicBool>,
}

impl Peer {
    fn start() -> Self {
        let (arrived, ends, reads) = (Arc::new(Notify::new()), Arc::default(), Arc::new(AtomicBool::new(true)));
        let peer = Self { port: 0, arrived, ends, reads };
        let (arrived, ends, reads) = (peer.arrived.clone(), peer.ends.clone(), peer.reads.clone());
        let port = listen(move |stream| {
            let (arrived, ends, reads) = (arrived.clone(), ends.clone(), reads.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (arrived, ends, reads) = (arrived.clone(), ends.clone(), reads.clone());
                async move { Ok::<_, Infallible>(answer(request, &arrived, &ends, &reads).await) }
            });
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service)
        });
        Self { port, ..peer }
    }

    /// A workspace with a function that may talk to it.
    fn workspace(&self, code: &str) -> Workspace<'static> {
        let code = code.replace("BASE", &format!("http://127.0.0.1:{}", self.port));
        let prelude = "const bytes = (text) => new TextEncoder().encode(text);\n";
        Workspace::new().with(json!({
            "egress": [format!("127.0.0.1:{}", self.port)],
            "functions": { "f": { "timeout": 5000, "memory": 32, "code": format!("{prelude}{code}") } },
        }))
    }

    fn ends(&self) -> Vec<String> {
        self.ends.lock().expect("no panic").clone()
    }
}

async fn answer(
    mut request: Request<Incoming>,
    arrived: &Notify,
    ends: &Mutex<Vec<String>>,
    reads: &AtomicBool,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    match request.uri().path() {
        "/arrived" => arrived.notified().await,
        "/moved" | "/other" => {
            while let Some(Ok(_)) = request.body_mut().frame().await {}
            *response.status_mut() =
                if request.uri().path() == "/moved" { 307 } else { 303 }.try_into().expect("a status");
            response.headers_mut().insert(header::LOCATION, header::HeaderValue::from_static("/"));
        }
        _ => {
            let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
            let mut end = format!("{} {} ", request.method(), length.unwrap_or("chunked"));
            let mut size = 0;
            while !reads.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let whole = loop {
                match request.body_mut().frame().await {
                    None => break true,
                    Some(Err(_)) => break false,
                    Some(Ok(frame)) => size += frame.data_ref().map_or(0, Bytes::len),
                }
                arrived.notify_one();
            };
            end.push_str(&if whole { size.to_string() } else { "broken".into() });
            ends.lock().expect("no panic").push(end.clone());
            *response.body_mut() = Full::new(end.into());
        }
    }
    response
}

#[test]
fn what_a_function_sends_arrives_while_it_is_made() {
    let peer = Peer::start();
    // The second piece is made once the first has arrived.
    let body = "async function* body() { yield bytes('one'); await fetch('BASE/arrived'); yield bytes('two'); }";
    let workspace = peer.workspace(&format!(
        "{body}
        const answer = await fetch('BASE/', {{ method: 'PUT', body: body(), duplex: 'half' }});
        return await answer.text()"
    ));
    assert_eq!(workspace.result("f"), "PUT chunked 6");
    let peer = Peer::start();
    let workspace = peer.workspace(
        "const http = require('http');
        return await new Promise((resolve, reject) => {
            const request = http.request('BASE/', { method: 'PUT' }, async (answer) => resolve(Buffer.concat(await answer.toArray()).toString()));
            request.on('error', reject);
            request.write('one');
            fetch('BASE/arrived').then(() => request.end('two'));
        })",
    );
    assert_eq!(workspace.result("f"), "PUT chunked 6");
}

#[test]
fn what_is_whole_has_a_length_and_so_has_what_says_it() {
    let peer = Peer::start();
    let workspace = peer.workspace(
        "const http = require('http');
        const send = (headers, write) => new Promise((resolve) => {
            const request = http.request('BASE/', { method: 'POST', headers }, async (answer) => resolve(Buffer.concat(await answer.toArray()).toString()));
            request.on('error', (error) => resolve(error.code));
            write(request);
        });
        const later = (request) => { request.write('ab'); setTimeout(() => request.end('cd'), 20) };
        return [
            await send({}, (request) => { request.write('ab'); request.end('cd') }),
            await send({}, later),
            await send({ 'content-length': 4 }, later),
            await send({ 'content-length': 3 }, later),
            await send({ 'content-length': 5 }, later),
            await (await fetch('BASE/', { method: 'POST', body: 'abcd' })).text(),
            await (await fetch('BASE/', { method: 'POST', body: new Blob(['abcd']).stream(), duplex: 'half', headers: { 'content-length': '4' } })).text(),
        ]",
    );
    let results = workspace.result("f");
    assert_eq!(results[0], "POST 4 4");
    assert_eq!(results[1], "POST chunked 4");
    assert_eq!(results[2], "POST 4 4");
    for wrong in [3, 4] {
        assert!(results[wrong].as_str().is_some_and(|code| !code.starts_with("POST")), "{results}");
    }
    assert_eq!(results[5], "POST 4 4");
    assert_eq!(results[6], "POST 4 4");
}

#[test]
fn a_body_that_fails_breaks_its_request_off() {
    let peer = Peer::start();
    let workspace = peer.workspace(
        "async function* body() { yield bytes('one'); await fetch('BASE/arrived'); throw new RangeError('mine'); }
        const failed = await fetch('BASE/', { method: 'PUT', body: body(), duplex: 'half' }).catch((error) => `${error.name} ${error.message}`);
        const odd = await fetch('BASE/', { method: 'PUT', body: new ReadableStream({ pull: (to) => to.enqueue(5) }), duplex: 'half' }).catch((error) => error.name);
        const controller = new AbortController();
        let cancelled = '';
        const endless = new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(1000)), cancel: (reason) => { cancelled = 'cancelled' } });
        setTimeout(() => controller.abort(), 50);
        const aborted = await fetch('BASE/', { method: 'PUT', body: endless, duplex: 'half', signal: controller.signal }).catch((error) => error.name);
        await new Promise((done) => setTimeout(done, 50));
        return [failed, odd, aborted, cancelled]",
    );
    assert_eq!(workspace.result("f"), json!(["RangeError mine", "TypeError", "AbortError", "cancelled"]));
    let until = Instant::now() + Duration::from_secs(10);
    while peer.ends().len() < 3 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!peer.ends().is_empty() && peer.ends().iter().all(|end| end.ends_with("broken")), "{:?}", peer.ends());
}

#[test]
fn a_stream_is_sent_once() {
    let peer = Peer::start();
    let workspace = peer.workspace(
        "const send = (path, body) => fetch(`BASE${path}`, { method: 'POST', body, duplex: 'half' }).then((answer) => answer.text(), (error) => error.cause?.code);
        const stream = () => new Blob(['abcd']).stream();
        return [await send('/moved', stream()), await send('/moved', 'abcd'), await send('/other', stream())]",
    );
    assert_eq!(workspace.result("f"), json!(["redirect-refused", "POST 4 4", "GET chunked 0"]));
}

#[test]
fn a_request_is_passed_on_as_it_arrives() {
    let peer = Peer::start();
    let workspace = peer.workspace(
        "export default { async fetch(request) {
            return fetch('BASE/', { method: 'POST', body: request.body, duplex: 'half' });
        } }",
    );
    let mut stream = begin(&workspace, "f", "transfer-encoding: chunked\r\n");
    chunk(&mut stream, "one");
    RUNTIME
        .block_on(async { tokio::time::timeout(Duration::from_secs(10), peer.arrived.notified()).await })
        .expect("it is there");
    chunk(&mut stream, "two");
    write!(stream, "0\r\n\r\n").expect("the end");
    read_until(&mut stream, "POST chunked 6");
    // More than the function's memory holds goes through it.
    let path = workspace.path("/http/f");
    let answer = workspace.client.send(Method::POST, &path, &[], vec![1; 64 << 20]).expect(200);
    assert_eq!(answer.text(), format!("POST chunked {}", 64 << 20));
}

#[test]
fn a_peer_that_does_not_read_holds_the_function_up_and_nothing_else() {
    let peer = Peer::start();
    peer.reads.store(false, Ordering::Relaxed);
    let workspace = peer.workspace(
        "let made = 0;
        const endless = new ReadableStream({ pull(to) { cache.made = ++made; to.enqueue(new Uint8Array(65536)) } });
        await fetch('BASE/', { method: 'PUT', body: endless, duplex: 'half' })",
    );
    workspace.run("f", json!({})).fails(504, "timeout", "");
    let workspace = workspace.javascript("made", "return cache.made");
    let made = workspace.result("made").as_u64().expect("a number");
    // What the kernel's buffers hold on loopback, and not what a second of running makes.
    assert!(made < 400, "{made} pieces of 64 KiB were made");
    workspace.lets_others_be_served("f");
}
