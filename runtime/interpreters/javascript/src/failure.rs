//! What users read of an error: its kind, name and message, and a stack of their own lines only.
//!
//! QuickJS counts columns in bytes, we in characters; and it lists frames of the boot JavaScript and of native functions,
//! which are ours and not the user's. Where the code was translated, places are those of what its author wrote.
//!
//! QuickJS ends each line of a stack, and a stack that was made readable has no line end at its end: so no stack is
//! translated twice, however often it is read.

use std::cell::RefCell;
use std::rc::Rc;

use crate::bindings::exports::thimble::runtime::guest::{Failure, FailureKind, Position};
use crate::js::{self, Thrown, Value};
use crate::origin::{self, Origin};
use crate::{allocator, natives};

/// The file names of the boot JavaScript begin so.
pub const BOOT: &str = "thimble:";

/// How many causes and aggregated errors are told.
const CAUSES: usize = 5;

/// What was loaded, to find lines and columns in.
#[derive(Default)]
struct Loaded {
    file: String,
    code: String,
    /// Whether the code has a map that nobody has asked for yet.
    is_translated: bool,
    origin: Option<Rc<Origin>>,
}

thread_local! {
    static SOURCE: RefCell<Loaded> = RefCell::new(Loaded::default());
}

pub fn remember_source(file: &str, code: &str) {
    let (file, code) = (file.to_owned(), code.to_owned());
    let is_translated = origin::is_told(&code);
    SOURCE.set(Loaded { file, code, is_translated, origin: None });
}

/// Where the code comes from, if it was translated.
fn origin() -> Option<Rc<Origin>> {
    let undecoded = SOURCE.with_borrow_mut(|source| {
        // Whatever comes of it, it is tried once.
        std::mem::take(&mut source.is_translated).then(|| source.code.clone())
    });
    if let Some(code) = undecoded {
        let origin = Origin::of(&code).map(Rc::new);
        SOURCE.with_borrow_mut(|source| source.origin = origin);
    }
    SOURCE.with_borrow(|source| source.origin.clone())
}

pub fn new(kind: FailureKind, name: &str, message: impl Into<String>) -> Failure {
    Failure { kind, name: name.to_owned(), message: message.into(), stack: String::new(), position: None }
}

/// The failure that an exception of the user's code is.
pub fn thrown(Thrown(value): &Thrown) -> Failure {
    if value.raw() == js::sys::JS_NULL && allocator::was_refused() {
        // There was not even memory for the error object.
        return new(FailureKind::OutOfMemory, "InternalError", "out of memory");
    }
    let Some(error) = describe(value) else {
        let shown = natives::inspect(value);
        return new(FailureKind::Thrown, "", format!("thrown value: {shown}"));
    };
    let kind = match (error.name.as_str(), error.message.as_str()) {
        ("InternalError", "out of memory") => FailureKind::OutOfMemory,
        ("RangeError", "Maximum call stack size exceeded") => FailureKind::StackOverflow,
        _ => FailureKind::Thrown,
    };
    let position = position(&error.stack);
    let mut stack = error.stack;
    causes(value, &mut stack, &mut CAUSES.clone());
    Failure { kind, name: error.name, message: error.message, stack, position }
}

/// The failure that a source which does not parse is.
pub fn syntax(Thrown(value): &Thrown) -> Failure {
    let raw = value.get("stack").ok().and_then(|stack| stack.as_text()).unwrap_or_default();
    let error = describe(value);
    let (name, message) = error
        .map(|error| (error.name, error.message))
        .unwrap_or_else(|| ("SyntaxError".to_owned(), natives::inspect(value)));
    let found = raw.lines().find_map(frame_place);
    let position = position(&clean_stack(&raw));
    // What QuickJS met behind the end is a wrapper's, not the user's.
    let message = match found {
        Some((line, _)) if line > line_count() => "unexpected end of the source".to_owned(),
        _ => message,
    };
    Failure { kind: FailureKind::Syntax, name, message, stack: String::new(), position }
}

fn line_count() -> u32 {
    SOURCE.with_borrow(|source| source.code.lines().count().max(1) as u32)
}

/// A place in the user's file, moved to the last line where it lies behind the end.
pub fn place(line: u32, byte_column: u32) -> Position {
    let origin = origin();
    SOURCE.with_borrow(|Loaded { file, code, .. }| {
        if let Some(found) = origin.as_ref().and_then(|origin| origin.find(code, line, byte_column)) {
            let (file, text) = (found.file.to_owned(), found.text.to_owned());
            return Position { file, line: found.line, column: found.column, text };
        }
        let lines: Vec<&str> = code.lines().collect();
        let last = lines.len().max(1) as u32;
        let line_in_file = line.clamp(1, last);
        let text = lines.get(line_in_file as usize - 1).copied().unwrap_or("");
        let column = if line > last { text.chars().count() as u32 + 1 } else { column_in(text, byte_column) };
        Position { file: file.clone(), line: line_in_file, column, text: text.to_owned() }
    })
}

/// The same text with the user's places and without frames that are not the user's.
pub fn clean_stack(stack: &str) -> String {
    if !stack.ends_with('\n') {
        return stack.to_owned();
    }
    let mut out = String::new();
    for line in stack.lines() {
        let frame = line.trim_start();
        if !frame.starts_with("at ")
            || frame.contains(&format!("({BOOT}"))
            || frame.starts_with(&format!("at {BOOT}"))
            || frame.ends_with("(native)")
            || frame.ends_with("(missing)")
        {
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str("    ");
        match frame_place(frame) {
            Some((line, column)) => {
                let before = frame.rsplitn(3, ':').nth(2).unwrap_or(frame);
                let before =
                    SOURCE.with_borrow(|source| before.strip_suffix(&source.file).unwrap_or(before).to_owned());
                let place = place(line, column);
                out.push_str(&format!("{before}{}:{}:{}", place.file, place.line, place.column));
                if frame.ends_with(')') {
                    out.push(')');
                }
            }
            None => out.push_str(frame),
        }
    }
    out
}

/// `Name: message` and the stack below, as a log entry shows an error.
pub fn report(thrown_value: &Thrown) -> String {
    let failure = thrown(thrown_value);
    let mut text =
        if failure.name.is_empty() { failure.message } else { format!("{}: {}", failure.name, failure.message) };
    if !failure.stack.is_empty() {
        text.push('\n');
        text.push_str(&failure.stack);
    }
    text
}

struct Described {
    name: String,
    message: String,
    stack: String,
}

fn describe(value: &Value) -> Option<Described> {
    if !value.is_object() {
        return None;
    }
    let text = |name: &str| value.get(name).ok().and_then(|value| value.as_text());
    if !value.is_error() && (text("name").is_none() || text("message").is_none()) {
        return None;
    }
    Some(Described {
        name: text("name").unwrap_or_else(|| "Error".to_owned()),
        message: text("message").unwrap_or_default(),
        stack: without_constructors(value, clean_stack(&text("stack").unwrap_or_default())),
    })
}

/// A stack from the place where the error was made, without the constructors of its own class.
fn without_constructors(error: &Value, stack: String) -> String {
    let class = error.get("constructor").and_then(|class| class.get("name"));
    let Some(class) = class.ok().and_then(|name| name.as_text()).filter(|name| !name.is_empty()) else {
        return stack;
    };
    let mut rest = stack.as_str();
    while let Some((first, after)) = rest.split_once('\n')
        && first.trim_start().strip_prefix("at ").is_some_and(|frame| frame.starts_with(&format!("{class} (")))
    {
        rest = after;
    }
    rest.to_owned()
}

fn causes(value: &Value, stack: &mut String, left: &mut usize) {
    let mut tell = |label: String, inner: &Value, left: &mut usize| {
        if *left == 0 {
            return;
        }
        *left -= 1;
        if !stack.is_empty() {
            stack.push('\n');
        }
        match describe(inner) {
            Some(error) => {
                stack.push_str(&format!("{label}: {}: {}", error.name, error.message));
                if !error.stack.is_empty() {
                    stack.push('\n');
                    stack.push_str(&error.stack);
                }
                causes(inner, stack, left);
            }
            None => stack.push_str(&format!("{label}: {}", natives::inspect(inner))),
        }
    };
    if let Ok(errors) = value.get("errors")
        && errors.is_object()
    {
        let count = errors.get("length").and_then(|length| length.to_f64()).unwrap_or(0.0);
        for index in 0..(count as usize).min(CAUSES) {
            if let Ok(inner) = errors.get(&index.to_string()) {
                tell(format!("error {index}"), &inner, left);
            }
        }
    }
    if let Ok(cause) = value.get("cause")
        && !cause.is_nullish()
    {
        tell("caused by".to_owned(), &cause, left);
    }
}

/// Line and byte column of a frame that lies in the user's file.
fn frame_place(frame: &str) -> Option<(u32, u32)> {
    let (file, line, column) = parse_frame(frame)?;
    SOURCE.with_borrow(|source| source.file == file).then_some((line, column))
}

/// File, line and column of a frame.
fn parse_frame(frame: &str) -> Option<(&str, u32, u32)> {
    let frame = frame.trim().trim_end_matches(')');
    let mut parts = frame.rsplitn(3, ':');
    let column = parts.next()?.parse().ok()?;
    let line: i64 = parts.next()?.parse().ok()?;
    let before = parts.next()?;
    let file =
        before.rsplit_once(['(']).map_or_else(|| before.trim_start().trim_start_matches("at "), |(_, file)| file);
    Some((file, line.max(1) as u32, column))
}

/// The innermost place of a clean stack that lies in the user's files.
fn position(stack: &str) -> Option<Position> {
    let origin = origin();
    stack.lines().filter_map(parse_frame).find_map(|(file, line, column)| {
        let text = SOURCE.with_borrow(|source| match &origin {
            Some(origin) => origin.text(file, line).map(str::to_owned),
            None if source.file == file => Some(source.code.lines().nth(line as usize - 1).unwrap_or("").to_owned()),
            None => None,
        })?;
        Some(Position { file: file.to_owned(), line, column, text })
    })
}

fn column_in(text: &str, byte_column: u32) -> u32 {
    let bytes = (byte_column.max(1) as usize - 1).min(text.len());
    let mut characters = 0;
    for (at, _) in text.char_indices() {
        if at >= bytes {
            break;
        }
        characters += 1;
    }
    characters + 1
}
