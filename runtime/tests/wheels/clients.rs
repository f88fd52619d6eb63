//! Clients of HTTP from Python's package index, as they come, against servers on loopback, with TLS and without.

use crate::client::listen;
use crate::workspace;
use ::http::{Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Two servers that answer the same, one of them with TLS, and whose certificate to trust for that.
struct Upstream {
    plain: u16,
    secure: u16,
    authority: String,
}

impl Upstream {
    fn start() -> Self {
        let key = KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_string(), "127.0.0.1".to_string()];
        let certificate = CertificateParams::new(names).expect("names").self_signed(&key).expect("a certificate");
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.der().clone()], key).expect("a certificate with its key");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let serve = hyper::server::conn::http1::Builder::new;
        let plain = listen(move |stream| serve().serve_connection(TokioIo::new(stream), service_fn(answer)));
        let secure = listen(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let _ = serve().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
                }
            }
        });
        Self { plain, secure, authority: certificate.pem() }
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let response = Response::builder().header(header::CONTENT_TYPE, "application/json");
    let (response, text) = match head.uri.path() {
        "/redirect" => (response.status(StatusCode::FOUND).header(header::LOCATION, "/there"), String::new()),
        path => {
            if path == "/slow" {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let body = String::from_utf8_lossy(&body);
            (response, json!({ "method": head.method.as_str(), "path": path, "body": body }).to_string())
        }
    };
    Ok(response.body(Full::new(text.into())).expect("a response"))
}

/// Runs a function on the addresses of both servers, twice.
fn check(code: &str, expected: &Value) {
    let upstream = Upstream::start();
    let Some(workspace) = workspace(code, &[upstream.plain, upstream.secure]) else { return };
    let event = json!({
        "plain": format!("http://127.0.0.1:{}", upstream.plain),
        "secure": format!("https://localhost:{}", upstream.secure),
        "ca": upstream.authority,
    });
    for _ in 0..2 {
        assert_eq!(workspace.run("f", event.clone()).result(), *expected);
    }
}

#[test]
fn requests_and_urllib3_work_as_they_come() {
    check(
        "
import requests, urllib3
session = requests.Session()
def handler(event):
    plain, secure = event['plain'], event['secure']
    with open('/tmp/ca.pem', 'w') as file: file.write(event['ca'])
    seen = [session.get(plain + '/a').json()['path'], session.get(plain + '/redirect').json()['path']]
    answer = session.post(secure + '/b', data={'x': 'ü'}, verify='/tmp/ca.pem')
    seen += [answer.status_code, answer.json()['body']]
    for url, how in ((secure + '/c', {}), ('http://127.0.0.1:1/', {}), (plain + '/slow', {'timeout': 0.02})):
        try: session.get(url, **how)
        except requests.RequestException as error: seen.append([type(error).__name__, 'to `egress`' in str(error)])
    with urllib3.PoolManager(ca_certs='/tmp/ca.pem', maxsize=2) as pool:
        seen += [pool.request('PUT', secure + '/d', json={'a': 1}).json()['body'], pool.request('GET', plain + '/e').status]
    return seen
",
        &json!([
            "/a",
            "/there",
            200,
            "x=%C3%BC",
            ["SSLError", false],
            ["ConnectionError", true],
            ["ReadTimeout", false],
            "{\"a\":1}",
            200
        ]),
    );
}

#[test]
fn httpx_works_as_it_comes() {
    check(
        "
import asyncio, ssl, time
import httpx
clients = None
async def handler(event):
    global clients
    plain, secure = event['plain'], event['secure']
    if clients is None:
        context = ssl.create_default_context(cadata=event['ca'])
        clients = httpx.Client(verify=context), httpx.AsyncClient(verify=context)
    sync, client = clients
    seen = [sync.get(plain + '/a').json()['path'], sync.post(secure + '/b', json=[1]).json()['body']]
    seen += [(await client.get(plain + '/redirect', follow_redirects=True)).json()['path'], (await client.post(secure + '/d', content='x')).json()['body']]
    async with client.stream('GET', secure + '/e') as response:
        seen.append(len([each async for each in response.aiter_lines()]))
    for url, how in ((secure.replace('localhost', '127.0.0.2'), {}), (plain + '/slow', {'timeout': 0.02})):
        try: await client.get(url, **how)
        except httpx.HTTPError as error: seen.append(type(error).__name__)
    # Other tests share the machine: the best of five counts, and what is computed meanwhile takes its time in a build that is
    # not optimised.
    took = []
    for _ in range(5):
        began = time.monotonic()
        answers = await asyncio.gather(*(client.get(plain + '/slow') for _ in range(10)))
        took.append(time.monotonic() - began)
    best = min(took)
    # One after the other they would take a second at least.
    return seen + [len(answers), best < 0.8 or best]
",
        &json!(["/a", "[1]", "/there", "x", 1, "ConnectError", "ReadTimeout", 10, true]),
    );
}
