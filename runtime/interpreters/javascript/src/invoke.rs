//! `invoke`: from an event to a result. The warm path, so it goes straight to QuickJS.

use std::cell::RefCell;

use crate::bindings::exports::thimble::runtime::guest::{Failure, FailureKind};
use crate::bindings::thimble::runtime::context::{self as host_context, Invocation};
use crate::host::{output, tcp};
use crate::js::{self, Thrown, Value, sys};
use crate::json::{self, Refused};
use crate::load::{Handler, PROGRAM, Program, Shape};
use crate::reactor::TellHost;
use crate::tasks::{self, Unsettled};
use crate::{async_context, command, engine_json, failure, instance, library, natives, reactor};

thread_local! {
    /// What the host says of the current invocation, once something has asked.
    static INVOCATION: RefCell<Option<Invocation>> = const { RefCell::new(None) };
    /// The prototype of context objects, and the function that gives a handler a callback.
    static CONTEXT_PROTOTYPE: RefCell<Value> = const { RefCell::new(Value::UNDEFINED) };
}

pub fn invoke(entry: Option<&str>, event: String) -> Result<String, Failure> {
    within(|| run(entry, event))
}

/// Tells the program that its instance ends. The listeners' promises are waited for; where one is no `async` function,
/// whatever is under way is.
pub fn retire() {
    within(|| {
        let told = natives::internal("retire").and_then(|retire| retire.call(&Value::UNDEFINED, &[]));
        match told {
            Ok(promise) if promise.is_object() => drop(tasks::settle(promise)),
            Ok(_) => tasks::run_dry(),
            Err(thrown) => tasks::report("Uncaught", &thrown),
        }
    });
}

/// What comes before and after each call of the program.
#[inline]
fn within<T>(call: impl FnOnce() -> T) -> T {
    instance::begin_invocation();
    forget_invocation();
    async_context::reset();
    tcp::resume();
    let result = call();
    tasks::drain();
    tasks::report_rejections();
    tasks::forget();
    command::forget();
    reactor::forget(TellHost::No);
    result
}

/// What the host says of the current invocation.
pub fn with_invocation<T>(read: impl FnOnce(&Invocation) -> T) -> T {
    INVOCATION.with_borrow_mut(|known| read(known.get_or_insert_with(host_context::current)))
}

#[inline]
pub fn forget_invocation() {
    INVOCATION.with_borrow_mut(|known| *known = None);
}

/// Notes the prototype that the boot JavaScript made for context objects.
pub fn set_context_prototype(prototype: Value) {
    CONTEXT_PROTOTYPE.set(prototype);
}

/// The call itself, without what belongs to an instance.
pub fn run(entry: Option<&str>, event: String) -> Result<String, Failure> {
    let reads_environment = PROGRAM.with_borrow(|program| program.reads_environment);
    if reads_environment {
        command::begin(&event).map_err(|thrown| failure::thrown(&thrown))?;
    }
    let event = parse(event)?;
    // Nothing borrows the program while user code runs.
    let (answer, shape) = PROGRAM.with_borrow(|program| {
        let handler = find(program, entry)?;
        prepare(program, handler, &event).map(|call| (call, handler.shape))
    })?;
    let value = match shape {
        Shape::Callback => answer.call_back(&event),
        Shape::Fetch => answer.fetch(&event),
        _ => answer.call(),
    };
    let mut settled = value.map_err(Unsettled::Rejected).and_then(tasks::settle);
    if reads_environment && shape == Shape::Body {
        settled = command::finish(settled);
    }
    let settled = settled.and_then(deliver);
    match settled {
        Ok(Some(result)) => json::stringify(&result, "the result").map_err(refused),
        // The answer was given already.
        Ok(None) => Ok("null".to_owned()),
        Err(Unsettled::Rejected(thrown)) => Err(failure::thrown(&thrown)),
        Err(Unsettled::Never) => Err(failure::new(
            FailureKind::NeverSettles,
            "Error",
            "the result is a promise that nothing resolves: no timer, request or call is under way. \
             Look for a `new Promise` whose `resolve` is never called, or a callback that is never called",
        )),
    }
}

/// The result that is still to be answered: what has several parts, or is an answer of its own, is delivered first.
#[inline]
fn deliver(result: Value) -> Result<Option<Value>, Unsettled> {
    let waiting = output::take_waiting();
    if !waiting && !output::has_parts(&result).map_err(Unsettled::Rejected)? {
        return Ok(Some(result));
    }
    let delivered = answers("deliver").and_then(|deliver| deliver.call(&Value::UNDEFINED, &[&result]));
    let left = tasks::settle(delivered.map_err(Unsettled::Rejected)?)?;
    if left.is_undefined() {
        return Ok(None);
    }
    left.get("value").map(Some).map_err(Unsettled::Rejected)
}

/// A function of the library's module about answers.
fn answers(name: &str) -> js::Result<Value> {
    let module =
        library::find("thimble:answer").unwrap_or_else(|| Err(Thrown::new("Error", "the library is not whole")));
    module?.get(name)
}

fn refused(refused: Refused) -> Failure {
    match refused {
        Refused::Thrown(thrown) => failure::thrown(&thrown),
        Refused::NotJson(message) => failure::new(FailureKind::NotJson, "TypeError", message),
    }
}

pub fn parse(event: String) -> Result<Value, Failure> {
    let parsed = engine_json::parse(event);
    parsed.map_err(|js::Thrown(error)| {
        let message = error.get("message").and_then(|message| message.text()).unwrap_or_default();
        let message = format!("the event is not JSON: {message}");
        failure::new(FailureKind::BadArguments, "SyntaxError", message)
    })
}

fn find<'a>(program: &'a Program, entry: Option<&str>) -> Result<&'a Handler, Failure> {
    let found = match entry {
        None => program.handler.as_ref(),
        Some(name) => program.entries.iter().find(|(entry, _)| entry == name).map(|(_, handler)| handler),
    };
    found.ok_or_else(|| {
        let names: Vec<&str> = program.entries.iter().map(|(name, _)| name.as_str()).collect();
        let asked = match entry {
            Some(name) => format!("there is no entry point {name:?}"),
            None => "the function has no handler of its own".to_owned(),
        };
        let message = if names.is_empty() {
            format!("{asked}; it has no entry points")
        } else {
            format!("{asked}; its entry points are {}", names.join(", "))
        };
        failure::new(FailureKind::NoSuchEntry, "Error", message)
    })
}

/// A call with everything that it needs, owned.
struct Call {
    function: Value,
    this: Value,
    arguments: Vec<Value>,
}

fn prepare(program: &Program, handler: &Handler, event: &Value) -> Result<Call, Failure> {
    let new_context = || CONTEXT_PROTOTYPE.with_borrow(|prototype| Value::object_with_prototype(prototype));
    let arguments = match handler.shape {
        Shape::Event | Shape::Callback | Shape::Fetch => vec![event.clone(), new_context()],
        Shape::Body => {
            let mut arguments = Vec::with_capacity(program.parameters.len() + 2);
            for name in &program.parameters {
                let value = if event.is_object() {
                    event.get_atom(name).map_err(|thrown| failure::thrown(&thrown))?
                } else {
                    Value::UNDEFINED
                };
                arguments.push(value);
            }
            if program.gives_event {
                arguments.push(event.clone());
            }
            if program.gives_context {
                arguments.push(new_context());
            }
            arguments
        }
    };
    let (function, this) = (handler.function.clone(), handler.this.clone());
    Ok(Call { function, this, arguments })
}

impl Call {
    #[inline]
    fn call(self) -> js::Result<Value> {
        let mut raw: Vec<sys::JSValue> = self.arguments.iter().map(Value::raw).collect();
        // SAFETY: `self` keeps the arguments alive.
        unsafe { self.function.call_raw(&self.this, &mut raw) }
    }

    /// Calls a handler that takes a request.
    fn fetch(self, event: &Value) -> js::Result<Value> {
        let new_context = self.arguments.last().cloned().unwrap_or(Value::UNDEFINED);
        answers("callFetch")?.call(&Value::UNDEFINED, &[&self.function, &self.this, event, &new_context])
    }

    /// Calls a handler that wants a callback: a promise of what it calls back, or answers.
    fn call_back(self, event: &Value) -> js::Result<Value> {
        let with_callback = natives::internal("withCallback")?;
        let new_context = self.arguments.last().cloned().unwrap_or(Value::UNDEFINED);
        with_callback.call(&Value::UNDEFINED, &[&self.function, &self.this, event, &new_context])
    }
}
