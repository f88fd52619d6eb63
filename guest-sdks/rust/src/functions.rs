//! Calls to the other functions of the workspace, in whatever language they are written.

use crate::bindings::thimble::runtime::functions as host;
use crate::waiting;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// A call has no result.
#[derive(Debug)]
pub enum Error {
    /// The called function failed, or could not be called.
    Failed(Failure),
    /// The event cannot be written as JSON, or the result is another type's JSON.
    Json(serde_json::Error),
}

/// How a called function failed; the fields are those of an error answer over HTTP.
#[derive(Clone, Debug)]
pub struct Failure {
    /// `function_error`, `timeout`, `memory_limit`, `function_not_found`, …
    pub code: String,
    pub message: String,
    /// The name of the error that was thrown.
    pub name: Option<String>,
    /// The stack of the function that threw it.
    pub stack: Option<String>,
}

/// Calls a function, or one of its entry points (`name.entry`), and waits for its result.
///
/// The call runs under what is left of this invocation's deadline.
pub fn call<Event: Serialize + ?Sized, Output: DeserializeOwned>(name: &str, event: &Event) -> Result<Output, Error> {
    let arguments = serde_json::to_string(&[event]).map_err(Error::Json)?;
    let operation = host::start(name, &arguments)?;
    waiting::until_finished(operation);
    serde_json::from_str(&host::finish(operation)?).map_err(Error::Json)
}

impl From<host::Failure> for Error {
    fn from(failure: host::Failure) -> Self {
        let host::Failure { code, message, name, stack } = failure;
        Self::Failed(Failure { code, message, name, stack })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => f.write_str(&failure.message),
            Self::Json(_) => f.write_str("the event or the result is not the JSON that is expected"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(_) => None,
            Self::Json(error) => Some(error),
        }
    }
}
