//! Natives over an answer that is given while the function runs, and the question whether a result needs them.

use std::cell::Cell;

use crate::bindings::thimble::runtime::output;
use crate::host::pairs_of;
use crate::js::{self, Result, Thrown, Value, context, sys};
use crate::natives::{self, Arguments};
use crate::reactor;

thread_local! {
    static WAITING: Cell<bool> = const { Cell::new(false) };
}

/// How the caller takes the answer.
pub fn wanted(_: &Arguments) -> Result<Value> {
    Ok(Value::string(match output::wanted() {
        output::Delivery::Whole => "whole",
        output::Delivery::Elements => "elements",
        output::Delivery::Http => "http",
    }))
}

/// Sends a head: status, headers as a flat array.
pub fn begin(arguments: &Arguments) -> Result<Value> {
    let head = output::Head { status: arguments.number(0)? as u16, headers: pairs_of(&arguments.value(1))? };
    output::begin(&head).map(|()| Value::UNDEFINED).map_err(error)
}

/// Hands over a piece, text or bytes: the function is called once there is room for the next. Answers the operation.
pub fn write(arguments: &Arguments) -> Result<Value> {
    let piece = arguments.value(0);
    let operation = match piece.is_string() {
        true => output::write(piece.text()?.as_bytes()),
        false => piece.with_bytes(|bytes| output::write(bytes))?,
    };
    let operation = operation.map_err(error)?;
    reactor::expect(operation, arguments.value(1));
    Ok(Value::number(operation as f64))
}

/// Whether anybody still reads.
pub fn written(arguments: &Arguments) -> Result<Value> {
    Ok(Value::bool(output::written(arguments.number(0)? as u64)))
}

pub fn end(_: &Arguments) -> Result<Value> {
    output::end().map(|()| Value::UNDEFINED).map_err(error)
}

/// Notes that the function goes on after its answer.
pub fn note_waiting(_: &Arguments) -> Result<Value> {
    WAITING.set(true);
    Ok(Value::UNDEFINED)
}

#[inline]
pub fn take_waiting() -> bool {
    WAITING.replace(false)
}

/// Whether a result has several parts, or is an answer of its own, so that it must be delivered and not just written as JSON.
#[inline]
pub fn has_parts(result: &Value) -> Result<bool> {
    if !result.is_object() || is_plain(result) {
        return Ok(false);
    }
    // SAFETY: the value is alive; a static atom needs no reference.
    let has = |atom: sys::JSAtom| match unsafe { sys::JS_HasProperty(context(), result.raw(), atom) } {
        answer if answer < 0 => Err(js::pending()),
        answer => Ok(answer != 0),
    };
    if has(sys::JS_ATOM_Symbol_asyncIterator as sys::JSAtom)? || is_generator(result)? {
        return Ok(true);
    }
    let response = natives::internal("Response")?;
    if response.is_undefined() {
        return Ok(false);
    }
    // SAFETY: both values are alive.
    match unsafe { sys::JS_IsInstanceOf(context(), result.raw(), response.raw()) } {
        answer if answer < 0 => Err(js::pending()),
        answer => Ok(answer != 0),
    }
}

/// An object or array without a class of its own.
fn is_plain(value: &Value) -> bool {
    // SAFETY: the value is alive; every answered prototype is owned from there on.
    unsafe {
        let prototype = Value::own(sys::JS_GetPrototype(context(), value.raw()));
        let is = |class: u32| {
            let of_class = Value::own(sys::JS_GetClassProto(context(), class));
            sys::JS_VALUE_GET_PTR(of_class.raw()) == sys::JS_VALUE_GET_PTR(prototype.raw())
        };
        !prototype.is_object() || is(OBJECT) || is(ARRAY)
    }
}

/// QuickJS' numbers of the two classes, which are the first of its list.
const OBJECT: u32 = 1;
const ARRAY: u32 = 2;

fn is_generator(value: &Value) -> Result<bool> {
    // SAFETY: the value is alive; a static atom needs no reference.
    let tag = Value::checked(unsafe {
        sys::JS_GetProperty(context(), value.raw(), sys::JS_ATOM_Symbol_toStringTag as sys::JSAtom)
    })?;
    Ok(tag.as_text().as_deref() == Some("Generator"))
}

fn error(error: output::Error) -> Thrown {
    match error {
        output::Error::OutOfTurn => Thrown::new(
            "TypeError",
            "the answer has been begun or ended already, or one piece of it is still on its way",
        ),
        output::Error::Head(message) => Thrown::new("TypeError", &format!("the answer cannot be sent: {message}")),
        output::Error::TooLarge(most) => Thrown::new(
            "RangeError",
            &format!("one piece of the answer is larger than the {most} bytes that are allowed"),
        ),
        output::Error::TooManyOperations => {
            Thrown::new("Error", "too many timers, requests and calls are under way at once")
                .with("code", "too_many_operations")
        }
    }
}
