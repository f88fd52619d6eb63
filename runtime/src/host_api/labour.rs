//! Work of the host that takes longer than a host call may: it runs on threads of its own, in turns.
//!
//! As many pieces run at once as there are workers, one of each workspace: what a workspace piles up stands in its own
//! way. Long work comes in pieces where it can be cut, so that others get a turn in between and nothing runs on for an invocation
//! that ended. What cannot be cut is bounded in [`limits`].

use crate::limits;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;

/// The turns of one workspace, under those of the server.
#[derive(Clone, Debug)]
pub struct Labour {
    server: Arc<Semaphore>,
    workspace: Arc<Semaphore>,
}

/// Whether work is done.
pub enum Step<T> {
    Done(T),
    More,
}

impl Labour {
    pub fn new(server: Arc<Semaphore>, workspace: Arc<Semaphore>) -> Self {
        Self { server, workspace }
    }

    /// Runs it on a thread of its own. It goes on to its end even when nobody waits any more, and keeps its turn until then.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> wasmtime::Result<T> {
        // These semaphores are never closed.
        let turns = (self.workspace.clone().acquire_owned().await?, self.server.clone().acquire_owned().await?);
        let working = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turns);
            result
        });
        Ok(working.await?)
    }

    /// Runs work that can be cut: `step` goes on until the moment that it is given, and says whether it is done.
    pub async fn run_in_steps<T, W>(&self, work: W, step: fn(&mut W, Instant) -> Step<T>) -> wasmtime::Result<T>
    where
        T: Send + 'static,
        W: Send + 'static,
    {
        let mut work = work;
        loop {
            let (after, outcome) = self
                .run(move || {
                    let outcome = step(&mut work, Instant::now() + limits::LABOUR_STEP);
                    (work, outcome)
                })
                .await?;
            match outcome {
                Step::Done(result) => return Ok(result),
                Step::More => work = after,
            }
        }
    }
}
