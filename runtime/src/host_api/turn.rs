//! Turns on the CPU for guests that compute: what keeps 500 endless loops from slowing a stranger's short call.
//!
//! At its first epoch tick a guest yields to the executor; from its second on it must get one of as many turns as there
//! are workers, first come first served, and give it back a tick later. So at most that many computing guests stand in
//! the executor's queue at once, and a new request waits for one slice at most.

use super::labour::Labour;
use std::sync::{Arc, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::UpdateDeadline;

/// The turns of the server.
#[derive(Clone, Debug)]
pub struct Turns {
    guests: Arc<Semaphore>,
    labour: Arc<Semaphore>,
}

/// One instance's part in them.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    held: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
    slices: u32,
}

impl Turns {
    /// As many turns as the executor has workers.
    pub fn new(workers: usize) -> Self {
        let turns = || Arc::new(Semaphore::new(workers.max(1)));
        Self { guests: turns(), labour: turns() }
    }

    /// The turns of one instance at the host's work for it.
    pub(crate) fn labour(&self, workspace: Arc<Semaphore>) -> Labour {
        Labour::new(self.labour.clone(), workspace)
    }

    pub(crate) fn turn(&self) -> Turn {
        Turn { turns: self.clone(), held: Arc::default(), slices: 0 }
    }
}

impl Turn {
    /// What an epoch tick does to a guest that runs.
    pub(crate) fn tick(&mut self) -> UpdateDeadline {
        self.slices = self.slices.saturating_add(1);
        if self.slices == 1 {
            return UpdateDeadline::Yield(1);
        }
        let (turns, held) = (self.turns.guests.clone(), self.held.clone());
        UpdateDeadline::YieldCustom(
            1,
            Box::pin(async move {
                // tokio polls a task that yields only after it has looked at sockets and timers. The turn is kept until
                // then: given back before, it would wake the next guest at once, and requests would wait for all of them.
                tokio::task::yield_now().await;
                drop(take(&held));
                if let Ok(permit) = turns.acquire_owned().await {
                    *held.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(permit);
                }
            }),
        )
    }

    /// The guest waits for something, or is done: others may compute.
    pub(crate) fn release(&mut self) {
        if self.slices > 1 {
            drop(take(&self.held));
        }
        self.slices = 0;
    }
}

fn take(held: &Mutex<Option<OwnedSemaphorePermit>>) -> Option<OwnedSemaphorePermit> {
    held.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
}
