//! Numbers for threads, so that what a thread has in its cache comes back to it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of the running thread, from 0.
pub fn current() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
    }
    THREAD.with(|thread| *thread)
}
