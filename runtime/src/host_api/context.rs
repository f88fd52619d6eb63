//! The interface `context`: what is being run, and how long it may still take.

use super::State;
use super::bindings::thimble::runtime::context as wit;
use std::time::Instant;

impl wit::Host for State {
    fn current(&mut self) -> wasmtime::Result<wit::Invocation> {
        let invocation = self.running()?;
        let limits = &self.grants.limits;
        Ok(wit::Invocation {
            request_id: invocation.id.to_string(),
            workspace: self.grants.workspace.to_string(),
            function: self.grants.function.to_string(),
            version: self.grants.version.to_string(),
            memory_limit_mib: u32::try_from(limits.memory.0 >> 20).unwrap_or(u32::MAX),
            timeout_ms: u64::try_from(limits.timeout.as_millis()).unwrap_or(u64::MAX),
            caller: invocation.caller.as_deref().map(str::to_string),
        })
    }

    fn remaining_ms(&mut self) -> wasmtime::Result<u64> {
        let left = self.running()?.deadline.saturating_duration_since(Instant::now());
        Ok(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }

    fn close_folders(&mut self) -> wasmtime::Result<()> {
        // Nothing is open on this side that its guest could not close.
        Ok(())
    }

    fn environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.grants.environment.to_vec())
    }
}
