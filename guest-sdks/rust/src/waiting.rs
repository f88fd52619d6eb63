//! Waiting: an operation is started, and awaited before the next one.

use crate::bindings::thimble::runtime::reactor;
use std::fmt;
use std::time::Duration;

/// As many operations are under way as one invocation may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyOperations;

impl fmt::Display for TooManyOperations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("as many operations are under way as one invocation may have")
    }
}

impl std::error::Error for TooManyOperations {}

/// Waits, in whole milliseconds and no longer than to the invocation's deadline.
pub fn sleep(duration: Duration) -> Result<(), TooManyOperations> {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let timer = reactor::timer(milliseconds).map_err(|_| TooManyOperations)?;
    until_finished(timer);
    Ok(())
}

/// Waits for the one operation that is under way: this crate starts none before the last has ended.
pub(crate) fn until_finished(operation: reactor::Operation) {
    while reactor::wait().is_some_and(|finished| finished != operation) {}
}
