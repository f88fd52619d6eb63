//! The interface `input`: the body of the request that an invocation answers, where it is read as it arrives.

use super::State;
use super::bindings::thimble::runtime::input as wit;
use hyper::body::Incoming;
use std::sync::{Mutex, MutexGuard};

/// A request's body that nobody has read to its end yet. Whoever reads it holds it.
#[derive(Debug)]
pub struct Arriving(Mutex<Option<Incoming>>);

impl Arriving {
    pub fn new(body: Incoming) -> Self {
        Self(Mutex::new(Some(body)))
    }

    /// The body, where nobody has it.
    pub fn take(&self) -> Option<Incoming> {
        self.body().take()
    }

    /// Gives back what was not read to its end.
    pub(super) fn give_back(&self, body: Incoming) {
        *self.body() = Some(body);
    }

    fn body(&self) -> MutexGuard<'_, Option<Incoming>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl wit::Host for State {
    fn take(&mut self) -> wasmtime::Result<Option<u64>> {
        let Some(body) = self.running()?.input.as_ref().and_then(|input| input.take()) else { return Ok(None) };
        Ok(Some(self.read_request(body)))
    }
}
