//! How an admitted invocation reaches its program, whether it came over HTTP or from another function.

use super::Pipeline;
use super::request::Input;
use crate::deployment::Program;
use crate::deployment::upload::UploadKind;
use crate::error::RequestError;
use crate::host_api::Invocation;
use crate::host_api::functions::{Called, Callee, Failure as CallFailure, failure};
use crate::host_api::output::CONNECTION_HEADERS;
use crate::instance::StartError;
use crate::instance::failure::{Failure, FailureKind};
use crate::instance::pool::PoolKey;
use crate::invoke::proxy::{self, ProxyBody, RequestBody};
use crate::invoke::{self, Outcome, command};
use crate::limits::InvocationLimits;
use crate::workspace::admission::{Admission, Origin};
use crate::workspace::registry::Live;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Instant;

impl Pipeline {
    /// Invokes with an event; a result as JSON comes back, whatever kind of program it is.
    pub(super) async fn call(
        self: &Arc<Self>,
        admission: &Admission,
        event: String,
        invocation: Invocation,
    ) -> Result<Outcome, StartError> {
        let function = &admission.function;
        if let Some(operation) = admission.operation() {
            return self.operate(admission, operation, &event, invocation).await;
        }
        if let Program::Upload(upload) = &function.program {
            match &upload.kind {
                UploadKind::Handler(_) => {}
                UploadKind::Command(_) => {
                    return command::call(&self.pools, function, upload, event.into(), invocation).await;
                }
                UploadKind::Http(_) => {
                    let deadline = invocation.deadline;
                    let request = posted(event);
                    let answered = proxy::call(&self.pools, function, upload, request, invocation, ()).await?;
                    let answer = collected(answered, deadline, &function.grants.limits).await;
                    return Ok(answer.and_then(|answer| result_of(&answer)));
                }
            }
        }
        let key = PoolKey::new(admission.live.deployment.version, function);
        let lease = self.pools.lease(key, function, &invocation).await?;
        Ok(invoke::call(lease, admission.entry.as_deref(), &event, invocation).await)
    }

    /// Hands an HTTP request to a component that takes it as it is; `path` is what the component sees of its path.
    pub(super) async fn forward(
        self: &Arc<Self>,
        admission: Admission,
        input: Input,
        invocation: Invocation,
        path: &str,
    ) -> Result<Response<ProxyBody>, RequestError> {
        let function = admission.function.clone();
        let Program::Upload(upload) = &function.program else {
            return Err(RequestError::internal(&NotHttp));
        };
        let request = input.forward(path)?;
        let answered = proxy::call(&self.pools, &function, upload, request, invocation, admission).await?;
        Ok(answered.map(without_connection_headers)?)
    }
}

/// Only components are asked to take an HTTP request.
#[derive(Debug, thiserror::Error)]
#[error("the function takes events, not HTTP requests")]
struct NotHttp;

fn without_connection_headers(mut response: Response<ProxyBody>) -> Response<ProxyBody> {
    for name in CONNECTION_HEADERS {
        // A length that the component set itself is checked by hyper against what it then writes.
        if name != header::CONTENT_LENGTH {
            response.headers_mut().remove(name);
        }
    }
    response
}

/// The request that stands for a call with parameters, to a component that knows only HTTP.
fn posted(event: String) -> Request<RequestBody> {
    let mut request = Request::new(proxy::whole(event.into()));
    *request.method_mut() = Method::POST;
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request
}

/// The whole answer of a component that gives it piece by piece.
pub(super) async fn collected(
    answered: Result<Response<ProxyBody>, Failure>,
    deadline: Instant,
    limits: &InvocationLimits,
) -> Result<Response<Bytes>, Failure> {
    let (head, body) = answered?.into_parts();
    let read = Limited::new(body, limits.response_size.as_usize()).collect();
    match tokio::time::timeout_at(deadline.into(), read).await {
        Ok(Ok(body)) => Ok(Response::from_parts(head, body.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Failure::result_too_large(limits.response_size)),
        Ok(Err(error)) => Err(Failure::new(FailureKind::Thrown, format!("the component's answer broke off: {error}"))),
        Err(_) => Err(Failure::timeout(limits)),
    }
}

/// The result in an HTTP answer: its body, as JSON where it is JSON and as text otherwise.
fn result_of(response: &Response<Bytes>) -> Outcome {
    let status = response.status();
    let text = String::from_utf8_lossy(response.body());
    if !status.is_success() {
        return Err(Failure::new(FailureKind::Thrown, format!("the component answered with status {status}: {text}")));
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Ok(text.into_owned()),
        Err(_) if text.is_empty() => Ok("null".into()),
        Err(_) => Ok(serde_json::Value::from(text).to_string()),
    }
}

/// How the functions of a deployment call each other: back in at the stage after authentication, on the version that
/// the first of them began with.
pub(super) struct Callable {
    pub pipeline: Arc<Pipeline>,
    pub live: Arc<Live>,
}

impl Callee for Callable {
    fn call(&self, name: String, arguments: String, caller: Invocation) -> BoxFuture<'static, Called> {
        let (pipeline, live) = (self.pipeline.clone(), self.live.clone());
        Box::pin(async move {
            let called = async {
                let admission = pipeline.gates.admit(live, &name, Origin::Function).await?;
                let parameters = admission.function.parameters.as_deref();
                let event = event_of(&arguments, parameters).map_err(|message| {
                    RequestError::new(http::StatusCode::BAD_REQUEST, "bad_arguments", format!("`{name}`: {message}"))
                })?;
                let limits = admission.function.grants.limits;
                let deadline = caller.deadline.min(Instant::now() + limits.timeout);
                let invocation = Invocation { deadline, depth: caller.depth + 1, input: None, output: None, ..caller };
                let outcome = pipeline.call(&admission, event, invocation).await?;
                outcome.map_err(RequestError::from)
            };
            called.await.map_err(|error: RequestError| {
                let detail = |name: &str| error.details.as_ref()?.get(name)?.as_str().map(str::to_string);
                CallFailure {
                    name: detail("name"),
                    stack: detail("stack"),
                    ..failure(error.code, error.message.clone())
                }
            })
        })
    }
}

/// The event that a call's arguments stand for.
fn event_of(arguments: &str, parameters: Option<&[String]>) -> Result<String, String> {
    let arguments: Vec<&RawValue> =
        serde_json::from_str(arguments).map_err(|error| format!("the arguments are not a JSON array: {error}"))?;
    let names = match (arguments.as_slice(), parameters) {
        ([], _) => return Ok("{}".into()),
        ([only], None) => return Ok(only.get().into()),
        ([only], Some(_)) if only.get().starts_with('{') => return Ok(only.get().into()),
        (_, None) => return Err("it declares no parameters: call it with one value".into()),
        (_, Some(names)) => names,
    };
    if arguments.len() > names.len() {
        return Err(format!("it has {} parameters and was called with {}", names.len(), arguments.len()));
    }
    let mut event = String::from("{");
    for (name, argument) in names.iter().zip(arguments) {
        if event.len() > 1 {
            event.push(',');
        }
        event.push_str(&serde_json::Value::from(name.as_str()).to_string());
        event.push(':');
        event.push_str(argument.get());
    }
    event.push('}');
    Ok(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_the_event() {
        let names = ["a".to_string(), "b\"".to_string()];
        for (arguments, parameters, expected) in [
            ("[]", None, Some("{}")),
            ("[5]", None, Some("5")),
            ("[{\"a\":1}]", Some(&names[..]), Some("{\"a\":1}")),
            ("[[1], \"x\"]", Some(&names[..]), Some("{\"a\":[1],\"b\\\"\":\"x\"}")),
            ("[1]", Some(&names[..]), Some("{\"a\":1}")),
            ("[1,2,3]", Some(&names[..]), None),
            ("[1,2]", None, None),
            ("{}", None, None),
            ("", None, None),
        ] {
            assert_eq!(event_of(arguments, parameters).ok().as_deref(), expected, "{arguments}");
        }
    }
}
