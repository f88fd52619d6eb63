//! What is kept for each CPU: so that what one has in its cache comes back to it, and none waits for another.

use std::sync::{Mutex, MutexGuard};

/// The number of the CPU that runs this. It may be another one by the time that it is used: it is a hint.
pub fn current() -> usize {
    rustix::thread::sched_getcpu()
}

/// What waits to be used again, in lists by the CPU that used it last.
pub struct ByCpu<T>([Mutex<Vec<T>>; LISTS]);

/// CPUs beyond so many share lists.
const LISTS: usize = 8;

impl<T> Default for ByCpu<T> {
    fn default() -> Self {
        Self(Default::default())
    }
}

impl<T> ByCpu<T> {
    /// The last that this CPU used, or else one of another's.
    pub fn take(&self) -> Option<T> {
        let own = current();
        (0..LISTS).find_map(|other| lock(&self.0[(own + other) % LISTS]).pop())
    }

    /// This CPU's list, the last used at its end.
    pub fn own(&self) -> MutexGuard<'_, Vec<T>> {
        lock(&self.0[current() % LISTS])
    }

    /// One list after the other.
    pub fn lists(&self) -> impl Iterator<Item = MutexGuard<'_, Vec<T>>> {
        self.0.iter().map(lock)
    }

    /// Drops all that waits, while nobody has to wait for that.
    pub fn clear(&self) {
        for list in &self.0 {
            let ended = std::mem::take(&mut *lock(list));
            drop(ended);
        }
    }
}

fn lock<T>(list: &Mutex<Vec<T>>) -> MutexGuard<'_, Vec<T>> {
    list.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_found_whichever_cpu_left_it() {
        let waiting = ByCpu::default();
        for (number, mut list) in waiting.lists().enumerate() {
            list.push(number);
        }
        let mut taken: Vec<usize> = std::iter::from_fn(|| waiting.take()).collect();
        taken.sort_unstable();
        assert_eq!(taken, (0..LISTS).collect::<Vec<_>>());
        waiting.own().push(7);
        waiting.clear();
        assert_eq!(waiting.take(), None);
    }
}
