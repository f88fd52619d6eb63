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
    held: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
    slices: u32,
    /// That a program of this instance wants a turn; of a program: of its caller's programs.
    asked: Asked,
    of_program: bool,
}

/// Whether one of an instance's programs has used up its slice. The others then wait, too, until there is a turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked(Arc<AtomicBool>);

impl Asked {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
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
        Turn { turns: self.clone(), held: Arc::default(), slices: 0, asked: Asked::default(), of_program: false }
    }
}

impl Turn {
    /// The turns that it is a part of.
    pub(crate) fn turns(&self) -> &Turns {
        &self.turns
    }

    /// That of a program of this instance, which computes in its caller's turns.
    pub(crate) fn of_program(&self) -> Self {
        Self { asked: self.asked.clone(), of_program: true, ..self.turns.turn() }
    }

    pub(crate) fn asked(&self) -> &Asked {
        &self.asked
    }

    /// Waits for what the guest waits for, and takes turns for its programs meanwhile.
    ///
    /// A program must not wait for a turn itself: the guest may go on to compute while nothing polls the program, which would then
    /// have a turn that it does not use.
    pub(crate) async fn wait<T>(&mut self, work: impl Future<Output = T>) -> T {
        self.release();
        let mut work = pin!(work);
        loop {
            let asked = &self.asked;
            let step = poll_fn(|context| match work.as_mut().poll(context) {
                Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
                Poll::Pending if asked.is_set() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            if let Some(outcome) = step.await {
                return outcome;
            }
            self.slices = self.slices.max(2);
            next(&self.turns.guests, &self.held).await;
            self.asked.0.store(false, Ordering::Relaxed);
        }
    }

    /// What an epoch tick does to a guest that runs.
    pub(crate) fn tick(&mut self) -> UpdateDeadline {
        self.slices = self.slices.saturating_add(1);
        if self.of_program {
            self.asked.0.store(self.slices > 1, Ordering::Relaxed);
            return UpdateDeadline::Yield(1);
        }
        if self.slices == 1 {
            return UpdateDeadline::Yield(1);
        }
        let (turns, held) = (self.turns.guests.clone(), self.held.clone());
        UpdateDeadline::YieldCustom(1, Box::pin(async move { next(&turns, &held).await }))
    }

    /// The guest waits for something, or is done: others may compute.
    pub(crate) fn release(&mut self) {
        if self.slices > 1 {
            drop(take(&self.held));
        }
        self.slices = 0;
    }
}

/// Gives a turn back, and waits for the next one.
async fn next(turns: &Arc<Semaphore>, held: &Mutex<Option<OwnedSemaphorePermit>>) {
    // tokio polls a task that yields only after it has looked at sockets and timers. The turn is kept until
    // then: given back before, it would wake the next guest at once, and requests would wait for all of them.
    tokio::task::yield_now().await;
    drop(take(held));
    if let Ok(permit) = turns.clone().acquire_owned().await {
        *held.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(permit);
    }
}

fn take(held: &Mutex<Option<OwnedSemaphorePermit>>) -> Option<OwnedSemaphorePermit> {
    held.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
}
