//! TCP and TLS of functions: `node:net` and `node:tls`, what they may reach, and what lives on from one call to the next.

use crate::client::{Workspace, listen};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// A server that answers each line with `echo LINE`; `bye` ends it, `tls` begins TLS, `many N` sends N bytes, `after N LINE`
/// waits so many milliseconds before its answer, and `GET` and `POST` are requests of HTTP without a body, answered with their path.
pub struct Echo {
    pub port: u16,
    accepted: Arc<AtomicU32>,
    pub authority: String,
}

impl Echo {
    /// With TLS from the first byte, or on demand.
    pub fn start(secure: bool) -> Self {
        let key = KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_string(), "127.0.0.1".to_string()];
        let certificate = CertificateParams::new(names).expect("names").self_signed(&key).expect("a certificate");
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            )
            .expect("a certificate with its key");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let accepted = Arc::new(AtomicU32::new(0));
        let count = accepted.clone();
        let port = listen(move |stream| {
            count.fetch_add(1, Ordering::Relaxed);
            let acceptor = acceptor.clone();
            async move {
                if secure {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        talk(BufReader::new(stream)).await;
                    }
                } else if let Some(stream) = talk(BufReader::new(stream)).await
                    && let Ok(stream) = acceptor.accept(stream.into_inner()).await
                {
                    talk(BufReader::new(stream)).await;
                }
            }
        });
        Self { port, accepted, authority: certificate.pem() }
    }

    pub fn accepted(&self) -> u32 {
        self.accepted.load(Ordering::Relaxed)
    }

    fn workspace(&self, egress: &[&str], functions: &[(&str, &str)]) -> Workspace<'static> {
        let egress: Vec<String> = egress.iter().map(|rule| rule.replace("PORT", &self.port.to_string())).collect();
        let functions: serde_json::Map<String, Value> =
            functions.iter().map(|(name, code)| (name.to_string(), json!({ "code": code }))).collect();
        Workspace::new().with(json!({ "egress": egress, "functions": functions }))
    }
}

/// Comes back with the stream where TLS is to begin.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(mut stream: BufReader<S>) -> Option<BufReader<S>> {
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "bye" => {
                stream.write_all(b"bye\n").await.ok()?;
                stream.shutdown().await.ok()?;
                return None;
            }
            "tls" => {
                stream.write_all(b"go\n").await.ok()?;
                return Some(stream);
            }
            other if other.ends_with(" HTTP/1.1") => {
                let path = other.split(' ').nth(1)?.to_string();
                while line.trim_end() != "" {
                    line.clear();
                    stream.read_line(&mut line).await.ok()?;
                }
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}", path.len());
                stream.write_all(answer.as_bytes()).await.ok()?;
            }
            other if other.starts_with("after ") => {
                let (time, said) = other["after ".len()..].split_once(' ')?;
                tokio::time::sleep(Duration::from_millis(time.parse().ok()?)).await;
                stream.write_all(format!("echo {said}\n").as_bytes()).await.ok()?;
            }
            other => {
                let answer = match other.strip_prefix("many ").and_then(|count| count.parse().ok()) {
                    Some(count) => vec![b'x'; count],
                    None => format!("echo {other}\n").into_bytes(),
                };
                stream.write_all(&answer).await.ok()?;
            }
        }
    }
}

const LINES: &str = r#"
const net = require("node:net"), tls = require("node:tls");
const line = (socket) => new Promise((resolve, reject) => {
  let text = "";
  const take = (piece) => { text += piece; if (text.endsWith("\n")) { socket.off("data", take); resolve(text.trim()); } };
  socket.on("data", take); socket.once("error", reject);
});
const failed = (socket) => new Promise((resolve) => socket.once("error", (error) => resolve([error.code, error.message])));
"#;

#[test]
fn a_socket_talks_and_ends() {
    let echo = Echo::start(false);
    let code = format!(
        "{LINES}
        exports.handler = async ({{ port }}) => {{
          const seen = [];
          const socket = net.connect({{ port, host: '127.0.0.1' }}, () => seen.push('connected'));
          socket.setEncoding('utf8');
          seen.push(socket.readyState);
          socket.write('a\\n');
          seen.push(await line(socket), socket.readyState, socket.remoteAddress, socket.remotePort === port, typeof socket.localPort);
          const closed = new Promise((done) => socket.once('close', (hadError) => done(['closed', hadError])));
          socket.end('bye\\n');
          seen.push(await line(socket), await closed, socket.bytesWritten, socket.bytesRead, socket.destroyed);
          return seen;
        }}"
    );
    let workspace = echo.workspace(&["127.0.0.1:PORT"], &[("f", &code)]);
    for _ in 0..2 {
        assert_eq!(
            workspace.run("f", json!({ "port": echo.port })).result(),
            json!([
                "opening",
                "connected",
                "echo a",
                "open",
                "127.0.0.1",
                true,
                "number",
                "bye",
                ["closed", false],
                6,
                11,
                true
            ])
        );
    }
    assert_eq!(echo.accepted(), 2);
}

#[test]
fn large_amounts_flow_both_ways() {
    let echo = Echo::start(false);
    let code = format!(
        "{LINES}
        exports.handler = async ({{ port }}) => {{
          const socket = net.connect(port, '127.0.0.1');
          const long = 'y'.repeat(3_000_000);
          let text = '';
          socket.setEncoding('latin1');
          socket.write(long + '\\n');
          socket.on('data', (piece) => {{ text += piece; if (text.length === long.length + 6) socket.write('many 5000000\\n'); if (text.length === long.length + 6 + 5_000_000) socket.end(); }});
          await new Promise((done) => socket.once('close', done));
          return [text.length, text.slice(0, 6), text.endsWith('xxx'), socket.bytesWritten, socket.bytesRead];
        }}"
    );
    let workspace = echo.workspace(&["127.0.0.1:PORT"], &[("f", &code)]);
    assert_eq!(
        workspace.run("f", json!({ "port": echo.port })).result(),
        json!([8_000_006, "echo y", true, 3_000_014, 8_000_006])
    );
}

#[test]
fn only_what_is_named_with_its_port_is_reached() {
    let echo = Echo::start(false);
    let code = format!("{LINES}exports.handler = ({{ port, host }}) => failed(net.connect(port, host))");
    for rules in [&[][..], &["127.0.0.1"], &["*"], &["127.0.0.1:1"], &["*:PORT"]] {
        let workspace = echo.workspace(rules, &[("f", &code)]);
        let result = workspace.run("f", json!({ "port": echo.port, "host": "127.0.0.1" })).result();
        assert_eq!(result[0], "EACCES", "{rules:?}: {result}");
        assert!(result[1].as_str().is_some_and(|message| message.contains("egress")), "{result}");
    }
    assert_eq!(echo.accepted(), 0);
    let workspace = echo.workspace(&["127.0.0.1:1", "nowhere.invalid:5"], &[("f", &code)]);
    let refused = workspace.run("f", json!({ "port": 1, "host": "127.0.0.1" })).result();
    assert_eq!(refused, json!(["ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:1"]));
    let unknown = workspace.run("f", json!({ "port": 5, "host": "nowhere.invalid" })).result();
    assert_eq!(unknown, json!(["ENOTFOUND", "getaddrinfo ENOTFOUND nowhere.invalid"]));
}

#[test]
fn a_connection_serves_many_calls_of_its_instance() {
    let echo = Echo::start(false);
    let code = format!(
        "{LINES}
        let socket;
        exports.handler = async ({{ port, text }}) => {{
          socket ??= net.connect(port, '127.0.0.1').setEncoding('utf8');
          const answer = line(socket);
          socket.write(text + '\\n');
          return answer;
        }}
        exports.quit = async () => {{ socket.write('bye\\n'); return null; }}
        exports.state = async () => {{ await new Promise((done) => setTimeout(done, 5)); return [socket.destroyed, socket.readyState]; }}"
    );
    let workspace = echo.workspace(&["127.0.0.1:PORT"], &[("f", &code)]);
    for text in ["one", "two", "three"] {
        let result = workspace.run("f", json!({ "port": echo.port, "text": text })).result();
        assert_eq!(result, json!(format!("echo {text}")));
    }
    assert_eq!(echo.accepted(), 1);
    // What arrived after a call is there in the next one: here the peer's end.
    workspace.run("f.quit", json!({})).result();
    let gone = |workspace: &Workspace| workspace.run("f.state", json!({})).result()[0] == json!(true);
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while !gone(&workspace) {
        assert!(std::time::Instant::now() < until, "the end of the connection is seen");
    }
}

#[test]
fn a_top_level_that_connects_has_no_image_and_says_so() {
    let echo = Echo::start(false);
    let code = format!(
        "{LINES}
        const socket = net.connect({}, '127.0.0.1').setEncoding('utf8');
        await new Promise((done) => socket.once('connect', done));
        export default async () => {{ const answer = line(socket); socket.write('x\\n'); return answer; }}",
        echo.port
    )
    .replace("const net = require(\"node:net\"), tls = require(\"node:tls\");", "import net from 'node:net';");
    let workspace = Workspace::new();
    let rule = format!("127.0.0.1:{}", echo.port);
    let spec = json!({ "egress": [rule], "functions": { "f": { "code": code } } });
    let answer = workspace.client.post(&workspace.path(""), &spec).expect(200).json();
    assert!(answer["warnings"][0].as_str().is_some_and(|text| text.contains("handle")), "{answer}");
    assert_eq!(workspace.run("f", json!({})).result(), json!("echo x"));
}

#[test]
fn tls_is_checked_by_the_host() {
    let echo = Echo::start(true);
    let code = format!(
        "{LINES}
        exports.handler = async ({{ port, host, options }}) => {{
          const socket = tls.connect({{ port, host, ...options }});
          socket.setEncoding('utf8');
          const outcome = await Promise.race([failed(socket), new Promise((done) => socket.once('secureConnect', () => done(null)))]);
          if (outcome) return outcome;
          const answer = line(socket);
          socket.write('s\\n');
          return [await answer, socket.encrypted, socket.authorized];
        }}"
    );
    let rules = ["127.0.0.1:PORT", "localhost:PORT"];
    let workspace = echo.workspace(&rules, &[("f", &code)]);
    let connect = |host: &str, options: Value| {
        workspace.run("f", json!({ "port": echo.port, "host": host, "options": options })).result()
    };
    assert_eq!(connect("127.0.0.1", json!({}))[0], "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
    assert_eq!(connect("localhost", json!({ "ca": echo.authority })), json!(["echo s", true, true]));
    assert_eq!(connect("127.0.0.1", json!({ "ca": [echo.authority] })), json!(["echo s", true, true]));
    let wrong = connect("127.0.0.1", json!({ "ca": echo.authority, "servername": "other.test" }));
    assert_eq!(wrong[0], "ERR_TLS_CERT_ALTNAME_INVALID", "{wrong}");
    assert_eq!(connect("127.0.0.1", json!({ "rejectUnauthorized": false })), json!(["echo s", true, false]));
    assert_eq!(connect("127.0.0.1", json!({ "ca": "no PEM" }))[0], "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
}

#[test]
fn a_plain_connection_becomes_a_secure_one() {
    let echo = Echo::start(false);
    let code = format!(
        "{LINES}
        exports.handler = async ({{ port, ca }}) => {{
          const plain = net.connect(port, '127.0.0.1').setEncoding('utf8');
          plain.write('tls\\n');
          const go = await line(plain);
          const socket = tls.connect({{ socket: plain, ca, servername: 'localhost' }});
          socket.setEncoding('utf8');
          const answer = line(socket);
          socket.write('secret\\n');
          const said = await answer;
          socket.end('bye\\n');
          return [go, said, socket.authorized];
        }}"
    );
    let workspace = echo.workspace(&["127.0.0.1:PORT"], &[("f", &code)]);
    let result = workspace.run("f", json!({ "port": echo.port, "ca": echo.authority })).result();
    assert_eq!(result, json!(["go", "echo secret", true]));
}

#[test]
fn sockets_have_bounds_and_give_back_what_they_took() {
    let echo = Echo::start(false);
    let code = format!(
        "{LINES}
        exports.handler = async ({{ port, count }}) => {{
          const sockets = Array.from({{ length: count }}, () => net.connect(port, '127.0.0.1'));
          const outcomes = await Promise.all(sockets.map((socket) => Promise.race([failed(socket), new Promise((done) => socket.once('connect', () => done(['ok'])))])));
          sockets.forEach((socket) => socket.destroy());
          return outcomes.map(([code]) => code);
        }}"
    );
    let workspace = echo.workspace(&["127.0.0.1:PORT"], &[("f", &code)]);
    for _ in 0..3 {
        let result = workspace.run("f", json!({ "port": echo.port, "count": 33 })).result();
        let outcomes = result.as_array().expect("a list");
        let count = |what: &str| outcomes.iter().filter(|outcome| *outcome == what).count();
        assert_eq!((count("ok"), count("EMFILE")), (32, 1), "{result}");
    }
}

/// A server with TLS that talks to nobody without a certificate of its own authority. It answers lines as [`Echo`] does, or an
/// HTTP request by `hello`.
pub struct Guarded {
    pub echo: Echo,
    /// Certificate and key of a client that it lets in.
    pub client: (String, String),
}

impl Guarded {
    pub fn start() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = params.self_signed(&key).expect("an authority");
        let issuer = Issuer::new(params, key);
        let issue = |name: &str| -> (Certificate, KeyPair) {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec![name.to_string()]).expect("a name");
            (params.signed_by(&key, &issuer).expect("a certificate"), key)
        };
        let (client, client_key) = issue("client.test");
        let (server, server_key) = issue("localhost");
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).expect("an authority");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier.expect("a verifier"))
            .with_single_cert(
                vec![server.der().clone()],
                PrivateKeyDer::try_from(server_key.serialize_der()).expect("a key"),
            )
            .expect("a certificate with its key");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let accepted = Arc::new(AtomicU32::new(0));
        let count = accepted.clone();
        let port = listen(move |stream| {
            let (acceptor, count) = (acceptor.clone(), count.clone());
            async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                count.fetch_add(1, Ordering::Relaxed);
                let mut stream = BufReader::new(stream);
                if stream.fill_buf().await.is_ok_and(|bytes| bytes.starts_with(b"GET ")) {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
                    stream.write_all(answer).await.ok();
                    stream.shutdown().await.ok();
                } else {
                    talk(stream).await;
                }
            }
        });
        let echo = Echo { port, accepted, authority: authority.pem() };
        Self { echo, client: (client.pem(), client_key.serialize_pem()) }
    }

    /// A workspace with a function that connects by `tls`, and one that asks by `https`.
    fn workspace(&self) -> Workspace<'static> {
        let by_tls = format!(
            "{LINES}
            exports.handler = async ({{ port, options, context, buffers, upgrade }}) => {{
              if (buffers) for (const name of ['cert', 'key']) options[name] = Buffer.from(options[name]);
              if (context) options = {{ secureContext: tls.createSecureContext(options) }};
              let socket;
              try {{ socket = upgrade ? tls.connect({{ socket: net.connect(port, 'localhost'), servername: 'localhost', ...options }}) : tls.connect({{ port, host: 'localhost', ...options }}) }} catch (error) {{ return ['thrown', error.code, error.message] }}
              socket.setEncoding('utf8');
              const failure = failed(socket);
              const answer = line(socket);
              answer.catch(() => {{}});
              socket.write('s\\n');
              return Promise.race([failure, answer]);
            }}"
        );
        let by_https = "const https = require('node:https');
            exports.handler = ({ port, options, agent }) => new Promise((resolve) => {
              if (agent) options = { agent: new https.Agent(options) };
              const failed = (error) => resolve([error.code, error.message]);
              try {
                https.get({ port, host: 'localhost', path: '/', ...options }, (response) => {
                  let text = '';
                  response.setEncoding('utf8').on('data', (piece) => { text += piece }).on('end', () => resolve(text)).on('error', failed);
                }).on('error', failed);
              } catch (error) { failed(error) }
            })";
        let rules = ["localhost:PORT"];
        self.echo.workspace(&rules, &[("tls", &by_tls), ("https", by_https)])
    }
}

#[test]
fn a_client_shows_its_own_certificate() {
    let guarded = Guarded::start();
    let workspace = guarded.workspace();
    let (port, ca) = (guarded.echo.port, &guarded.echo.authority);
    let (cert, key) = &guarded.client;
    let ask = |function: &str, options: Value, more: Value| {
        let mut parameters = json!({ "port": port, "options": options });
        parameters.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        workspace.run(function, parameters).result()
    };
    let known = json!({ "ca": ca, "cert": cert, "key": key });
    for (more, options) in [
        (json!({}), known.clone()),
        (json!({ "buffers": true }), known.clone()),
        (json!({ "context": true }), known.clone()),
        // As clients of databases do after a first exchange.
        (json!({ "upgrade": true }), known.clone()),
        (json!({}), json!({ "ca": ca, "cert": [cert], "key": [{ "pem": key }] })),
        (json!({}), json!({ "rejectUnauthorized": false, "cert": format!("{cert}{ca}"), "key": key })),
    ] {
        assert_eq!(ask("tls", options.clone(), more.clone()), "echo s", "{options} {more}");
    }
    assert_eq!(ask("https", known.clone(), json!({})), "hello");
    assert_eq!(ask("https", known.clone(), json!({ "agent": true })), "hello");
    let accepted = guarded.echo.accepted();
    assert_eq!(accepted, 8);

    // Without one, also right after a connection with one, there is no answer.
    let without = ask("tls", json!({ "ca": ca }), json!({}));
    assert_eq!(without[0], "EPROTO", "{without}");
    assert!(without[1].as_str().is_some_and(|text| text.contains("CertificateRequired")), "{without}");
    let without = ask("https", json!({ "ca": ca }), json!({}));
    assert_eq!(without[0], "ERR_TLS_HANDSHAKE", "{without}");
    assert!(without[1].as_str().is_some_and(|text| text.contains("CertificateRequired")), "{without}");
    // Nor with one of somebody else.
    let stranger = Guarded::start();
    let (cert_of_stranger, key_of_stranger) = &stranger.client;
    let options = json!({ "ca": ca, "cert": cert_of_stranger, "key": key_of_stranger });
    for function in ["tls", "https"] {
        let refused = ask(function, options.clone(), json!({}));
        assert!(refused[1].as_str().is_some_and(|text| text.contains("fatal alert")), "{refused}");
    }
    // What is wrong with certificate and key is said before anything is sent.
    let other = KeyPair::generate().expect("a key").serialize_pem();
    for (function, code) in [("tls", "ERR_INVALID_ARG_VALUE"), ("https", "ERR_TLS_HANDSHAKE")] {
        for (cert, key, said) in [
            (cert.as_str(), other.as_str(), "do not belong together"),
            ("none", key, "no certificate in what was given"),
            (cert, "none", "no private key in what was given"),
            (cert, cert, "no private key in what was given"),
            (cert, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "cannot be used"),
        ] {
            let refused = ask(function, json!({ "ca": ca, "cert": cert, "key": key }), json!({}));
            assert_eq!(refused[0], code, "{refused}");
            assert!(refused[1].as_str().is_some_and(|text| text.contains(said)), "{refused}");
        }
    }
    assert_eq!(guarded.echo.accepted(), accepted);
}

#[test]
fn a_clients_key_may_have_a_passphrase() {
    let guarded = Guarded::start();
    let code = format!(
        "{LINES}
        const crypto = require('node:crypto');
        exports.handler = async ({{ port, ca, cert, key, given }}) => {{
          const locked = crypto.createPrivateKey(key).export({{ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'secret' }});
          const options = {{ pair: {{ key: [{{ pem: locked, passphrase: 'secret' }}] }}, plain: {{ key: locked, passphrase: 'secret' }}, wrong: {{ key: locked, passphrase: 'no' }}, none: {{ key: locked }}, pfx: {{ pfx: 'x' }} }}[given];
          try {{
            const socket = tls.connect({{ port, host: 'localhost', ca, cert, ...options }}).setEncoding('utf8');
            socket.write('s\\n');
            return await line(socket);
          }} catch (error) {{ return [error.code, error.message] }}
        }}"
    );
    let workspace = guarded.echo.workspace(&["localhost:PORT"], &[("f", &code)]);
    let (cert, key) = &guarded.client;
    let ask = |given: &str| {
        let parameters = json!({ "port": guarded.echo.port, "ca": guarded.echo.authority, "cert": cert, "key": key, "given": given });
        workspace.run("f", parameters).result()
    };
    assert_eq!(ask("plain"), "echo s");
    assert_eq!(ask("pair"), "echo s");
    // As in Node: one wrong key in 256 makes bytes that end as decrypted ones do, and are no key.
    let wrong = ask("wrong");
    assert!(["ERR_OSSL_BAD_DECRYPT", "ERR_OSSL_UNSUPPORTED"].iter().any(|code| wrong[0] == *code), "{wrong}");
    assert_eq!(ask("none")[0], "ERR_MISSING_PASSPHRASE");
    let pfx = ask("pfx");
    assert_eq!(pfx[0], "ERR_NOT_SUPPORTED");
    assert!(pfx[1].as_str().is_some_and(|text| text.contains("openssl pkcs12")), "{pfx}");
}
