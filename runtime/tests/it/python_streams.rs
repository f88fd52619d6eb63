//! Python's answers that come while the function runs: generators, async generators and functions marked as streaming, in
//! each delivery; slow readers, and clients that leave.

use crate::client::Workspace;
use crate::streams::{EVENTS, LINES, arrives_as_it_is_made, eventually, get, streamed};
use ::http::Method;
use serde_json::{Value, json};
use std::io::Read;

/// What the decorator of `compute_modules.annotations` leaves on a function.
const MARKED: &str = "def streaming(function):\n    function.__thimble_streaming__ = True\n    return function\n\n";

fn marked(code: &str) -> String {
    format!("{MARKED}{code}")
}

#[test]
fn what_has_several_parts_is_taken_as_the_caller_wants_it() {
    let workspace = Workspace::new()
        .python("generator", "def handler(event, context):\n    for i in range(3):\n        yield {'i': i}\n")
        .python("expression", "def handler(event, context):\n    return ({'i': i} for i in range(3))\n")
        .python("body", "for i in range(3):\n    yield {'i': i}\n")
        .python("lambda", "lambda event, context: ({'i': i} for i in range(3))")
        .python(
            "asynchronous",
            "import asyncio\nasync def handler(event, context):\n    for i in range(3):\n        yield {'i': i}\n        await asyncio.sleep(0.005)\n",
        )
        .python("body_async", "import asyncio\nfor i in range(3):\n    await asyncio.sleep(0)\n    yield {'i': i}\n")
        .python(
            "later",
            "import asyncio\nasync def handler(event, context):\n    await asyncio.sleep(0)\n    return ({'i': i} for i in range(3))\n",
        )
        .python(
            "iterable",
            "class All:\n    def __init__(self): self.i = 0\n    def __aiter__(self): return self\n    async def __anext__(self):\n        \
             if self.i == 3: raise StopAsyncIteration\n        self.i += 1\n        return {'i': self.i - 1}\n\
             def handler(event, context): return All()\n",
        )
        .python("marked", &marked("@streaming\ndef handler(event, context):\n    return [{'i': i} for i in range(3)]\n"))
        .python(
            "marked_async",
            &marked("@streaming\nasync def handler(event, context):\n    return map(lambda i: {'i': i}, range(3))\n"),
        )
        .python("by_name", &marked("@streaming\ndef by_name(to=3):\n    return ({'i': i} for i in range(to))\n"))
        // A task of the coroutine goes on while its parts are handed over.
        .python(
            "queue",
            "import asyncio\nasync def fill(queue):\n    for i in range(3):\n        await asyncio.sleep(0.002)\n        await queue.put({'i': i})\n    \
             await queue.put(None)\n\nasync def empty(queue):\n    while (item := await queue.get()) is not None:\n        yield item\n\n\
             async def handler(event, context):\n    queue = asyncio.Queue()\n    asyncio.create_task(fill(queue))\n    return empty(queue)\n",
        );
    for name in [
        "generator",
        "expression",
        "body",
        "lambda",
        "asynchronous",
        "body_async",
        "later",
        "iterable",
        "marked",
        "marked_async",
        "by_name",
        "queue",
    ] {
        assert_eq!(workspace.result(name), json!([{ "i": 0 }, { "i": 1 }, { "i": 2 }]), "{name}");
        let (kind, text) = streamed(&workspace, name, LINES, &json!({}));
        assert_eq!(
            (kind.as_deref(), text.as_str()),
            (Some("application/x-ndjson"), "{\"i\":0}\n{\"i\":1}\n{\"i\":2}\n"),
            "{name}"
        );
        let (kind, text) = streamed(&workspace, name, EVENTS, &json!({}));
        assert_eq!(kind.as_deref(), Some("text/event-stream"));
        let (elements, end) = text.split_once("event: end\ndata: ").expect("an end");
        assert_eq!(elements, "data: {\"i\":0}\n\ndata: {\"i\":1}\n\ndata: {\"i\":2}\n\n", "{name}");
        let end: Value = serde_json::from_str(end.trim()).expect("JSON");
        assert!(end["logs"].is_array() && end["duration"].is_number(), "{end}");
        if name != "by_name" {
            let over_http = workspace.client.get(&workspace.path(&format!("/http/{name}"))).expect(200);
            assert_eq!(over_http.text(), "{\"i\":0}\n{\"i\":1}\n{\"i\":2}\n", "{name}");
            assert_eq!(over_http.header("content-type"), Some("application/x-ndjson"));
        }
    }
}

#[test]
fn text_and_bytes_are_the_body_itself() {
    let workspace = Workspace::new()
        .python("text", "def handler(event):\n    yield 'é'\n    yield ' 1'\n")
        .python(
            "bytes",
            "def handler(event):\n    yield b'\\xc3'\n    yield bytearray(b'\\xa9')\n    yield memoryview(b'!')\n",
        )
        .python("large", "async def handler(event):\n    yield b'a' * 700000\n    yield b''\n    yield b'b' * 700000\n")
        .python("none", "def handler(event):\n    return\n    yield\n")
        .python("one", &marked("@streaming\ndef handler(event):\n    return 'one text'\n"))
        .python("lists", &marked("@streaming\ndef handler(event):\n    return [['x' * 400000], 2]\n"));
    let http = |name: &str| workspace.client.get(&workspace.path(&format!("/http/{name}"))).expect(200);
    assert_eq!((http("text").text(), http("text").header("content-type")), ("é 1", Some("text/plain; charset=utf-8")));
    let bytes = http("bytes");
    assert_eq!((bytes.text(), bytes.header("content-type")), ("é!", Some("application/octet-stream")));
    let large = http("large");
    assert_eq!((large.body.len(), large.body.iter().filter(|byte| **byte == b'b').count()), (1_400_000, 700_000));
    assert_eq!(http("none").text(), "");
    assert_eq!(workspace.result("text"), json!(["é", " 1"]));
    assert_eq!(workspace.result("bytes"), json!("é!"));
    assert_eq!(workspace.result("none"), json!([]));
    assert_eq!(streamed(&workspace, "none", LINES, &json!({})).1, "");
    assert_eq!(streamed(&workspace, "text", LINES, &json!({})).1, "\"é\"\n\" 1\"\n");
    assert_eq!(streamed(&workspace, "bytes", LINES, &json!({})).1, "\"\"\n\"é\"\n\"!\"\n");
    // What cannot be a stream of several is a stream of one.
    assert_eq!(streamed(&workspace, "one", LINES, &json!({})).1, "\"one text\"\n");
    assert_eq!(workspace.result("one"), json!("one text"));
    // An element is never cut.
    let (_, lists) = streamed(&workspace, "lists", LINES, &json!({}));
    assert_eq!(lists.lines().map(str::len).collect::<Vec<_>>(), [400_004, 1]);
}

#[test]
fn parts_arrive_as_they_are_made() {
    for code in [
        "import time\ndef handler(event):\n    yield 'first\\n'\n    while 'go' not in cache: time.sleep(0.005)\n    yield 'second\\n'\n",
        "import asyncio\nasync def handler(event):\n    yield 'first\\n'\n    while 'go' not in cache: await asyncio.sleep(0.005)\n    yield 'second\\n'\n",
    ] {
        let workspace = Workspace::new().python("f", code).python("go", "cache['go'] = True");
        arrives_as_it_is_made(&workspace);
    }
}

#[test]
fn a_function_runs_no_faster_than_its_client_reads_and_ends_with_it() {
    for word in ["def", "async def"] {
        let code = format!(
            "piece = b'x' * 65536\n{word} handler(event):\n    try:\n        while True:\n            cache.increment('made')\n            yield piece\n    \
             except GeneratorExit:\n        cache['exit'] = True\n        raise\n    finally:\n        cache['closed'] = True\n"
        );
        let workspace = Workspace::new()
            .python("f", &code)
            .python("look", "return [cache.get('made', 0), cache.get('closed', False), cache.get('exit', False)]");
        let reader = get(&workspace, "/http/f");
        let made = || workspace.result("look")[0].as_u64().expect("a number");
        // The kernel's buffers and one piece in the server, then it waits.
        let mut before = 0;
        eventually("it stops making pieces", || {
            std::thread::sleep(std::time::Duration::from_millis(200));
            std::mem::replace(&mut before, made()) == made()
        });
        assert!(before > 1 && before < 1000, "{before} pieces of 64 KiB for a client that reads nothing");
        assert_eq!(workspace.result("look")[1], json!(false));
        drop(reader);
        eventually("its `finally` block runs", || workspace.result("look")[1] == json!(true));
        assert_eq!(workspace.result("look")[2], json!(true), "{word}");
    }
}

/// Whoever waits when its client leaves need not make another part to learn of it.
#[test]
fn a_function_that_waits_ends_with_its_client() {
    for (code, expected) in [
        (
            "import time\ndef handler(event):\n    try:\n        yield 'x'\n        cache['waits'] = True\n        time.sleep(60)\n    except GeneratorExit:\n        \
          cache['end'] = 'exit'\n        raise\n    finally:\n        time.sleep(0.01)\n        cache['closed'] = True\n",
            "exit",
        ),
        (
            "import asyncio\nasync def handler(event):\n    try:\n        yield 'x'\n        cache['waits'] = True\n        await asyncio.sleep(60)\n    \
          except asyncio.CancelledError:\n        cache['end'] = 'cancelled'\n        raise\n    finally:\n        \
          await asyncio.sleep(0.01)\n        cache['closed'] = True\n",
            "cancelled",
        ),
        (
            "import asyncio\ndef handler(event):\n    try:\n        yield 'x'\n        cache['waits'] = True\n        asyncio.run(asyncio.sleep(60))\n    finally:\n        \
          cache['end'] = 'run'\n        cache['closed'] = True\n",
            "run",
        ),
    ] {
        let workspace = Workspace::new()
            .python("f", code)
            .python("look", "return [cache.get('waits'), cache.get('end'), cache.get('closed')]");
        let reader = get(&workspace, "/http/f");
        // At its part it would end otherwise.
        eventually("it waits", || workspace.result("look")[0] == json!(true));
        drop(reader);
        eventually("its `finally` block runs", || workspace.result("look") == json!([true, expected, true]));
    }
}

#[test]
fn a_function_that_does_not_end_with_its_client_is_ended() {
    let workspace = Workspace::new();
    let code = "def handler(event):\n    try:\n        while True: yield 'x' * 100000\n    finally:\n        cache['began'] = True\n        while True: pass\n";
    let spec = json!({ "functions": {
        "f": { "language": "python", "timeout": 60_000, "code": code },
        "look": { "language": "python", "code": "return 'began' in cache" },
    } });
    workspace.client.post(&workspace.path(""), &spec).expect(200);
    drop(get(&workspace, "/http/f"));
    eventually("it begins to clean up", || workspace.result("look") == json!(true));
    // Its time-out is a minute; a client that is gone gives it a second, and then there is a fresh instance.
    drop(get(&workspace, "/http/f"));
}

#[test]
fn an_error_before_the_first_part_is_an_error_answer_and_later_it_ends_the_stream() {
    let workspace = Workspace::new()
        .python("early", "def handler(event):\n    raise IndexError('early')\n    yield 1\n")
        .python("late", "def handler(event):\n    yield 1\n    raise IndexError('late')\n")
        .python("late_async", "async def handler(event):\n    yield 1\n    raise IndexError('late')\n")
        .python("json", "def handler(event):\n    yield 1\n    yield {2}\n")
        .python("never", "import asyncio\nasync def handler(event):\n    yield 1\n    await asyncio.Event().wait()\n");
    for form in [LINES, EVENTS] {
        let path = workspace.path("/run/early");
        let error = workspace.client.send(Method::POST, &path, &[form], "").expect(500).error();
        assert_eq!((error.code.as_str(), error.message.as_str()), ("function_error", "early"));
        assert_eq!((&error.details["name"], &error.details["line"]), (&json!("IndexError"), &json!(2)));
    }
    for name in ["late", "late_async"] {
        let (_, text) = streamed(&workspace, name, LINES, &json!({}));
        let (first, last) = text.split_once('\n').expect("two lines");
        let last: Value = serde_json::from_str(last).expect("JSON");
        assert_eq!(first, "1");
        assert_eq!(
            (&last["error"]["code"], &last["error"]["details"]["name"], &last["error"]["details"]["line"]),
            (&json!("function_error"), &json!("IndexError"), &json!(3))
        );
        let (_, text) = streamed(&workspace, name, EVENTS, &json!({}));
        assert!(text.starts_with("data: 1\n\nevent: error\ndata: {\"error\":{\"code\":\"function_error\""), "{text}");
        assert!(!text.contains("event: end"));
        // Over HTTP the head is gone: the connection says it.
        let mut rest = Vec::new();
        let _ = get(&workspace, &format!("/http/{name}")).read_to_end(&mut rest);
        assert_eq!(String::from_utf8_lossy(&rest), "2\r\n1\n\r\n");
        // The instance is none the worse.
        assert_eq!(workspace.run(name, json!({})).expect(500).error().message, "late");
    }
    let (_, text) = streamed(&workspace, "json", LINES, &json!({}));
    assert!(text.starts_with("1\n{\"error\":") && text.contains("element 1 of the result is a set"), "{text}");
    let (_, text) = streamed(&workspace, "never", LINES, &json!({}));
    assert!(text.starts_with("1\n{\"error\":") && text.contains("never"), "{text}");
    assert_eq!(workspace.client.get(&workspace.path("/http/early")).expect(500).error().message, "early");
    // What holds a generator is no generator.
    let workspace = workspace.python("held", "return {'a': (x for x in 'a')}");
    workspace.run("held", json!({})).fails(500, "result_not_json", "a generator at $.a");
}

/// One function asks another: what streams is collected for it.
#[test]
fn a_caller_inside_gets_one_result() {
    let workspace = Workspace::new()
        .python("parts", "def parts(to):\n    yield from range(to)\n")
        .javascript("ask", "return await parts(3)");
    let code = "async def handler(event):\n    return await parts(to=2)\n";
    let workspace = workspace.python("asks", code);
    assert_eq!(workspace.result("ask"), json!([0, 1, 2]));
    assert_eq!(workspace.result("asks"), json!([0, 1]));
}
