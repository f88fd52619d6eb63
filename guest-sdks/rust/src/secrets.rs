//! The workspace's secrets.

use crate::bindings::thimble::runtime::secrets as host;
use std::fmt;

/// Secrets are not readable while a component is being loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotWhileLoading;

impl fmt::Display for NotWhileLoading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("secrets can be read while the function runs, not while it is loaded")
    }
}

impl std::error::Error for NotWhileLoading {}

/// The secret's value; none where the workspace has no secret of that name.
pub fn get(name: &str) -> Result<Option<String>, NotWhileLoading> {
    host::get(name).map_err(|_| NotWhileLoading)
}
