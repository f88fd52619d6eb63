//! The instances of one pool that wait, in lists by the CPU that they ran on: what they wrote is still in its cache, and CPUs
//! do not wait for each other.

use super::Instance;
use crate::cpu::ByCpu;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub(super) struct Idle {
    waiting: ByCpu<Instance>,
    closed: AtomicBool,
    count: AtomicUsize,
}

impl Idle {
    pub fn new() -> Self {
        Self { waiting: ByCpu::default(), closed: AtomicBool::new(false), count: AtomicUsize::new(0) }
    }

    /// The warmest instance: the last one that this CPU used, or else one of another's.
    pub fn take(&self) -> Option<Instance> {
        let instance = self.waiting.take()?;
        self.count.fetch_sub(1, Ordering::Relaxed);
        Some(instance)
    }

    /// Adds an instance; hands it back where the pool is closed.
    pub fn put(&self, mut instance: Instance) -> Result<(), Instance> {
        instance.idle_since = Instant::now();
        let mut list = self.waiting.own();
        // Under the lock: whoever closes the pool looks at the list after this.
        if self.is_closed() {
            return Err(instance);
        }
        list.push(instance);
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Bytes by which the instances have grown.
    pub fn growth(&self) -> u64 {
        self.waiting.lists().map(|list| list.iter().map(|instance| instance.growth() as u64).sum::<u64>()).sum()
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Takes all instances, and none from here on. They are to be retired, as are those that come back later.
    pub fn close(&self) -> Vec<Instance> {
        self.closed.store(true, Ordering::Release);
        let mut ended = Vec::new();
        for mut list in self.waiting.lists() {
            ended.append(&mut list);
        }
        self.count.fetch_sub(ended.len(), Ordering::Relaxed);
        ended
    }

    /// Takes the instances that have waited too long, but leaves so many.
    pub fn take_stale(&self, older_than: Duration, leave: usize) -> Vec<Instance> {
        let now = Instant::now();
        let mut surplus = self.len().saturating_sub(leave);
        let mut ended = Vec::new();
        for mut list in self.waiting.lists() {
            // The oldest stand first: instances are taken from the end.
            let stale = |instance: &Instance| now.duration_since(instance.idle_since) > older_than;
            let count = list.iter().take(surplus).take_while(|instance| stale(instance)).count();
            ended.extend(list.drain(..count));
            surplus -= count;
            self.count.fetch_sub(count, Ordering::Relaxed);
        }
        ended
    }
}
