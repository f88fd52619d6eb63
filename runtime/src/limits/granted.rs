//! Who gets what: the server's limits from the settings, a function's as it asks for them, an invocation's as it has them.
//!
//! `InvocationLimits` can only be made by [`ServerLimits::narrow`], so no invocation exceeds what the server allows.

use super::*;
use serde::{Deserialize, Serialize};
use std::num::{NonZeroU32, NonZeroU64};

/// What the server allows: the outermost bounds, from the settings.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// The time-out of a JavaScript function or component that names none.
    pub timeout: Duration,
    /// The time-out of a Python function that names none.
    pub python_timeout: Duration,
    /// The memory of a function that names none.
    pub memory: ByteSize,
    pub request_size: ByteSize,
    pub upload_size: ByteSize,
    pub response_size: ByteSize,
    pub log_size: ByteSize,
    pub tmp_size: ByteSize,
    pub cache_size: ByteSize,
    pub total_cache_size: ByteSize,
    pub concurrency: u32,
    pub workspace_concurrency: u32,
    /// How fast a workspace may be called, where the operator says so.
    pub workspace_pace: Option<Pace>,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            timeout: DEFAULT_TIMEOUT,
            python_timeout: DEFAULT_TIMEOUT,
            memory: DEFAULT_MEMORY,
            request_size: DEFAULT_REQUEST_SIZE,
            upload_size: DEFAULT_UPLOAD_SIZE,
            response_size: DEFAULT_RESPONSE_SIZE,
            log_size: DEFAULT_LOG_SIZE,
            tmp_size: DEFAULT_TMP_SIZE,
            cache_size: DEFAULT_CACHE_SIZE,
            total_cache_size: DEFAULT_TOTAL_CACHE_SIZE,
            concurrency: DEFAULT_CONCURRENCY,
            workspace_concurrency: DEFAULT_WORKSPACE_CONCURRENCY,
            workspace_pace: None,
        }
    }
}

/// How fast calls may follow each other: so many a second in the long run, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub per_second: NonZeroU32,
    pub burst: NonZeroU32,
}

/// What one invocation of a function gets.
#[derive(Clone, Copy, Debug)]
pub struct InvocationLimits {
    pub timeout: Duration,
    pub memory: ByteSize,
    /// Units of wasmtime's fuel, about one for each instruction; none: no budget.
    pub fuel: Option<NonZeroU64>,
    pub response_size: ByteSize,
    pub log_size: ByteSize,
    pub tmp_size: ByteSize,
}

/// What a function asks for, as it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AskedLimits {
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
}

/// Why a function cannot have what it asks for.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum LimitError {
    #[error("timeout is {asked} ms; it must be between {} and {} ms", MIN_TIMEOUT.as_millis(), MAX_TIMEOUT.as_millis())]
    Timeout { asked: u64 },
    #[error("memory is {asked} MiB; it must be between {} and {} MiB", .min.0 >> 20, MAX_MEMORY.0 >> 20)]
    Memory { asked: u64, min: ByteSize },
    #[error("fuel is 0; leave it out for no budget")]
    Fuel,
}

/// The interpreter decides the smallest memory that makes sense, and the default time-out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Footprint {
    Small,
    Python,
}

impl ServerLimits {
    /// Checks what a function asks for against the bounds, and fills in the defaults.
    pub fn narrow(&self, asked: AskedLimits, footprint: Footprint) -> Result<InvocationLimits, LimitError> {
        let (min_memory, default_timeout) = match footprint {
            Footprint::Small => (MIN_MEMORY, self.timeout),
            Footprint::Python => (MIN_PYTHON_MEMORY, self.python_timeout),
        };
        let timeout = match asked.timeout {
            None => default_timeout,
            Some(ms) => {
                let timeout = Duration::from_millis(ms);
                if !(MIN_TIMEOUT..=MAX_TIMEOUT).contains(&timeout) {
                    return Err(LimitError::Timeout { asked: ms });
                }
                timeout
            }
        };
        let memory = match asked.memory {
            None => self.memory.max(min_memory),
            Some(mib) => {
                let bytes = mib.checked_mul(1 << 20).map(ByteSize);
                match bytes {
                    Some(size) if (min_memory..=MAX_MEMORY).contains(&size) => size,
                    _ => return Err(LimitError::Memory { asked: mib, min: min_memory }),
                }
            }
        };
        let fuel = match asked.fuel {
            None => None,
            Some(units) => Some(NonZeroU64::new(units).ok_or(LimitError::Fuel)?),
        };
        Ok(InvocationLimits {
            timeout,
            memory,
            fuel,
            response_size: self.response_size,
            log_size: self.log_size,
            tmp_size: self.tmp_size,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_gets_what_it_asks_for_within_the_bounds() {
        let server = ServerLimits::default();
        let ask = |timeout, memory| server.narrow(AskedLimits { timeout, memory, fuel: None }, Footprint::Small);
        assert_eq!(ask(None, None).unwrap().timeout, DEFAULT_TIMEOUT);
        assert_eq!(ask(Some(10), Some(16)).unwrap().memory, MIN_MEMORY);
        assert_eq!(ask(Some(9), None).unwrap_err(), LimitError::Timeout { asked: 9 });
        assert_eq!(ask(Some(900_001), None).unwrap_err(), LimitError::Timeout { asked: 900_001 });
        assert!(ask(None, Some(15)).is_err());
        assert!(ask(None, Some(4097)).is_err());
        assert!(ask(None, Some(u64::MAX)).is_err());
    }
}
