//! Sources that read their event from the environment and print their result, as programs do.
//!
//! `INPUT_DATA` and `TRIGGER_EVENT` are the event as JSON, `EXECUTION_ID` is the invocation's id and `FUNCTION_ID` the function's
//! name. A body that answers nothing has run when nothing of it is under way any more; the last line of its output that is
//! JSON is then its result.

use std::cell::RefCell;
use std::collections::VecDeque;

use crate::invoke;
use crate::js::{self, Value};
use crate::tasks::{self, Unsettled};

const VARIABLES: [&str; 4] = ["INPUT_DATA", "TRIGGER_EVENT", "EXECUTION_ID", "FUNCTION_ID"];
/// Lines of output, from the last, among which the result is looked for.
const LINES_LOOKED_AT: usize = 1_000;

thread_local! {
    /// What was printed, while somebody wants to know.
    static PRINTED: RefCell<Option<VecDeque<String>>> = const { RefCell::new(None) };
}

/// Whether a source may read one of the variables.
pub fn mentions(code: &str) -> bool {
    VARIABLES.iter().any(|name| code.contains(name))
}

/// Sets the variables for the invocation that begins, and listens to what is printed.
pub fn begin(event: &str) -> js::Result<()> {
    let (id, function) = invoke::with_invocation(|current| (current.request_id.clone(), current.function.clone()));
    let environment = Value::global().get("process")?.get("env")?;
    for (name, value) in VARIABLES.into_iter().zip([event, event, &id, &function]) {
        environment.set(name, Value::string(value))?;
    }
    PRINTED.set(Some(VecDeque::new()));
    Ok(())
}

/// Takes note of an entry of the log.
pub fn hear(text: &str) {
    PRINTED.with_borrow_mut(|printed| {
        for line in printed.is_some().then(|| text.lines()).into_iter().flatten() {
            let Some(lines) = printed.as_mut() else { return };
            if lines.len() == LINES_LOOKED_AT {
                lines.pop_front();
            }
            lines.push_back(line.trim().to_owned());
        }
    });
}

/// What the body of a program came to, once all that it began has ended.
pub fn finish(outcome: Result<Value, Unsettled>) -> Result<Value, Unsettled> {
    let result = match outcome {
        Ok(result) if !result.is_undefined() => return Ok(result),
        Ok(_) => {
            tasks::run_dry();
            match tasks::take_exit().or_else(tasks::take_rejection) {
                Some(thrown) => Err(Unsettled::Rejected(thrown)),
                None => Ok(()),
            }
        }
        Err(unsettled) => Err(unsettled),
    };
    match result {
        Err(Unsettled::Rejected(thrown)) if !is_good_exit(&thrown.0) => return Err(Unsettled::Rejected(thrown)),
        Err(Unsettled::Never) => return Err(Unsettled::Never),
        _ => drop(tasks::take_exit()),
    }
    let lines = PRINTED.take().unwrap_or_default();
    Ok(lines.iter().rev().find_map(|line| parsed(line)).unwrap_or(Value::UNDEFINED))
}

/// `process.exit()` is how a program says that it has done its work.
fn is_good_exit(thrown: &Value) -> bool {
    let code = thrown.is_object().then(|| thrown.get("exitCode").ok()).flatten().and_then(|code| code.to_f64().ok());
    code == Some(0.0)
}

fn parsed(line: &str) -> Option<Value> {
    let begins = line.starts_with(|first: char| "{[\"-".contains(first) || first.is_ascii_digit());
    if !begins && !["true", "false", "null"].contains(&line) {
        return None;
    }
    invoke::parse(line.to_owned()).ok()
}

/// Forgets what was printed.
pub fn forget() {
    PRINTED.set(None);
}
