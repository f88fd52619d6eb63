//! Compression: the formats against zlib's and brotli's own, streams of both kinds, and what is hostile.

use crate::client::Workspace;
use crate::server::Server;
use serde_json::{Value, json};

const OPENSSL: &str = include_str!("openssl.json");

/// What a function of this body answers.
#[track_caller]
fn run(code: &str) -> Value {
    let body = format!("const z = require('node:zlib'); const {{ Buffer }} = require('node:buffer');\n{code}");
    let parameters = serde_json::from_str(OPENSSL).expect("JSON");
    Workspace::new().javascript("f", &body).run("f", parameters).result()
}

/// Each expression answers what is expected of it. Errors count as their code, or else their name.
#[track_caller]
fn check(cases: &[(&str, Value)]) {
    let tried: Vec<String> = cases.iter().map(|(code, _)| format!("await tried(async () => ({code}))")).collect();
    let answers = run(&format!(
        "const o = arguments[0] ?? event;
         const tried = async (work) => {{ try {{ return await work(); }} catch (error) {{ return typeof error.code === 'string' ? error.code : error.name; }} }};
         const text = 'the same text '.repeat(20), from = (name) => Buffer.from(o[name], 'base64');
         const promised = (work, ...values) => new Promise((resolve, reject) => work(...values, (error, value) => error ? reject(error) : resolve(value)));
         const piped = (stream, ...pieces) => new Promise((resolve, reject) => {{ const out = []; stream.on('data', (piece) => out.push(piece)); stream.on('error', reject);
           stream.on('end', () => resolve(Buffer.concat(out))); for (const piece of pieces) stream.write(piece); stream.end(); }});
         const through = async (stream, ...pieces) => {{ const writer = stream.writable.getWriter(); const writing = (async () => {{ for (const piece of pieces) await writer.write(piece); await writer.close(); }})(); writing.catch(() => {{}});
           const out = []; const reader = stream.readable.getReader(); for (;;) {{ const {{ done, value }} = await reader.read(); if (done) break; out.push(Buffer.from(value)); }} await writing; return Buffer.concat(out); }};
         return [{}];",
        tried.join(",\n")
    ));
    for ((code, expected), answer) in cases.iter().zip(answers.as_array().expect("answers")) {
        assert_eq!(answer, expected, "{code}");
    }
}

#[test]
fn what_others_compressed_is_read() {
    check(&[
        ("z.gunzipSync(from('gzip')).toString() === text", json!(true)),
        ("z.unzipSync(from('gzip')).toString() === text", json!(true)),
        ("z.unzipSync(from('deflate')).toString() === text", json!(true)),
        ("z.inflateSync(from('deflate')).toString() === text", json!(true)),
        ("z.inflateRawSync(from('raw')).toString() === text", json!(true)),
        ("z.brotliDecompressSync(from('brotli')).toString() === text", json!(true)),
        (
            "z.inflateSync(from('dictionary'), { dictionary: Buffer.from('the same text') }).toString()",
            json!("the same text the same text "),
        ),
        ("z.inflateSync(from('dictionary'))", json!("Z_NEED_DICT")),
        ("z.inflateSync(from('dictionary'), { dictionary: Buffer.from('another text') })", json!("Z_DATA_ERROR")),
        ("z.crc32('hello')", json!(907_060_870)),
        ("z.crc32('lo', z.crc32('hel'))", json!(907_060_870)),
        ("(await through(new DecompressionStream('gzip'), from('gzip'))).toString() === text", json!(true)),
        (
            "(await through(new DecompressionStream('deflate'), ...Array.from(from('deflate'), (byte) => Uint8Array.of(byte)))).toString() === text",
            json!(true),
        ),
        ("(await through(new DecompressionStream('deflate-raw'), from('raw'))).toString() === text", json!(true)),
    ]);
}

#[test]
fn what_is_compressed_here_comes_back() {
    check(&[
        (
            "(() => { const data = Buffer.alloc(50_000); let seed = 1; for (let i = 0; i < data.length; i++) { seed = (seed * 75 + 74) % 65537; data[i] = i % 3 ? seed : 7; } \
             const pairs = [['gzipSync', 'gunzipSync'], ['deflateSync', 'inflateSync'], ['deflateRawSync', 'inflateRawSync']]; \
             return pairs.every(([there, back]) => [-1, 0, 1, 6, 9].every((level) => [0, 1, 2, 3, 4].every((strategy) => z[back](z[there](data, { level, strategy, windowBits: 9 + level % 3 + 1, memLevel: 1 + level % 9 + 1 })).equals(data)))); })()",
            json!(true),
        ),
        (
            "[0, 1, 4, 9, 11].every((quality) => z.brotliDecompressSync(z.brotliCompressSync(text.repeat(500), { params: { [z.constants.BROTLI_PARAM_QUALITY]: quality, \
             [z.constants.BROTLI_PARAM_LGWIN]: 18 } })).toString() === text.repeat(500))",
            json!(true),
        ),
        ("(await promised(z.gunzip, await promised(z.gzip, text))).toString() === text", json!(true)),
        (
            "(await piped(z.createGunzip(), await piped(z.createGzip({ level: 9 }), 'the ', 'same'))).toString()",
            json!("the same"),
        ),
        (
            "(await piped(z.createBrotliDecompress(), await piped(z.createBrotliCompress(), text))).toString() === text",
            json!(true),
        ),
        ("(await piped(z.createInflate({ chunkSize: 64 }), z.deflateSync(text.repeat(1000)))).length", json!(280_000)),
        (
            "(await through(new DecompressionStream('gzip'), await through(new CompressionStream('gzip'), Buffer.from('the '), Buffer.from('same')))).toString()",
            json!("the same"),
        ),
        // What was flushed can be read before the end.
        (
            "await new Promise((resolve) => { const gzip = z.createGzip(); const seen = []; gzip.on('data', (piece) => seen.push(piece)); gzip.write('first'); \
             gzip.flush(() => resolve(z.gunzipSync(Buffer.concat(seen), { finishFlush: z.constants.Z_SYNC_FLUSH }).toString())); })",
            json!("first"),
        ),
        (
            "await new Promise((resolve) => { const deflate = z.createDeflate({ level: 9 }); const seen = []; deflate.on('data', (piece) => seen.push(piece)); \
             deflate.on('end', () => resolve(z.inflateSync(Buffer.concat(seen)).length)); deflate.write(text); deflate.params(0, 0, () => deflate.end(text)); })",
            json!(560),
        ),
        (
            "z.gunzipSync(Buffer.concat([z.gzipSync('one '), z.gzipSync('two'), Buffer.alloc(5)])).toString()",
            json!("one two"),
        ),
        (
            "(await piped(z.createGunzip(), Buffer.concat([z.gzipSync('one '), z.gzipSync('two')]))).toString()",
            json!("one two"),
        ),
    ]);
}

#[test]
fn what_is_damaged_is_an_error() {
    check(&[
        ("z.gunzipSync(from('gzip').subarray(0, 30))", json!("Z_BUF_ERROR")),
        ("z.gunzipSync(Buffer.from('this is no gzip'))", json!("Z_DATA_ERROR")),
        ("z.inflateSync(Buffer.concat([from('deflate').subarray(0, -2), Buffer.alloc(2)]))", json!("Z_DATA_ERROR")),
        ("z.brotliDecompressSync(Buffer.from('this is no brotli'))", json!("ERR__ERROR_FORMAT")),
        ("z.gzipSync('x', { level: 10 })", json!("ERR_OUT_OF_RANGE")),
        ("z.gzipSync(7)", json!("ERR_INVALID_ARG_TYPE")),
        ("z.inflateSync(from('deflate'), { maxOutputLength: 279 })", json!("ERR_BUFFER_TOO_LARGE")),
        ("z.inflateSync(from('deflate'), { maxOutputLength: 280 }).length", json!(280)),
        ("await piped(z.createGunzip(), from('gzip').subarray(0, 30))", json!("Z_BUF_ERROR")),
        ("await through(new DecompressionStream('gzip'), from('gzip').subarray(0, 30))", json!("TypeError")),
        ("await through(new DecompressionStream('gzip'), from('gzip'), Buffer.from('x'))", json!("TypeError")),
        ("await through(new DecompressionStream('gzip'), from('deflate'))", json!("TypeError")),
        ("await through(new CompressionStream('gzip'), 'text')", json!("TypeError")),
        ("new CompressionStream('zip')", json!("TypeError")),
    ]);
}

#[test]
fn a_stream_of_the_top_level_is_not_in_an_image() {
    let open = "const zlib = require('zlib'); const gzip = zlib.createGzip(); gzip.resume(); gzip.write('text');
        exports.handler = () => new Promise((resolve) => { gzip.on('error', (error) => resolve(error.message)); gzip.on('end', () => resolve('ended')); gzip.end('more'); });";
    let workspace = Workspace::new();
    let answer = workspace.deploy(&json!({ "functions": { "f": { "code": open } } })).expect(200).json();
    let warning = answer["warnings"][0].as_str().expect("a warning").to_owned();
    assert!(warning.contains("inside the function"), "{warning}");
    let message = workspace.result("f");
    assert!(message.as_str().is_some_and(|said| said.contains("Open one in each invocation")), "{message}");
    // One that has seen no data yet holds nothing.
    let idle = "const zlib = require('zlib'); const gzip = zlib.createGzip(); const before = zlib.gzipSync('x');
        exports.handler = () => new Promise((resolve) => { const out = []; gzip.on('data', (piece) => out.push(piece)); gzip.on('end', () => resolve(zlib.gunzipSync(Buffer.concat(out)).toString())); gzip.end('more'); });";
    let idle = format!("const {{ Buffer }} = require('buffer'); {idle}");
    let answer =
        workspace.deploy(&json!({ "functions": { "g": { "code": idle, "isolation": "request" } } })).expect(200);
    assert_eq!(answer.json()["warnings"], Value::Null);
    assert_eq!([workspace.result("g"), workspace.result("g")], ["more", "more"]);
}

#[test]
fn a_bomb_ends_at_the_functions_memory() {
    let bomb = "const zlib = require('zlib'); const { Buffer } = require('buffer');
        let bomb = zlib.gzipSync(Buffer.alloc(8 << 20)); bomb = Buffer.concat(Array(20).fill(bomb));";
    let whole = format!("{bomb} return zlib.gunzipSync(bomb).length;");
    let bounded = format!(
        "{bomb} try {{ return zlib.gunzipSync(bomb, {{ maxOutputLength: 1 << 20 }}).length; }} catch (error) {{ return error.code; }}"
    );
    let stream = format!(
        "{bomb} let size = 0; const gunzip = zlib.createGunzip(); gunzip.end(bomb); for await (const piece of gunzip) size += piece.length; return size;"
    );
    let workspace = Workspace::new().with(json!({ "functions": {
        "whole": { "code": whole, "memory": 64 }, "bounded": { "code": bounded, "memory": 64 },
        "stream": { "code": stream, "memory": 64, "timeout": 60000 },
    }}));
    let answer = workspace.run("whole", json!({}));
    assert_eq!(answer.error().code, "memory_limit", "{}", answer.text());
    assert_eq!(workspace.result("bounded"), "ERR_BUFFER_TOO_LARGE");
    assert_eq!(workspace.result("stream"), 160 << 20, "piece by piece it is no bomb");
}

#[test]
fn ten_thousand_open_compressors_are_refused_and_given_back() {
    let server = Server::start("");
    let code = "const zlib = require('zlib'); const all = []; let refused;
        for (let count = 0; count < 10_000 && !refused; count++) {
          const deflate = zlib.createDeflate({ windowBits: 9, memLevel: 1 }); deflate.on('error', (error) => { refused ??= `${error.code} ${error.message}`; });
          deflate.write('x'); all.push(deflate);
          await new Promise((resolve) => setTimeout(resolve, 0));
        }
        return [all.length, refused];";
    let workspace =
        Workspace::on(&server).with(json!({ "functions": { "f": { "code": code, "memory": 256, "timeout": 60000 } } }));
    for _ in 0..2 {
        let answer = workspace.result("f");
        let (count, refused) = (answer[0].as_u64().expect("a number"), answer[1].as_str().expect("refused"));
        assert!((100..=1_001).contains(&count), "{answer}");
        assert!(
            refused.starts_with("Z_MEM_ERROR") && (refused.contains("1000") || refused.contains("memory")),
            "{answer}"
        );
    }
}
