//! Bodies of requests that Python's apps take as they arrive.

use crate::client::Workspace;
use crate::uploads::{answers_while_it_arrives, begin, chunk, read_until};
use ::http::Method;
use bytes::Bytes;
use serde_json::{Value, json};
use std::io::Write;
use std::net::Shutdown;
use std::time::{Duration, Instant};

const WSGI: &str = "
def app(environ, start_response):
    source, path = environ['wsgi.input'], environ['PATH_INFO']
    shown = environ.get('CONTENT_LENGTH'), environ.get('HTTP_TRANSFER_ENCODING')
    start_response('200 OK', [('X-Shown', str(shown))])
    if path == '/upper':
        return (line.upper() for line in source)
    if path == '/count':
        size = 0
        while piece := source.read(100_000):
            size += len(piece)
        return [str(size).encode()]
    if path == '/whole':
        return [str(len(source.read())).encode()]
    if path == '/some':
        return [source.read(3)]
    if path == '/broken':
        try:
            source.read()
        except OSError as error:
            cache['error'] = f'{type(error).__name__}: {error}'
            raise
    return [b'no thanks']
";

const ASGI: &str = "
import asyncio

async def app(scope, receive, send):
    assert scope['type'] == 'http'
    if scope['path'].endswith('/quiet'):
        while (await receive())['type'] != 'http.disconnect': pass
        return
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    path, size, pieces = scope['path'].removeprefix(scope['root_path']), 0, 0
    if path == '/both':
        async def all():
            size = 0
            while True:
                message = await receive()
                if message['type'] == 'http.disconnect' or not message['more_body']:
                    return size + len(message.get('body', b''))
                size += len(message['body'])
        sizes = await asyncio.gather(all(), all(), all())
        return await send({'type': 'http.response.body', 'body': f'{sum(sizes)}'.encode()})
    if path == '/silent':
        while (await receive())['type'] != 'http.disconnect': pass
        try:
            await send({'type': 'http.response.body', 'body': b'', 'more_body': True})
        except OSError as error:
            cache['silent'] = type(error).__name__
        return
    if path == '/early':
        return await send({'type': 'http.response.body', 'body': b'no thanks'})
    while True:
        if path == '/impatient':
            # What a read that was given up brings is the next one's.
            try:
                message = await asyncio.wait_for(receive(), 0.01)
            except TimeoutError:
                cache.increment('late')
                continue
        else:
            message = await receive()
        if message['type'] == 'http.disconnect':
            cache['error'] = message['type']
            return
        size, pieces = size + len(message['body']), pieces + 1
        if path == '/upper' and message['body']:
            await send({'type': 'http.response.body', 'body': message['body'].upper(), 'more_body': True})
        if not message['more_body']:
            break
    end = b'' if path == '/upper' else f'{size} {pieces > 2}'.encode()
    await send({'type': 'http.response.body', 'body': end})
";

fn workspace() -> Workspace<'static> {
    let app = |code: &str| json!({ "language": "python", "code": code, "memory": 64, "timeout": 20000 });
    Workspace::new().with(json!({ "functions": {
        "wsgi": app(WSGI), "asgi": app(ASGI),
        "look": { "language": "python", "code": "return cache.get(event['name'])" },
    } }))
}

#[test]
fn a_body_is_answered_while_it_arrives() {
    let workspace = workspace();
    answers_while_it_arrives(&workspace, "asgi/upper");
    let mut stream = begin(&workspace, "wsgi/upper", "content-length: 20000\r\n");
    writeln!(stream, "one").expect("a part is sent");
    read_until(&mut stream, "ONE");
    writeln!(stream, "two").expect("a part is sent");
    read_until(&mut stream, "TWO");
    writeln!(stream, "{}end", "x".repeat(19_988)).expect("the rest is sent");
    read_until(&mut stream, "END");
}

#[test]
fn a_large_body_needs_no_memory() {
    let workspace = workspace();
    let large = Bytes::from(vec![7; 96 << 20]);
    let sent = |app: &str, body: Bytes| {
        let path = workspace.path(&format!("/http/{app}"));
        workspace.client.send(Method::POST, &path, &[], body).expect(200)
    };
    let counted = sent("wsgi/count", large.clone());
    assert_eq!((counted.text(), counted.header("x-shown")), ("100663296", Some("('100663296', None)")));
    assert_eq!(sent("asgi/count", large.clone()).text(), "100663296 True");
    // What is small is there at once; what is read at once has its bound in the function's memory.
    assert_eq!(sent("wsgi/whole", large.slice(..100)).text(), "100");
    assert_eq!(sent("wsgi/whole", large.slice(..2 << 20)).text(), "2097152");
    assert_eq!(sent("asgi/count", large.slice(..100)).text(), "100 False");
    let too_large = workspace.client.send(Method::POST, &workspace.path("/http/wsgi/whole"), &[], large);
    too_large.fails(500, "memory_limit", "64 MiB");
}

/// Frameworks read as much as CONTENT_LENGTH says.
#[test]
fn how_a_body_came_is_no_matter_of_a_wsgi_app() {
    let workspace = workspace();
    for parts in [1, 10] {
        let mut stream = begin(&workspace, "wsgi/whole", "transfer-encoding: chunked\r\n");
        for _ in 0..parts {
            chunk(&mut stream, &"x".repeat(10_000));
        }
        write!(stream, "0\r\n\r\n").expect("the end");
        let size = parts * 10_000;
        let answer = read_until(&mut stream, &format!("\r\n\r\n{size}"));
        assert!(answer.contains(&format!("x-shown: ('{size}', None)")), "{answer}");
    }
}

#[test]
fn who_does_not_read_a_body_answers_all_the_same() {
    let workspace = workspace();
    let body = Bytes::from(vec![b'x'; 4 << 20]);
    let sent = |app: &str| {
        workspace.client.send(Method::POST, &workspace.path(&format!("/http/{app}")), &[], body.clone()).expect(200)
    };
    for _ in 0..3 {
        assert_eq!(sent("wsgi/none").text(), "no thanks");
        assert_eq!(sent("wsgi/some").text(), "xxx");
        assert_eq!(sent("asgi/early").text(), "no thanks");
    }
}

#[test]
fn a_read_that_was_given_up_loses_nothing() {
    let workspace = workspace();
    let mut stream = begin(&workspace, "asgi/impatient", "transfer-encoding: chunked\r\n");
    for part in ["one ", "two ", "three"] {
        chunk(&mut stream, part);
        std::thread::sleep(Duration::from_millis(60));
    }
    write!(stream, "0\r\n\r\n").expect("the end");
    read_until(&mut stream, "13 True");
    assert!(workspace.run("look", json!({ "name": "late" })).result().as_u64() > Some(0));
}

#[test]
fn a_client_that_still_reads_is_told_of_a_body_that_broke_off() {
    let workspace = workspace();
    for app in ["wsgi/whole", "asgi/quiet"] {
        let mut stream = begin(&workspace, app, "content-length: 40000\r\n");
        write!(stream, "some").expect("a part is sent");
        stream.shutdown(Shutdown::Write).expect("no more is sent");
        let answer = read_until(&mut stream, "broke off");
        assert!(answer.starts_with("HTTP/1.1 500"), "{app}: {answer}");
    }
}

#[test]
fn several_may_read_one_body() {
    let workspace = workspace();
    let path = workspace.path("/http/asgi/both");
    let sent = workspace.client.send(Method::POST, &path, &[], Bytes::from(vec![7; 3 << 20])).expect(200);
    assert_eq!(sent.text(), (3 << 20).to_string());
}

#[test]
fn an_app_is_told_of_a_body_that_breaks_off() {
    let workspace = workspace();
    for (app, name, expected) in [
        ("wsgi/broken", "error", "ConnectionResetError: [Errno"),
        ("asgi/count", "error", "http.disconnect"),
        ("asgi/silent", "silent", "ClientLeft"),
    ] {
        let mut left = begin(&workspace, app, "content-length: 100000\r\n");
        left.write_all(b"some").expect("a part is sent");
        drop(left);
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            match workspace.run("look", json!({ "name": name })).result() {
                Value::String(error) if error.starts_with(expected) => break,
                seen => assert!(Instant::now() < until, "{app} was told {seen}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
