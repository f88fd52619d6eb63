//! `load`: from a source to the functions that can be invoked.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::bindings::exports::thimble::runtime::guest::{Failure, FailureKind, Form, Loaded, Position, Source};
use crate::classify::{self, Text};
use crate::host::files::place;
use crate::js::{self, Atom, Thrown, Value};
use crate::modules::{self, Format};
use crate::reactor::TellHost;
use crate::tasks::{self, Unsettled};
use crate::{command, failure, invoke, json, natives, reactor, scan};

/// Words that cannot name a parameter of a function body.
const RESERVED: &str = " arguments await break case catch class const continue debugger default delete do else enum eval \
    export extends false finally for function if import in instanceof let new null return static super switch this \
    throw true try typeof var void while with yield ";

/// A function to invoke, and how.
#[derive(Clone)]
pub struct Handler {
    pub function: Value,
    pub this: Value,
    pub shape: Shape,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Shape {
    /// `(event, context)`
    Event,
    /// `(event, context, callback)`
    Callback,
    /// `(request, env, context)`, which answers a `Response`.
    Fetch,
    /// A function body: properties of the event, then what it has not named itself of `event` and `context`.
    Body,
}

/// What was loaded: the functions, by the names that they are invoked by.
#[derive(Default)]
pub struct Program {
    pub handler: Option<Handler>,
    pub entries: Vec<(String, Handler)>,
    /// A body's parameters as property names of the event.
    pub parameters: Vec<Atom>,
    pub gives_event: bool,
    pub gives_context: bool,
    /// Whether its source names variables of the environment that hold the event.
    pub reads_environment: bool,
}

thread_local! {
    pub static PROGRAM: RefCell<Program> = RefCell::new(Program::default());
}

pub fn load(source: Source) -> Result<Loaded, Failure> {
    failure::remember_source(&source.file, &source.code);
    invoke::forget_invocation();
    place::set_working(if modules::is_path(&source.file) { modules::TASK } else { "/" });
    let text = Text::new(&source.code);
    let prepared =
        define_functions(&source).and_then(|()| make_globals(&text)).and_then(|()| modules::show_origin(&source.code));
    let result = prepared.map_err(|thrown| failure::thrown(&thrown)).and_then(|()| classify(&source, &text));
    tasks::drain();
    tasks::report_rejections();
    tasks::forget();
    reactor::forget(TellHost::Yes);
    invoke::forget_invocation();
    let (form, mut program) = result?;
    program.reads_environment = command::mentions(&source.code);
    if program.handler.is_none() && program.entries.is_empty() {
        return Err(no_handler(&source));
    }
    let loaded = Loaded {
        form,
        callable: program.handler.is_some(),
        entries: program.entries.iter().map(|(name, _)| name.clone()).collect(),
        takes_requests: program.handler.as_ref().is_some_and(|handler| handler.shape == Shape::Fetch),
        // Its types are read off its text, by the server.
        signatures: vec![],
    };
    PROGRAM.with_borrow_mut(|current| *current = program);
    Ok(loaded)
}

fn classify(source: &Source, text: &Text) -> Result<(Form, Program), Failure> {
    if text.is_empty() {
        return Err(no_handler(source));
    }
    if modules::is_path(&source.file)
        && let Some(format) = modules::format_of_main(&source.file, text).map_err(|thrown| failure::thrown(&thrown))?
    {
        return main_file(source, text, format);
    }
    if scan::begins_as_function(&text.masked)
        && let Ok(compiled) = classify::expression(text, &source.file)
    {
        let function = js::run(compiled).map_err(|thrown| failure::thrown(&thrown))?;
        if function.is_function() {
            let handler = Some(Handler::new(function, Value::UNDEFINED));
            return Ok((Form::Expression, Program { handler, ..Program::default() }));
        }
    }
    let (parameters, names) = parameters(source);
    let not_a_body = match classify::body(text, &source.file, &source.name, &parameters) {
        Ok(_) if scan::assigns_exports(&text.masked) => {
            let compiled = classify::commonjs(text, &source.file, None);
            return commonjs(source, compiled, None);
        }
        Ok(compiled) => {
            let declared = ["handler", &source.name]
                .into_iter()
                .find(|name| json::is_identifier(name) && classify::is_script_declaring(text, name));
            if let Some(name) = declared {
                let compiled = classify::commonjs(text, &source.file, Some(name));
                return commonjs(source, compiled, Some(name));
            }
            let function = js::run(compiled).map_err(|thrown| failure::thrown(&thrown))?;
            let program = Program {
                handler: Some(Handler { function, this: Value::UNDEFINED, shape: Shape::Body }),
                entries: Vec::new(),
                gives_event: !names.contains(&"event"),
                gives_context: !names.contains(&"context"),
                parameters: names.into_iter().map(Atom::new).collect(),
                reads_environment: false,
            };
            return Ok((Form::Body, program));
        }
        Err(thrown) => thrown,
    };
    if !scan::has_word(&text.masked, "import") && !scan::has_word(&text.masked, "export") {
        return Err(failure::syntax(&not_a_body));
    }
    match classify::module(text, &source.file) {
        Ok(compiled) => module(source, text, compiled),
        Err(thrown) if scan::looks_like_module(&text.masked) => Err(module_failure(source, &thrown)),
        Err(_) => Err(failure::syntax(&not_a_body)),
    }
}

/// The parameters of a body's function, and which of them are read from the event.
fn parameters(source: &Source) -> (Vec<&str>, Vec<&str>) {
    let mut names: Vec<&str> = Vec::new();
    for name in source.parameters.iter().flatten() {
        let reserved = RESERVED.contains(&format!(" {name} "));
        if json::is_identifier(name) && !reserved && !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let mut parameters = names.clone();
    parameters.extend(["event", "context"].into_iter().filter(|name| !names.contains(name)));
    (parameters, names)
}

/// Runs a file of several as Node would.
fn main_file(source: &Source, text: &Text, format: Format) -> Result<(Form, Program), Failure> {
    match format {
        Format::Module => match modules::compile(&source.file, &text.code, true) {
            Ok(compiled) => module(source, text, compiled),
            Err(thrown) => Err(module_failure(source, &thrown)),
        },
        Format::CommonJs => {
            let compiled = modules::compile_function(text, &source.file);
            let compiled = compiled.map_err(|thrown| failure::syntax(&thrown))?;
            let program =
                modules::run_main(&source.file, compiled).and_then(|exports| exported(source, &exports, None));
            Ok((Form::Module, program.map_err(|thrown| failure::thrown(&thrown))?))
        }
    }
}

/// Runs a CommonJS module, or a script whose function `declared` is the handler.
fn commonjs(source: &Source, compiled: js::Result<Value>, declared: Option<&str>) -> Result<(Form, Program), Failure> {
    let function = compiled.and_then(js::run).map_err(|thrown| failure::syntax(&thrown))?;
    let run = || -> Result<Program, Unsettled> {
        let thrown = Unsettled::Rejected;
        let module = Value::object();
        let exports = Value::object();
        module.set("exports", exports.clone()).map_err(thrown)?;
        let require = Value::global().get("require").map_err(thrown)?;
        let file = Value::string(&source.file);
        let arguments = [&exports, &require, &module, &file, &Value::string(".")];
        let answer = function.call(&exports, &arguments).map_err(thrown)?;
        let answer = tasks::settle(answer)?;
        if declared.is_some() {
            let handler = answer.is_function().then(|| Handler::new(answer, Value::UNDEFINED));
            return Ok(Program { handler, ..Program::default() });
        }
        exported(source, &module.get("exports").map_err(thrown)?, None).map_err(thrown)
    };
    let program = run().map_err(unsettled)?;
    Ok((Form::Module, program))
}

fn module(source: &Source, text: &Text, compiled: Value) -> Result<(Form, Program), Failure> {
    let run = || -> Result<Program, Unsettled> {
        let thrown = Unsettled::Rejected;
        tasks::settle(js::run(compiled.clone()).map_err(thrown)?)?;
        let namespace = js::namespace(&compiled).map_err(thrown)?;
        exported(source, &namespace, Some(text)).map_err(thrown)
    };
    let program = run().map_err(unsettled)?;
    // A module definition lives as long as its context; the value that stood for it is not counted.
    std::mem::forget(compiled);
    Ok((Form::Module, program))
}

/// The handlers among a module's exports.
fn exported(source: &Source, exports: &Value, text: Option<&Text>) -> js::Result<Program> {
    let mut program = Program::default();
    if exports.is_function() {
        program.handler = Some(Handler::new(exports.clone(), Value::UNDEFINED));
    }
    if text.is_none() && !exports.is_function() && exports.is_object() && exports.get("fetch")?.is_function() {
        default_export(exports, &mut program)?;
    }
    let mut names = if exports.is_object() && program.handler.as_ref().is_none_or(|it| it.shape != Shape::Fetch) {
        js::keys(exports)?
    } else {
        Vec::new()
    };
    if let Some(text) = text {
        // A namespace lists its names by the alphabet; they are wanted as the source has them.
        let place = |name: &str| scan::words(&text.masked).find(|(_, word)| *word == name).map(|(at, _)| at);
        names.sort_by_key(|name| place(name).unwrap_or(usize::MAX));
    }
    let this = if text.is_some() { Value::UNDEFINED } else { exports.clone() };
    for name in names {
        let value = exports.get(&name)?;
        if name == "default" {
            default_export(&value, &mut program)?;
        } else if value.is_function() {
            program.entries.push((name, Handler::new(value, this.clone())));
        }
    }
    if program.handler.is_none() {
        let named = |name: &str| program.entries.iter().find(|(entry, _)| entry == name);
        let only = (program.entries.len() == 1).then(|| &program.entries[0]);
        program.handler = named("handler").or_else(|| named(&source.name)).or(only).map(|(_, handler)| handler.clone());
    }
    Ok(program)
}

/// `export default`: a function, an object with `fetch`, or one with a function `handler`, whose other functions are entries.
fn default_export(value: &Value, program: &mut Program) -> js::Result<()> {
    if value.is_function() {
        program.handler.get_or_insert_with(|| Handler::new(value.clone(), Value::UNDEFINED));
    } else if value.is_object() {
        // An app of a framework has many functions besides, which are not meant to be called from outside.
        let fetch = value.get("fetch")?;
        if fetch.is_function() && !value.get("handler")?.is_function() {
            program.handler.get_or_insert(Handler { function: fetch, this: value.clone(), shape: Shape::Fetch });
            return Ok(());
        }
        for name in js::keys(value)? {
            let function = value.get(&name)?;
            if !function.is_function() {
                continue;
            }
            let handler = Handler::new(function, value.clone());
            if name == "handler" {
                program.handler.get_or_insert_with(|| handler.clone());
            }
            if !program.entries.iter().any(|(entry, _)| *entry == name) {
                program.entries.push((name, handler));
            }
        }
    }
    Ok(())
}

impl Handler {
    fn new(function: Value, this: Value) -> Self {
        let length = function.get("length").and_then(|length| length.to_f64()).unwrap_or(0.0);
        let shape = if length >= 3.0 { Shape::Callback } else { Shape::Event };
        Self { function, this, shape }
    }
}

/// Makes the other functions of the workspace callable by name.
/// Forgets what was loaded.
pub fn forget() {
    PROGRAM.take();
    tasks::drain();
}

fn define_functions(source: &Source) -> js::Result<()> {
    let names = Value::array(source.functions.iter().map(|name| Value::string(name)));
    natives::internal("defineFunctions")?.call(&Value::UNDEFINED, &[&names]).map(drop)
}

/// Makes the globals of the library that the source mentions: so they stand in the image, and no fork makes them.
fn make_globals(text: &Text) -> js::Result<()> {
    let words: BTreeSet<&str> = scan::words(&text.masked).map(|(_, word)| word).collect();
    let words = Value::array(words.into_iter().map(Value::string));
    natives::internal("makeGlobals")?.call(&Value::UNDEFINED, &[&words]).map(drop)
}

fn unsettled(unsettled: Unsettled) -> Failure {
    match unsettled {
        Unsettled::Rejected(thrown) => failure::thrown(&thrown),
        Unsettled::Never => failure::new(
            FailureKind::NeverSettles,
            "Error",
            "the top level awaits a promise that nothing resolves: no timer, request or call is under way",
        ),
    }
}

/// Why a module did not compile: its own syntax, or an import of something that is not there.
fn module_failure(source: &Source, thrown: &Thrown) -> Failure {
    let code = thrown.0.get("code").ok().and_then(|code| code.as_text());
    match code.as_deref() {
        Some("MODULE_NOT_FOUND") => {}
        // It says which file imports what.
        Some(code) if code.starts_with("ERR_") => return failure::thrown(thrown),
        _ => return failure::syntax(thrown),
    }
    let mut found = failure::thrown(thrown);
    let specifier = found.message.split('\'').nth(1).unwrap_or("").to_owned();
    found.position = position_of(&source.code, &specifier);
    found
}

/// Where a module specifier stands in the source.
fn position_of(code: &str, specifier: &str) -> Option<Position> {
    code.lines().enumerate().find_map(|(index, line)| {
        let at = ['"', '\''].iter().find_map(|quote| line.find(&format!("{quote}{specifier}{quote}")))?;
        Some(failure::place(index as u32 + 1, at as u32 + 1))
    })
}

fn no_handler(source: &Source) -> Failure {
    failure::new(
        FailureKind::NoHandler,
        "Error",
        format!(
            "{} defines nothing that could be invoked. Write the body of a function (`return …`), a function \
             expression (`(event) => …`), a module with `export default function (event, context) {{ … }}` or \
             `export function handler(event, context) {{ … }}`, or `exports.handler = async (event, context) => …`",
            source.file
        ),
    )
}
