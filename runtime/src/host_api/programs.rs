//! The interface `programs`: WebAssembly that a function brings along and starts, each in a sandbox of its own.
//!
//! A program is an operation of its caller's reactor, and so a future inside its store: it ends with the invocation, when
//! it is cancelled, or by itself. Nothing that it uses is beyond its caller's: memory, `/tmp`, the deadline; and the programs
//! of one invocation have as much fuel together as the function itself has.

mod library;
pub(crate) mod pipes;
mod sandbox;

pub(crate) use super::bindings::programs::thimble::runtime::programs as wit;
pub use library::{Library, MAGIC};

use super::State;
use super::reactor::{Completion, TooMany};
use crate::limits;
use library::failure;
use pipes::{Pipes, Received};
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::Poll;
use std::time::Duration;
use wasmtime::component::{HasSelf, Linker};
use wit::{Command, Failure, FailureCode, Report};

type Answer<T> = Result<T, Failure>;

/// The programs of one invocation.
#[derive(Default)]
pub(crate) struct Programs(Option<Box<Started>>);

struct Started {
    /// By their operations; those that have ended stay until that was received.
    pipes: HashMap<u64, Arc<Pipes>>,
    /// What the programs have left together, where fuel is counted.
    fuel: Arc<AtomicU64>,
}

impl Programs {
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    /// Nobody asks for this one any more.
    pub(super) fn forget(&mut self, program: u64) {
        if let Some(started) = &mut self.0 {
            started.pipes.remove(&program);
        }
    }

    fn pipes(&self, program: u64) -> Answer<Arc<Pipes>> {
        let known = self.0.as_ref().and_then(|started| started.pipes.get(&program));
        known.cloned().ok_or_else(|| {
            let message = "this program is not known any more: its end was received, or it is of an earlier invocation";
            failure(FailureCode::UnknownProgram, message)
        })
    }
}

/// Offers the interface.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wit::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

impl wit::Host for State {
    fn start(&mut self, command: Command) -> wasmtime::Result<Answer<u64>> {
        let invocation = self.running()?.clone();
        let fuel = self.grants.limits.fuel.map_or(0, |fuel| fuel.get());
        let started = self
            .programs
            .0
            .get_or_insert_with(|| Box::new(Started { pipes: HashMap::new(), fuel: Arc::new(AtomicU64::new(fuel)) }));
        if started.pipes.len() >= limits::MAX_PROGRAMS {
            let message = format!("one invocation runs at most {} programs at once", limits::MAX_PROGRAMS);
            return Ok(Err(failure(FailureCode::TooManyPrograms, message)));
        }
        let budget = started.fuel.clone();
        let variables = command.environment.iter().map(|(name, value)| name.len() + value.len() + 2);
        let texts = command.arguments.iter().map(|argument| argument.len() + 1).chain(variables).sum();
        if texts > limits::MAX_PROGRAM_ARGUMENTS {
            let message = format!("arguments and environment are longer than {} bytes", limits::MAX_PROGRAM_ARGUMENTS);
            return Ok(Err(failure(FailureCode::TooLong, message)));
        }
        let Command { path, arguments, environment, directory, input, open } = command;
        let Some(pipes) = Pipes::new(self.memory.household(), input, open, texts) else {
            let message = format!(
                "there is no room for another program in the function's memory of {}",
                self.grants.limits.memory
            );
            return Ok(Err(failure(FailureCode::OutOfMemory, message)));
        };
        let start =
            sandbox::Start { path, arguments, environment, directory, pipes: pipes.clone(), budget, invocation };
        let desk = self.turn.desk().clone();
        let mut running = Box::pin(start.run(self));
        let running = poll_fn(move |context| {
            if desk.is_asked() {
                // Another program has used up the slice.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            running.as_mut().poll(context).map(|()| Completion::Program)
        });
        match self.reactor.start(running) {
            Ok(number) => {
                if let Some(started) = &mut self.programs.0 {
                    started.pipes.insert(number, pipes);
                }
                Ok(Ok(number))
            }
            Err(TooMany) => Ok(Err(failure(FailureCode::TooManyPrograms, "too many operations are under way"))),
        }
    }

    fn feed(&mut self, program: u64, input: Option<Vec<u8>>) -> wasmtime::Result<Answer<()>> {
        let pipes = match self.programs.pipes(program) {
            Ok(pipes) => pipes,
            Err(failure) => return Ok(Err(failure)),
        };
        let message =
            "there is no room in the function's memory for more input of this program, which does not read it";
        Ok(if pipes.feed(input) { Ok(()) } else { Err(failure(FailureCode::OutOfMemory, message)) })
    }

    async fn receive(
        &mut self,
        program: u64,
        streams: wit::Streams,
        wait: Option<u64>,
    ) -> wasmtime::Result<Answer<Report>> {
        let pipes = match self.programs.pipes(program) {
            Ok(pipes) => pipes,
            Err(failure) => return Ok(Err(failure)),
        };
        if let Some(milliseconds) = wait {
            let patience = Duration::from_millis(milliseconds).min(2 * limits::MAX_TIMEOUT);
            let waiting = async {
                tokio::select! {
                    biased;
                    () = self.reactor.settle(program) => {}
                    () = pipes.standstill() => {}
                    () = tokio::time::sleep(patience) => {}
                }
            };
            self.turn.wait(waiting).await;
        }
        let Received { output, error, end } = pipes.receive(streams);
        let end = match end {
            None => None,
            Some(end) => {
                self.programs.forget(program);
                match end {
                    Ok(end) => Some(end),
                    Err(failure) => return Ok(Err(failure)),
                }
            }
        };
        let is_news = end.is_some() || !output.is_empty() || !error.is_empty();
        let more = if is_news || wait.is_some() {
            None
        } else {
            let news = async move {
                pipes.news(streams).await;
                Completion::Program
            };
            match self.reactor.start(news) {
                Ok(number) => Some(number),
                Err(TooMany) => {
                    return Ok(Err(failure(FailureCode::TooManyPrograms, "too many operations are under way")));
                }
            }
        };
        Ok(Ok(Report { output, error, end, more }))
    }
}
