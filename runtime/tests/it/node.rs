//! Node's modules in JavaScript functions. Where nothing else is said, what is expected is what Node itself answered to the
//! same code.

use crate::client::Workspace;
use serde_json::{Value, json};

/// Runs each code as a function's body, and compares the result.
#[track_caller]
fn check(cases: &[(&str, Value)]) {
    let workspace = Workspace::new();
    for (code, expected) in cases {
        let deployed = workspace.put("f", "text/javascript", code.to_string());
        assert!(deployed.status < 300, "{code}\n{}", deployed.text());
        let answer = workspace.run("f", json!({}));
        assert_eq!(answer.status, 200, "{code}\n{}", answer.text());
        assert_eq!(answer.json()["result"], *expected, "{code}");
    }
}

#[test]
fn buffers_hold_text_and_numbers_as_in_node() {
    check(&[
        (
            r"const b = Buffer.from('héllo');
             return [b.toString('hex'), b.toString('base64'), b.toString('latin1'), b.toString('utf16le').length, b.length, b instanceof Uint8Array, Buffer.isBuffer(b), Buffer.isBuffer(new Uint8Array(1))]",
            json!(["68c3a96c6c6f", "aMOpbGxv", "hÃ©llo", 3, 6, true, true, false]),
        ),
        (
            r"return [Buffer.from('68656zz', 'hex').toString(), Buffer.from('aGk_', 'base64').toJSON(), Buffer.from('-_-_', 'base64url').toString('hex'), Buffer.from('ÿĀ', 'latin1').toString('hex'), Buffer.from('aé', 'utf16le').toString('hex')]",
            json!(["he", {"type": "Buffer", "data": [104, 105, 63]}, "fbffbf", "ff00", "6100e900"]),
        ),
        (
            r"return [require('util').inspect(Buffer.from('he')), JSON.stringify(Buffer.from('he')), String(Buffer.from([0xe2, 0x82])), Buffer.from('\ud800x').toString('hex')]",
            json!(["<Buffer 68 65>", "{\"type\":\"Buffer\",\"data\":[104,101]}", "\u{fffd}", "efbfbd78"]),
        ),
        (
            r"const b = Buffer.alloc(8); b.writeUInt32BE(0xdeadbeef, 0); b.writeInt16LE(-2, 4);
             b.writeUIntBE(0x1234, 6, 2);
             return [b.toString('hex'), b.readUInt32BE(0), b.readInt16LE(4), b.readUIntBE(6, 2), b.readInt32LE(0), b.readUint8(3)]",
            json!(["deadbeeffeff1234", 3735928559_i64, -2, 4660, -272716322, 239]),
        ),
        (
            r"const b = Buffer.alloc(24); b.writeDoubleLE(Math.PI, 0); b.writeFloatBE(1.5, 8);
             b.writeBigInt64BE(-5n, 16);
             return [b.toString('hex'), b.readDoubleLE(0), b.readFloatBE(8), String(b.readBigInt64BE(16)), String(b.readBigUInt64LE(16))]",
            json!([
                "182d4454fb2109403fc0000000000000fffffffffffffffb",
                std::f64::consts::PI,
                1.5,
                "-5",
                "18158513697557839871"
            ]),
        ),
        (
            r"const b = Buffer.from('hello world hello');
             return [b.indexOf('hello', 1), b.lastIndexOf('hello'), b.includes('wor'), b.indexOf(Buffer.from('zz')), b.indexOf(111), b.indexOf('', 3), b.subarray(6, 11).toString(), b.slice(-5).toString(), b.equals(Buffer.from('hello world hello')), Buffer.compare(Buffer.from('a'), Buffer.from('b'))]",
            json!([12, 12, true, -1, 4, 3, "world", "hello", true, -1]),
        ),
        (
            r"const a = Buffer.from('abc'), s = a.subarray(1); s[0] = 88;
             return [a.toString(), Buffer.concat([a, Buffer.from('!')]).toString(), Buffer.concat([a, a], 4).toString(), Buffer.alloc(5, 'ab').toString(), Buffer.alloc(3).fill(7).toJSON().data, Buffer.byteLength('é漢😀'), Buffer.byteLength('aGk=', 'base64')]",
            json!(["aXc", "aXc!", "aXca", "ababa", [7, 7, 7], 9, 2]),
        ),
        (
            r"const b = Buffer.alloc(4);
             return [b.write('é漢', 0), b.toString('hex'), b.write('abc', 2), b.copy(Buffer.alloc(2)), Buffer.from('abcd').swap16().toString(), Buffer.from({ length: 2, 0: 1, 1: 2 }).toJSON().data, Buffer.from(new Uint16Array([1, 256]).buffer).length]",
            json!([2, "c3a90000", 2, 2, "badc", [1, 2], 4]),
        ),
        (
            r"const e = (f) => { try { f() } catch (x) { return [x.name, x.code ?? null, x.message] } };
             return [e(() => Buffer.from(5)), e(() => Buffer.alloc(1).readUInt16LE(0)), e(() => Buffer.alloc(2).writeUInt8(256, 0)), e(() => Buffer.from('a').toString('nope')), e(() => Buffer.alloc(4).readInt8(9)), e(() => Buffer.concat('x'))]",
            json!([
                [
                    "TypeError",
                    "ERR_INVALID_ARG_TYPE",
                    "The first argument must be of type string or an instance of Buffer, ArrayBuffer, or Array or an Array-like Object. Received type number (5)"
                ],
                ["RangeError", "ERR_BUFFER_OUT_OF_BOUNDS", "Attempt to access memory outside buffer bounds"],
                [
                    "RangeError",
                    "ERR_OUT_OF_RANGE",
                    "The value of \"value\" is out of range. It must be >= 0 and <= 255. Received 256"
                ],
                ["TypeError", "ERR_UNKNOWN_ENCODING", "Unknown encoding: nope"],
                [
                    "RangeError",
                    "ERR_OUT_OF_RANGE",
                    "The value of \"offset\" is out of range. It must be >= 0 and <= 3. Received 9"
                ],
                [
                    "TypeError",
                    "ERR_INVALID_ARG_TYPE",
                    "The \"list\" argument must be an instance of Array. Received type string ('x')"
                ]
            ]),
        ),
        (
            r"const { StringDecoder } = require('string_decoder'); const d = new StringDecoder('utf8');
             const b = Buffer.from('a漢😀'); const out = [];
             for (const byte of b) out.push(d.write(Buffer.from([byte]))); out.push(d.end(Buffer.from([0xe2])));
             const six = new StringDecoder('base64'); return [out, six.write(Buffer.from('ab')), six.end()]",
            json!([["a", "", "", "漢", "", "", "", "😀", "\u{fffd}"], "", "YWI="]),
        ),
        (
            r"const { transcode, isUtf8, isAscii } = require('buffer');
             return [transcode(Buffer.from('€'), 'utf8', 'latin1').toString('hex'), transcode(Buffer.from('é'), 'utf8', 'utf16le').toString('hex'), isUtf8(Buffer.from([0xff])), isAscii(Buffer.from('a'))]",
            json!(["3f", "e900", false, true]),
        ),
    ]);
}

#[test]
fn events_are_emitted_and_awaited() {
    check(&[
        (
            r"const E = require('events'); const e = new E(); const o = []; e.once('x', (v) => o.push('once' + v));
             e.on('x', (v) => o.push('on' + v)); e.prependListener('x', () => o.push('first')); e.emit('x', 1);
             e.emit('x', 2); return [o, e.listenerCount('x'), e.eventNames(), e.emit('none'), E.defaultMaxListeners]",
            json!([["first", "once1", "on1", "first", "on2"], 2, ["x"], false, 10]),
        ),
        (
            r"const E = require('events'); const e = new E(); const got = [];
             for (const f of [() => e.emit('error', new RangeError('own')), () => e.emit('error', { a: 1 }), () => e.on('x', 5)]) { try { f() } catch (x) { got.push([x.name, x.code ?? null, x.message]) } } return got",
            json!([
                ["RangeError", null, "own"],
                ["Error", "ERR_UNHANDLED_ERROR", "Unhandled error. ({ a: 1 })"],
                [
                    "TypeError",
                    "ERR_INVALID_ARG_TYPE",
                    "The \"listener\" argument must be of type function. Received type number (5)"
                ]
            ]),
        ),
        (
            r"const { once, on, EventEmitter } = require('node:events'); const e = new EventEmitter();
             setTimeout(() => e.emit('ready', 1, 2), 1); const first = await once(e, 'ready');
             setTimeout(() => { e.emit('n', 1); e.emit('n', 2) }, 1); const seen = [];
             for await (const [v] of on(e, 'n')) { seen.push(v);
             if (v === 2) break } const failed = await once(e, 'x', { signal: AbortSignal.abort() }).catch((x) => [x.name, x.code]);
             return [first, seen, failed, e.listenerCount('n')]",
            json!([[1, 2], [1, 2], ["AbortError", "ABORT_ERR"], 0]),
        ),
        (
            r"const { EventEmitter } = require('events'); const e = new EventEmitter({ captureRejections: true });
             const error = new Promise((done) => e.on('error', done));
             e.on('x', async () => { throw new Error('async') }); e.emit('x'); return (await error).message",
            json!("async"),
        ),
        (
            r"const { EventEmitter, errorMonitor, getEventListeners } = require('events'); const e = new EventEmitter();
             const f = () => {}; e.on('removeListener', () => {}); e.on('a', f); e.once('a', f); e.off('a', f);
             return [e.rawListeners('a').length, getEventListeners(e, 'a').length, typeof errorMonitor, class extends EventEmitter {}.prototype instanceof EventEmitter]",
            json!([1, 1, "symbol", true]),
        ),
    ]);
}

#[test]
fn util_formats_and_compares() {
    check(&[
        (
            r"const u = require('util');
             return [u.format('%s %d %i %f %j %o %%', 'a', 1.5, '42px', '1.5', { a: 1 }, [1]), u.format('a', 'b', { c: [1, { d: {} }] }), u.format('%s', Symbol('x'), 5n), u.inspect('it\'s'), u.inspect(new Map([[{ a: 1 }, new Set([1])]])), u.inspect({ a: { b: { c: { d: 1 } } } }), u.inspect({ a: { b: { c: { d: 1 } } } }, { depth: 0 }), u.inspect([1, , 3]), u.inspect(Object.assign(() => {}, { x: 1 }))]",
            json!([
                "a 1.5 42 1.5 {\"a\":1} [ 1, [length]: 1 ] %",
                "a b { c: [ 1, { d: {} } ] }",
                "Symbol(x) 5n",
                "\"it's\"",
                "Map(1) { { a: 1 } => Set(1) { 1 } }",
                "{ a: { b: { c: [Object] } } }",
                "{ a: [Object] }",
                "[ 1, <1 empty item>, 3 ]",
                "[Function (anonymous)] { x: 1 }"
            ]),
        ),
        (
            r"const u = require('util');
             class A { constructor() { this.x = 1 } [u.inspect.custom]() { return 'A!' } } return [u.inspect(new A()), u.inspect({ p: Promise.resolve(4), q: new Date(0), r: /x/g, s: null, t: undefined, u: -0 }), u.inspect({ a: 'x'.repeat(80), b: 'y'.repeat(20) }), u.inspect(new Proxy({ a: 1 }, {})), u.inspect('a'.repeat(5), { colors: true })]",
            json!([
                "A!",
                "{\n  p: Promise { 4 },\n  q: 1970-01-01T00:00:00.000Z,\n  r: /x/g,\n  s: null,\n  t: undefined,\n  u: -0\n}",
                "{\n  a: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',\n  b: 'yyyyyyyyyyyyyyyyyyyy'\n}",
                "{ a: 1 }",
                "\u{1b}[32m'aaaaa'\u{1b}[39m"
            ]),
        ),
        (
            r"const u = require('util'); const late = u.promisify((a, cb) => setImmediate(cb, null, a + 1));
             const back = u.callbackify(async (v) => v * 2);
             return [await late(1), await new Promise((done) => back(4, (e, v) => done([e, v]))), await u.promisify(setTimeout)(1, 'timer'), await late.call(null, 5)]",
            json!([2, [null, 8], "timer", 6]),
        ),
        (
            r"const u = require('util');
             return [u.isDeepStrictEqual({ a: [1, new Map([[{ k: 1 }, 2]])] }, { a: [1, new Map([[{ k: 1 }, 2]])] }), u.isDeepStrictEqual([0], [-0]), u.isDeepStrictEqual(new Set([[1]]), new Set([[1]])), u.isDeepStrictEqual({ a: undefined }, {}), u.isDeepStrictEqual(Object(1), Object(2)), u.isDeepStrictEqual(NaN, NaN), u.isDeepStrictEqual(new Date(1), new Date(1)), u.isDeepStrictEqual(Buffer.from('a'), new Uint8Array([97]))]",
            json!([true, false, true, false, false, true, true, false]),
        ),
        (
            r"const u = require('util'); const t = u.types;
             return [t.isPromise(Promise.resolve()), t.isPromise({ then() {} }), t.isRegExp(/a/), t.isDate({}), t.isUint8Array(Buffer.alloc(1)), t.isProxy(new Proxy({}, {})), t.isAsyncFunction(async () => {}), t.isGeneratorFunction(function* () {}), t.isBoxedPrimitive(Object(1n)), t.isMap(new Map()), t.isAnyArrayBuffer(new ArrayBuffer(1)), t.isNativeError(new TypeError()), u.types === require('util/types')]",
            json!([true, false, true, false, true, true, true, true, true, true, true, true, true]),
        ),
        (
            r#"const u = require('util'); function Old() {} function Base() {} Base.prototype.hi = () => 'hi';
             u.inherits(Old, Base);
             return [new Old().hi(), Old.super_ === Base, u.stripVTControlCharacters('\u001b[31mred\u001b[0m'), u.styleText('red', 'x'), u.toUSVString('a\ud800'), u.parseArgs({ args: ['-f', '--bar', 'b'], options: { f: { type: 'boolean', short: 'f' }, bar: { type: 'string' } } }).values, String(new u.MIMEType('text/html;charset="utf-8"')), u.getSystemErrorName(-2)]"#,
            json!(["hi", true, "red", "x", "a\u{fffd}", {"f": true, "bar": "b"}, "text/html;charset=utf-8", "ENOENT"]),
        ),
    ]);
}

#[test]
fn paths_urls_and_queries_are_taken_apart() {
    check(&[
        (
            r"const p = require('path');
             return [p.join('/a', '..', 'b', './c'), p.resolve('/x', 'y', '../z'), p.basename('/a/b.txt', '.txt'), p.extname('a.tar.gz'), p.dirname('/a/b/c'), p.relative('/a/b/c', '/a/d'), p.parse('/home/x.txt'), p.format({ dir: '/a', name: 'b', ext: '.c' }), p.normalize('/a//b/../c/.'), p.isAbsolute('a'), p.sep, p === p.posix, p.win32.join('a', 'b'), require('path/win32').resolve('C:\\a', '..\\b')]",
            json!(["/b/c", "/x/z", "b", ".gz", "/a/b", "../../d", {"root": "/", "dir": "/home", "base": "x.txt", "ext": ".txt", "name": "x"}, "/a/b.c", "/a/c", false, "/", true, "a\\b", "C:\\b"]),
        ),
        (
            r"const e = (f) => { try { f() } catch (x) { return [x.name, x.code ?? null, x.message] } };
             return [e(() => require('path').join(1)), e(() => require('url').fileURLToPath('http://a/')), e(() => require('url').parse(5)), e(() => require('querystring').escape({ toString() { throw new RangeError('own') } }))]",
            json!([
                [
                    "TypeError",
                    "ERR_INVALID_ARG_TYPE",
                    "The \"path\" argument must be of type string. Received type number (1)"
                ],
                ["TypeError", "ERR_INVALID_URL_SCHEME", "The URL must be of scheme file"],
                [
                    "TypeError",
                    "ERR_INVALID_ARG_TYPE",
                    "The \"url\" argument must be of type string. Received type number (5)"
                ],
                ["RangeError", null, "own"]
            ]),
        ),
        (
            r"const u = require('url');
             const { protocol, auth, host, port, hostname, hash, search, query, pathname, path, href } = u.parse('http://user:pa@Host.com:8080/p/a?x=1&y=2#h', true);
             return [protocol, auth, host, port, hostname, hash, search, { ...query }, pathname, path, href, u.resolve('http://a/b/c', '../d?x'), u.format({ protocol: 'https', hostname: 'x.y', pathname: '/z', query: { a: [1, 2] } }), u.fileURLToPath('file:///a%20b'), u.pathToFileURL('/a b#c').href, u.domainToASCII('español.com'), u.urlToHttpOptions(new URL('https://a:b@c:1/d?e')).auth, u.URL === URL]",
            json!(["http:", "user:pa", "host.com:8080", "8080", "host.com", "#h", "?x=1&y=2", {"x": "1", "y": "2"}, "/p/a", "/p/a?x=1&y=2", "http://user:pa@host.com:8080/p/a?x=1&y=2#h", "http://a/d?x", "https://x.y/z?a=1&a=2", "/a b", "file:///a%20b%23c", "xn--espaol-zwa.com", "a:b", true]),
        ),
        (
            r"const q = require('querystring');
             return [{ ...q.parse('a=1&a=2&b=%20c+d&e') }, q.stringify({ a: [1, 'x y'], b: true, c: null, d: 'é&' }), { ...q.parse('a:1;b:2', ';', ':') }, q.escape('ü/'), q.unescape('%zz%41'), Object.keys(q.parse('a&b&c', null, null, { maxKeys: 2 }))]",
            json!([{"a": ["1", "2"], "b": " c d", "e": ""}, "a=1&a=x%20y&b=true&c=&d=%C3%A9%26", {"a": "1", "b": "2"}, "%C3%BC%2F", "%zzA", ["a", "b"]]),
        ),
        (
            r"const y = require('punycode');
             return [y.toASCII('mañana.com'), y.toUnicode('xn--maana-pta.com'), y.encode('bücher'), y.decode('bcher-kva')]",
            json!(["xn--maana-pta.com", "mañana.com", "bcher-kva", "bücher"]),
        ),
    ]);
}

#[test]
fn assertions_say_what_differs() {
    check(&[
        (
            r"const a = require('assert'); const e = (f) => { try { f();
             return 'held' } catch (x) { return [x.name, x.code, x.message, x.operator] } };
             return [e(() => a.strictEqual(1, 2)), e(() => a.deepStrictEqual({ a: 1, b: { c: 2 } }, { a: 1, b: { c: 3 } })), e(() => a.equal('1', 1)), e(() => a.notStrictEqual(1, 1)), e(() => a.throws(() => {})), e(() => a.match('abc', /x/)), e(() => a(0, 'own words')), e(() => a.fail('no')), e(() => a.deepEqual([1, '2'], [1, 2])), e(() => a.ifError(null)), e(() => a.doesNotThrow(() => { throw new Error('t') }))]",
            json!([
                [
                    "AssertionError",
                    "ERR_ASSERTION",
                    "Expected values to be strictly equal:\n\n1 !== 2\n",
                    "strictEqual"
                ],
                [
                    "AssertionError",
                    "ERR_ASSERTION",
                    "Expected values to be strictly deep-equal:\n+ actual - expected\n\n  {\n    a: 1,\n    b: {\n+     c: 2\n-     c: 3\n    }\n  }",
                    "deepStrictEqual"
                ],
                "held",
                [
                    "AssertionError",
                    "ERR_ASSERTION",
                    "Expected \"actual\" to be strictly unequal to: 1",
                    "notStrictEqual"
                ],
                ["AssertionError", "ERR_ASSERTION", "Missing expected exception.", "throws"],
                [
                    "AssertionError",
                    "ERR_ASSERTION",
                    "The input did not match the regular expression /x/. Input:\n\n'abc'\n",
                    "match"
                ],
                ["AssertionError", "ERR_ASSERTION", "own words", "=="],
                ["AssertionError", "ERR_ASSERTION", "no", "fail"],
                "held",
                "held",
                ["AssertionError", "ERR_ASSERTION", "Got unwanted exception.\nActual message: \"t\"", "doesNotThrow"]
            ]),
        ),
        (
            r"const a = require('node:assert/strict'); a.throws(() => { throw new TypeError('bad') }, TypeError);
             a.throws(() => { throw new TypeError('bad') }, { name: 'TypeError', message: /bad/ });
             a.throws(() => { throw new TypeError('bad') }, /bad/);
             await a.rejects(Promise.reject(new Error('x')), { message: 'x' }); await a.doesNotReject(async () => 1);
             const wrong = await a.rejects(async () => {}).catch((x) => x.message);
             return [wrong, a.equal === a.strictEqual, new a.AssertionError({ actual: 1, expected: 2, operator: 'strictEqual' }).message]",
            json!(["Missing expected rejection.", true, "Expected values to be strictly equal:\n\n1 !== 2\n"]),
        ),
    ]);
}

#[test]
fn streams_flow_with_back_pressure() {
    check(&[
        (
            r"const { Readable, Writable, Transform, pipeline } = require('stream');
             const { pipeline: p } = require('stream/promises'); const out = [];
             await p(Readable.from(['a', 'b', 'c']), new Transform({ transform(c, _, done) { done(null, String(c).toUpperCase()) } }), new Writable({ write(c, _, done) { out.push(String(c));
             setImmediate(done) } }));
             const failed = await p(Readable.from([1]), async function* () { throw new Error('inside') }).catch((x) => x.message);
             return [out, failed, await Readable.from([1, 2, 3, 4]).filter((n) => n % 2).map((n) => n * 10).toArray()]",
            json!([["A", "B", "C"], "inside", [10, 30]]),
        ),
        (
            r"const { Writable, finished, Readable } = require('stream'); let text = '';
             const s = new Writable({ highWaterMark: 3, write(c, _, done) { text += c; setImmediate(done) } });
             const room = [s.write('ab'), s.write('cd'), s.writableLength]; await new Promise((r) => s.on('drain', r));
             s.end('e'); await new Promise((r) => finished(s, r));
             const broken = new Readable({ read() { this.destroy(new Error('gone')) } });
             const ended = new Promise((r) => finished(broken, r)); broken.resume();
             return [room, text, s.writableFinished, (await ended).message]",
            json!([[true, false, 4], "abcde", true, "gone"]),
        ),
        (
            r#"const { Readable, Duplex } = require('stream');
             const { text, json, buffer } = require('stream/consumers');
             const web = Readable.toWeb(Readable.from([Buffer.from('we'), Buffer.from('b')]));
             const back = Readable.fromWeb(new ReadableStream({ start(c) { c.enqueue(new Uint8Array([104, 105]));
             c.close() } }));
             return [await text(web), await text(back), await json(Readable.from(['{"a":', '1}'])), (await buffer(Readable.from([Buffer.from('x')]))).toString('hex')]"#,
            json!(["web", "hi", {"a": 1}, "78"]),
        ),
        (
            r"const rl = require('readline'); const { Readable } = require('stream'); const lines = [];
             for await (const l of rl.createInterface({ input: Readable.from(['one\ntw', 'o\r\nthree']), crlfDelay: Infinity })) lines.push(l);
             const events = []; const i = rl.createInterface({ input: Readable.from(['x\ny\n']) });
             i.on('line', (l) => events.push(l)); await new Promise((r) => i.on('close', r)); return [lines, events]",
            json!([["one", "two", "three"], ["x", "y"]]),
        ),
    ]);
}

#[test]
fn files_are_opened_read_and_written_in_pieces() {
    check(&[
        (
            r"const fs = require('fs'); fs.mkdirSync('/tmp/nt', { recursive: true });
             const fd = fs.openSync('/tmp/nt/x', 'w+');
             const wrote = [fs.writeSync(fd, 'hello '), fs.writeSync(fd, Buffer.from('world!'), 0, 5)];
             const b = Buffer.alloc(5); const read = [fs.readSync(fd, b, 0, 5, 6), b.toString(), fs.readSync(fd, b)];
             const size = fs.fstatSync(fd).size; fs.ftruncateSync(fd, 4); fs.closeSync(fd);
             const e = (f) => { try { f() } catch (x) { return [x.code, x.syscall ?? null, x.message] } };
             return [wrote, read, size, fs.readFileSync('/tmp/nt/x', 'utf8'), e(() => fs.readSync(fd, b)), e(() => fs.closeSync(fd)), e(() => fs.openSync('/tmp/nt/none')), e(() => fs.openSync('/tmp/nt/x', 'zz')), e(() => fs.openSync('/tmp/nt/x', 'wx'))]",
            json!([
                [6, 5],
                [5, "world", 0],
                11,
                "hell",
                ["EBADF", "read", "EBADF: bad file descriptor, read"],
                ["EBADF", "close", "EBADF: bad file descriptor, close"],
                ["ENOENT", "open", "ENOENT: no such file or directory, open '/tmp/nt/none'"],
                ["ERR_INVALID_ARG_VALUE", null, "The argument 'flags' is invalid. Received 'zz'"],
                ["EEXIST", "open", "EEXIST: file already exists, open '/tmp/nt/x'"]
            ]),
        ),
        (
            r"const fs = require('fs'); fs.mkdirSync('/tmp/nt', { recursive: true });
             const { pipeline } = require('stream/promises'); const out = fs.createWriteStream('/tmp/nt/big');
             for (let at = 0; at < 40;
             at++) if (!out.write(Buffer.alloc(10000, at))) await new Promise((r) => out.once('drain', r)); out.end();
             await new Promise((r) => out.on('close', r));
             await pipeline(fs.createReadStream('/tmp/nt/big', { start: 10000, end: 29999 }), fs.createWriteStream('/tmp/nt/part'));
             const part = fs.readFileSync('/tmp/nt/part'); let n = 0;
             for await (const c of fs.createReadStream('/tmp/nt/big')) n += c.length; let t = '';
             for await (const c of fs.createReadStream('/tmp/nt/part', { encoding: 'hex', highWaterMark: 4, end: 5 })) t += c + '|';
             const error = await new Promise((r) => fs.createReadStream('/tmp/nt/none').on('error', (x) => r(x.code)));
             return [out.bytesWritten, part.length, part[0], part[19999], n, t, error, out.closed]",
            json!([400000, 20000, 1, 2, 400000, "01010101|0101|", "ENOENT", true]),
        ),
        (
            r"const fs = require('fs/promises'); await fs.mkdir('/tmp/nt', { recursive: true });
             const h = await fs.open('/tmp/nt/h', 'w+'); await h.write('line one\nline two\n');
             const { bytesRead, buffer } = await h.read(Buffer.alloc(4), 0, 4, 5); const s = await h.stat();
             await h.truncate(9); await h.close(); const lines = []; const again = await fs.open('/tmp/nt/h');
             for await (const l of again.readLines()) lines.push(l);
             const late = await h.read(Buffer.alloc(1)).catch((x) => [x.code, x.message]);
             return [bytesRead, buffer.toString(), s.size, s.isFile(), lines, late]",
            json!([4, "one\n", 18, true, ["line one"], ["EBADF", "file closed"]]),
        ),
        (
            r"const fs = require('fs'); fs.rmSync('/tmp/nt', { recursive: true, force: true });
             fs.mkdirSync('/tmp/nt/a/b', { recursive: true }); fs.writeFileSync('/tmp/nt/a/b/f', 'x');
             fs.cpSync('/tmp/nt/a', '/tmp/nt/c', { recursive: true }); const names = [];
             const d = await fs.promises.opendir('/tmp/nt/c');
             for await (const e of d) names.push([e.name, e.isDirectory()]);
             fs.utimesSync('/tmp/nt/a/b/f', 1, new Date(2500));
             const s = fs.statSync('/tmp/nt/a/b/f'), g = fs.statSync('/tmp/nt/a/b/f', { bigint: true });
             const exists = await new Promise((r) => fs.exists('/tmp/nt/none', r));
             await fs.promises.appendFile('/tmp/nt/c/b/f', 'y');
             return [names, s.mtimeMs, s.mtime.toISOString(), typeof g.size, exists, (await fs.promises.readFile('/tmp/nt/c/b/f')).toString(), Buffer.isBuffer(fs.readFileSync('/tmp/nt/c/b/f')), fs.readdirSync('/tmp/nt', { recursive: true }).sort()]",
            json!([
                [["b", true]],
                2500,
                "1970-01-01T00:00:02.500Z",
                "bigint",
                false,
                "xy",
                true,
                ["a", "a/b", "a/b/f", "c", "c/b", "c/b/f"]
            ]),
        ),
    ]);
}

#[test]
fn ticks_come_before_promises_and_stores_follow_them() {
    check(&[
        (
            r"const o = []; await new Promise((r) => setTimeout(r, 1));
             setTimeout(() => { setTimeout(() => o.push('timeout'), 2); setImmediate(() => { o.push('immediate');
             process.nextTick(() => o.push('tick in immediate'));
             Promise.resolve().then(() => o.push('promise in immediate')) }); process.nextTick(() => o.push('tick'));
             Promise.resolve().then(() => { o.push('promise');
             process.nextTick(() => o.push('tick in promise')) }).then(() => o.push('promise 2'));
             queueMicrotask(() => o.push('micro')) }, 1); await new Promise((r) => setTimeout(r, 15)); return o",
            json!([
                "tick",
                "promise",
                "micro",
                "promise 2",
                "tick in promise",
                "immediate",
                "tick in immediate",
                "promise in immediate",
                "timeout"
            ]),
        ),
        (
            r"const { AsyncLocalStorage } = require('async_hooks');
             const s = new AsyncLocalStorage(), t = new AsyncLocalStorage(); const o = [];
             const see = (w) => o.push([w, s.getStore() ?? null, t.getStore() ?? null]);
             const job = (n) => s.run(n, async () => { see('start'); await null; see('await');
             await new Promise((r) => setTimeout(r, 1)); see('timer');
             await t.run('t' + n, async () => { await Promise.all([1, 2].map(async () => { await 1 }));
             see('inner') }); see('after');
             try { await Promise.reject(new Error()) } catch { see('catch') } await new Promise((r) => process.nextTick(r));
             see('tick'); queueMicrotask(() => see('micro')); await { then(r) { setTimeout(r, 1) } };
             see('thenable') }); await job('a'); await job('b'); see('outside'); return o",
            json!([
                ["start", "a", null],
                ["await", "a", null],
                ["timer", "a", null],
                ["inner", "a", "ta"],
                ["after", "a", null],
                ["catch", "a", null],
                ["tick", "a", null],
                ["micro", "a", null],
                ["thenable", "a", null],
                ["start", "b", null],
                ["await", "b", null],
                ["timer", "b", null],
                ["inner", "b", "tb"],
                ["after", "b", null],
                ["catch", "b", null],
                ["tick", "b", null],
                ["micro", "b", null],
                ["thenable", "b", null],
                ["outside", null, null]
            ]),
        ),
        (
            r"const { AsyncLocalStorage } = require('async_hooks'); const s = new AsyncLocalStorage(); const seen = [];
             const each = async (n) => { for (let i = 0; i < 5;
             i++) { await new Promise((r) => setTimeout(r, (i * 7 + n * 3) % 4)); await undefined;
             if (s.getStore() !== n) seen.push([n, s.getStore()]) } async function* g() { yield 1; await null;
             yield 2 } for await (const v of g()) if (s.getStore() !== n) seen.push(['gen', n, v, s.getStore() ?? null]);
             await Promise.resolve().then(() => {}).finally(() => { if (s.getStore() !== n) seen.push('finally') }) };
             await Promise.all(Array.from({ length: 20 }, (_, n) => s.run(n, each, n)));
             return [seen, s.getStore() ?? null]",
            json!([[], null]),
        ),
        (
            r"const { AsyncLocalStorage, AsyncResource } = require('async_hooks'); const s = new AsyncLocalStorage();
             const r = s.run(1, () => new AsyncResource('X'));
             const bound = s.run(2, () => AsyncResource.bind(() => s.getStore()));
             const snap = s.run(3, () => AsyncLocalStorage.snapshot()); s.enterWith(4);
             const out = [r.runInAsyncScope(() => s.getStore()), bound(), snap(() => s.getStore()), s.getStore(), s.exit(() => s.getStore() ?? null), await Promise.resolve().then(() => s.getStore())];
             return out",
            json!([1, 2, 3, 4, null, 4]),
        ),
    ]);
}

#[test]
fn small_modules_answer() {
    check(&[
        (
            r"const { channel, tracingChannel } = require('diagnostics_channel'); const c = channel('x');
             const got = []; c.subscribe((m, n) => got.push([m, n])); c.publish({ a: 1 });
             return [got, c.hasSubscribers, channel('x') === c]",
            json!([[[{"a": 1}, "x"]], true, true]),
        ),
        (
            r"const net = require('net'); const b = new net.BlockList(); b.addSubnet('10.0.0.0', 8);
             b.addRange('1.1.1.1', '1.1.1.9'); b.addAddress('::1', 'ipv6');
             return [net.isIP('1.2.3.4'), net.isIP('::1'), net.isIP('x'), net.isIPv4('1.2.3.256'), net.isIPv6('1::2::3'), b.check('10.9.9.9'), b.check('11.0.0.1'), b.check('1.1.1.5'), b.check('::1', 'ipv6')]",
            json!([4, 6, 0, false, false, true, false, true, true]),
        ),
        (
            r"const v8 = require('v8');
             const x = { m: new Map([[1, new Set(['a'])]]), d: new Date(5), n: [NaN, undefined, 10n, -0], b: Buffer.from('q'), e: new RangeError('r') };
             x.self = x; const y = v8.deserialize(v8.serialize(x));
             return [[...y.m.get(1)], y.d.getTime(), y.n.map(String), y.b.toString(), y.e.name, y.self === y]",
            json!([["a"], 5, ["NaN", "undefined", "10", "0"], "q", "RangeError", true]),
        ),
        (
            r"const vm = require('vm'); globalThis.base = 2;
             return [vm.runInThisContext('base + 1'), new vm.Script('base * 5').runInThisContext(), require('module').isBuiltin('node:fs'), require('module').isBuiltin('lodash'), require('module').builtinModules.includes('stream/promises'), require('worker_threads').isMainThread, require('cluster').isPrimary, require('tty').isatty(1), require('os').EOL, require('os').constants.signals.SIGTERM, require('constants').O_RDONLY]",
            json!([3, 10, true, false, true, true, true, false, "\n", 15, 0]),
        ),
        (
            r"const { setTimeout: wait, setInterval: every, setImmediate: soon } = require('timers/promises');
             const o = [await wait(1, 'v'), await soon('i')]; for await (const v of every(1, 'n')) { o.push(v);
             if (o.length === 4) break } o.push(await wait(1000, 0, { signal: AbortSignal.abort() }).catch((x) => [x.name, x.code]));
             const t = setTimeout(() => {}, 1000); o.push(t.hasRef(), t.unref().hasRef()); clearTimeout(t); return o",
            json!(["v", "i", "n", "n", ["AbortError", "ABORT_ERR"], true, false]),
        ),
        (
            r"const h = require('perf_hooks').createHistogram(); for (const n of [1, 2, 3]) h.record(n);
             return [h.count, h.min, h.max, h.mean, typeof require('perf_hooks').performance.now()]",
            json!([3, 1, 3, 2, "number"]),
        ),
        (
            r"const dns = require('dns');
             return [await dns.promises.lookup('127.0.0.1'), await new Promise((r) => dns.lookup('::1', (e, a, f) => r([e, a, f]))), await new Promise((r) => dns.lookup('1.2.3.4', { all: true }, (e, a) => r(a)))]",
            json!([{"address": "127.0.0.1", "family": 4}, [null, "::1", 6], [{"address": "1.2.3.4", "family": 4}]]),
        ),
        (
            r"const { Console } = require('console'); const { Writable } = require('stream'); let t = '';
             const c = new Console(new Writable({ write(x, _, d) { t += x; d() } })); c.log('a %s', 1, { b: 2 });
             c.group('g'); c.warn('in'); c.groupEnd(); c.count(); return t",
            json!("a 1 { b: 2 }\ng\n  in\ndefault: 1\n"),
        ),
    ]);
}

/// The modules that the interpreter has, and the names that programs import of some of them.
#[test]
fn modules_are_imported_with_their_names() {
    let workspace = Workspace::new();
    let code = r#"
import fs, { readFileSync, promises } from "node:fs";
import { readFile } from "fs/promises";
import * as path from "path";
import { EventEmitter, once } from "events";
import { promisify } from "node:util";
import { Readable } from "stream";
import { pipeline } from "node:stream/promises";
import { AsyncLocalStorage } from "async_hooks";
import { Buffer as Bytes } from "buffer";
import assert, { strictEqual } from "assert";
import { env, nextTick } from "process";
const util = require("node:util");
export default () => [
  fs.readFileSync === readFileSync, promises.readFile === readFile, path.join("a", "b"), new EventEmitter() instanceof EventEmitter,
  promisify === util.promisify, typeof Readable.from, typeof pipeline, typeof AsyncLocalStorage, Bytes === Buffer, global === globalThis,
  assert.strictEqual === strictEqual, env === process.env, typeof nextTick, typeof once, require("fs") === require("node:fs"), util === require("util"),
];"#;
    let workspace = workspace.javascript("f", code);
    let expected = json!([
        true, true, "a/b", true, true, "function", "function", "function", true, true, true, true, "function",
        "function", true, true
    ]);
    assert_eq!(workspace.result("f"), expected);

    let all = "const { builtinModules } = require('module'); const failed = [];
for (const name of builtinModules) { try { if (require(name).__esModule) throw new Error('it says to be a namespace'); await import('node:' + name) } catch (error) { failed.push([name, error.message]) } }
return [failed, builtinModules.length > 45]";
    check(&[(all, json!([[], true]))]);
}

/// What a sandbox has not says so, with Node's kind of error, and names what does instead.
#[test]
fn what_cannot_be_had_names_what_does_instead() {
    let attempt = "
const attempts = {
  exec: () => require('child_process').execSync('ls'),
  listen: () => require('http').createServer(),
  udp: () => require('dgram').createSocket('udp4'),
  worker: () => new (require('worker_threads').Worker)('x'),
  watch: () => require('fs').watch('/tmp'),
  chdir: () => process.chdir('/tmp'),
  hook: () => require('async_hooks').createHook({}).enable(),
  lookup: () => new Promise((done, fail) => require('dns').lookup('example.com', (error) => fail(error))),
};
try { await attempts[event.what]() } catch (error) { return [error.code, error.message] }";
    let workspace = Workspace::new().javascript("f", attempt);
    for (what, instead) in [
        ("exec", "start a WebAssembly program that was deployed with the function"),
        ("listen", "export default { fetch(request)"),
        ("udp", "there is no UDP"),
        ("worker", "call another function"),
        ("watch", "nothing but the function itself"),
        ("chdir", "absolute paths"),
        ("hook", "AsyncLocalStorage"),
        ("lookup", "the host resolves them"),
    ] {
        let refused = workspace.run("f", json!({ "what": what })).result();
        assert_eq!(refused[0], "ERR_NOT_SUPPORTED", "{what}: {refused}");
        assert!(refused[1].as_str().is_some_and(|message| message.contains(instead)), "{what}: {refused}");
    }
}

#[test]
fn process_says_what_runs_and_hears_what_nobody_caught() {
    let code = "
process.on('uncaughtException', (error, origin) => console.log('caught', error.message, origin));
process.on('unhandledRejection', (reason, promise) => console.log('rejected', reason.message, promise instanceof Promise));
process.once('warning', (warning) => console.log(warning.name, warning.message));
export const listens = async () => {
  setTimeout(() => { throw new Error('in a timer') }, 1);
  process.nextTick(() => { throw new Error('in a tick') });
  Promise.reject(new Error('by nobody'));
  process.emitWarning('careful');
  process.stdout.write('out\\nput\\n');
  process.stderr.write('err');
  await new Promise((done) => setTimeout(done, 5));
  return 'went on';
};
export const facts = () => [process.platform, process.versions.node.split('.')[0], process.cwd(), process.argv.length, process.hrtime().length,
  typeof process.hrtime.bigint(), process.memoryUsage().rss > 0, process.memoryUsage.rss() > 0, process.uptime() >= 0, process.exitCode ?? null, process.stdin.readable,
  `${process}`, process.listenerCount('uncaughtException'), process.env.NOT_THERE ?? null, Object.keys(process.env).includes('THIMBLE_WORKSPACE')];
export const exits = () => process.exit(3);
export const later = async () => { setTimeout(() => process.exit(4), 1); await new Promise(() => {}) };";
    let workspace = Workspace::new().javascript("f", code);
    let answer = workspace.run("f.listens", json!({}));
    let mut logs = answer.logs();
    logs.sort();
    assert_eq!(answer.result(), "went on");
    let expected = [
        "error err",
        "info Warning careful",
        "info caught in a tick uncaughtException",
        "info caught in a timer uncaughtException",
        "info out",
        "info put",
        "info rejected by nobody true",
    ];
    assert_eq!(logs, expected);
    let facts = workspace.run("f.facts", json!({})).result();
    let expected =
        json!(["linux", "22", "/", 2, 2, "bigint", true, true, true, null, true, "[object process]", 1, null, true]);
    assert_eq!(facts, expected);
    workspace.run("f.exits", json!({})).fails(500, "function_error", "process.exit(3) was called");
    workspace.run("f.later", json!({})).fails(500, "function_error", "process.exit(4) was called");
    assert_eq!(workspace.run("f.facts", json!({})).status, 200, "the instance serves on");
}

/// As `depd` asks, which express and many others stand on.
#[test]
fn call_sites_have_the_methods_of_v8() {
    let code = "
function caller() {
  const before = Error.prepareStackTrace;
  Error.prepareStackTrace = (_, sites) => sites;
  const traced = {};
  Error.captureStackTrace(traced);
  const [site] = traced.stack;
  Error.prepareStackTrace = before;
  return [site.getFunctionName(), site.isEval(), site.getThis() ?? null, site.getTypeName(), site.isNative(), `${site}`.startsWith('caller (f.js:')];
}
return caller();";
    check(&[(code, json!(["caller", false, null, null, false, true]))]);
}

#[test]
fn nothing_of_one_invocation_is_left_for_the_next() {
    let code = "
import { AsyncLocalStorage } from 'async_hooks';
const store = new AsyncLocalStorage();
let first = true;
export default async () => {
  const found = store.getStore() ?? null;
  store.enterWith('left behind');
  process.nextTick(() => {});
  await null;
  return [found, store.getStore()];
};";
    let workspace = Workspace::new().javascript("f", code);
    for _ in 0..4 {
        assert_eq!(workspace.result("f"), json!([null, "left behind"]));
    }
}
