//! What belongs to one request from its first byte to its last: its id and its clock.

use std::time::Instant;
use uuid::{NoContext, Timestamp, Uuid};

/// Made when a request's head has arrived; copied to whatever serves it.
#[derive(Clone, Copy, Debug)]
pub struct RequestContext {
    /// Unique and ordered by time (UUID version 7). Answered as `x-request-id`, and in every log line of the request.
    pub id: Uuid,
    /// When the request's head had arrived; durations count from here.
    pub started: Instant,
}

impl RequestContext {
    /// A new request, starting now.
    pub fn new() -> Self {
        // Without the counter that orders ids within a millisecond: all requests would share its lock.
        Self { id: Uuid::new_v7(Timestamp::now(NoContext)), started: Instant::now() }
    }

    /// Milliseconds since the start, with the microseconds as its fraction.
    pub fn elapsed_ms(&self) -> f64 {
        milliseconds(self.started.elapsed())
    }
}

impl Default for RequestContext {
    fn default() -> Self {
        Self::new()
    }
}

/// A duration as the API writes it: milliseconds, to the microsecond.
pub fn milliseconds(duration: std::time::Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
