//! WSGI and ASGI apps: the request as they take it, the answer as they give it, their lifespan, and what counts as an app.

use crate::client::{Answer, Workspace};
use crate::streams::{LINES, eventually, get, streamed};
use ::http::Method;
use serde_json::{Value, json};
use std::io::{BufRead, Read};

const WSGI: &str = r#"
import json, sys

class Rows:
    def __init__(self, rows): self.rows = iter(rows)
    def __iter__(self): return self
    def __next__(self): return next(self.rows)
    def close(self): cache["closed"] = True

def endless():
    while True:
        cache.increment("made")
        yield b"x" * 65536

def app(environ, start_response):
    path = environ["PATH_INFO"]
    body = environ["wsgi.input"].read()
    if path == "/environ":
        shown = {name: value for name, value in environ.items() if isinstance(value, (str, int, tuple))}
        start_response("201 Made", [("Content-Type", "application/json"), ("X-A", "1"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
        return [json.dumps(shown).encode(), b"\n"]
    if path == "/echo":
        start_response("200 OK", [("Content-Type", "image/png")])
        return [body]
    if path == "/lines":
        start_response("200 OK", [])
        return [b"%d:" % len(line) for line in __import__("io").BytesIO(body)]
    if path == "/write":
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"one ")
        write(b"two ")
        return [b"three"]
    if path == "/rows":
        start_response("200 OK", [])
        return Rows([b"", b"a", b"", b"b"])
    if path == "/endless":
        start_response("200 OK", [])
        return Rows(endless())
    if path == "/slow":
        start_response("200 OK", [("Content-Length", "9")])
        def slow():
            yield b"now\n"
            while "go" not in cache: __import__("time").sleep(0.005)
            yield b"then\n"
        return slow()
    if path == "/waits":
        start_response("200 OK", [])
        def waits():
            yield b"now"
            __import__("time").sleep(60)
        return Rows(waits())
    if path == "/again":
        start_response("200 OK", [("X-A", "1")])
        try:
            raise ValueError("bad")
        except ValueError:
            start_response("503 No", [("X-B", "2")], sys.exc_info())
        return [b"sorry"]
    if path == "/late":
        write = start_response("200 OK", [])
        write(b"begun")
        try:
            raise ValueError("too late")
        except ValueError:
            start_response("500 No", [], sys.exc_info())
    if path == "/log":
        environ["wsgi.errors"].write("a word\n")
        print("printed")
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b'{"a": 1}']
    if path == "/twice":
        start_response("200 OK", [])
        start_response("200 OK", [])
    if path == "/none": return []
    if path == "/text":
        start_response("200 OK", [])
        return ["text"]
    if path == "/raise": raise KeyError("wrong")
    if path == "/file":
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](__import__("io").BytesIO(b"f" * 20000))
    if path == "/accents":
        start_response("200 OK", [("X-Latin", "\xc3\xa9"), ("Content-Type", "text/plain; charset=latin-1")])
        return [b"\xe9"]
    if path == "/run":
        start_response("200 OK", [])
        return [b"posted ", body]
    if path == "/" and environ["REQUEST_METHOD"] == "POST":
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"got": json.loads(body)}).encode()]
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"no such page"]
"#;

const ASGI: &str = r#"
import asyncio, json

async def lifespan(receive, send, state):
    assert (await receive())["type"] == "lifespan.startup"
    await asyncio.sleep(0.001)
    state["started"] = cache.increment("started")
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    await asyncio.sleep(0.001)
    cache["ended"] = state["started"]
    await send({"type": "lifespan.shutdown.complete"})

def head(status=200, *headers):
    return {"type": "http.response.start", "status": status, "headers": list(headers)}

def body(data, more=False):
    return {"type": "http.response.body", "body": data, "more_body": more}

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send, scope["state"])
    path = scope["path"].removeprefix(scope["root_path"])
    message = await receive()
    while message["more_body"]:
        more = await receive()
        message["body"] += more["body"]
        message["more_body"] = more["more_body"]
    if path == "/scope":
        shown = {name: value.decode("latin-1") if isinstance(value, bytes) else value for name, value in scope.items() if name != "headers"}
        shown["headers"] = [[name.decode(), value.decode("latin-1")] for name, value in scope["headers"]]
        await send(head(201, (b"content-type", b"application/json"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")))
        await send(body(json.dumps(shown).encode()))
    elif path == "/echo":
        await send(head())
        await send(body(message["body"]))
    elif path == "/parts":
        await send(head(200, (b"content-type", b"text/plain")))
        for part in (b"a", b"", b"b"): await send(body(part, True))
        await send(body(b""))
    elif path == "/slow":
        await send(head())
        await send(body(b"now\n", True))
        while "go" not in cache: await asyncio.sleep(0.005)
        await send(body(b"then\n"))
    elif path == "/head":
        await send(head())
        while "go" not in cache: await asyncio.sleep(0.005)
        await send(body(b"body"))
    elif path == "/later":
        await send(head())
        await send(body(b"now"))
        await asyncio.sleep(0.2)
        cache["later"] = (await receive())["type"]
    elif path == "/endless":
        await send(head())
        try:
            while True:
                cache.increment("made")
                await send(body(b"x" * 65536, True))
        except OSError:
            cache["left"] = (await receive())["type"]
            raise
    elif path == "/listens":
        await send(head())
        await send(body(b"now", True))
        cache["heard"] = (await receive())["type"]
    elif path == "/waits":
        await send(head())
        await send(body(b"now", True))
        try:
            cache["waits"] = True
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cache["cancelled"] = True
            raise
    elif path == "/failed":
        await send(head(500, (b"x-a", b"1")))
        await send(body(b"its own page"))
        raise ValueError("logged")
    elif path == "/raise": raise KeyError("wrong")
    elif path == "/none": pass
    elif path == "/half":
        await send(head())
        await send(body(b"half", True))
    elif path == "/bad": await send(body(b"x"))
    elif path == "/status": await send(head(99)); await send(body(b""))
    elif path == "/background":
        asyncio.create_task(asyncio.sleep(60))
        await send(head())
        await send(body(b"ok"))
    else:
        await send(head(404, (b"content-type", b"text/plain")))
        await send(body(b"no such page"))
"#;

fn send(workspace: &Workspace, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    workspace.client.send(method, &workspace.path(&format!("/http/f{path}")), headers, body.to_vec())
}

fn read(workspace: &Workspace, path: &str) -> Answer {
    send(workspace, Method::GET, path, &[], b"")
}

#[test]
fn a_wsgi_app_gets_the_request_as_it_came() {
    let workspace = Workspace::new().python("f", WSGI);
    let headers = [
        ("host", "shop.test:8080"),
        ("content-type", "text/plain"),
        ("x-many", "1"),
        ("x-many", "2"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("x_under", "no"),
        ("x-accent", "é"),
        ("x-forwarded-proto", "https"),
    ];
    let answer = send(&workspace, Method::POST, "/environ?a=%20b&a=2&c", &headers, b"12345").expect(201);
    assert_eq!(answer.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!((answer.header("x-a"), answer.header("content-type")), (Some("1"), Some("application/json")));
    let environ = answer.json();
    let base = workspace.path("/http/f");
    for (name, value) in [
        ("REQUEST_METHOD", json!("POST")),
        ("SCRIPT_NAME", json!(base)),
        ("PATH_INFO", json!("/environ")),
        ("QUERY_STRING", json!("a=%20b&a=2&c")),
        ("REQUEST_URI", json!(format!("{base}/environ?a=%20b&a=2&c"))),
        ("CONTENT_TYPE", json!("text/plain")),
        ("CONTENT_LENGTH", json!("5")),
        ("SERVER_NAME", json!("shop.test")),
        ("SERVER_PORT", json!("8080")),
        ("SERVER_PROTOCOL", json!("HTTP/1.1")),
        ("HTTP_HOST", json!("shop.test:8080")),
        ("HTTP_X_MANY", json!("1,2")),
        ("HTTP_COOKIE", json!("a=1; b=2")),
        ("HTTP_X_ACCENT", json!("\u{c3}\u{a9}")),
        ("wsgi.url_scheme", json!("https")),
        ("wsgi.version", json!([1, 0])),
        ("wsgi.multithread", json!(false)),
    ] {
        assert_eq!(environ[name], value, "{name}");
    }
    for absent in ["HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_X_UNDER", "REMOTE_ADDR"] {
        assert_eq!(environ[absent], Value::Null, "{absent}");
    }
    // The path is decoded to the bytes that were meant, each a character.
    let workspace = workspace.python(
        "f",
        "import json\ndef application(env, start):\n    start('200 OK', [])\n    return [json.dumps([env['PATH_INFO'], env.get('CONTENT_LENGTH')]).encode()]\n",
    );
    assert_eq!(read(&workspace, "/a%20b/%C3%A9%2f").expect(200).json(), json!(["/a b/\u{c3}\u{a9}/", null]));
    assert_eq!(read(&workspace, "").expect(200).json()[0], "/");
    assert_eq!(read(&workspace, "/").expect(200).json()[0], "/");
}

#[test]
fn a_wsgi_app_answers_in_all_the_ways_there_are() {
    let workspace =
        Workspace::new().python("f", WSGI).python("look", "return [cache.get(name) for name in ('closed', 'made')]");
    let echo = send(&workspace, Method::PUT, "/echo", &[], &[0xff, 0, 0xfe]).expect(200);
    assert_eq!((&echo.body[..], echo.header("content-type")), (&[0xff, 0, 0xfe][..], Some("image/png")));
    assert_eq!(echo.header("content-length"), Some("3"));
    let large: Vec<u8> = (0..700_000_u32).map(|number| number as u8).collect();
    assert_eq!(&send(&workspace, Method::PUT, "/echo", &[], &large).expect(200).body[..], large);
    assert_eq!(send(&workspace, Method::PUT, "/lines", &[], b"a\nbc\nd").expect(200).text(), "2:3:1:");
    assert_eq!(read(&workspace, "/write").expect(200).text(), "one two three");
    assert_eq!(read(&workspace, "/rows").expect(200).text(), "ab");
    assert_eq!(workspace.result("look")[0], json!(true));
    assert_eq!(read(&workspace, "/file").expect(200).body.len(), 20_000);
    let accents = read(&workspace, "/accents").expect(200);
    assert_eq!((&accents.body[..], accents.headers["x-latin"].as_bytes()), (&[0xe9][..], "é".as_bytes()));
    let again = read(&workspace, "/again").expect(503);
    assert_eq!((again.text(), again.header("x-a"), again.header("x-b")), ("sorry", None, Some("2")));
    assert_eq!(send(&workspace, Method::HEAD, "/write", &[], b"").expect(200).body.len(), 0);
    assert_eq!(read(&workspace, "/nowhere").expect(404).text(), "no such page");
    for (path, said) in [
        ("/twice", "start_response was called twice"),
        ("/none", "without having called start_response"),
        ("/text", "writes bytes, not str"),
        ("/raise", "'wrong'"),
    ] {
        let error = read(&workspace, path).expect(500).error();
        assert!(error.code == "function_error" && error.message.contains(said), "{path}: {}", error.message);
    }
    assert_eq!(read(&workspace, "/raise").expect(500).error().details["file"], "f.py");
    let mut rest = Vec::new();
    let _ = get(&workspace, "/http/f/late").read_to_end(&mut rest);
    assert_eq!(String::from_utf8_lossy(&rest), "5\r\nbegun\r\n");
}

#[test]
fn a_wsgi_app_streams_at_its_clients_pace() {
    let workspace = Workspace::new()
        .python("f", WSGI)
        .python("go", "cache['go'] = True")
        .python("look", "return [cache.get('made', 0), cache.get('closed', False)]");
    let mut slow = get(&workspace, "/http/f/slow");
    let mut seen = String::new();
    while !seen.contains("now") {
        assert!(slow.read_line(&mut seen).expect("a line") > 0);
    }
    workspace.result("go");
    while !seen.contains("then") {
        assert!(slow.read_line(&mut seen).expect("a line") > 0);
    }
    let reader = get(&workspace, "/http/f/endless");
    eventually("it makes pieces", || workspace.result("look")[0].as_u64() > Some(1));
    assert_eq!(workspace.result("look")[1], json!(false));
    drop(reader);
    eventually("`close` is called", || workspace.result("look")[1] == json!(true));
    // Also where the app waits when its client leaves.
    let workspace = workspace.python("forget", "del cache['closed']");
    workspace.result("forget");
    drop(get(&workspace, "/http/f/waits"));
    eventually("`close` is called", || workspace.result("look")[1] == json!(true));
}

#[test]
fn an_app_answers_run_as_well() {
    for code in [WSGI, &format!("{WSGI}\napplication = app\ndel app\n")] {
        let workspace = Workspace::new().python("f", code);
        assert_eq!(workspace.run("f", json!({ "a": 1 })).result(), json!({ "got": { "a": 1 } }));
        let request = |path: &str| {
            json!({
                "version": "2.0", "rawPath": path, "rawQueryString": "", "headers": {}, "body": "hi",
                "requestContext": { "http": { "method": "PUT" } },
            })
        };
        let answer = workspace.run("f", request("/log")).expect(200);
        assert_eq!(answer.json()["result"], json!({ "a": 1 }));
        assert_eq!(answer.logs(), ["error a word", "info printed"]);
        assert_eq!(workspace.run("f", request("/run")).result(), json!("posted hi"));
        let error = workspace.run("f", request("/nowhere")).expect(500).error();
        assert!(error.message.starts_with("the app answered with status 404: no such page"), "{}", error.message);
        assert!(error.message.contains("…/http/"), "{}", error.message);
        assert_eq!(streamed(&workspace, "f", LINES, &request("/write")).1, "\"one \"\n\"two \"\n\"three\"\n");
    }
    let workspace = Workspace::new().python("f", ASGI);
    workspace.run("f", json!({})).fails(500, "function_error", "status 404: no such page");
}

#[test]
fn an_asgi_app_gets_the_request_as_it_came() {
    let workspace = Workspace::new().python("f", ASGI);
    let headers = [("host", "shop.test"), ("x-many", "1"), ("x-many", "2"), ("x-accent", "é")];
    let answer = send(&workspace, Method::POST, "/scope?a=%20b&%C3%A9", &headers, b"").expect(201);
    assert_eq!(answer.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    let scope = answer.json();
    let base = workspace.path("/http/f");
    for (name, value) in [
        ("type", json!("http")),
        ("asgi", json!({ "version": "3.0", "spec_version": "2.4" })),
        ("http_version", json!("1.1")),
        ("method", json!("POST")),
        ("scheme", json!("http")),
        ("path", json!(format!("{base}/scope"))),
        ("raw_path", json!(format!("{base}/scope"))),
        ("query_string", json!("a=%20b&%C3%A9")),
        ("root_path", json!(base)),
        ("client", Value::Null),
        ("server", json!(["shop.test", 80])),
        ("state", json!({ "started": 1 })),
    ] {
        assert_eq!(scope[name], value, "{name}");
    }
    let all = scope["headers"].as_array().expect("a list");
    let values = |name: &str| all.iter().filter(|pair| pair[0] == name).map(|pair| pair[1].clone()).collect::<Vec<_>>();
    assert_eq!((values("x-many"), values("x-accent")), (vec![json!("1"), json!("2")], vec![json!("\u{c3}\u{a9}")]));
    assert_eq!(&send(&workspace, Method::PUT, "/echo", &[], &[0xff, 0, 0xfe]).expect(200).body[..], [0xff, 0, 0xfe]);
    let large = vec![7; 700_000];
    assert_eq!(&send(&workspace, Method::PUT, "/echo", &[], &large).expect(200).body[..], large);
}

#[test]
fn an_asgi_app_answers_as_it_sends() {
    let workspace = Workspace::new()
        .python("f", ASGI)
        .python("go", "cache['go'] = True")
        .python("look", "return {name: cache.get(name) for name in cache}");
    assert_eq!(read(&workspace, "/parts").expect(200).text(), "ab");
    let mut slow = get(&workspace, "/http/f/slow");
    let mut seen = String::new();
    while !seen.contains("now") {
        assert!(slow.read_line(&mut seen).expect("a line") > 0);
    }
    // A head is there although its body is not.
    let mut head = get(&workspace, "/http/f/head");
    workspace.result("go");
    for (reader, last) in [(&mut slow, "then"), (&mut head, "body")] {
        while !seen.contains(last) {
            assert!(reader.read_line(&mut seen).expect("a line") > 0);
        }
    }
    assert_eq!(read(&workspace, "/later").expect(200).text(), "now");
    assert_eq!(workspace.result("look")["later"], Value::Null);
    eventually("it goes on after its answer", || workspace.result("look")["later"] == json!("http.disconnect"));
    let own = read(&workspace, "/failed").expect(500);
    assert_eq!((own.text(), own.header("x-a")), ("its own page", Some("1")));
    assert_eq!(read(&workspace, "/background").expect(200).text(), "ok");
    for (path, said) in
        [("/raise", "'wrong'"), ("/none", "sent no http.response.start"), ("/bad", "before http.response.start")]
    {
        let error = read(&workspace, path).expect(500).error();
        assert!(error.message.contains(said), "{path}: {}", error.message);
    }
    read(&workspace, "/status").fails(502, "invalid_response", "the status 99");
    let mut rest = Vec::new();
    let _ = get(&workspace, "/http/f/half").read_to_end(&mut rest);
    assert_eq!(String::from_utf8_lossy(&rest), "4\r\nhalf\r\n");
    let reader = get(&workspace, "/http/f/endless");
    eventually("it makes pieces", || workspace.result("look")["made"].as_u64() > Some(1));
    drop(reader);
    eventually("it is told that its client left", || workspace.result("look")["left"] == json!("http.disconnect"));
    drop(get(&workspace, "/http/f/listens"));
    eventually("whoever listens is told", || workspace.result("look")["heard"] == json!("http.disconnect"));
    let reader = get(&workspace, "/http/f/waits");
    eventually("it waits", || workspace.result("look")["waits"] == json!(true));
    drop(reader);
    eventually("whoever waits is cancelled", || workspace.result("look")["cancelled"] == json!(true));
}

#[test]
fn a_lifespan_is_an_instances() {
    let workspace =
        Workspace::new().python("f", ASGI).python("look", "return [cache.get('started'), cache.get('ended')]");
    // Nothing is started while the source is loaded.
    assert_eq!(workspace.result("look"), json!([null, null]));
    for _ in 0..3 {
        assert_eq!(read(&workspace, "/scope").expect(201).json()["state"], json!({ "started": 1 }));
    }
    // It is ended with its instance.
    workspace.put("f", "text/x-python", "return 1").expect(200);
    eventually("its shutdown is run", || workspace.result("look") == json!([1, 1]));

    let failing = "async def app(scope, receive, send):
    if scope['type'] == 'lifespan':
        await receive()
        if cache.increment('tries') == 1:
            return await send({'type': 'lifespan.startup.failed', 'message': 'no database'})
        await send({'type': 'lifespan.startup.complete'})
        return
    await send({'type': 'http.response.start', 'status': 200})
    await send({'type': 'http.response.body', 'body': b'ok'})
";
    let workspace = Workspace::new().python("f", failing);
    let error = read(&workspace, "/").expect(500).error();
    assert_eq!(error.message, "the app's lifespan.startup failed: no database");
    assert_eq!(read(&workspace, "/").expect(200).text(), "ok");
    // An app that knows nothing of it does without.
    let simple = "async def app(scope, receive, send):
    assert scope['type'] == 'http'
    await send({'type': 'http.response.start', 'status': 200})
    await send({'type': 'http.response.body', 'body': b'ok'})
";
    let workspace = Workspace::new().python("f", simple);
    assert_eq!(read(&workspace, "/").expect(200).text(), "ok");
}

/// Objects with frameworks' signatures are apps by any of four names; functions of these names are, where they look like it.
#[test]
fn what_is_an_app_is_found() {
    const CLASSES: &str = "
class Wsgi:
    def __call__(self, environ, start_response):
        start_response('200 OK', [])
        return [b'wsgi']

class Asgi:
    async def __call__(self, scope, receive, send):
        assert scope['type'] == 'http'
        await send({'type': 'http.response.start', 'status': 200})
        await send({'type': 'http.response.body', 'body': b'asgi'})

class Wrapped:
    def __init__(self, inner): self.inner = inner
    def __call__(self, scope, receive, send): return self.inner(scope, receive, send)

class Answer:
    def __init__(self, environ, start_response):
        start_response('200 OK', [])
    def __iter__(self): yield b'class'
";
    for (code, expected) in [
        ("app = Wsgi()", "wsgi"),
        ("application: object = Wsgi()", "wsgi"),
        ("wsgi = app = Wsgi()\ndef index(): return 1\ndef main(): return 2", "wsgi"),
        ("app = Asgi()\ndef index(request): return 1", "asgi"),
        ("app = Wrapped(Asgi())", "asgi"),
        ("asgi = Wrapped(Asgi())", "asgi"),
        ("application = Answer", "class"),
        (
            "import functools\ndef run(greeting, environ, start_response):\n    start_response('200 OK', [])\n    return [greeting]\n\
          application = functools.partial(run, b'partial')",
            "partial",
        ),
        ("def application(request, respond):\n    respond('200 OK', [])\n    return [b'plain']", "plain"),
        ("if True:\n    try:\n        app = Wsgi()\n    except ValueError:\n        app = None", "wsgi"),
    ] {
        let workspace = Workspace::new().python("f", &format!("{CLASSES}\n{code}\n"));
        assert_eq!(read(&workspace, "/").expect(200).text(), expected, "{code}");
        // What the app guards is not called around it.
        workspace.run("f.index", json!({})).fails(404, "function_not_found", "");
    }
    // A handler beside it is the function; the app is an entry.
    let workspace = Workspace::new()
        .python("f", &format!("{CLASSES}\napp = Wsgi()\ndef handler(event, context): return 'handler'\n"));
    assert_eq!(workspace.result("f"), json!("handler"));
    assert_eq!(workspace.client.get(&workspace.path("/http/f.app/x")).expect(200).text(), "wsgi");
    // What only has the name is a function like any other.
    for code in [
        "def app(event, context): return [1, 2]",
        "def app(a=1, b=2): return [a, b]",
        "app = lambda: [1, 2]",
        "def application(event): return [1, 2]",
        "app = 5\nreturn [1, app - 3]",
        "app = dict(a=1)\ndef handler(event): return [1, 2]",
    ] {
        let workspace = Workspace::new().python("f", code);
        assert_eq!(workspace.result("f"), json!([1, 2]), "{code}");
    }
    // Another function of the workspace that is called `app` is none either.
    let workspace = Workspace::new().python("app", WSGI).python("f", "def handler(event):\n    return 7\n");
    assert_eq!(workspace.result("f"), json!(7));
}

#[test]
fn an_app_out_of_several_files_is_found_by_its_import() {
    let workspace = Workspace::new().with(json!({ "functions": { "site": {
        "language": "python",
        "code": "from pages import app\n",
        "files": { "pages.py": "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [environ['PATH_INFO'].encode()]\n" },
    } } }));
    assert_eq!(workspace.client.get(&workspace.path("/http/site/a/b")).expect(200).text(), "/a/b");
}

/// Frameworks hand functions that are no coroutines to anyio's threads; here they run at once.
#[test]
fn what_anyio_would_run_in_a_thread_is_run() {
    let backend = "class AsyncIOBackend:\n    @classmethod\n    async def run_sync_in_worker_thread(cls, func, args, abandon_on_cancel=False, limiter=None):\n        \
                   raise RuntimeError(\"can't start new thread\")\n";
    let code = "import anyio\nfrom anyio._backends._asyncio import AsyncIOBackend\n
async def app(scope, receive, send):
    assert scope['type'] == 'http'
    found = await AsyncIOBackend.run_sync_in_worker_thread(lambda word: word * 2, (b'ab',))
    await send({'type': 'http.response.start', 'status': 200})
    await send({'type': 'http.response.body', 'body': found})
";
    let workspace = Workspace::new().with(json!({ "functions": { "f": {
        "language": "python",
        "code": code,
        "files": { "anyio/__init__.py": "", "anyio/_backends/__init__.py": "", "anyio/_backends/_asyncio.py": backend },
    } } }));
    assert_eq!(read(&workspace, "/").expect(200).text(), "abab");
}
