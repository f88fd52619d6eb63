//! The natives that the library looks for files with, and compiles and runs them with.

use std::cell::RefCell;

use super::{TASK, TRANSLATED, TRANSLATIONS, builtin, builtin_names, esm, is_builtin, not_found, show_origin};
use crate::classify::Text;
use crate::host::files;
use crate::js::{self, Goal, Thrown, Value};
use crate::natives::{self, Arguments, Native};
use crate::scan;

const NATIVES: [(&str, Native); 10] = [
    ("folders", |_| Ok(Value::array(files::folders().iter().map(|name| Value::string(name))))),
    ("kind", kind),
    ("list", list),
    ("read", |arguments| program_of(&arguments.text(0)?).map(|text| Value::string(&text))),
    ("compile", |arguments| {
        let text = Text::without_mask(&arguments.text(0)?);
        show_origin(&text.code)?;
        js::run(compile_function(&text, &arguments.text(1)?)?)
    }),
    ("evaluate", |arguments| esm::evaluate(&arguments.text(0)?)),
    ("looksLikeModule", |arguments| Ok(Value::bool(scan::looks_like_module(&scan::mask(&arguments.text(0)?))))),
    ("isBuiltin", |arguments| Ok(Value::bool(is_builtin(&arguments.text(0)?)))),
    ("builtinModules", |_| Ok(Value::array(builtin_names().into_iter().map(Value::string)))),
    ("builtin", |arguments| {
        let name = arguments.text(0)?;
        builtin(&name).unwrap_or_else(|| Err(not_found(&name)))
    }),
];

thread_local! {
    static TABLE: RefCell<Value> = const { RefCell::new(Value::UNDEFINED) };
}

/// The table of the natives, made when the library first asks.
pub fn natives() -> js::Result<Value> {
    let made = TABLE.with_borrow(Clone::clone);
    if !made.is_undefined() {
        return Ok(made);
    }
    let table = Value::object();
    for (name, native) in NATIVES {
        table.set(name, natives::function(name, native))?;
    }
    TABLE.set(table.clone());
    Ok(table)
}

/// What is run of a file: its text, or the JavaScript that was made of it.
pub fn program_of(path: &str) -> js::Result<String> {
    if !TRANSLATED.iter().any(|ending| path.ends_with(ending)) {
        return files::read_text(path);
    }
    let below = path.strip_prefix(TASK).filter(|below| below.starts_with('/'));
    let translation = below.map(|below| format!("{TRANSLATIONS}{below}"));
    match translation.filter(|path| files::kind_of(path) == Some("file")) {
        Some(translation) => files::read_text(&translation),
        None => {
            let message = format!(
                "{path} was not translated: JavaScript is made of TypeScript and JSX at the deploy, of the function's \
                 own files outside of node_modules; import the JavaScript that the package's build makes of it"
            );
            Err(Thrown::new("Error", &message).with("code", "ERR_UNKNOWN_FILE_EXTENSION"))
        }
    }
}

fn kind(arguments: &Arguments) -> js::Result<Value> {
    Ok(Value::option(files::kind_of(&arguments.text(0)?)))
}

/// What is in a folder, as a flat array of names and kinds; undefined where there is no such folder.
fn list(arguments: &Arguments) -> js::Result<Value> {
    let Some(entries) = files::entries_of(&arguments.text(0)?) else { return Ok(Value::UNDEFINED) };
    Ok(Value::array(entries.iter().flat_map(|(name, kind)| [Value::string(name), Value::string(kind)])))
}

/// A file as the function that Node wraps around a CommonJS module. Its lines and columns stay what they are in the file.
pub fn compile_function(text: &Text, path: &str) -> js::Result<Value> {
    let code = &text.code;
    let wrapped = format!("(function (exports, require, module, __filename, __dirname) {{\n\n{code}\n}})");
    js::compile(&wrapped, path, -1, Goal::Script)
}
