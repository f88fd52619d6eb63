//! The call: an instance, an event, a deadline; an outcome.

pub mod command;
pub mod event;
pub mod operation;
pub mod proxy;

use crate::host_api::Invocation;
use crate::instance::failure::{Failure, FailureKind};
use crate::instance::pool::Lease;
use crate::instance::{Guest, Instance};
use crate::limits::InvocationLimits;

/// What an invocation came to: JSON text, or why there is none.
pub type Outcome = Result<String, Failure>;

/// Runs one invocation on a leased instance, which is kept or dropped by how it ends.
pub async fn call(mut lease: Lease, entry: Option<&str>, event: &str, invocation: Invocation) -> Outcome {
    let deadline = invocation.deadline;
    let limits = lease.instance().store.data().grants.limits;
    let running = run(lease.instance(), entry, event, invocation);
    // Dropping the call's future ends the guest; the lease, not given back, then drops the instance.
    let outcome = match tokio::time::timeout_at(deadline.into(), running).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::timeout(&limits)),
    };
    let refused = lease.instance().store.data().memory.refused();
    if outcome.as_ref().err().is_none_or(|failure| failure.reusable) && !refused {
        lease.give_back();
    }
    outcome
}

async fn run(instance: &mut Instance, entry: Option<&str>, event: &str, invocation: Invocation) -> Outcome {
    if let Err(error) = instance.begin(invocation) {
        return Err(Failure::from_trap(&error, instance.store.data()));
    }
    let Instance { store, guest, .. } = instance;
    let limits = store.data().grants.limits;
    match guest {
        Guest::Interpreter(interpreter) => {
            match interpreter.thimble_runtime_guest().call_invoke(&mut *store, entry, event).await {
                Ok(Ok(result)) => within(result, &limits),
                Ok(Err(failure)) => Err(Failure::from_guest(failure, store.data())),
                Err(error) => Err(Failure::from_trap(&error, store.data())),
            }
        }
        Guest::Handler(handler) => match handler.thimble_runtime_handler().call_handle(&mut *store, event).await {
            Ok(Ok(result)) => within(result, &limits).and_then(checked_json),
            Ok(Err(message)) => {
                let mut failure = Failure::new(FailureKind::Thrown, message);
                failure.reusable = true;
                Err(failure)
            }
            Err(error) => Err(Failure::from_trap(&error, store.data())),
        },
    }
}

fn within(result: String, limits: &InvocationLimits) -> Outcome {
    if result.len() as u64 > limits.response_size.0 {
        let mut failure = Failure::result_too_large(limits.response_size);
        failure.reusable = true;
        return Err(failure);
    }
    Ok(result)
}

/// The interpreters write JSON themselves; what a stranger's component says is JSON is looked at first.
fn checked_json(result: String) -> Outcome {
    match serde_json::from_str::<serde::de::IgnoredAny>(&result) {
        Ok(_) => Ok(result),
        Err(error) => {
            let mut failure = Failure::new(FailureKind::NotJson, format!("the handler's result is not JSON: {error}"));
            failure.reusable = true;
            Err(failure)
        }
    }
}
