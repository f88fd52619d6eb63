//! One run of one program: a store of its own, from its first instruction to its last words.

use super::library::failure;
use super::pipes::Pipes;
use super::wit::{Abort, End, Failure, FailureCode};
use crate::engine::{Metering, is_out_of_memory};
use crate::host_api::filesystem::working;
use crate::host_api::{Invocation, State, wasi};
use crate::limits;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::I32Exit;

/// What is to be run.
pub(super) struct Start {
    pub path: String,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub directory: String,
    pub pipes: Arc<Pipes>,
    /// What is left of the fuel of all programs of the invocation.
    pub budget: Arc<AtomicU64>,
    pub invocation: Invocation,
}

impl Start {
    /// Runs it to its end, which the pipes are told.
    pub(super) fn run(self, caller: &mut State) -> impl Future<Output = ()> + Send + 'static {
        let Self { path, arguments, environment, directory, pipes, budget, invocation } = self;
        let grants = caller.grants.clone();
        let quota = caller.shared_quota();
        let program = wasi::Program {
            arguments,
            environment,
            directory: directory.clone(),
            working: None,
            pipes: pipes.clone(),
            quota: quota.clone(),
        };
        let mut state = State::of_program(caller, program);
        async move {
            let metering = if grants.limits.fuel.is_some() { Metering::Fuel } else { Metering::Epoch };
            let gauge = Arc::new(Gauge { last: AtomicU64::new(0), budget: budget.clone() });
            let ended = async {
                let mounts = grants.mounts.clone();
                let opened = tokio::task::spawn_blocking(move || working::open(&directory, &quota, &mounts)).await;
                state.wasi.set_working(opened.unwrap_or_else(|error| Err(error.into())).map_err(no_directory)?);
                let command = grants.programs.program(&path, &grants.mounts, metering).await?;
                state.begin(invocation);
                let mut store = Store::new(command.engine(), state);
                store.limiter(|state| &mut state.memory);
                store.set_hostcall_fuel(limits::HOSTCALL_FUEL);
                store.set_epoch_deadline(1);
                if metering == Metering::Fuel {
                    let fuel = budget.load(Ordering::Relaxed);
                    store.set_fuel(fuel).map_err(host_fault)?;
                    gauge.last.store(fuel, Ordering::Relaxed);
                    let gauge = gauge.clone();
                    store.epoch_deadline_callback(move |mut context| {
                        let left = gauge.read(context.get_fuel()?);
                        if left == 0 {
                            return Err(Trap::OutOfFuel.into());
                        }
                        context.set_fuel(left)?;
                        Ok(context.data_mut().tick())
                    });
                } else {
                    store.epoch_deadline_callback(|mut context| Ok::<UpdateDeadline, _>(context.data_mut().tick()));
                }
                let running = async {
                    let program = command.instantiate_async(&mut store).await?;
                    program.wasi_cli_run().call_run(&mut store).await
                };
                let ended = running.await;
                if let Ok(fuel) = store.get_fuel() {
                    gauge.read(fuel);
                }
                end_of(ended, store.data())
            };
            pipes.end(ended.await);
        }
    }
}

/// Takes what a program uses from what all have together.
struct Gauge {
    /// What the program had when this was read last.
    last: AtomicU64,
    budget: Arc<AtomicU64>,
}

impl Gauge {
    /// Takes what the program has used since then; what is left for it.
    fn read(&self, now: u64) -> u64 {
        let used = self.last.load(Ordering::Relaxed).saturating_sub(now);
        let rest = |left: u64| Some(left.saturating_sub(used));
        let before = self.budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
        let left = before.map_or(0, |before| before.saturating_sub(used)).min(now);
        self.last.store(left, Ordering::Relaxed);
        left
    }
}

fn end_of(ended: wasmtime::Result<Result<(), ()>>, state: &State) -> Result<End, Failure> {
    let error = match ended {
        Ok(Ok(())) => return Ok(End::Exited(0)),
        Ok(Err(())) => return Ok(End::Exited(1)),
        Err(error) => error,
    };
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        // What a process may end with.
        return Ok(End::Exited(exit.0 as u32 & 0xff));
    }
    if state.memory.starved() || is_out_of_memory(&error) {
        tracing::warn!(%error, "the kernel refuses memory for a program");
        return Err(failure(FailureCode::OutOfMemory, "the server has no memory for it now"));
    }
    let memory = state.grants.limits.memory;
    let (abort, message) = match error.downcast_ref::<Trap>() {
        _ if state.memory.refused() => {
            let message = format!("it needs more than what its caller leaves of the function's memory of {memory}");
            (Abort::Memory, message)
        }
        Some(Trap::OutOfFuel) => (Abort::Fuel, "the fuel of the invocation's programs is used up".into()),
        Some(trap) => (Abort::Trap, format!("the sandbox ended it: {trap}")),
        None => (Abort::Trap, format!("the sandbox ended it: {}", error.root_cause())),
    };
    Ok(End::Aborted((abort, message)))
}

fn no_directory(error: io::Error) -> Failure {
    failure(FailureCode::NoSuchDirectory, format!("its working directory cannot be opened: {error}"))
}

fn host_fault(error: wasmtime::Error) -> Failure {
    tracing::error!(%error, "a program cannot be started");
    failure(FailureCode::Other, "the server could not start it")
}
