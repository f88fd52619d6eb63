//! Who may run now: invocations of a workspace and of the server, counted, with permits that come back by themselves.

use super::rate::Rate;
use super::registry::Live;
use crate::deployment::operations::Operation;
use crate::deployment::{Function, Program};
use crate::interpreters::Language;
use crate::limits::{Pace, ServerLimits};
use crate::routing::Name;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A counter with a bound, and maybe a pace.
#[derive(Debug)]
pub struct Gate {
    inside: AtomicU32,
    limit: u32,
    rate: Option<Rate>,
}

impl Gate {
    pub fn new(limit: u32, pace: Option<Pace>) -> Arc<Self> {
        Arc::new(Self { inside: AtomicU32::new(0), limit, rate: pace.map(Rate::new) })
    }

    /// The gate of a workspace.
    pub fn of_workspace(limits: &ServerLimits) -> Arc<Self> {
        Self::new(limits.workspace_concurrency, limits.workspace_pace)
    }

    /// How many are inside.
    pub fn inside(&self) -> u32 {
        self.inside.load(Ordering::Relaxed)
    }

    /// Whether there was a place; whoever has it calls [`Self::leave`].
    fn enter(&self) -> bool {
        let more = |inside: u32| (inside < self.limit).then_some(inside + 1);
        self.inside.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn leave(&self) {
        self.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The server's own gates.
#[derive(Debug)]
pub struct Gates {
    server: Arc<Gate>,
    python: Option<Arc<Semaphore>>,
}

/// An invocation that may run: the function it goes to, and its places in the workspace's gate and in the server's, held
/// until it is dropped.
#[derive(Debug)]
pub struct Admission {
    pub live: Arc<Live>,
    pub function: Arc<Function>,
    pub entry: Option<String>,
    server: Arc<Gate>,
    python: Option<OwnedSemaphorePermit>,
}

impl Admission {
    /// The operation that is called, where it is one.
    pub fn operation(&self) -> Option<&Operation> {
        self.function.operation(self.entry.as_deref()?)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.live.gate.leave();
        self.server.leave();
    }
}

/// Where a call comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Outside,
    Function,
}

/// Not now, or not there.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    #[error("there is no function `{function}` in the workspace `{workspace}`")]
    NoFunction { workspace: Name, function: String },
    #[error("the function `{function}` has several entry points; call one of them as {}", examples(.function, .entries))]
    NoEntry { function: Name, entries: Vec<String> },
    #[error("the workspace `{workspace}` has {limit} invocations under way, as many as it may have at once")]
    WorkspaceBusy { workspace: Name, limit: u32 },
    #[error("the workspace `{workspace}` is called more than {per_second} times a second")]
    TooFast { workspace: Name, per_second: NonZeroU32, wait: Duration },
    #[error("the server has as many invocations under way as it may have at once")]
    ServerBusy,
}

fn examples(function: &Name, entries: &[String]) -> String {
    entries.iter().take(8).map(|entry| format!("`{function}.{entry}`")).collect::<Vec<_>>().join(", ")
}

impl AdmissionError {
    /// When it makes sense to try again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NoFunction { .. } | Self::NoEntry { .. } => None,
            Self::WorkspaceBusy { .. } | Self::ServerBusy => Some(Duration::from_secs(1)),
            Self::TooFast { wait, .. } => Some(*wait),
        }
    }
}

impl Gates {
    pub fn new(limits: &ServerLimits, python: Option<NonZeroUsize>) -> Self {
        Self {
            server: Gate::new(limits.concurrency, None),
            python: python.map(|count| Arc::new(Semaphore::new(count.get()))),
        }
    }

    /// How many invocations are under way.
    pub fn inside(&self) -> u32 {
        self.server.inside()
    }

    /// Admits an invocation of a function by the name that the caller used. Refuses at once where there is no place;
    /// waits only for a turn among Python's, where the settings bound them and the call comes from outside: a function
    /// that calls another holds a turn already.
    pub async fn admit(&self, live: Arc<Live>, called: &str, origin: Origin) -> Result<Admission, AdmissionError> {
        let deployment = &live.deployment;
        let Some((function, entry)) = deployment.resolve(called) else {
            return Err(AdmissionError::NoFunction {
                workspace: deployment.workspace.clone(),
                function: called.into(),
            });
        };
        if entry.is_none() && !function.shape.callable {
            return Err(AdmissionError::NoEntry {
                function: function.grants.function.clone(),
                entries: function.shape.entries.clone(),
            });
        }
        let (function, entry) = (function.clone(), entry.map(str::to_string));
        // What a function calls was let in with it.
        if origin == Origin::Outside
            && let Some(rate) = &live.gate.rate
        {
            rate.take(Instant::now()).map_err(|wait| AdmissionError::TooFast {
                workspace: deployment.workspace.clone(),
                per_second: rate.pace.per_second,
                wait,
            })?;
        }
        if !live.gate.enter() {
            return Err(AdmissionError::WorkspaceBusy {
                workspace: deployment.workspace.clone(),
                limit: live.gate.limit,
            });
        }
        if !self.server.enter() {
            live.gate.leave();
            return Err(AdmissionError::ServerBusy);
        }
        let mut admission = Admission { live, function, entry, server: self.server.clone(), python: None };
        let is_python = matches!(admission.function.program, Program::Source { language: Language::Python, .. });
        if let Some(turns) = self.python.as_ref().filter(|_| is_python && origin == Origin::Outside) {
            let patience = admission.function.grants.limits.timeout;
            let turn = tokio::time::timeout(patience, turns.clone().acquire_owned()).await;
            admission.python = Some(turn.ok().and_then(Result::ok).ok_or(AdmissionError::ServerBusy)?);
        }
        Ok(admission)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_lets_in_as_many_as_its_bound_and_again_when_they_left() {
        let gate = Gate::new(2, None);
        assert!(gate.enter() && gate.enter());
        assert!(!gate.enter());
        gate.leave();
        assert!(gate.enter());
        gate.leave();
        gate.leave();
        assert_eq!(gate.inside(), 0);
    }
}
