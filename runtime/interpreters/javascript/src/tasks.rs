//! Promises: running their jobs, waiting for one to settle, and the rejections that nobody handled. Besides them what
//! Node's `process` adds: ticks, which run before the jobs, listeners for what nobody caught, and `exit`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ptr::null_mut;

use crate::async_context;
use crate::bindings::thimble::runtime::{log, retirement};
use crate::js::{self, Opaque, Thrown, Value, context, pending, sys};
use crate::natives::{Arguments, Native};
use crate::{failure, natives, reactor};

pub const NATIVES: [(&str, Native); 4] =
    [("tick", tick), ("listen", listen), ("exit", exit), ("notifyOfRetirement", notify_of_retirement)];

thread_local! {
    static REJECTED: RefCell<Vec<(Value, Value)>> = const { RefCell::new(Vec::new()) };
    /// Functions of `process.nextTick`, each with what `AsyncLocalStorage` holds there.
    static TICKS: RefCell<VecDeque<(Value, Value)>> = const { RefCell::new(VecDeque::new()) };
    /// Whether the jobs that are ready are being run: ticks then wait until the last of them.
    static RUNS_JOBS: Cell<bool> = const { Cell::new(false) };
    /// The function that hears of what nobody caught; undefined while the program listens to nothing.
    static LISTENER: RefCell<Value> = const { RefCell::new(Value::UNDEFINED) };
    /// The error of `process.exit`, which ends the invocation.
    static EXITED: RefCell<Option<Value>> = const { RefCell::new(None) };
}

fn tick(arguments: &Arguments) -> js::Result<Value> {
    let entry = (arguments.value(0), async_context::current());
    TICKS.with_borrow_mut(|ticks| ticks.push_back(entry));
    Ok(Value::UNDEFINED)
}

/// `listen(function)`: it is called with the name of the event, the error or reason, and the promise where there is
/// one, and answers whether anybody heard.
fn listen(arguments: &Arguments) -> js::Result<Value> {
    LISTENER.set(arguments.value(0));
    Ok(Value::UNDEFINED)
}

fn exit(arguments: &Arguments) -> js::Result<Value> {
    EXITED.set(Some(arguments.value(0)));
    Ok(Value::UNDEFINED)
}

/// Says whether the program is to be told before its instance ends.
fn notify_of_retirement(arguments: &Arguments) -> js::Result<Value> {
    retirement::notify(arguments.value(0).is_true());
    Ok(Value::UNDEFINED)
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
        if let Some(error) = EXITED.take() {
            return Err(Unsettled::Rejected(Thrown(error)));
        }
        // SAFETY: the promise is alive.
        match unsafe { sys::JS_PromiseState(context(), promise.raw()) } {
            sys::JSPromiseStateEnum_JS_PROMISE_FULFILLED => return Ok(outcome(&promise)),
            sys::JSPromiseStateEnum_JS_PROMISE_REJECTED => {
                forget_rejection(promise.raw());
                return Err(Unsettled::Rejected(Thrown(outcome(&promise))));
            }
            _ => {}
        }
        if !run_job() && !tell_of_rejections() {
            let callback = reactor::wait().ok_or(Unsettled::Never)?;
            call(&callback);
        }
    }
}

/// Runs until nothing is under way any more, or the program exits.
pub fn run_dry() {
    while EXITED.with_borrow(Option::is_none) {
        if !run_job() && !tell_of_rejections() {
            let Some(callback) = reactor::wait() else { return };
            call(&callback);
        }
    }
}

/// The error of `process.exit`, if it was called.
pub fn take_exit() -> Option<Thrown> {
    EXITED.take().map(Thrown)
}

/// The reason of the first rejection that nobody handled.
pub fn take_rejection() -> Option<Thrown> {
    tell_of_rejections();
    REJECTED.with_borrow_mut(|rejected| (!rejected.is_empty()).then(|| Thrown(rejected.remove(0).1)))
}

/// What a promise has come to, if it has; no job runs for it.
pub fn outcome_now(promise: &Value) -> Option<js::Result<Value>> {
    // SAFETY: the promise is alive.
    match unsafe { sys::JS_PromiseState(context(), promise.raw()) } {
        sys::JSPromiseStateEnum_JS_PROMISE_FULFILLED => Some(Ok(outcome(promise))),
        sys::JSPromiseStateEnum_JS_PROMISE_REJECTED => {
            forget_rejection(promise.raw());
            Some(Err(Thrown(outcome(promise))))
        }
        _ => None,
    }
}

/// Runs the jobs that are ready.
#[inline]
pub fn drain() {
    while run_job() {}
}

/// Forgets what the end of an invocation leaves undone.
#[inline]
pub fn forget() {
    drop(TICKS.take());
    drop(EXITED.take());
}

/// Calls a function that nothing waits for.
fn call(callback: &Value) {
    if let Err(thrown) = callback.call(&Value::UNDEFINED, &[]) {
        uncaught(&thrown);
    }
}

fn uncaught(thrown: &Thrown) {
    // `process.exit` in a callback is no error of the callback.
    if !exits_by(&thrown.0) && !reported(&thrown.0) && !tell("uncaughtException", &thrown.0, &Value::UNDEFINED) {
        report("Uncaught", thrown);
    }
}

fn exits_by(error: &Value) -> bool {
    EXITED.with_borrow(|exited| exited.as_ref().is_some_and(|exit| exit.raw() == error.raw()))
}

/// Tells listeners of the global object, where there are some; false where nobody took the error.
fn reported(error: &Value) -> bool {
    let told = natives::internal("reported").and_then(|reported| {
        if reported.is_undefined() { Ok(Value::bool(true)) } else { reported.call(&Value::UNDEFINED, &[error]) }
    });
    told.is_ok_and(|unhandled| !unhandled.is_true())
}

/// Tells a program that listens; false where it does not, or where nobody heard.
fn tell(event: &str, what: &Value, promise: &Value) -> bool {
    let listener = LISTENER.with_borrow(Clone::clone);
    if listener.is_undefined() {
        return false;
    }
    match listener.call(&Value::UNDEFINED, &[&Value::string(event), what, promise]) {
        Ok(heard) => heard.is_true(),
        Err(thrown) => {
            report("Uncaught", &thrown);
            true
        }
    }
}

/// Tells a program that listens of the rejections that nobody handled so far; false where there is nothing to tell.
fn tell_of_rejections() -> bool {
    if LISTENER.with_borrow(Value::is_undefined) {
        return false;
    }
    let rejected = REJECTED.with_borrow_mut(std::mem::take);
    let any = !rejected.is_empty();
    for (promise, reason) in rejected {
        if !tell("unhandledRejection", &reason, &promise) {
            report("Unhandled promise rejection:", &Thrown(reason));
        }
    }
    any
}

/// Logs the rejections that nobody handled.
#[inline]
pub fn report_rejections() {
    while tell_of_rejections() {
        drain();
    }
    let rejected = REJECTED.with_borrow_mut(std::mem::take);
    for (_, reason) in rejected {
        if !exits_by(&reason) {
            report("Unhandled promise rejection:", &Thrown(reason));
        }
    }
}

/// Logs an error that ends nothing but what threw it.
pub fn report(what: &str, thrown: &Thrown) {
    log::write(log::Level::Error, &format!("{what} {}", failure::report(thrown)));
}

/// Runs one tick or job; false where none is ready. As in Node, ticks come first, and those that jobs add come after the
/// last job.
#[inline]
fn run_job() -> bool {
    if !RUNS_JOBS.get() && run_tick() {
        return true;
    }
    let ran = run_promise_job();
    RUNS_JOBS.set(ran);
    ran || run_tick()
}

#[inline]
fn run_tick() -> bool {
    let Some((callback, context)) = TICKS.with_borrow_mut(VecDeque::pop_front) else {
        return false;
    };
    async_context::set(context);
    call(&callback);
    true
}

#[inline]
fn run_promise_job() -> bool {
    let mut job_context = null_mut();
    // SAFETY: the runtime is alive.
    match unsafe { sys::JS_ExecutePendingJob(js::runtime(), &mut job_context) } {
        0 => false,
        answer => {
            if answer < 0 {
                uncaught(&pending());
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
