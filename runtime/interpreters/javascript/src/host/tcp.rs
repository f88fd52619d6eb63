//! Natives over TCP connections, and the function that takes them up again in each invocation.

use std::cell::RefCell;

use crate::bindings::thimble::runtime::tcp;
use crate::js::{Result, Thrown, Value};
use crate::natives::{Arguments, Native};
use crate::{failure, reactor};

pub const NATIVES: [(&str, Native); 11] = [
    ("tcpConnect", connect),
    ("tcpConnected", connected),
    ("tcpSecure", secure),
    ("tcpSecured", secured),
    ("tcpReadable", readable),
    ("tcpReceive", receive),
    ("tcpSend", send),
    ("tcpSent", sent),
    ("tcpFinish", finish),
    ("tcpClose", close),
    ("tcpResume", note_resume),
];

thread_local! {
    static RESUME: RefCell<Value> = const { RefCell::new(Value::UNDEFINED) };
}

/// Notes the function that waits anew on connections of earlier invocations.
fn note_resume(arguments: &Arguments) -> Result<Value> {
    RESUME.set(arguments.value(0));
    Ok(Value::UNDEFINED)
}

/// An invocation begins: what waited on connections in the one before waits no more.
#[inline]
pub fn resume() {
    let resume = RESUME.with_borrow(|resume| (!resume.is_undefined()).then(|| resume.clone()));
    if let Some(Err(thrown)) = resume.map(|resume| resume.call(&Value::UNDEFINED, &[])) {
        crate::bindings::thimble::runtime::log::write(
            crate::bindings::thimble::runtime::log::Level::Error,
            &failure::report(&thrown),
        );
    }
}

/// TLS as an object says it: servername, ca, verify, protocols, cert and key.
fn tls_of(options: &Value) -> Result<Option<tcp::Tls>> {
    if !options.is_object() {
        return Ok(None);
    }
    let protocols = options.get("protocols")?;
    let count = if protocols.is_object() { protocols.get("length")?.to_f64()? as usize } else { 0 };
    Ok(Some(tcp::Tls {
        server_name: options.get("servername")?.text()?,
        authorities: options.get("ca")?.optional_text()?,
        verify: options.get("verify")?.is_true(),
        protocols: (0..count)
            .map(|index| protocols.get(&index.to_string()).and_then(|name| name.text()))
            .collect::<Result<_>>()?,
        identity: match options.get("cert")?.optional_text()? {
            Some(chain) => Some(tcp::Identity { chain, key: options.get("key")?.text()? }),
            None => None,
        },
    }))
}

/// Expects an operation, and answers its number.
fn started(operation: std::result::Result<u64, tcp::Failure>, callback: Value) -> Result<Value> {
    let operation = operation.map_err(error)?;
    reactor::expect(operation, callback);
    Ok(Value::number(operation as f64))
}

fn number(arguments: &Arguments) -> Result<u64> {
    arguments.number(0).map(|number| number as u64)
}

/// Host, port, TLS or undefined, function to call.
fn connect(arguments: &Arguments) -> Result<Value> {
    let tls = tls_of(&arguments.value(2))?;
    let operation = tcp::connect(&arguments.text(0)?, arguments.number(1)? as u16, tls.as_ref());
    started(operation, arguments.value(3))
}

/// Connection, local address and port, remote address and port.
fn connected(arguments: &Arguments) -> Result<Value> {
    let established = tcp::connected(number(arguments)?).map_err(error)?;
    let ((local, local_port), (remote, remote_port)) = (established.local, established.remote);
    Ok(Value::array([
        Value::number(established.connection as f64),
        Value::string(&local),
        Value::number(f64::from(local_port)),
        Value::string(&remote),
        Value::number(f64::from(remote_port)),
    ]))
}

/// Connection, TLS, function to call.
fn secure(arguments: &Arguments) -> Result<Value> {
    let Some(tls) = tls_of(&arguments.value(1))? else { return Err(Thrown::new("TypeError", "TLS needs options")) };
    started(tcp::secure(number(arguments)?, &tls), arguments.value(2))
}

/// The chosen protocol, or undefined.
fn secured(arguments: &Arguments) -> Result<Value> {
    tcp::secured(number(arguments)?).map(|protocol| Value::option(protocol.as_deref())).map_err(error)
}

fn readable(arguments: &Arguments) -> Result<Value> {
    started(tcp::readable(number(arguments)?), arguments.value(1))
}

/// Bytes, or undefined at the end.
fn receive(arguments: &Arguments) -> Result<Value> {
    match tcp::receive(number(arguments)?).map_err(error)? {
        Some(bytes) => Value::bytes(&bytes),
        None => Ok(Value::UNDEFINED),
    }
}

/// Connection, bytes, function to call.
fn send(arguments: &Arguments) -> Result<Value> {
    let connection = number(arguments)?;
    let operation = arguments.value(1).with_bytes(|bytes| tcp::send(connection, bytes))?;
    started(operation, arguments.value(2))
}

fn sent(arguments: &Arguments) -> Result<Value> {
    tcp::sent(number(arguments)?).map(|()| Value::UNDEFINED).map_err(error)
}

fn finish(arguments: &Arguments) -> Result<Value> {
    started(tcp::finish(number(arguments)?), arguments.value(1))
}

fn close(arguments: &Arguments) -> Result<Value> {
    tcp::close(number(arguments)?);
    Ok(Value::UNDEFINED)
}

/// The error with Node's code for it.
fn error(failure: tcp::Failure) -> Thrown {
    let code = match failure.code {
        tcp::FailureCode::DestinationProhibited => "EACCES",
        tcp::FailureCode::NameNotResolved => "ENOTFOUND",
        tcp::FailureCode::Refused => "ECONNREFUSED",
        tcp::FailureCode::TimedOut => "ETIMEDOUT",
        tcp::FailureCode::Reset | tcp::FailureCode::UnknownOperation => "ECONNRESET",
        tcp::FailureCode::CertificateUntrusted => "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        tcp::FailureCode::CertificateExpired => "CERT_HAS_EXPIRED",
        tcp::FailureCode::CertificateName => "ERR_TLS_CERT_ALTNAME_INVALID",
        tcp::FailureCode::TlsFailed => "EPROTO",
        tcp::FailureCode::InvalidArgument => "ERR_INVALID_ARG_VALUE",
        tcp::FailureCode::LimitExceeded => "EMFILE",
    };
    Thrown::new("Error", &failure.message).with("code", code)
}
