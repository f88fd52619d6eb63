//! Natives over programs: WebAssembly that the function brought along, in sandboxes of its own.

use crate::bindings::thimble::runtime::programs::{self, Abort, Command, End, Failure, FailureCode, Streams};
use crate::host::files::place;
use crate::host::pairs_of;
use crate::js::{Result, Thrown, Value};
use crate::natives::{Arguments, Native};
use crate::reactor;

pub const NATIVES: [(&str, Native); 5] =
    [("resolve", resolve), ("start", start), ("feed", feed), ("receive", receive), ("cancel", cancel)];

fn number(arguments: &Arguments) -> Result<u64> {
    Ok(arguments.number(0)? as u64)
}

/// Path, folder that it is relative to or undefined → the absolute path.
fn resolve(arguments: &Arguments) -> Result<Value> {
    let (path, folder) = (arguments.text(0)?, arguments.value(1));
    let path = if folder.is_nullish() || path.starts_with('/') { path } else { format!("{}/{path}", folder.text()?) };
    let absolute = place::absolute(&path);
    Ok(Value::string(if absolute.is_empty() { "/" } else { &absolute }))
}

/// Path, arguments with the program's name, environment as a flat array, working directory, input or undefined, whether more of
/// it follows → number.
fn start(arguments: &Arguments) -> Result<Value> {
    let list = arguments.value(1);
    let count = list.get("length")?.to_f64()? as usize;
    let input = arguments.value(4);
    let command = Command {
        path: arguments.text(0)?,
        arguments: (0..count)
            .map(|index| list.get(&index.to_string()).and_then(|one| one.text()))
            .collect::<Result<_>>()?,
        environment: pairs_of(&arguments.value(2))?,
        directory: arguments.text(3)?,
        input: if input.is_nullish() { Vec::new() } else { input.with_bytes(|bytes| bytes.to_vec())? },
        open: arguments.value(5).is_true(),
    };
    programs::start(&command).map(|number| Value::number(number as f64)).map_err(error)
}

/// Number, bytes or undefined for the end.
fn feed(arguments: &Arguments) -> Result<Value> {
    let (program, input) = (number(arguments)?, arguments.value(1));
    let fed = match input.is_nullish() {
        true => programs::feed(program, None),
        false => input.with_bytes(|bytes| programs::feed(program, Some(bytes)))?,
    };
    fed.map(|()| Value::UNDEFINED).map_err(error)
}

/// Number, streams as bits, milliseconds to wait or undefined, function to call when there is more → standard output,
/// standard error, operation that finishes when there is more or undefined, exit code or undefined, why the sandbox ended
/// it and what there is to say, or undefined.
fn receive(arguments: &Arguments) -> Result<Value> {
    let (program, bits, wait) = (number(arguments)?, arguments.number(1)? as u32, arguments.value(2));
    let streams =
        [Streams::empty(), Streams::OUTPUT, Streams::ERROR, Streams::OUTPUT | Streams::ERROR][bits as usize & 3];
    let wait = if wait.is_nullish() { None } else { Some(wait.to_f64()?.max(0.0) as u64) };
    let report = programs::receive(program, streams, wait).map_err(error)?;
    if let Some(operation) = report.more {
        reactor::expect(operation, arguments.value(3));
    }
    let (code, abort, message) = match report.end {
        None => (Value::UNDEFINED, Value::UNDEFINED, Value::UNDEFINED),
        Some(End::Exited(code)) => (Value::number(f64::from(code)), Value::UNDEFINED, Value::UNDEFINED),
        Some(End::Aborted((abort, message))) => {
            let abort = match abort {
                Abort::Trap => "trap",
                Abort::Memory => "memory",
                Abort::Fuel => "fuel",
            };
            (Value::UNDEFINED, Value::string(abort), Value::string(&message))
        }
    };
    let more = report.more.map_or(Value::UNDEFINED, |operation| Value::number(operation as f64));
    Ok(Value::array([Value::bytes(&report.output)?, Value::bytes(&report.error)?, more, code, abort, message]))
}

/// Ends a program, and forgets it.
fn cancel(arguments: &Arguments) -> Result<Value> {
    crate::bindings::thimble::runtime::reactor::cancel(number(arguments)?);
    Ok(Value::UNDEFINED)
}

/// The error with Node's code for it.
fn error(failure: Failure) -> Thrown {
    let code = match failure.code {
        FailureCode::NotFound | FailureCode::NoSuchDirectory => "ENOENT",
        FailureCode::NotExecutable => "EACCES",
        FailureCode::InvalidProgram => "ENOEXEC",
        FailureCode::TooManyPrograms => "EAGAIN",
        FailureCode::TooLong => "E2BIG",
        FailureCode::OutOfMemory => "ENOMEM",
        FailureCode::UnknownProgram => "ESRCH",
        FailureCode::Other => "EIO",
    };
    Thrown::new("Error", &failure.message).with("code", code)
}
