//! How fast the calls of a workspace may follow each other: the generic cell rate algorithm, which is one number to keep.

use crate::limits::Pace;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What keeps a pace. Times are in nanoseconds since it was made.
#[derive(Debug)]
pub struct Rate {
    pub pace: Pace,
    began: Instant,
    interval: u64,
    /// How far calls may run ahead of the pace.
    ahead: u64,
    /// When a call would be due if all before had kept the pace.
    due: AtomicU64,
}

impl Rate {
    pub fn new(pace: Pace) -> Self {
        let interval = 1_000_000_000 / u64::from(pace.per_second.get());
        let ahead = interval * u64::from(pace.burst.get() - 1);
        Self { pace, began: Instant::now(), interval, ahead, due: AtomicU64::new(0) }
    }

    /// Takes a turn at this moment; the error is the time until there is one.
    pub fn take(&self, now: Instant) -> Result<(), Duration> {
        let now = u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX / 2);
        let latest = now + self.ahead;
        let take = |due: u64| (due <= latest).then(|| due.max(now) + self.interval);
        let taken = self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.map(drop).map_err(|due| Duration::from_nanos(due - latest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    #[test]
    fn calls_keep_the_pace_and_may_run_ahead_after_a_pause() {
        let number = |number| NonZeroU32::new(number).unwrap();
        let rate = Rate::new(Pace { per_second: number(10), burst: number(3) });
        let at = |ms: u64| rate.began + Duration::from_millis(ms);
        for _ in 0..3 {
            assert_eq!(rate.take(at(0)), Ok(()));
        }
        assert_eq!(rate.take(at(0)), Err(Duration::from_millis(100)));
        assert_eq!(rate.take(at(60)), Err(Duration::from_millis(40)));
        assert_eq!(rate.take(at(100)), Ok(()));
        assert_eq!(rate.take(at(100)), Err(Duration::from_millis(100)));
        // However long the pause, no more than the burst.
        for _ in 0..3 {
            assert_eq!(rate.take(at(60_000)), Ok(()));
        }
        assert!(rate.take(at(60_000)).is_err());
        assert_eq!(rate.take(at(0)), Err(Duration::from_millis(60_100)), "clocks that go back wait");
    }

    #[test]
    fn what_is_refused_costs_nothing_and_threads_share_it() {
        let number = |number| NonZeroU32::new(number).unwrap();
        let rate = Rate::new(Pace { per_second: number(1), burst: number(100) });
        let now = rate.began;
        let taken: usize = std::thread::scope(|scope| {
            let take = || (0..1000).filter(|_| rate.take(now).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 100);
        assert_eq!(rate.take(now + Duration::from_secs(1)), Ok(()));
    }
}
