//! Operations under way in the host, and the JavaScript functions to call when they finish.
//!
//! Nothing survives the invocation that started it: the host cancels what is unfinished, and here the functions are
//! forgotten, so that no timer of one invocation fires in the next.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::async_context;
use crate::bindings::thimble::runtime::reactor;
use crate::js::{Result, Thrown, Value};

thread_local! {
    /// Each with what `AsyncLocalStorage` holds where the operation was started.
    static PENDING: RefCell<BTreeMap<u64, (Value, Value)>> = const { RefCell::new(BTreeMap::new()) };
}

/// Has the function called once the operation has finished.
pub fn expect(operation: u64, callback: Value) {
    let started = (callback, async_context::current());
    PENDING.with_borrow_mut(|pending| pending.insert(operation, started));
}

pub fn timer(milliseconds: u64, callback: Value) -> Result<u64> {
    let operation = reactor::timer(milliseconds).map_err(|reactor::Error::TooManyOperations| {
        Thrown::new("Error", "too many timers, requests and calls are under way at once")
            .with("code", "too_many_operations")
    })?;
    expect(operation, callback);
    Ok(operation)
}

pub fn cancel(operation: u64) {
    if PENDING.with_borrow_mut(|pending| pending.remove(&operation)).is_some() {
        reactor::cancel(operation);
    }
}

/// Cancels an operation that may have finished already, with what else the host keeps by its number.
pub fn give_up(operation: u64) {
    PENDING.with_borrow_mut(|pending| pending.remove(&operation));
    reactor::cancel(operation);
}

/// Waits for whichever operation finishes first and answers its function; none where none is under way.
pub fn wait() -> Option<Value> {
    loop {
        let operation = reactor::wait()?;
        // An operation that was cancelled while it finished has no function any more.
        if let Some((callback, context)) = PENDING.with_borrow_mut(|pending| pending.remove(&operation)) {
            async_context::set(context);
            return Some(callback);
        }
    }
}

/// Forgets what is under way. After a load the host is told, too: an image must hold nothing that is open.
#[inline]
pub fn forget(tell_host: TellHost) {
    let pending = PENDING.with_borrow_mut(std::mem::take);
    if let TellHost::Yes = tell_host {
        for &operation in pending.keys() {
            reactor::cancel(operation);
        }
    }
}

#[derive(Clone, Copy)]
pub enum TellHost {
    Yes,
    No,
}
