//! The interface `input`: the body of the request that an invocation answers, where it is read as it arrives.

use super::State;
use super::bindings::thimble::runtime::input as wit;
use crate::arriving::Arriving;
use std::sync::Mutex;

/// A request's body that nobody reads yet. Whoever reads it holds it.
#[derive(Debug)]
pub struct Unread(Mutex<Option<Arriving>>);

impl Unread {
    pub fn new(body: Arriving) -> Self {
        Self(Mutex::new(Some(body)))
    }

    /// The body, where nobody has it.
    pub fn take(&self) -> Option<Arriving> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }
}

impl wit::Host for State {
    fn take(&mut self) -> wasmtime::Result<Option<u64>> {
        let Some(body) = self.running()?.input.as_ref().and_then(|input| input.take()) else { return Ok(None) };
        Ok(Some(self.read_request(body)))
    }
}
