//! Which form a source has. QuickJS decides, by compiling it inside the wrapper of each form in turn.
//!
//! A wrapper ends two lines before the user's first line, and line numbers start so that this line is 1. User code that
//! closes its wrapper early (`}); evil(); (function () {`) compiles in one wrapper but not in a second, differently
//! shaped one, so a source whose brackets close more than they open is compiled in both.

use crate::js::{self, Goal, Result, Value};
use crate::scan;

/// The line number to start at, so that what follows a wrapper's first two line ends is line 1.
const BEFORE_USER: i32 = -1;

/// A source as text and as what is left of it without comments and strings.
pub struct Text {
    pub code: String,
    pub masked: String,
}

impl Text {
    pub fn new(code: &str) -> Self {
        // QuickJS knows `#!` only at the very start; a comment of the same length stands anywhere.
        let code = match code.strip_prefix("#!") {
            Some(rest) => format!("//{rest}"),
            None => code.strip_prefix('\u{feff}').unwrap_or(code).to_owned(),
        };
        let masked = scan::mask(&code);
        Self { code, masked }
    }

    /// Text that is only compiled, in one given way.
    pub fn without_mask(code: &str) -> Self {
        let code = match code.strip_prefix("#!") {
            Some(rest) => format!("//{rest}"),
            None => code.strip_prefix('\u{feff}').unwrap_or(code).to_owned(),
        };
        Self { code, masked: String::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.masked.trim().trim_matches(';').is_empty()
    }

    fn async_keyword(&self) -> &'static str {
        // Without the word there is nothing to wait for, and a plain function answers without a promise.
        if scan::has_word(&self.masked, "await") { "async " } else { "" }
    }
}

/// The whole source as one expression in parentheses.
pub fn expression(text: &Text, file: &str) -> Result<Value> {
    let end = text.masked.trim_end().trim_end_matches(|c: char| c == ';' || c.is_whitespace()).len();
    let code = text.code.get(..end).unwrap_or(&text.code);
    if scan::closes_too_much(&text.masked) {
        js::compile(&format!("[\n\n{code}\n]"), file, BEFORE_USER, Goal::Script)?;
    }
    js::compile(&format!("(\n\n{code}\n)"), file, BEFORE_USER, Goal::Script)
}

/// The source as the body of a function with these parameters; its value is the function.
pub fn body(text: &Text, file: &str, name: &str, parameters: &[&str]) -> Result<Value> {
    within_function(text, file, name, parameters, "")
}

/// The source as a CommonJS module; its value is a function of what a module finds around it. `answer` is a declared
/// name that the function answers.
pub fn commonjs(text: &Text, file: &str, answer: Option<&str>) -> Result<Value> {
    let parameters = ["exports", "require", "module", "__filename", "__dirname"];
    let end = answer.map(|name| format!("\n;return {name};")).unwrap_or_default();
    within_function(text, file, "", &parameters, &end)
}

pub fn module(text: &Text, file: &str) -> Result<Value> {
    js::compile(&text.code, file, 1, Goal::Module)
}

/// Whether the source is a script without `return` at its top level that declares this function there.
pub fn is_script_declaring(text: &Text, name: &str) -> bool {
    scan::declares_function(&text.masked, name)
        && js::compile(&text.code, "script", 1, Goal::AsyncScript).is_ok()
        // A second declaration is an error exactly where the first one is at the top level.
        && js::compile(&format!("{{\n\n{}\n;let {name};}}", text.code), "script", 1, Goal::AsyncScript).is_err()
}

fn within_function(text: &Text, file: &str, name: &str, parameters: &[&str], end: &str) -> Result<Value> {
    let parameters = parameters.join(",");
    let code = &text.code;
    let keyword = text.async_keyword();
    if scan::closes_too_much(&text.masked) {
        let declaration = format!("{keyword}function f({parameters}){{\n\n{code}{end}\n}}");
        js::compile(&declaration, file, BEFORE_USER, Goal::Script)?;
    }
    let name = quoted(name);
    let method = format!("({{{keyword}[{name}]({parameters}){{\n\n{code}{end}\n}}}})[{name}]");
    js::compile(&method, file, BEFORE_USER, Goal::Script)
}

/// A function's name as a JavaScript string.
fn quoted(name: &str) -> String {
    let mut out = "\"".to_owned();
    for character in name.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => out.push(' '),
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}
