//! Natives over the workspace's cache, secrets and functions.

use crate::bindings::thimble::runtime::{cache, functions, secrets};
use crate::host::{from_json, strict_json};
use crate::js::{Result, Thrown, Value};
use crate::natives::Arguments;
use crate::reactor;

pub fn cache_get(arguments: &Arguments) -> Result<Value> {
    match cache::get(&arguments.text(0)?) {
        Some(text) => from_json(&text),
        None => Ok(Value::UNDEFINED),
    }
}

pub fn cache_set(arguments: &Arguments) -> Result<Value> {
    let text = strict_json(&arguments.value(1), "the cache value")?;
    cache::set(&arguments.text(0)?, &text).map_err(cache_error)?;
    Ok(Value::bool(true))
}

pub fn cache_delete(arguments: &Arguments) -> Result<Value> {
    Ok(Value::bool(cache::delete(&arguments.text(0)?)))
}

pub fn cache_keys(_: &Arguments) -> Result<Value> {
    Ok(Value::array(cache::keys().iter().map(|key| Value::string(key))))
}

pub fn cache_increment(arguments: &Arguments) -> Result<Value> {
    let by = arguments.value(1);
    let by = if by.is_undefined() { 1.0 } else { by.to_f64()? };
    if by.fract() != 0.0 || !by.is_finite() {
        return Err(Thrown::new("TypeError", "cache.increment takes a whole number"));
    }
    let sum = cache::increment(&arguments.text(0)?, by as i64).map_err(cache_error)?;
    Ok(Value::number(sum as f64))
}

fn cache_error(error: cache::Error) -> Thrown {
    let (code, message) = match error {
        cache::Error::KeyTooLong => ("key_too_long", "the cache key is longer than 1,024 bytes".to_owned()),
        cache::Error::ValueTooLarge(bound) => (
            "value_too_large",
            format!("the cache value is larger than the workspace's whole cache may be ({bound} bytes)"),
        ),
        cache::Error::Full(bound) => (
            "cache_full",
            format!("the workspace's cache is full: it may hold {bound} bytes. Delete what is not needed"),
        ),
        cache::Error::NotAnInteger => (
            "not_an_integer",
            "cache.increment needs a whole number under this key, within the range of 64 bits".to_owned(),
        ),
    };
    Thrown::new("Error", &message).with("code", code)
}

pub fn secret(arguments: &Arguments) -> Result<Value> {
    match secrets::get(&arguments.text(0)?) {
        Ok(secret) => Ok(Value::option(secret.as_deref())),
        Err(secrets::Error::NotWhileLoading) => Err(Thrown::new(
            "Error",
            "secrets cannot be read while the module's top level runs; read them inside the handler",
        )
        .with("code", "not_while_loading")),
    }
}

/// Starts a call: name, arguments, function to call once it has finished. Answers its operation.
pub fn start_call(arguments: &Arguments) -> Result<Value> {
    let text = strict_json(&arguments.value(1), "the argument list")?;
    let operation = functions::start(&arguments.text(0)?, &text).map_err(call_error)?;
    reactor::expect(operation, arguments.value(2));
    Ok(Value::number(operation as f64))
}

pub fn finish_call(arguments: &Arguments) -> Result<Value> {
    let text = functions::finish(arguments.number(0)? as u64).map_err(call_error)?;
    from_json(&text)
}

fn call_error(failure: functions::Failure) -> Thrown {
    let mut error = Thrown::new("Error", &failure.message).with("code", &failure.code);
    if let Some(name) = failure.name.filter(|name| !name.is_empty()) {
        error = error.with("name", &name);
    }
    if let Some(stack) = failure.stack.filter(|stack| !stack.is_empty()) {
        error = error.with("stack", &stack);
    }
    error
}
