//! Values that outlive an invocation, shared by all functions and instances of the workspace, in every language.

use crate::bindings::thimble::runtime::cache as host;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;

/// The cache did not take or give a value.
#[derive(Debug)]
pub enum Error {
    /// The key is longer than 1,024 bytes.
    KeyTooLong,
    /// The value alone is larger than the workspace's whole cache may be, in bytes.
    ValueTooLarge(u64),
    /// The workspace's cache is full: how many bytes it may hold.
    Full(u64),
    /// [`increment`] on a value that is no whole number, or beyond the range of `i64`.
    NotAnInteger,
    /// The value cannot be written as JSON, or what is stored is another type's JSON.
    Json(serde_json::Error),
}

/// The value stored under the key.
pub fn get<Value: DeserializeOwned>(key: &str) -> Result<Option<Value>, Error> {
    host::get(key).map(|text| serde_json::from_str(&text)).transpose().map_err(Error::Json)
}

/// Stores a value, in place of what was there.
pub fn set<Value: Serialize + ?Sized>(key: &str, value: &Value) -> Result<(), Error> {
    let text = serde_json::to_string(value).map_err(Error::Json)?;
    host::set(key, &text).map_err(Error::from)
}

/// Whether there was something to delete.
pub fn delete(key: &str) -> bool {
    host::delete(key)
}

/// All keys, in no order.
pub fn keys() -> Vec<String> {
    host::keys()
}

/// Adds in one step, whatever other instances do meanwhile, and answers the sum. An absent key counts as zero.
pub fn increment(key: &str, by: i64) -> Result<i64, Error> {
    host::increment(key, by).map_err(Error::from)
}

impl From<host::Error> for Error {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::KeyTooLong => Self::KeyTooLong,
            host::Error::ValueTooLarge(limit) => Self::ValueTooLarge(limit),
            host::Error::Full(limit) => Self::Full(limit),
            host::Error::NotAnInteger => Self::NotAnInteger,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyTooLong => f.write_str("a cache key may have at most 1,024 bytes"),
            Self::ValueTooLarge(limit) => {
                write!(f, "the value is larger than the workspace's whole cache may be: {limit} bytes")
            }
            Self::Full(limit) => write!(f, "the workspace's cache is full: it may hold {limit} bytes"),
            Self::NotAnInteger => f.write_str("the value is no whole number, or too large to count on"),
            Self::Json(_) => f.write_str("the value is not the JSON that is expected"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            _ => None,
        }
    }
}
