//! Which CPU runs this: so that what one has in its cache comes back to it, and what all would count references to is there
//! once for each.

/// The number of the CPU. It may be another one by the time that it is used: it is a hint.
pub fn current() -> usize {
    rustix::thread::sched_getcpu()
}
