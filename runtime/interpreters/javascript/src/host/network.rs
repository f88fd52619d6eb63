//! Natives over outgoing HTTP.

use crate::bindings::thimble::runtime::http;
use crate::host::{pairs, pairs_of};
use crate::js::{Result, Thrown, Value};
use crate::natives::Arguments;
use crate::reactor;

/// Sends a request: method, URL, headers as a flat array, body or undefined, redirect mode, function to call once the
/// response is there. Answers the operation.
pub fn send(arguments: &Arguments) -> Result<Value> {
    let body = arguments.value(3);
    let request = http::Request {
        method: arguments.text(0)?,
        url: arguments.text(1)?,
        headers: pairs_of(&arguments.value(2))?,
        body: if body.is_undefined() { Vec::new() } else { body.with_bytes(|bytes| bytes.to_vec())? },
        redirect: match arguments.text(4)?.as_str() {
            "manual" => http::Redirect::Manual,
            "error" => http::Redirect::Error,
            _ => http::Redirect::Follow,
        },
    };
    let operation = http::send(&request).map_err(error)?;
    reactor::expect(operation, arguments.value(5));
    Ok(Value::number(operation as f64))
}

pub fn response(arguments: &Arguments) -> Result<Value> {
    let response = http::receive(arguments.number(0)? as u64).map_err(error)?;
    let object = Value::object();
    object.set("status", Value::number(f64::from(response.status)))?;
    object.set("url", Value::string(&response.url))?;
    object.set("redirected", Value::bool(response.redirected))?;
    object.set("headers", pairs(response.headers))?;
    object.set("body", Value::number(response.body as f64))?;
    Ok(object)
}

pub fn read(arguments: &Arguments) -> Result<Value> {
    let operation = http::read(arguments.number(0)? as u64).map_err(error)?;
    reactor::expect(operation, arguments.value(1));
    Ok(Value::number(operation as f64))
}

pub fn chunk(arguments: &Arguments) -> Result<Value> {
    match http::chunk(arguments.number(0)? as u64).map_err(error)? {
        Some(bytes) => Value::bytes(&bytes),
        None => Ok(Value::UNDEFINED),
    }
}

pub fn close(arguments: &Arguments) -> Result<Value> {
    http::close(arguments.number(0)? as u64);
    Ok(Value::UNDEFINED)
}

/// The plain error that `fetch` makes the cause of its `TypeError`.
fn error(failure: http::Failure) -> Thrown {
    let code = match failure.code {
        http::FailureCode::InvalidRequest => "invalid-request",
        http::FailureCode::DestinationProhibited => "destination-prohibited",
        http::FailureCode::NameNotResolved => "name-not-resolved",
        http::FailureCode::ConnectionFailed => "connection-failed",
        http::FailureCode::TlsFailed => "tls-failed",
        http::FailureCode::RedirectRefused => "redirect-refused",
        http::FailureCode::InvalidResponse => "invalid-response",
        http::FailureCode::LimitExceeded => "limit-exceeded",
        http::FailureCode::UnknownOperation => "unknown-operation",
    };
    Thrown::new("Error", &failure.message).with("code", code)
}
