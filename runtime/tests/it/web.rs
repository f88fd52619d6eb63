//! The interfaces of the web in JavaScript, where the web platform tests (`tests/wpt.rs`) need not be there to say it.

use crate::client::Workspace;
use serde_json::{Value, json};

/// The result of a function body.
#[track_caller]
fn run(code: &str) -> Value {
    Workspace::new().javascript("web", code).result("web")
}

#[track_caller]
fn check(cases: &[(&str, Value)]) {
    for (code, expected) in cases {
        assert_eq!(run(code), *expected, "{code}");
    }
}

#[test]
fn text_is_encoded_and_decoded_in_every_encoding() {
    check(&[
        ("return new TextDecoder('shift_jis').decode(new Uint8Array([0x93, 0xfa]))", json!("日")),
        ("return new TextDecoder('latin1').encoding", json!("windows-1252")),
        (
            "const d = new TextDecoder(); return d.decode(new Uint8Array([0xe2, 0x82]), { stream: true }) + d.decode(new Uint8Array([0xac]))",
            json!("€"),
        ),
        (
            "try { new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255])) } catch (e) { return [e.name, e.code] }",
            json!(["TypeError", "ERR_ENCODING_INVALID_ENCODED_DATA"]),
        ),
        ("try { new TextDecoder('utf-99') } catch (e) { return e.name }", json!("RangeError")),
        ("return [...new TextEncoder().encode('\\ud800x')]", json!([239, 191, 189, 120])),
        (
            "const into = new Uint8Array(4); return [new TextEncoder().encodeInto('aé€', into), [...into]]",
            json!([{ "read": 2, "written": 3 }, [97, 195, 169, 0]]),
        ),
        (
            "return await new Response(new Blob(['é€']).stream().pipeThrough(new TextDecoderStream()).pipeThrough(new TextEncoderStream())).text()",
            json!("é€"),
        ),
    ]);
}

#[test]
fn urls_are_read_and_changed_by_the_standard() {
    check(&[
        (
            "const u = new URL('//u:p@EXAMPLE.com:8080/a/../b?x=1#y', 'https://h/'); return [u.href, u.origin, u.username, u.password, u.host, u.port, u.pathname, u.search, u.hash]",
            json!([
                "https://u:p@example.com:8080/b?x=1#y",
                "https://example.com:8080",
                "u",
                "p",
                "example.com:8080",
                "8080",
                "/b",
                "?x=1",
                "#y"
            ]),
        ),
        (
            "const u = new URL('http://a/?b=1'); u.searchParams.append('c', 'd e'); u.port = '81'; u.hash = 'z'; return u.href",
            json!("http://a:81/?b=1&c=d+e#z"),
        ),
        // What made the crate's own slicing panic.
        (
            "return ['foo://', 'http://', 'file:', 'a:b', 'http://a@/', 'foo://:80'].map((t) => URL.parse(t)?.href ?? null)",
            json!(["foo://", null, "file:///", "a:b", null, null]),
        ),
        (
            "return [...new URLSearchParams('a=1&b=2&a=3').getAll('a'), new URLSearchParams({ x: '1' }).size, URL.canParse('x:')]",
            json!(["1", "3", 1, true]),
        ),
        (
            "return new URLPattern({ pathname: '/users/:id' }).exec('https://h/users/7').pathname.groups",
            json!({ "id": "7" }),
        ),
    ]);
}

#[test]
fn events_reach_their_listeners_and_errors_of_listeners_the_log() {
    check(&[
        (
            "const t = new EventTarget(), seen = []; t.addEventListener('x', (e) => seen.push(e.type, e.target === t), { once: true }); t.dispatchEvent(new CustomEvent('x', { detail: 1 })); t.dispatchEvent(new Event('x')); return seen",
            json!(["x", true]),
        ),
        (
            "const c = new AbortController(); const any = AbortSignal.any([c.signal, AbortSignal.timeout(10000)]); let r; any.onabort = () => { r = any.reason }; c.abort('why'); return [r, any.aborted]",
            json!(["why", true]),
        ),
        (
            "const s = AbortSignal.timeout(5); return await new Promise((r) => { s.onabort = () => r(s.reason.name) })",
            json!("TimeoutError"),
        ),
        (
            "let seen; addEventListener('error', (e) => { seen = e.error.message; e.preventDefault() }); reportError(new Error('told')); return seen",
            json!("told"),
        ),
    ]);
    let answer = Workspace::new().javascript(
        "web",
        "const t = new EventTarget(); t.addEventListener('x', () => { throw new Error('in a listener') }); t.dispatchEvent(new Event('x')); return 1",
    );
    let answer = answer.run("web", json!({})).expect(200);
    assert!(answer.logs().concat().contains("in a listener"), "{:?}", answer.logs());
}

#[test]
fn bodies_are_read_once_cloned_and_streamed() {
    check(&[
        (
            "const r = new Response('x'); const c = r.clone(); return [await r.text(), r.bodyUsed, await c.text(), await r.text().catch((e) => e.name)]",
            json!(["x", true, "x", "TypeError"]),
        ),
        (
            "const s = new ReadableStream({ start(c) { c.enqueue(new Uint8Array([104])); c.enqueue(new Uint8Array([105])); c.close() } }); return await new Response(s).text()",
            json!("hi"),
        ),
        (
            "async function* g() { yield new TextEncoder().encode('a'); yield new TextEncoder().encode('b') } const all = []; for await (const piece of new Response(g()).body) all.push(piece.length); return all",
            json!([1, 1]),
        ),
        (
            "const r = Response.json({ a: 1 }, { status: 201 }); return [r.status, r.headers.get('content-type'), await r.json()]",
            json!([201, "application/json", { "a": 1 }]),
        ),
        (
            "const q = new Request('http://h/', { method: 'post', body: new URLSearchParams({ a: 'b' }) }); return [q.method, q.headers.get('content-type'), (await q.formData()).get('a')]",
            json!(["POST", "application/x-www-form-urlencoded;charset=UTF-8", "b"]),
        ),
        (
            "const h = new Headers([['B', '1'], ['a', '2'], ['b', '3'], ['Set-Cookie', 'x'], ['Set-Cookie', 'y']]); return [[...h], h.getSetCookie()]",
            json!([[["a", "2"], ["b", "1, 3"], ["set-cookie", "x"], ["set-cookie", "y"]], ["x", "y"]]),
        ),
        (
            "const r = await fetch('data:text/plain;base64,aGk='); return [r.status, await r.text(), r.headers.get('content-type')]",
            json!([200, "hi", "text/plain"]),
        ),
        (
            "try { new Request('http://h/', { body: 'x' }) } catch (e) { return e.message }",
            json!("Request with GET/HEAD method cannot have body."),
        ),
        (
            "return [new Response(null).body, (await new Response('é').bytes()).length, (await new Response('x', { headers: { 'content-type': 'a/b' } }).blob()).type]",
            json!([null, 2, "a/b"]),
        ),
    ]);
}

#[test]
fn forms_and_files_come_through_multipart() {
    let code = "const form = new FormData();
        form.append('text', 'line\\nbreak');
        form.append('a\"b', new File(['con', new Uint8Array([116]), 'ent'], 'ü.txt', { type: 'text/x' }));
        const sent = new Request('http://h/', { method: 'POST', body: form });
        const back = await sent.formData();
        const file = back.get('a\"b');
        return [sent.headers.get('content-type').startsWith('multipart/form-data; boundary='), back.get('text'), file instanceof File, file.name, file.type, await file.text(), await file.slice(1, 4).text()]";
    assert_eq!(run(code), json!([true, "line\r\nbreak", true, "ü.txt", "text/x", "content", "ont"]));
    let broken = "const r = new Response('--b\\r\\nno end', { headers: { 'content-type': 'multipart/form-data; boundary=b' } }); return await r.formData().catch((e) => e.name)";
    assert_eq!(run(broken), "TypeError");
}

#[test]
fn values_are_cloned_moved_and_sent() {
    check(&[
        (
            "const a = { d: new Date(5), m: new Map([[1, new Set([2])]]), r: /x/g, b: new Uint8Array([1, 2]).subarray(1), e: new RangeError('m') }; a.self = a; const c = structuredClone(a); return [c.self === c, c.d.getTime(), [...c.m.get(1)], `${c.r}`, c.b[0], c.e instanceof RangeError, c.e.message]",
            json!([true, 5, [2], "/x/g", 2, true, "m"]),
        ),
        (
            "const b = new ArrayBuffer(8); const c = structuredClone({ b }, { transfer: [b] }); return [b.detached, c.b.byteLength]",
            json!([true, 8]),
        ),
        (
            "return [() => 1, Symbol('s'), new WeakMap(), Promise.resolve(), new Response('')].map((v) => { try { structuredClone(v) } catch (e) { return [e.name, e.code] } })",
            json!([
                ["DataCloneError", 25],
                ["DataCloneError", 25],
                ["DataCloneError", 25],
                ["DataCloneError", 25],
                ["DataCloneError", 25]
            ]),
        ),
        (
            "const { port1, port2 } = new MessageChannel(); port2.onmessage = (e) => port2.postMessage(e.data + 1); port1.postMessage(1); return await new Promise((r) => { port1.onmessage = (e) => r(e.data) })",
            json!(2),
        ),
        ("return await (await structuredClone(new Blob(['x']))).text()", json!("x")),
    ]);
}

#[test]
fn a_channel_of_the_top_level_serves_every_invocation() {
    let workspace = Workspace::new().javascript(
        "web",
        "const { port1, port2 } = new MessageChannel();
         let take = () => {};
         port2.onmessage = (e) => take(e.data);
         exports.handler = (event) => {
           if (event.leave) { port1.postMessage('left behind'); return 'gone'; }
           return new Promise((resolve) => { take = resolve; port1.postMessage(event.n); });
         };",
    );
    assert_eq!(workspace.run("web", json!({ "n": 1 })).result(), 1);
    assert_eq!(workspace.run("web", json!({ "leave": true })).result(), "gone");
    assert_eq!(workspace.run("web", json!({ "n": 2 })).result(), "left behind");
}

#[test]
fn timers_have_nodes_shape() {
    check(&[
        ("return await new Promise((r) => setTimeout((...all) => r(all), 0, 1, 'b'))", json!([1, "b"])),
        (
            "try { setTimeout('code') } catch (e) { return [e.name, e.code] }",
            json!(["TypeError", "ERR_INVALID_ARG_TYPE"]),
        ),
        (
            "const t = setTimeout(() => {}, 1); const was = t.hasRef(); t.unref(); const is = t.hasRef(); clearTimeout(+t); return [was, is, typeof +t]",
            json!([true, false, "number"]),
        ),
        (
            "const began = performance.now(); return await new Promise((r) => { const t = setTimeout(() => r(performance.now() - began >= 45), 30); setTimeout(() => t.refresh(), 20) })",
            json!(true),
        ),
        (
            "let n = 0; return await new Promise((r) => { const t = setInterval(() => { if (++n === 3) { clearInterval(t); r(n) } }, 1) })",
            json!(3),
        ),
    ]);
}

#[test]
fn marks_and_measures_stand_on_the_timeline() {
    check(&[
        (
            "performance.mark('a', { startTime: 1 }); performance.mark('b', { startTime: 4, detail: { x: 1 } }); const m = performance.measure('m', 'a', 'b'); return [m.duration, performance.getEntries().map((e) => e.name), performance.getEntriesByName('b')[0].detail]",
            json!([3, ["a", "m", "b"], { "x": 1 }]),
        ),
        ("return Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 1000", json!(true)),
    ]);
}

#[test]
fn what_is_not_there_says_so() {
    assert_eq!(run("return typeof WebAssembly"), "undefined");
    let asked = "return await fetch('http://localhost/', event).catch((error) => [error.name, error.message])";
    let workspace = Workspace::new().javascript("web", asked);
    for (init, said) in [
        (json!({ "integrity": "sha256-x" }), "integrity is not checked"),
        (json!({ "cache": "only-if-cached", "mode": "same-origin" }), "no cache"),
    ] {
        let result = workspace.run("web", init).result();
        assert!(result[0] == "TypeError" && result[1].as_str().is_some_and(|text| text.contains(said)), "{result}");
    }
    let workspace = Workspace::new().javascript("web", "return new WebAssembly.Module(event.bytes)");
    workspace.run("web", json!({})).fails(500, "function_error", "Deploy the module as a component");
}

#[test]
fn a_global_is_made_wherever_it_is_first_asked_for() {
    check(&[
        ("return globalThis['U' + 'RL'].canParse('a:b')", json!(true)),
        ("return Object.keys(globalThis).includes('fetch')", json!(false)),
        ("globalThis.fetch = () => 'mine'; return fetch()", json!("mine")),
    ]);
    let code = "const F = globalThis['form' + 'Data'.toLowerCase()]; return typeof F";
    assert_eq!(run(code), "undefined");
}

#[test]
fn the_console_shows_what_objects_hold() {
    let workspace = Workspace::new().javascript(
        "web",
        "console.log(new URL('http://h/a?b=c').searchParams, new Headers({ a: 'b' }));
         console.log(new Response('x', { status: 201 }));
         console.log(new File(['abc'], 'n', { lastModified: 7 }), new AbortController().signal);
         class Mine { [Symbol.for('nodejs.util.inspect.custom')]() { return 'as it likes' } }
         console.log([new Mine()]);
         console.assert(1 === 2, 'no'); console.clear(); console.group('g'); console.dir({ a: { b: {} } }, { depth: 0 }); console.groupEnd();
         console.count(); console.count('x'); console.countReset(); console.count();
         return Object.prototype.toString.call(console)",
    );
    let answer = workspace.run("web", json!({})).expect(200);
    let logs = answer.logs();
    assert_eq!(answer.json()["result"], "[object console]");
    assert_eq!(logs[0], "info URLSearchParams { b: 'c' } Headers { a: 'b' }");
    assert!(logs[1].starts_with("info Response {\n  status: 201,"), "{}", logs[1]);
    assert_eq!(logs[2], "info File { size: 3, type: '', name: 'n', lastModified: 7 } AbortSignal { aborted: false }");
    assert_eq!(logs[3], "info [ as it likes ]");
    assert_eq!(
        logs[4..],
        [
            "error Assertion failed: no",
            "info g",
            "info   { a: [Object] }",
            "info default: 1",
            "info x: 1",
            "info default: 1"
        ]
    );
}
