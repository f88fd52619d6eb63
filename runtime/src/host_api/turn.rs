//! Turns on the CPU for guests that compute: what keeps 500 endless loops from slowing a stranger's short call.
//!
//! At its first epoch tick a guest yields to the executor; from its second on it must get one of as many turns as there
//! are workers, first come first served, and give it back a tick later. So at most that many computing guests stand in
//! the executor's queue at once, and a new request waits for one slice at most.

use super::labour::Labour;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
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
    desk: Arc<Desk>,
    slices: u32,
    of_program: bool,
}

/// What an instance and its programs have of turns together.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    held: Mutex<Option<OwnedSemaphorePermit>>,
    asked: AtomicBool,
}

impl Desk {
    /// Whether a program has used up its slice. The others then wait, too, until there is a turn.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Gives the turn back, and waits for the next one.
    async fn next(&self, turns: &Arc<Semaphore>) {
        // tokio polls a task that yields only after it has looked at sockets and timers. The turn is kept until
        // then: given back before, it would wake the next guest at once, and requests would wait for all of them.
        tokio::task::yield_now().await;
        drop(self.take());
        if let Ok(permit) = turns.clone().acquire_owned().await {
            *self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(permit);
        }
    }

    fn take(&self) -> Option<OwnedSemaphorePermit> {
        self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }
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
        Turn { turns: self.clone(), desk: Arc::default(), slices: 0, of_program: false }
    }
}

impl Turn {
    /// The turns that it is a part of.
    pub(crate) fn turns(&self) -> &Turns {
        &self.turns
    }

    /// That of a program of this instance, which computes in its caller's turns.
    pub(crate) fn of_program(&self) -> Self {
        Self { turns: self.turns.clone(), desk: self.desk.clone(), slices: 0, of_program: true }
    }

    pub(crate) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Waits for what the guest waits for, and takes turns for its programs meanwhile.
    ///
    /// A program must not wait for a turn itself: the guest may go on to compute while nothing polls the program, which would then
    /// have a turn that it does not use.
    pub(crate) async fn wait<T>(&mut self, work: impl Future<Output = T>) -> T {
        self.release();
        let mut work = pin!(work);
        loop {
            let desk = &self.desk;
            let step = poll_fn(|context| match work.as_mut().poll(context) {
                Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
                Poll::Pending if desk.is_asked() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            if let Some(outcome) = step.await {
                return outcome;
            }
            self.slices = self.slices.max(2);
            self.desk.next(&self.turns.guests).await;
            self.desk.asked.store(false, Ordering::Relaxed);
        }
    }

    /// What an epoch tick does to a guest that runs.
    pub(crate) fn tick(&mut self) -> UpdateDeadline {
        self.slices = self.slices.saturating_add(1);
        if self.of_program {
            self.desk.asked.store(self.slices > 1, Ordering::Relaxed);
            return UpdateDeadline::Yield(1);
        }
        if self.slices == 1 {
            return UpdateDeadline::Yield(1);
        }
        let (turns, desk) = (self.turns.guests.clone(), self.desk.clone());
        UpdateDeadline::YieldCustom(1, Box::pin(async move { desk.next(&turns).await }))
    }

    /// The guest waits for something, or is done: others may compute.
    pub(crate) fn release(&mut self) {
        if self.slices > 1 {
            drop(self.desk.take());
        }
        self.slices = 0;
    }
}
