//! What is being run, for whom, and how long it may still take.

use crate::bindings::thimble::runtime::context as host;
use std::time::Duration;

pub use host::Invocation;

/// The current invocation.
pub fn current() -> Invocation {
    host::current()
}

/// The time until the deadline; zero once it has passed.
pub fn remaining() -> Duration {
    Duration::from_millis(host::remaining_ms())
}

/// The environment: the system's variables, then the workspace's own.
pub fn environment() -> Vec<(String, String)> {
    host::environment()
}

/// One variable of the environment.
pub fn variable(name: &str) -> Option<String> {
    environment().into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}
