//! A request's body: read within its bounds, and understood as far as the server needs to.

use crate::arriving::Arriving;
use crate::error::RequestError;
use crate::invoke::proxy::{self, RequestBody};
use crate::limits::{self, ByteSize};
use crate::routing::{Route, Style};
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::BodyExt;
use hyper::body::Body;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Reads bodies, and knows how much memory they take together.
pub struct Bodies {
    limit: ByteSize,
    /// In KiB.
    room: Arc<Semaphore>,
}

/// A request, read as far as it is to be.
pub struct Input {
    pub head: http::request::Parts,
    /// Empty where it is read as it arrives.
    pub body: Bytes,
    /// What is read as it arrives.
    pub rest: Option<Arriving>,
    _room: Option<OwnedSemaphorePermit>,
}

/// `run` is a POST; `http` takes every method.
pub fn check_method(request: &Request<Arriving>, route: &Route<'_>) -> Result<(), RequestError> {
    if route.style == Style::Run && request.method() != Method::POST {
        let message = format!("a function is run by POST, not by {}", request.method());
        return Err(RequestError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message));
    }
    Ok(())
}

impl Bodies {
    pub fn new(limit: ByteSize) -> Self {
        Self { limit, room: Arc::new(Semaphore::new((limits::BUFFERED_BODIES.0 >> 10) as usize)) }
    }

    /// Reads an invocation's body; not where its program reads it as it arrives, and it is not small.
    pub async fn read(
        &self,
        request: Request<Arriving>,
        style: Style,
        keep_authorization: bool,
        as_it_arrives: bool,
    ) -> Result<Input, RequestError> {
        let (mut head, body) = request.into_parts();
        if style == Style::Http && !keep_authorization {
            // The token is for this server; a function must not be able to use it.
            head.headers.remove(header::AUTHORIZATION);
        }
        if as_it_arrives && body.size_hint().upper().is_none_or(|size| size > limits::SMALL_BODY.0) {
            return Ok(Input { head, body: Bytes::new(), rest: Some(body), _room: None });
        }
        let (body, room) = self.collect(body, self.limit).await?;
        Ok(Input { head, body, rest: None, _room: room })
    }

    /// Reads any body, up to a limit.
    pub async fn collect<B>(
        &self,
        body: B,
        limit: ByteSize,
    ) -> Result<(Bytes, Option<OwnedSemaphorePermit>), RequestError>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let hint = body.size_hint();
        let mut body = std::pin::pin!(body);
        if hint.lower() > limit.0 {
            return Err(too_large(limit));
        }
        if body.is_end_stream() {
            return Ok((Bytes::new(), None));
        }
        let most = hint.upper().unwrap_or(limit.0).min(limit.0);
        let room = if most > limits::SMALL_BODY.0 {
            let kib = u32::try_from(most.div_ceil(1024)).unwrap_or(u32::MAX);
            let room = self.room.clone().try_acquire_many_owned(kib).map_err(|_| RequestError {
                retry_after: Some(std::time::Duration::from_secs(1)),
                ..RequestError::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "capacity",
                    "the server holds as many request bodies as it may at once",
                )
            })?;
            Some(room)
        } else {
            None
        };
        match tokio::time::timeout(limits::BODY_TIMEOUT, whole(body.as_mut(), limit)).await {
            Ok(Ok(Some(bytes))) => Ok((bytes, room)),
            Ok(Ok(None)) => Err(too_large(limit)),
            Ok(Err(error)) => {
                let message = format!("the request's body cannot be read: {}", error.into());
                Err(RequestError::new(StatusCode::BAD_REQUEST, "bad_request", message))
            }
            Err(_) => {
                let message = format!("the request's body did not arrive within {} s", limits::BODY_TIMEOUT.as_secs());
                Err(RequestError::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message))
            }
        }
    }
}

/// A body in one piece; none where it is larger than the limit.
async fn whole<B: Body<Data = Bytes>>(mut body: Pin<&mut B>, limit: ByteSize) -> Result<Option<Bytes>, B::Error> {
    // A small body has mostly arrived with its head, in one piece that need not be copied.
    let (mut first, mut all, mut size) = (Bytes::new(), Vec::new(), 0u64);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        size += data.len() as u64;
        if size > limit.0 {
            return Ok(None);
        }
        if first.is_empty() && all.is_empty() {
            first = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
    }
    Ok(Some(if all.is_empty() { first } else { all.into() }))
}

fn too_large(limit: ByteSize) -> RequestError {
    let message = format!("the request's body is larger than the {limit} that are allowed (REQUEST_MAX_SIZE)");
    RequestError::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
}

/// JSON of a request, or what is wrong with it and where.
pub fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, RequestError> {
    check_depth(body)?;
    serde_json::from_slice(body).map_err(|error| {
        let (code, what) = match error.classify() {
            serde_json::error::Category::Data => ("bad_request", "the body is not what is expected here"),
            _ => ("invalid_json", "the body is not valid JSON"),
        };
        RequestError::new(StatusCode::BAD_REQUEST, code, format!("{what}: {error}"))
    })
}

/// serde_json skips over values that nobody looks into, however deep; an interpreter's parser would not survive them.
fn check_depth(body: &[u8]) -> Result<(), RequestError> {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0usize, 0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    if deepest <= limits::MAX_JSON_DEPTH {
        return Ok(());
    }
    let message = format!("the body nests {deepest} deep; {} are allowed", limits::MAX_JSON_DEPTH);
    Err(RequestError::new(StatusCode::BAD_REQUEST, "invalid_json", message))
}

impl Input {
    /// The parameters of `run`, as they were written.
    pub fn parameters(&self) -> Result<String, RequestError> {
        #[derive(Deserialize)]
        struct Run<'a> {
            #[serde(borrow)]
            parameters: Option<&'a RawValue>,
        }
        if self.body.is_empty() {
            return Ok("{}".into());
        }
        let run: Run<'_> = json(&self.body)?;
        match run.parameters.map(RawValue::get) {
            None | Some("null") => Ok("{}".into()),
            Some(parameters) if parameters.starts_with('{') => Ok(parameters.into()),
            Some(_) => Err(RequestError::new(
                StatusCode::BAD_REQUEST,
                "bad_request",
                "`parameters` must be an object, such as {\"parameters\": {\"name\": \"world\"}}",
            )),
        }
    }

    /// The request for a component, at the path that it sees.
    pub fn forward(self, path: &str) -> Result<Request<RequestBody>, RequestError> {
        let mut head = self.head;
        let path_and_query = match head.uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_string(),
        };
        head.uri = Uri::builder().path_and_query(path_and_query).build().map_err(|error| {
            RequestError::new(StatusCode::BAD_REQUEST, "bad_request", format!("the path is not valid: {error}"))
        })?;
        // HTTP/1.0 knows requests without one; components do not.
        head.headers.entry(header::HOST).or_insert(http::HeaderValue::from_static("localhost"));
        let body = self.rest.map_or_else(|| proxy::whole(self.body), proxy::arriving);
        Ok(Request::from_parts(head, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        assert!(check_depth("[".repeat(128).as_bytes()).is_ok());
        assert!(check_depth("[".repeat(129).as_bytes()).is_err());
        assert!(check_depth(format!("\"{}\"", "[".repeat(500)).as_bytes()).is_ok());
        assert!(check_depth(format!("\"\\\"{}\"", "[".repeat(500)).as_bytes()).is_ok());
        assert!(check_depth(format!("\"\\\\\"{}", "[".repeat(500)).as_bytes()).is_err());
        assert!(check_depth("[]".repeat(500).as_bytes()).is_ok());
    }
}
