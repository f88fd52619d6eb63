//! What `AsyncLocalStorage` stores belongs to: one value that follows a program over `await`, callbacks and timers.
//!
//! Timers and operations of the host take the value with them here (`reactor.rs`), and so do the ticks (`tasks.rs`).
//! For promises there is QuickJS's hook, which says when a promise is made and when it is fulfilled, and what
//! `modules/node/async_hooks.js` adds to `then`. Neither is there before the first `AsyncLocalStorage`.

use std::cell::{Cell, RefCell};
use std::ptr::null_mut;

use crate::js::{self, Opaque, Result, Value, context, sys};
use crate::natives::{Arguments, Native};

pub const NATIVES: [(&str, Native); 3] = [
    ("get", |_| Ok(current())),
    ("set", |arguments| {
        set(arguments.value(0));
        Ok(Value::UNDEFINED)
    }),
    ("follow", follow),
];

thread_local! {
    static CURRENT: RefCell<Value> = const { RefCell::new(Value::UNDEFINED) };
    /// What it was before the jobs that call a `then` of a program, innermost last.
    static OUTER: RefCell<Vec<Value>> = const { RefCell::new(Vec::new()) };
    /// The symbol under which a promise keeps the value that it was made under; zero until something follows.
    static KEY: Cell<sys::JSAtom> = const { Cell::new(0) };
}

#[inline]
pub fn current() -> Value {
    CURRENT.with_borrow(Clone::clone)
}

#[inline]
pub fn set(value: Value) {
    // The old value is dropped after the borrow ends.
    drop(CURRENT.replace(value));
}

/// Forgets what an earlier invocation left.
#[inline]
pub fn reset() {
    if KEY.get() != 0 {
        set(Value::UNDEFINED);
        drop(OUTER.take());
    }
}

/// Follows promises from now on: `follow(symbol)`.
fn follow(arguments: &Arguments) -> Result<Value> {
    // SAFETY: the symbol is alive; its atom is kept for good. The hook has the type that QuickJS asks for.
    unsafe {
        KEY.set(sys::JS_ValueToAtom(context(), arguments.value(0).raw()));
        sys::JS_SetPromiseHook(js::runtime(), Some(hook), null_mut());
    }
    Ok(Value::UNDEFINED)
}

unsafe extern "C" fn hook(
    context: *mut sys::JSContext,
    moment: sys::JSPromiseHookType,
    promise: sys::JSValue,
    _: sys::JSValue,
    _: Opaque,
) {
    // SAFETY: QuickJS passes a live promise. The property is one that only this file knows.
    let kept = || unsafe { Value::own(sys::JS_GetProperty(context, promise, KEY.get())) };
    match moment {
        sys::JSPromiseHookType_JS_PROMISE_HOOK_INIT => {
            let value = current();
            if !value.is_undefined() {
                // SAFETY: as above; the property takes over the value.
                unsafe { sys::JS_DefinePropertyValue(context, promise, KEY.get(), value.into_raw(), 0) };
            }
        }
        sys::JSPromiseHookType_JS_PROMISE_HOOK_BEFORE => {
            OUTER.with_borrow_mut(|outer| outer.push(current()));
            set(kept());
        }
        sys::JSPromiseHookType_JS_PROMISE_HOOK_AFTER => {
            let outer = OUTER.with_borrow_mut(Vec::pop);
            set(outer.unwrap_or(Value::UNDEFINED));
        }
        // Jobs run in the order in which they are made: this one runs right before those that wait for the promise.
        _ => {
            let value = kept();
            // SAFETY: QuickJS takes references of its own to the arguments.
            unsafe { sys::JS_EnqueueJob(context, Some(restore), 1, &mut value.raw()) };
        }
    }
}

unsafe extern "C" fn restore(_: *mut sys::JSContext, _: std::ffi::c_int, arguments: *mut sys::JSValue) -> sys::JSValue {
    // SAFETY: the job was made with one argument.
    set(Value::dup(unsafe { *arguments }));
    sys::JS_UNDEFINED
}
