//! The interface `functions`: calls to other functions of the workspace, through a handle that the pipeline gives.

use super::bindings::thimble::runtime::functions as wit;
use super::reactor::{Completion, TooMany};
use super::{Invocation, Stage, State};
use crate::limits;
use crate::task::Owned;
use futures_util::future::BoxFuture;

pub use wit::Failure;

/// What a call came to: JSON text, or why there is none.
pub type Called = Result<String, Failure>;

/// Runs the functions of one deployment. Implemented by the pipeline, which is above this module.
pub trait Callee: Send + Sync {
    /// `arguments` is a JSON array in text form, as the guest wrote it: not checked yet.
    fn call(&self, name: String, arguments: String, caller: Invocation) -> BoxFuture<'static, Called>;
}

/// A failure of the host's own making.
pub fn failure(code: &str, message: impl Into<String>) -> Failure {
    Failure { code: code.into(), message: message.into(), name: None, stack: None }
}

impl wit::Host for State {
    fn start(&mut self, name: String, arguments: String) -> wasmtime::Result<Result<u64, Failure>> {
        let invocation = self.running()?.clone();
        let Some(callee) = invocation.callee.clone() else {
            let (code, when) = match invocation.stage {
                Stage::Retirement => ("not_while_retiring", "before an instance is retired"),
                Stage::Load | Stage::Call => ("not_while_loading", "while the top level of a function runs"),
            };
            return Ok(Err(failure(code, format!("`{name}` cannot be called {when}"))));
        };
        if invocation.depth >= limits::MAX_CALL_DEPTH {
            let message = format!("functions call each other more than {} deep", limits::MAX_CALL_DEPTH);
            return Ok(Err(failure("recursion_limit", message)));
        }
        if self.reactor.calls >= limits::MAX_CALLS {
            let message = format!("one invocation may make {} calls to other functions", limits::MAX_CALLS);
            return Ok(Err(failure("too_many_calls", message)));
        }
        self.reactor.calls += 1;
        // A task of its own: a caller that computes polls nothing, and what was called would keep the turns that it has queued for,
        // here and at other doors, without using them.
        let call = Owned::spawn(callee.call(name, arguments, invocation));
        let started = self.reactor.start(async move {
            let called =
                call.await.unwrap_or_else(|gone| Err(failure("internal", format!("the call was ended: {gone}"))));
            Completion::Call(called)
        });
        Ok(started.map_err(|TooMany| failure("too_many_operations", "too many operations are under way")))
    }

    fn finish(&mut self, operation: u64) -> wasmtime::Result<Called> {
        Ok(match self.reactor.take(operation) {
            Some(Completion::Call(called)) => called,
            _ => Err(failure("unknown_operation", "this call is not known, or not finished")),
        })
    }
}
