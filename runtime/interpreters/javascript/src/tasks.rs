//! Promises: running their jobs, waiting for one to settle, and the rejections that nobody handled.

use std::cell::RefCell;
use std::ptr::null_mut;

use crate::bindings::thimble::runtime::log;
use crate::js::{self, Opaque, Thrown, Value, context, pending, sys};
use crate::{failure, natives, reactor};

thread_local! {
    static REJECTED: RefCell<Vec<(Value, Value)>> = const { RefCell::new(Vec::new()) };
}

/// Why a promise did not come to a value.
pub enum Unsettled {
    Rejected(Thrown),
    /// Nothing is under way that could settle it.
    Never,
}

pub fn start() {
    // SAFETY: the function has the type that QuickJS asks for and needs no opaque pointer.
    unsafe {
        sys::JS_SetHostPromiseRejectionTracker(js::runtime(), Some(track_rejection), null_mut());
    }
}

/// Waits for a value that may be a promise, or anything else with a `then`.
#[inline]
pub fn settle(value: Value) -> Result<Value, Unsettled> {
    if !value.is_object() {
        return Ok(value);
    }
    // SAFETY: the value is alive.
    let promise = if unsafe { sys::JS_IsPromise(value.raw()) } {
        value
    } else {
        match thenable(value).map_err(Unsettled::Rejected)? {
            Ok(promise) => promise,
            Err(plain) => return Ok(plain),
        }
    };
    loop {
        // SAFETY: the promise is alive.
        match unsafe { sys::JS_PromiseState(context(), promise.raw()) } {
            sys::JSPromiseStateEnum_JS_PROMISE_FULFILLED => return Ok(outcome(&promise)),
            sys::JSPromiseStateEnum_JS_PROMISE_REJECTED => {
                forget_rejection(promise.raw());
                return Err(Unsettled::Rejected(Thrown(outcome(&promise))));
            }
            _ => {}
        }
        if !run_job() {
            let callback = reactor::wait().ok_or(Unsettled::Never)?;
            if let Err(thrown) = callback.call(&Value::UNDEFINED, &[]) {
                uncaught(thrown);
            }
        }
    }
}

/// Runs the jobs that are ready.
#[inline]
pub fn drain() {
    while run_job() {}
}

/// Logs the rejections that nobody handled.
#[inline]
pub fn report_rejections() {
    let rejected = REJECTED.with_borrow_mut(std::mem::take);
    for (_, reason) in rejected {
        report("Unhandled promise rejection:", &Thrown(reason));
    }
}

/// Logs an error that ends nothing but what threw it.
pub fn report(what: &str, thrown: &Thrown) {
    log::write(log::Level::Error, &format!("{what} {}", failure::report(thrown)));
}

/// Tells the function's own listeners of an error, where it has some, and logs it unless they take it.
fn uncaught(Thrown(error): Thrown) {
    let told = natives::internal("reported").and_then(|reported| {
        if reported.is_undefined() { Ok(Value::bool(true)) } else { reported.call(&Value::UNDEFINED, &[&error]) }
    });
    if told.map_or(true, |unhandled| unhandled.is_true()) {
        report("Uncaught", &Thrown(error));
    }
}

/// Runs one job; false where none is ready.
#[inline]
fn run_job() -> bool {
    let mut job_context = null_mut();
    // SAFETY: the runtime is alive.
    match unsafe { sys::JS_ExecutePendingJob(js::runtime(), &mut job_context) } {
        0 => false,
        answer => {
            if answer < 0 {
                uncaught(pending());
            }
            true
        }
    }
}

fn outcome(promise: &Value) -> Value {
    // SAFETY: the promise is alive, and settled.
    Value::own(unsafe { sys::JS_PromiseResult(context(), promise.raw()) })
}

/// A promise that follows an object with a `then` of its own; the object itself where it has none.
fn thenable(value: Value) -> js::Result<Result<Value, Value>> {
    // SAFETY: the value is alive; a static atom needs no reference.
    let then =
        Value::checked(unsafe { sys::JS_GetProperty(context(), value.raw(), sys::JS_ATOM_then as sys::JSAtom) })?;
    if !then.is_function() {
        return Ok(Err(value));
    }
    let mut resolving = [sys::JS_UNDEFINED; 2];
    // SAFETY: QuickJS fills both functions, which are owned from here.
    let promise = Value::checked(unsafe { sys::JS_NewPromiseCapability(context(), resolving.as_mut_ptr()) })?;
    let [resolve, reject] = resolving.map(Value::own);
    if let Err(Thrown(reason)) = then.call(&value, &[&resolve, &reject]) {
        reject.call(&Value::UNDEFINED, &[&reason])?;
    }
    Ok(Ok(promise))
}

fn forget_rejection(promise: sys::JSValue) {
    REJECTED.with_borrow_mut(|rejected| rejected.retain(|(other, _)| other.raw() != promise));
}

unsafe extern "C" fn track_rejection(
    _: *mut sys::JSContext,
    promise: sys::JSValue,
    reason: sys::JSValue,
    is_handled: bool,
    _: Opaque,
) {
    if is_handled {
        forget_rejection(promise);
    } else {
        let entry = (Value::dup(promise), Value::dup(reason));
        REJECTED.with_borrow_mut(|rejected| rejected.push(entry));
    }
}
