//! Natives behind `node:vm`: scripts in the strict sense of the language, and realms, globals of their own.

use std::cell::RefCell;
use std::ffi::{CString, c_int};

use crate::js::{self, Result, Thrown, Value, sys};
use crate::natives::Arguments;

thread_local! {
    /// Contexts besides the main one. They live as long as the instance.
    static REALMS: RefCell<Vec<*mut sys::JSContext>> = const { RefCell::new(Vec::new()) };
}

/// Compiles a script and runs it, unless it is only to be compiled: code, file, first line, realm or 0, whether to run it.
pub fn evaluate_script(arguments: &Arguments) -> Result<Value> {
    let (code, file) = (arguments.text(0)?, arguments.text(1)?);
    let line = arguments.number(2)?.max(1.0) as c_int;
    let context = realm(arguments.number(3)? as usize)?;
    let file = CString::new(file.replace('\0', "")).unwrap_or_default();
    let mut options = sys::JSEvalOptions {
        version: sys::JS_EVAL_OPTIONS_VERSION as c_int,
        eval_flags: (sys::JS_EVAL_FLAG_COMPILE_ONLY | sys::JS_EVAL_TYPE_GLOBAL) as c_int,
        filename: file.as_ptr(),
        line_num: line,
    };
    let length = code.len();
    let mut text = code.into_bytes();
    text.push(0);
    // SAFETY: text and file name live through the call, which copies what it keeps; the text ends with a zero byte.
    let compiled = Value::checked(unsafe { sys::JS_Eval2(context, text.as_ptr().cast(), length as _, &mut options) })?;
    if !arguments.value(4).is_true() {
        return Ok(Value::UNDEFINED);
    }
    // SAFETY: `JS_EvalFunction` takes over the reference.
    Value::checked(unsafe { sys::JS_EvalFunction(context, compiled.into_raw()) })
}

/// Makes a realm: its number, and its global object.
pub fn new_realm(_: &Arguments) -> Result<Value> {
    // SAFETY: the runtime is alive; the context is kept for good, and its global object is owned from here.
    let (context, global) = unsafe {
        let context = sys::JS_NewContext(js::runtime());
        if context.is_null() {
            return Err(Thrown::new("RangeError", "there is no memory for another realm"));
        }
        (context, Value::own(sys::JS_GetGlobalObject(context)))
    };
    let number = REALMS.with_borrow_mut(|realms| {
        realms.push(context);
        realms.len()
    });
    Ok(Value::array([Value::number(number as f64), global]))
}

fn realm(number: usize) -> Result<*mut sys::JSContext> {
    match number {
        0 => Ok(js::context()),
        _ => REALMS
            .with_borrow(|realms| realms.get(number - 1).copied())
            .ok_or_else(|| Thrown::new("TypeError", "there is no such realm")),
    }
}
