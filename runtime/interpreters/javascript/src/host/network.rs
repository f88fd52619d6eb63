//! Natives over outgoing HTTP.

use crate::bindings::thimble::runtime::{http, input};
use crate::host::{pairs, pairs_of};
use crate::js::{Result, Thrown, Value};
use crate::natives::{Arguments, Native};
use crate::reactor;

/// What bodies of requests need that are streams: those that the function sends, and the one that it answers.
pub const REQUESTS: [(&str, Native); 5] =
    [("begin", begin), ("feed", feed), ("fed", fed), ("giveUp", give_up), ("take", take)];

/// Sends a request: method, URL, headers as a flat array, body or undefined, redirect mode, function to call once the
/// response is there, and what it is secured by (ca, verify, cert and key), if not as usual. Answers the operation.
pub fn send(arguments: &Arguments) -> Result<Value> {
    start(arguments, false)
}

/// As `send`, with the rest of the body to be fed.
fn begin(arguments: &Arguments) -> Result<Value> {
    start(arguments, true)
}

fn start(arguments: &Arguments, streamed: bool) -> Result<Value> {
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
    let security = arguments.value(6);
    let security = if security.is_object() { Some(security_of(&security)?) } else { None };
    let sent = match (streamed, security) {
        (false, None) => http::send(&request),
        (streamed, security) => http::send_as(&request, &http::Manner { streamed, security }),
    };
    let operation = sent.map_err(error)?;
    reactor::expect(operation, arguments.value(5));
    Ok(Value::number(operation as f64))
}

/// Hands over a piece of a request's body, or undefined for its end; the function is called once there is room for more.
fn feed(arguments: &Arguments) -> Result<Value> {
    let (request, piece) = (arguments.number(0)? as u64, arguments.value(1));
    let fed = if piece.is_undefined() {
        http::feed(request, None)
    } else {
        piece.with_bytes(|bytes| http::feed(request, Some(bytes)))?
    };
    let operation = fed.map_err(error)?;
    reactor::expect(operation, arguments.value(2));
    Ok(Value::number(operation as f64))
}

/// Whether the peer still takes the body.
fn fed(arguments: &Arguments) -> Result<Value> {
    Ok(Value::bool(http::fed(arguments.number(0)? as u64)))
}

/// Breaks a request's body off.
fn give_up(arguments: &Arguments) -> Result<Value> {
    reactor::give_up(arguments.number(0)? as u64);
    Ok(Value::UNDEFINED)
}

/// The body of the request that is being answered, where it is not in the event.
fn take(_: &Arguments) -> Result<Value> {
    Ok(input::take().map_or(Value::UNDEFINED, |body| Value::number(body as f64)))
}

fn security_of(options: &Value) -> Result<http::Security> {
    Ok(http::Security {
        authorities: options.get("ca")?.optional_text()?,
        verify: options.get("verify")?.is_true(),
        identity: match options.get("cert")?.optional_text()? {
            Some(chain) => Some(http::Identity { chain, key: options.get("key")?.text()? }),
            None => None,
        },
    })
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
