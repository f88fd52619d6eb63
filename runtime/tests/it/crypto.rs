//! Cryptography: known answers, what OpenSSL made, states that outlive an invocation, and what is refused or cut off.

use crate::client::Workspace;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Keys, signatures and ciphertexts that OpenSSL made (by Node).
const OPENSSL: &str = include_str!("openssl.json");

/// What a function of this body answers to these parameters.
#[track_caller]
fn run(code: &str, parameters: Value) -> Value {
    let body = format!("const c = require('node:crypto'); const {{ Buffer }} = require('node:buffer');\n{code}");
    Workspace::new().javascript("f", &body).run("f", parameters).result()
}

/// Each expression answers what is expected of it. Errors count as their code, or else their message.
#[track_caller]
fn check(cases: &[(&str, Value)]) {
    let tried: Vec<String> = cases.iter().map(|(code, _)| format!("await tried(async () => ({code}))")).collect();
    let code = format!(
        "const tried = async (work) => {{ try {{ return await work(); }} catch (error) {{ return error.code && typeof error.code === \
         'string' ? error.code : error instanceof DOMException ? error.name : error.message; }} }};\n\
         const o = p, subtle = crypto.subtle, hex = (value) => Buffer.from(value).toString('hex');\n\
         const message = Buffer.from('a message of some length');\n\
         return [{}];",
        tried.join(",\n")
    );
    let answers =
        run(&format!("const p = arguments[0] ?? event;\n{code}"), serde_json::from_str(OPENSSL).expect("JSON"));
    for ((code, expected), answer) in cases.iter().zip(answers.as_array().expect("answers")) {
        assert_eq!(answer, expected, "{code}");
    }
}

#[test]
fn digests_are_those_of_the_standards() {
    let known = [
        ("md5", "900150983cd24fb0d6963f7d28e17f72"),
        ("ripemd160", "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"),
        ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("SHA224", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
        ("RSA-SHA256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("sha512-256", "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"),
        ("sha3-256", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
    ];
    for (name, expected) in known {
        check(&[(&format!("c.createHash('{name}').update('a').update('bc').digest('hex')"), json!(expected))]);
    }
    check(&[
        // RFC 4231, case 2; RFC 6070; RFC 7914; RFC 5869, case 1.
        (
            "c.createHmac('sha256', 'Jefe').update('what do ya want ').update('for nothing?').digest('hex')",
            json!("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ),
        (
            "c.pbkdf2Sync('password', 'salt', 4096, 20, 'sha1').toString('hex')",
            json!("4b007901b765489abead49d926f721d065a429c1"),
        ),
        (
            "c.scryptSync('pleaseletmein', 'SodiumChloride', 32).toString('hex')",
            json!("7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"),
        ),
        (
            "hex(c.hkdfSync('sha256', Buffer.alloc(22, 11), Buffer.from('000102030405060708090a0b0c', 'hex'), \
             Buffer.from('f0f1f2f3f4f5f6f7f8f9', 'hex'), 42))",
            json!("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
        ),
        (
            "hex(await subtle.digest('sha-384', Buffer.from('abc')))",
            json!("cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"),
        ),
    ]);
}

#[test]
fn pieces_come_to_what_the_whole_does() {
    let answers = run(
        "const data = Buffer.alloc(700_001, 'some text, and more of it. ');
         const cut = (work) => { const out = []; let at = 0, size = 1; while (at < data.length) { out.push(work(data.subarray(at, at + size))); at += size; size = size * 3 + 1; } return out; };
         const same = (one, other) => Buffer.compare(one, other) === 0;
         const results = {};
         for (const name of c.getHashes()) {
           const hash = c.createHash(name); cut((piece) => hash.update(piece));
           const copy = hash.copy();
           results[name] = same(hash.digest(), c.createHash(name).update(data).digest()) && copy.digest().length > 0;
         }
         const code = c.createHmac('sha512', 'key'); cut((piece) => code.update(piece));
         results.hmac = same(code.digest(), c.createHmac('sha512', 'key').update(data).digest());
         for (const name of c.getCiphers()) {
           const { keyLength, ivLength = 0 } = c.getCipherInfo(name);
           const [key, iv] = [c.randomBytes(keyLength), ivLength ? c.randomBytes(ivLength) : null];
           const [one, other] = [c.createCipheriv(name, key, iv), c.createCipheriv(name, key, iv)];
           const whole = Buffer.concat([other.update(data), other.final()]);
           const pieces = Buffer.concat([...cut((piece) => one.update(piece)), one.final()]);
           const back = c.createDecipheriv(name, key, iv);
           if (name.endsWith('gcm')) back.setAuthTag(one.getAuthTag());
           results[name] = same(pieces, whole) && same(Buffer.concat([back.update(whole.subarray(0, 7)), back.update(whole.subarray(7)), back.final()]), data);
         }
         const read = await new Promise((resolve) => { const hash = c.createHash('md5'); hash.on('readable', () => { const all = hash.read(); if (all) resolve(all.toString('hex')); }); hash.write('a'); hash.end('bc'); });
         results.stream = read === c.createHash('md5').update('abc').digest('hex');
         return results;",
        json!({}),
    );
    let answers = answers.as_object().expect("an object");
    assert!(answers.len() > 30, "{answers:?}");
    let wrong: Vec<_> = answers.iter().filter(|(_, same)| **same != Value::Bool(true)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn ciphers_are_those_of_openssl() {
    let sealed = |mode: &str, iv: u8| {
        format!(
            "(() => {{ const e = c.createCipheriv('aes-256-{mode}', Buffer.alloc(32, 7), {}); const out = Buffer.concat([e.update(Buffer.from(Array.from({{ \
             length: 100 }}, (_, i) => i))), e.final()]); return c.createHash('sha256').update(out).digest('hex') + ('{mode}' === 'gcm' ? e.getAuthTag().toString('hex') : ''); }})()",
            if iv == 0 { "null".to_owned() } else { format!("Buffer.alloc({iv}, 255)") }
        )
    };
    let known = [
        ("cbc", 16, "6c755fc429427dc3a056bb2e5beca002c95953b9c49fbaefbf46d992c38cc8de"),
        ("ctr", 16, "32356fa0e5b999532748e972817f5bae7d367214da3838d8a0e3e24130dbeacb"),
        ("ecb", 0, "3ac4f8ec108a1cf6c1066f1da7b394fc0a2c1291a8886cf489f7e1993915294e"),
        ("gcm", 12, "adc55e3b2f8d30b6b563defe3861bef991a5829c7d812970a91a6f842ac177862aa924144a143e5549c785f27bf1770a"),
        ("gcm", 20, "53fe1bdd575c6fcdedbefc947611b8d624a19416fa3adb1f68b1eb6e965c152f07943cd7db17ea9e6a84e71562d0c91c"),
    ];
    for (mode, iv, expected) in known {
        check(&[(&sealed(mode, iv), json!(expected))]);
    }
}

#[test]
fn what_openssl_made_is_read_and_understood() {
    check(&[
        ("c.sign('sha256', message, o.rsaPkcs1).toString('base64') === o.rsaSigned", json!(true)),
        ("c.createVerify('RSA-SHA256').update(message).verify(o.rsaPublic, o.rsaSigned, 'base64')", json!(true)),
        ("c.createVerify('RSA-SHA256').update('another').verify(o.rsaPublic, o.rsaSigned, 'base64')", json!(false)),
        ("c.verify('sha256', message, { key: o.rsaPublic, padding: 6 }, Buffer.from(o.rsaPss, 'base64'))", json!(true)),
        (
            "c.verify('sha256', message, { key: o.rsaPublic, padding: 6, saltLength: 20 }, Buffer.from(o.rsaPss, 'base64'))",
            json!(true),
        ),
        (
            "c.verify('sha256', message, { key: o.rsaPublic, padding: 6, saltLength: 21 }, Buffer.from(o.rsaPss, 'base64'))",
            json!(false),
        ),
        (
            "c.privateDecrypt({ key: o.rsaPkcs1, oaepHash: 'sha256', oaepLabel: Buffer.from('label') }, Buffer.from(o.rsaOaep, 'base64')).toString()",
            json!("a message of some length"),
        ),
        (
            "c.privateDecrypt({ key: o.rsaPkcs1, padding: 1 }, Buffer.from(o.rsaPkcs1Encrypted, 'base64')).toString()",
            json!("a message of some length"),
        ),
        (
            "c.createPrivateKey({ key: o.rsaEncrypted, passphrase: 'secret' }).equals(c.createPrivateKey(o.rsaPkcs1))",
            json!(true),
        ),
        (
            "c.createPrivateKey({ key: o.rsaTraditional, passphrase: 'secret' }).equals(c.createPrivateKey(o.rsaPkcs1))",
            json!(true),
        ),
        ("c.createPrivateKey({ key: o.rsaEncrypted, passphrase: 'wrong' }).type", json!("ERR_OSSL_BAD_DECRYPT")),
        ("c.createPrivateKey(o.rsaEncrypted).type", json!("ERR_MISSING_PASSPHRASE")),
        (
            "c.createPrivateKey({ key: o.rsaJwk, format: 'jwk' }).export({ type: 'pkcs1', format: 'pem' }) === o.rsaPkcs1",
            json!(true),
        ),
        (
            "JSON.stringify(c.createPrivateKey(o.rsaPkcs1).export({ format: 'jwk' })) === JSON.stringify(o.rsaJwk)",
            json!(true),
        ),
        ("c.createPublicKey(o.rsaPkcs1).export({ type: 'spki', format: 'pem' }) === o.rsaPublic", json!(true)),
        ("c.createPublicKey(o.certificate).asymmetricKeyDetails.modulusLength", json!(2048)),
        ("c.createPrivateKey(o.ecSec1).export({ type: 'pkcs8', format: 'pem' }) === o.ecPkcs8", json!(true)),
        ("c.createPrivateKey(o.ecPkcs8).export({ type: 'sec1', format: 'pem' }) === o.ecSec1", json!(true)),
        ("c.createPrivateKey({ key: o.ecJwk, format: 'jwk' }).equals(c.createPrivateKey(o.ecSec1))", json!(true)),
        ("c.verify('sha256', message, o.ecPublic, Buffer.from(o.ecSigned, 'base64'))", json!(true)),
        ("c.verify(null, message, o.edPublic, Buffer.from(o.edSigned, 'base64'))", json!(true)),
        ("c.sign(null, message, o.edPkcs8).toString('base64') === o.edSigned", json!(true)),
        (
            "c.createPublicKey(c.createPrivateKey(o.edPkcs8)).export({ type: 'spki', format: 'pem' }) === o.edPublic",
            json!(true),
        ),
        (
            "subtle.verify('RSASSA-PKCS1-v1_5', await subtle.importKey('spki', c.createPublicKey(o.rsaPublic).export({ type: 'spki', format: 'der' }), \
             { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, false, ['verify']), Buffer.from(o.rsaSigned, 'base64'), message)",
            json!(true),
        ),
    ]);
}

#[test]
fn new_keys_work_in_every_way_they_may_be_used() {
    check(&[
        (
            "(() => { const { publicKey, privateKey } = c.generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' }, \
             privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' } }); \
             const key = { key: privateKey, passphrase: 'x' }; \
             return [c.privateDecrypt(key, c.publicEncrypt(publicKey, message)).equals(message), c.publicDecrypt(publicKey, c.privateEncrypt(key, message)).equals(message), \
             c.verify('sha512', message, publicKey, c.sign('sha512', message, key))]; })()",
            json!([true, true, true]),
        ),
        (
            "(() => { const sides = c.getCurves().map((curve) => { const [a, b] = [c.createECDH(curve), c.createECDH(curve)]; a.generateKeys(); \
             return a.computeSecret(b.generateKeys('hex', 'compressed'), 'hex', 'hex') === b.computeSecret(a.getPublicKey(), null, 'hex'); }); return sides; })()",
            json!([true, true, true, true]),
        ),
        (
            "(() => { const [a, b] = [c.generateKeyPairSync('x25519'), c.generateKeyPairSync('x25519')]; \
             return c.diffieHellman({ privateKey: a.privateKey, publicKey: b.publicKey }).equals(c.diffieHellman({ privateKey: b.privateKey, publicKey: a.publicKey })); })()",
            json!(true),
        ),
        (
            "(async () => { const make = () => subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, false, ['deriveKey']); const [a, b] = [await make(), await make()]; \
             const key = (own, other) => subtle.deriveKey({ name: 'ECDH', public: other.publicKey }, own.privateKey, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']); \
             const iv = crypto.getRandomValues(new Uint8Array(12)); const sealed = await subtle.encrypt({ name: 'AES-GCM', iv }, await key(a, b), message); \
             return Buffer.from(await subtle.decrypt({ name: 'AES-GCM', iv }, await key(b, a), sealed)).toString(); })()",
            json!("a message of some length"),
        ),
        (
            "(async () => { const wrapper = await subtle.generateKey({ name: 'AES-KW', length: 128 }, false, ['wrapKey', 'unwrapKey']); \
             const key = await subtle.importKey('raw', Buffer.alloc(32, 1), { name: 'HMAC', hash: 'SHA-256' }, true, ['sign']); \
             const back = await subtle.unwrapKey('raw', await subtle.wrapKey('raw', key, wrapper, 'AES-KW'), wrapper, 'AES-KW', { name: 'HMAC', hash: 'SHA-256' }, true, ['sign']); \
             return [hex(await subtle.exportKey('raw', back)), back.algorithm.hash.name]; })()",
            json!(["01".repeat(32), "SHA-256"]),
        ),
    ]);
}

#[test]
fn what_cannot_be_says_why() {
    check(&[
        ("crypto.getRandomValues(new Uint8Array(65537))", json!("QuotaExceededError")),
        ("crypto.getRandomValues(new Uint8Array(65536)).some((byte) => byte)", json!(true)),
        ("c.createHash('sha257')", json!("ERR_OSSL_EVP_UNSUPPORTED")),
        ("c.createCipheriv('aes-256-cbc', Buffer.alloc(31), Buffer.alloc(16))", json!("ERR_CRYPTO_INVALID_KEYLEN")),
        ("c.createCipheriv('aes-256-cbc', Buffer.alloc(32), Buffer.alloc(15))", json!("ERR_CRYPTO_INVALID_IV")),
        (
            "c.createDecipheriv('aes-128-cbc', Buffer.alloc(16), Buffer.alloc(16)).final()",
            json!("ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH"),
        ),
        (
            "(() => { const d = c.createDecipheriv('aes-128-cbc', Buffer.alloc(16), Buffer.alloc(16)); d.update(Buffer.alloc(16)); return d.final(); })()",
            json!("ERR_OSSL_BAD_DECRYPT"),
        ),
        (
            "(() => { const e = c.createCipheriv('aes-128-gcm', Buffer.alloc(16), Buffer.alloc(12)); const data = e.update('text'); e.final(); const tag = e.getAuthTag(); tag[3] ^= 1; \
             const d = c.createDecipheriv('aes-128-gcm', Buffer.alloc(16), Buffer.alloc(12)); d.setAuthTag(tag); d.update(data); return d.final(); })()",
            json!("Unsupported state or unable to authenticate data"),
        ),
        ("c.timingSafeEqual(Buffer.alloc(2), Buffer.alloc(3))", json!("ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH")),
        ("c.timingSafeEqual(Buffer.from('ab'), Buffer.from('ab'))", json!(true)),
        (
            "(() => { const h = c.createHash('md5'); h.digest(); return h.update('x'); })()",
            json!("ERR_CRYPTO_HASH_FINALIZED"),
        ),
        // Nobody reaches a state but by reaching into the object; what is found there is checked.
        (
            "(() => { const h = c.createHash('sha256').update('x'); h._state = Buffer.alloc(7); return h.digest(); })()",
            json!("invalid-parameter"),
        ),
        ("c.generateKeyPairSync('rsa', { modulusLength: 16384 })", json!("ERR_OUT_OF_RANGE")),
        (
            "c.generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 65536 })",
            json!("ERR_CRYPTO_OPERATION_FAILED"),
        ),
        ("c.scryptSync('x', 'y', 32, { N: 2 ** 20, r: 8, p: 16, maxmem: 2 ** 31 })", json!("ERR_OUT_OF_RANGE")),
        ("c.scryptSync('x', 'y', 32, { N: 2 ** 18, r: 8, maxmem: 2 ** 31 })", json!("ERR_OUT_OF_RANGE")),
        (
            "c.createPrivateKey('-----BEGIN PRIVATE KEY-----\\nMIIB\\n-----END PRIVATE KEY-----')",
            json!("ERR_OSSL_UNSUPPORTED"),
        ),
        ("c.createDiffieHellman(512)", json!("ERR_FEATURE_UNAVAILABLE_ON_PLATFORM")),
        ("subtle.importKey('raw', Buffer.alloc(15), 'AES-GCM', false, ['encrypt'])", json!("DataError")),
        ("subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, [])", json!("SyntaxError")),
        ("subtle.digest('md5', Buffer.alloc(1))", json!("NotSupportedError")),
    ]);
}

#[test]
fn a_hash_of_the_top_level_goes_on_in_every_invocation() {
    let code = "import { createHash, createHmac, createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
        const hash = createHash('sha256').update('a');
        const code = createHmac('sha1', 'key').update('a');
        const { privateKey, publicKey } = generateKeyPairSync('ed25519');
        const drawn = randomBytes(8).toString('hex');
        let calls = 0;
        export default () => [hash.copy().update('bc').digest('hex'), code.update('b').digest('hex'), publicKey.export({ format: 'jwk' }).x, drawn,
          randomBytes(8).toString('hex'), crypto.randomUUID(), calls++];";
    let body = json!({ "functions": { "f": { "code": code, "isolation": "request" } } });
    let workspace = Workspace::new().with(body);
    let [one, other] = [workspace.result("f"), workspace.result("f")];
    assert_eq!(one[0], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for same in [0, 1, 2, 3, 6] {
        assert_eq!(one[same], other[same], "what the top level left is in each fork");
    }
    for drawn in [4, 5] {
        assert_ne!(one[drawn], other[drawn], "no two forks draw the same");
    }
}

#[test]
fn a_billion_iterations_end_at_the_deadline_and_nobody_waits_for_them() {
    let endless = "return require('crypto').pbkdf2Sync('x', 'y', 2 ** 31 - 1, 32, 'sha256').length;";
    let short = "return require('crypto').pbkdf2Sync('x', 'y', 1000, 32, 'sha256').length;";
    let hostile = Workspace::new().with(json!({ "functions": {
        "endless": { "code": endless, "timeout": 6000 }, "short": { "code": short, "timeout": 20000 },
    }}));
    let stranger = Workspace::new().javascript("f", "return 7").javascript("short", short);
    stranger.result("short");
    std::thread::scope(|scope| {
        let attack: Vec<_> = (0..6).map(|_| scope.spawn(|| hostile.run("endless", json!({})))).collect();
        let mut slowest = Duration::ZERO;
        while !attack.iter().all(|call| call.is_finished()) {
            let began = Instant::now();
            assert_eq!(stranger.result("f"), 7);
            assert_eq!(stranger.result("short"), 32);
            slowest = slowest.max(began.elapsed());
        }
        assert!(slowest < Duration::from_millis(3000), "a stranger waited {slowest:?}");
        for call in attack {
            call.join().expect("an answer").fails(504, "timeout", "6000 ms");
        }
    });
    // The work ended with its invocations: its turns are free.
    let began = Instant::now();
    assert_eq!(hostile.result("short"), 32);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}
