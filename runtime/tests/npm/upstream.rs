//! A server for what functions fetch: it answers each request with what it was asked, and an authority's tokens at `/token`.

use crate::client::listen;
use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::convert::Infallible;

/// Starts one, and answers its port.
pub fn start() -> u16 {
    listen(|stream| {
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer))
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let answer = match head.uri.path() {
        "/token" => json!({ "access_token": "given", "token_type": "Bearer", "expires_in": 3600 }),
        path => json!({
            "method": head.method.as_str(),
            "path": path,
            "type": header("content-type").split(';').next(),
            "authorization": header("authorization"),
            "body": String::from_utf8_lossy(&body),
        }),
    };
    let response = Response::builder().header("content-type", "application/json");
    Ok(response.body(Full::new(answer.to_string().into())).expect("a response"))
}
