//! A connection's timer, for hyper: one entry in the executor's clock for all requests of a connection.
//!
//! hyper sets a timer for each head and drops it when the head is there. An entry each would be two visits to a lock that all
//! workers share; here the entry stays, and only where it ends is written down anew. When it fires early, it goes on.

use hyper::rt::{Sleep, Timer};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The timer of one connection, which waits for one thing at a time.
#[derive(Clone, Default)]
pub(super) struct ConnectionTimer(Arc<Mutex<Option<Pin<Box<tokio::time::Sleep>>>>>);

struct Until {
    deadline: Instant,
    timer: ConnectionTimer,
}

impl Timer for ConnectionTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Until { deadline, timer: self.clone() })
    }
}

impl Sleep for Until {}

impl Future for Until {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut entry = self.timer.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let entry = entry.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(self.deadline.into())));
        // An entry that ends later than this belongs to a longer wait before.
        if entry.deadline() > self.deadline.into() {
            entry.as_mut().reset(self.deadline.into());
        }
        while entry.as_mut().poll(context).is_ready() {
            if entry.deadline() >= self.deadline.into() {
                return Poll::Ready(());
            }
            entry.as_mut().reset(self.deadline.into());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_wait_ends_at_its_own_deadline() {
        let timer = ConnectionTimer::default();
        let mut given_up = timer.sleep(Duration::from_secs(3600));
        assert!(futures_util::poll!(&mut given_up).is_pending());
        drop(given_up);
        // Shorter than the one before, then longer than what is left of it.
        let mut short = timer.sleep(Duration::from_millis(10));
        assert!(futures_util::poll!(&mut short).is_pending());
        drop(short);
        for milliseconds in [40, 1, 20] {
            let deadline = Instant::now() + Duration::from_millis(milliseconds);
            let waited = tokio::time::timeout(Duration::from_secs(60), timer.sleep_until(deadline)).await;
            assert!(waited.is_ok() && Instant::now() >= deadline);
        }
    }
}
