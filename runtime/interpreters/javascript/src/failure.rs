//! What users read of an error: its kind, name and message, and a stack of their own lines only.
//!
//! QuickJS counts columns in bytes, we in characters; and it lists frames of the boot JavaScript and of native functions,
//! which are ours and not the user's. Where the code was translated, places are those of what its author wrote.
//!
//! QuickJS ends each line of a stack, and a stack that was made readable has no line end at its end: so no stack is
//! translated twice, however often it is read.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::bindings::exports::thimble::runtime::guest::{Failure, FailureKind, Position};
use crate::js::{self, Thrown, Value};
use crate::origin::{self, Origin};
use crate::{allocator, modules, natives};

/// The file names of the boot JavaScript begin so.
pub const BOOT: &str = "thimble:";

/// What QuickJS says of the global that it does not have. It is left undefined, so that programs which look for it take the way
/// that they have without it.
const NO_WEBASSEMBLY: &str = "WebAssembly is not defined";
const INSTEAD_OF_WEBASSEMBLY: &str = ": JavaScript cannot run WebAssembly here. Deploy the module as a component of its own, \
    with \"language\": \"wasm\", and call it by functions.name()";

/// How many causes and aggregated errors are told.
const CAUSES: usize = 5;

thread_local! {
    /// The file name and the text of what was loaded.
    static SOURCE: RefCell<(String, String)> = RefCell::new(Default::default());
    /// The maps of files that have one, by the files' names; none where it does not decode.
    static ORIGINS: RefCell<HashMap<String, Option<Rc<Origin>>>> = RefCell::new(HashMap::new());
}

pub fn remember_source(file: &str, code: &str) {
    SOURCE.set((file.to_owned(), code.to_owned()));
    ORIGINS.take();
}

/// Where the code of a file comes from, if it was translated.
fn origin_of(file: &str, code: &str) -> Option<Rc<Origin>> {
    if !origin::is_told(code) {
        return None;
    }
    if let Some(known) = ORIGINS.with_borrow(|origins| origins.get(file).cloned()) {
        return known;
    }
    let origin = Origin::of(code).map(Rc::new);
    ORIGINS.with_borrow_mut(|origins| origins.insert(file.to_owned(), origin.clone()));
    origin
}

/// Where the source would be among its function's files.
pub fn source_path() -> String {
    SOURCE.with_borrow(|(file, _)| if file.starts_with('/') { file.clone() } else { format!("/var/task/{file}") })
}

/// The text of one of the user's files: of the source itself, or of a file beside it, read now.
fn text_of(file: &str) -> String {
    let own = SOURCE.with_borrow(|(own, code)| (own == file).then(|| code.clone()));
    own.unwrap_or_else(|| modules::program_of(file).unwrap_or_default())
}

pub fn new(kind: FailureKind, name: &str, message: impl Into<String>) -> Failure {
    Failure { kind, name: name.to_owned(), message: message.into(), stack: String::new(), position: None, misfits: vec![] }
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
    let message = match error.message.as_str() {
        NO_WEBASSEMBLY => format!("{NO_WEBASSEMBLY}{INSTEAD_OF_WEBASSEMBLY}"),
        _ => error.message,
    };
    Failure { kind, name: error.name, message, stack, position, misfits: vec![] }
}

/// The failure that a source which does not parse is.
pub fn syntax(Thrown(value): &Thrown) -> Failure {
    let raw = value.get("stack").ok().and_then(|stack| stack.as_text()).unwrap_or_default();
    let error = describe(value);
    let (name, message) = error
        .map(|error| (error.name, error.message))
        .unwrap_or_else(|| ("SyntaxError".to_owned(), natives::inspect(value)));
    let found = raw.lines().find_map(frame_place);
    let text = found.as_ref().map(|found| text_of(&found.file)).unwrap_or_default();
    let position = found.as_ref().map(|found| place_in(&found.file, &text, found.line, found.column));
    // What QuickJS met behind the end is a wrapper's, not the user's.
    let message = match found {
        Some(found) if found.line > text.lines().count().max(1) as u32 => "unexpected end of the source".to_owned(),
        _ => message,
    };
    Failure { kind: FailureKind::Syntax, name, message, stack: String::new(), position, misfits: vec![] }
}

/// A place in the source.
pub fn place(line: u32, byte_column: u32) -> Position {
    let (file, code) = SOURCE.with_borrow(Clone::clone);
    place_in(&file, &code, line, byte_column)
}

/// A place in one of the user's files, where that was translated in what it was made of. It is moved to the last line where it lies
/// behind the end.
fn place_in(file: &str, code: &str, line: u32, byte_column: u32) -> Position {
    let origin = origin_of(file, code);
    if let Some(found) = origin.as_ref().and_then(|origin| origin.find(code, line, byte_column)) {
        let (file, text) = (found.file.to_owned(), found.text.to_owned());
        return Position { file, line: found.line, column: found.column, text };
    }
    let lines: Vec<&str> = code.lines().collect();
    let last = lines.len().max(1) as u32;
    let line_in_file = line.clamp(1, last);
    let text = lines.get(line_in_file as usize - 1).copied().unwrap_or("");
    let column = if line > last { text.chars().count() as u32 + 1 } else { column_in(text, byte_column) };
    Position { file: file.to_owned(), line: line_in_file, column, text: text.to_owned() }
}

/// The same text with the user's places and without frames that are not the user's.
pub fn clean_stack(stack: &str) -> String {
    if !stack.ends_with('\n') {
        return stack.to_owned();
    }
    let mut out = String::new();
    // Frames of one file mostly stand together.
    let mut last = (String::new(), String::new());
    for line in stack.lines() {
        let frame = line.trim_start();
        if !frame.starts_with("at ")
            || frame.contains(&format!("({BOOT}"))
            || frame.starts_with(&format!("at {BOOT}"))
            || frame.contains("(node:")
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
            Some(found) => {
                let before = frame.rsplitn(3, ':').nth(2).unwrap_or(frame);
                if found.file != last.0 {
                    last = (found.file.clone(), text_of(&found.file));
                }
                let before = before.strip_suffix(&found.file).unwrap_or(before);
                let place = place_in(&last.0, &last.1, found.line, found.column);
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

/// A frame that lies in one of the user's files, its column in bytes.
struct Frame {
    file: String,
    line: u32,
    column: u32,
}

fn frame_place(frame: &str) -> Option<Frame> {
    parse_frame(frame).filter(|frame| is_users(&frame.file))
}

fn is_users(file: &str) -> bool {
    file.starts_with('/') || SOURCE.with_borrow(|(own, _)| own == file)
}

fn parse_frame(frame: &str) -> Option<Frame> {
    let frame = frame.trim().trim_end_matches(')');
    let mut parts = frame.rsplitn(3, ':');
    let column = parts.next()?.parse().ok()?;
    let line: i64 = parts.next()?.parse().ok()?;
    let before = parts.next()?;
    let file =
        before.rsplit_once(['(']).map_or_else(|| before.trim_start().trim_start_matches("at "), |(_, file)| file);
    Some(Frame { file: file.to_owned(), line: line.max(1) as u32, column })
}

/// The innermost place of a clean stack that lies in the user's files.
fn position(stack: &str) -> Option<Position> {
    // Its places are those of what was written already, in characters: only the line's text is missing.
    stack.lines().filter_map(parse_frame).find_map(|Frame { file, line, column }| {
        let original = ORIGINS.with_borrow(|origins| {
            origins.values().flatten().find_map(|origin| origin.text(&file, line).map(str::to_owned))
        });
        let text = original.or_else(|| {
            let line_of = |text: String| text.lines().nth(line as usize - 1).unwrap_or("").to_owned();
            is_users(&file).then(|| line_of(text_of(&file)))
        })?;
        Some(Position { file, line, column, text })
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
