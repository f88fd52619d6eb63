//! Why a function has no result: an exception of its own, or the sandbox's refusal. Never an error of the server.

use crate::host_api::State;
use crate::host_api::bindings::exports::thimble::runtime::guest;
use crate::limits::{self, ByteSize, InvocationLimits};
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

pub use guest::{Misfit, Position};

/// How wasmtime says that a call copies more out of a guest than its store allows; the error's type is its own.
const TOO_MUCH_AT_ONCE: &str = "fuel allocated for hostcalls";

/// What kind of end it was. Each has a code of its own in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    Syntax,
    NoHandler,
    /// The function threw.
    Thrown,
    NoSuchEntry,
    BadArguments,
    /// Values of the event are not of the declared types.
    Misfit,
    /// The declared types are none that values can be converted to.
    BadSignature,
    NotJson,
    NeverSettles,
    StackOverflow,
    Memory,
    Timeout,
    Fuel,
    ResultTooLarge,
    /// The sandbox trapped, for another reason.
    Trap,
}

/// Why a function has no result.
#[derive(Clone, Debug)]
pub struct Failure {
    pub kind: FailureKind,
    pub message: String,
    /// The exception's class.
    pub name: Option<String>,
    pub stack: Option<String>,
    pub position: Option<Position>,
    /// The values that are not of their types.
    pub misfits: Vec<Misfit>,
    /// Whether the instance can be used again.
    pub reusable: bool,
}

impl Failure {
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            name: None,
            stack: None,
            position: None,
            misfits: vec![],
            reusable: false,
        }
    }

    pub fn timeout(limits: &InvocationLimits) -> Self {
        let message = format!(
            "the function did not end within its time-out of {} ms; set `timeout` to give it more",
            limits.timeout.as_millis()
        );
        Self::new(FailureKind::Timeout, message)
    }

    pub fn memory(limits: &InvocationLimits) -> Self {
        let message =
            format!("the function needs more than its memory of {}; set `memory` to give it more", limits.memory);
        Self::new(FailureKind::Memory, message)
    }

    pub fn result_too_large(limit: ByteSize) -> Self {
        Self::new(FailureKind::ResultTooLarge, format!("the result is larger than the {limit} that are allowed"))
    }

    /// What an interpreter reported.
    pub fn from_guest(failure: guest::Failure, state: &State) -> Self {
        use guest::FailureKind as Reported;
        let kind = match failure.kind {
            Reported::Syntax => FailureKind::Syntax,
            Reported::NoHandler => FailureKind::NoHandler,
            Reported::Thrown => FailureKind::Thrown,
            Reported::NoSuchEntry => FailureKind::NoSuchEntry,
            Reported::BadArguments => FailureKind::BadArguments,
            Reported::Misfit => FailureKind::Misfit,
            Reported::BadSignature => FailureKind::BadSignature,
            Reported::NotJson => FailureKind::NotJson,
            Reported::NeverSettles => FailureKind::NeverSettles,
            Reported::StackOverflow => FailureKind::StackOverflow,
            Reported::OutOfMemory => FailureKind::Memory,
        };
        let mut own = Self {
            kind,
            message: failure.message,
            name: Some(failure.name).filter(|name| !name.is_empty()),
            stack: Some(failure.stack).filter(|stack| !stack.is_empty()),
            position: failure.position,
            misfits: failure.misfits.into_iter().take(limits::MAX_MISFITS).collect(),
            // An exception leaves the interpreter sound; a lack of memory may have left anything half done.
            reusable: !state.memory.refused() && kind != FailureKind::StackOverflow,
        };
        if kind == FailureKind::Memory {
            own.message = Self::memory(&state.grants.limits).message;
        }
        own
    }

    /// What the sandbox's end means.
    pub fn from_trap(error: &wasmtime::Error, state: &State) -> Self {
        let limits = &state.grants.limits;
        // A guest that was refused memory ends in many ways: all of them are a lack of memory.
        if state.memory.refused() {
            return Self::memory(limits);
        }
        if error.downcast_ref::<I32Exit>().is_some() {
            return Self::new(FailureKind::Thrown, "the function ended its process instead of returning");
        }
        if error.root_cause().to_string().contains(TOO_MUCH_AT_ONCE) {
            // Outside of a call of the host, only the result is taken over.
            return match error.downcast_ref::<WasmBacktrace>() {
                None => Self::result_too_large(limits.response_size),
                Some(_) => {
                    let most = ByteSize(limits::HOSTCALL_FUEL as u64);
                    Self::new(FailureKind::Trap, format!("the function handed more than {most} to the host at once"))
                }
            };
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => Self::new(FailureKind::StackOverflow, "the function recursed too deep"),
            Some(Trap::OutOfFuel) => Self::new(
                FailureKind::Fuel,
                format!("the function used up its fuel of {}", limits.fuel.map_or(0, |fuel| fuel.get())),
            ),
            Some(Trap::UnreachableCodeReached) => Self::new(
                FailureKind::Trap,
                "the function's code gave up (wasm `unreachable`): an abort or a panic, or, in Python, a wait for a \
                 `threading.Lock` that nothing can release",
            ),
            Some(trap) => Self::new(FailureKind::Trap, format!("the sandbox ended the function: {trap}")),
            None => Self::new(FailureKind::Trap, format!("the sandbox ended the function: {}", error.root_cause())),
        }
    }
}
