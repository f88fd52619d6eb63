//! From the event's JSON to the handler, and from its result to JSON.

use crate::bindings::thimble::runtime::log;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::sync::Once;

/// Runs a handler on an event in JSON.
pub fn handle<Event, Output, Error>(
    handler: impl Fn(Event) -> Result<Output, Error>,
    event: &str,
) -> Result<String, String>
where
    Event: DeserializeOwned,
    Output: Serialize,
    Error: Display,
{
    log_panics();
    let event = serde_json::from_str(event).map_err(|error| format!("the event is not what is expected: {error}"))?;
    let output = handler(event).map_err(|error| error.to_string())?;
    serde_json::to_string(&output).map_err(|error| format!("the result cannot be written as JSON: {error}"))
}

/// Without standard error, a panic's message would be lost in the trap that it becomes.
fn log_panics() {
    static ONCE: Once = Once::new();
    if cfg!(target_arch = "wasm32") {
        ONCE.call_once(|| {
            std::panic::set_hook(Box::new(|panic| log::write(log::Level::Error, &panic.to_string())));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_becomes_a_result() {
        let double = |number: i64| number.checked_mul(2).ok_or("too large");
        assert_eq!(handle(double, "21"), Ok("42".into()));
        assert_eq!(handle(double, &i64::MAX.to_string()), Err("too large".into()));
        let complaint = handle(double, "{}").unwrap_err();
        assert!(complaint.starts_with("the event is not what is expected: invalid type: map"), "{complaint}");
    }
}
