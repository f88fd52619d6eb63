//! The end of instances whose guest wants to be told of it: `process.on("SIGTERM")` and its like.
//!
//! An instance that its pool no longer keeps is handed over here from wherever that is decided, and told in a task of its
//! own, which nobody's answer waits for. The task holds the instance and a place, and ends by a deadline; where there is no
//! place, the instance ends untold. What ends for cause never comes here: its guest may be in any state.

use super::failure::Failure;
use super::{Guest, Instance};
use crate::host_api::Invocation;
use crate::limits;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The instances that are being told.
pub struct Retirement {
    telling: Mutex<JoinSet<()>>,
    /// Instances are also retired from threads that are not the executor's.
    executor: Handle,
    places: Arc<Semaphore>,
    /// The server stops: nothing new comes, so that instances wait for a place instead.
    takes_all: AtomicBool,
    told: AtomicU64,
    untold: AtomicU64,
}

impl Retirement {
    /// To be called on the executor.
    pub(super) fn new() -> Self {
        Self {
            telling: Mutex::default(),
            executor: Handle::current(),
            places: Arc::new(Semaphore::new(limits::MAX_RETIREMENTS as usize)),
            takes_all: AtomicBool::new(false),
            told: AtomicU64::new(0),
            untold: AtomicU64::new(0),
        }
    }

    /// Takes an instance over whose guest wants to be told. Hands back any other, which just ends.
    pub(super) fn retire(&self, instance: Instance) -> Option<Instance> {
        if !instance.has_retirement_hook() {
            return Some(instance);
        }
        let mut telling = self.telling();
        while telling.try_join_next().is_some() {}
        let places = self.places.clone();
        if self.takes_all.load(Ordering::Acquire) {
            self.told.fetch_add(1, Ordering::Relaxed);
            let task = async move {
                let _place = places.acquire_owned().await;
                tell(instance).await;
            };
            telling.spawn_on(task, &self.executor);
            return None;
        }
        let of_workspace = instance.store.data().grants.shared.retiring.clone();
        let (Ok(place), Ok(share)) = (places.try_acquire_owned(), of_workspace.try_acquire_owned()) else {
            self.leave_out(&instance);
            return Some(instance);
        };
        self.told.fetch_add(1, Ordering::Relaxed);
        let task = async move {
            tell(instance).await;
            drop((place, share));
        };
        telling.spawn_on(task, &self.executor);
        None
    }

    /// Retires instances that nothing else comes of.
    pub(super) fn retire_all(&self, instances: Vec<Instance>) {
        for instance in instances {
            drop(self.retire(instance));
        }
    }

    fn leave_out(&self, instance: &Instance) {
        let untold = self.untold.fetch_add(1, Ordering::Relaxed) + 1;
        // Guests decide how often this happens, and not how much of the log it fills.
        if untold.is_power_of_two() {
            let grants = &instance.store.data().grants;
            tracing::warn!(
                workspace = %grants.workspace,
                function = %grants.function,
                untold,
                "an instance ends without its SIGTERM: too many are being retired at once"
            );
        }
    }

    /// From here on, all instances are told, however many: the server stops.
    pub(super) fn take_all(&self) {
        self.takes_all.store(true, Ordering::Release);
    }

    /// Waits until all have been told, until then at most.
    pub(super) async fn ended(&self, until: Instant) {
        let all = async {
            loop {
                let mut telling = std::mem::take(&mut *self.telling());
                if telling.is_empty() {
                    return;
                }
                while telling.join_next().await.is_some() {}
            }
        };
        if tokio::time::timeout_at(until.into(), all).await.is_err() {
            tracing::warn!("instances ended in the middle of their SIGTERM, or before it: the time to stop is over");
        }
    }

    /// How many instances were told since the start, and how many could not be.
    pub fn counts(&self) -> (u64, u64) {
        (self.told.load(Ordering::Relaxed), self.untold.load(Ordering::Relaxed))
    }

    fn telling(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.telling.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Calls the guest for the last time.
async fn tell(mut instance: Instance) {
    let invocation = Invocation::of_retirement();
    let (deadline, log) = (invocation.deadline, invocation.log.clone());
    // Dropping the call's future ends the guest.
    let outcome = match tokio::time::timeout_at(deadline.into(), call(&mut instance, invocation)).await {
        Ok(Ok(())) => "ok".to_string(),
        Ok(Err(error)) => Failure::from_trap(&error, instance.store.data()).message,
        Err(_) => format!("it did not end within {} ms", limits::RETIREMENT_TIMEOUT.as_millis()),
    };
    let grants = &instance.store.data().grants;
    let mut printed = Vec::new();
    log.append_json(&mut printed);
    // What a guest prints is for no answer; more than this level would let every stranger write into the server's log.
    tracing::debug!(
        workspace = %grants.workspace,
        function = %grants.function,
        outcome,
        log = %String::from_utf8_lossy(&printed),
        "retired"
    );
}

async fn call(instance: &mut Instance, invocation: Invocation) -> wasmtime::Result<()> {
    instance.begin(invocation)?;
    match &instance.guest {
        Guest::Interpreter(interpreter) => interpreter.thimble_runtime_guest().call_retire(&mut instance.store).await,
        // A component cannot ask for it.
        Guest::Handler(_) => Ok(()),
    }
}
