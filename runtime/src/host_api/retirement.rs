//! The interface `retirement`: whether the guest wants to be told before its instance ends.

use super::State;
use super::bindings::thimble::runtime::retirement as wit;

impl wit::Host for State {
    fn notify(&mut self, wanted: bool) -> wasmtime::Result<()> {
        self.retirement_hook = wanted;
        Ok(())
    }
}
