//! The yardstick: hyper with nothing behind it. It parses the same JSON, and answers the same bytes.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::convert::Infallible;

/// The argument that makes this program that server.
pub const ROLE: &str = "bare-hyper";

#[derive(Deserialize)]
struct Run {
    parameters: Parameters,
}

#[derive(Deserialize)]
struct Parameters {
    name: String,
}

pub fn serve(port: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.expect("a free port");
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            tokio::spawn(async move {
                let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
                let _ = served.await;
            });
        }
    });
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let text = match serde_json::from_slice::<Run>(&body) {
        Ok(run) => format!(r#"{{"result":"Hello {}","logs":[],"duration":0.042}}"#, run.parameters.name),
        Err(error) => error.to_string(),
    };
    let mut response = Response::new(Full::new(text.into()));
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    // As long as the identifier that the server answers with.
    let id = http::HeaderValue::from_static("019aa000-0000-7000-8000-000000000000");
    response.headers_mut().insert("x-request-id", id);
    Ok(response)
}
