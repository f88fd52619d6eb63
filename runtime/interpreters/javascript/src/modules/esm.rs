//! ES modules: what QuickJS asks of its host when it meets `import`, and `require` of an ES module.
//!
//! A module's name is its path, or the name by which a built-in module was asked for. What is no ES module (CommonJS, JSON,
//! built-in modules) gets a definition whose names are declared before anything runs, and whose values are filled in
//! when its turn to be evaluated comes.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ffi::{CString, c_char};
use std::ptr::null_mut;

use super::{TASK, ask, builtin, has_files, is_builtin, is_path, not_found, program_of, show_origin};
use crate::js::{self, Goal, Opaque, Thrown, Value, context, sys};
use crate::tasks;

/// A property of `import.meta` that says that the module's top level has run: QuickJS does not tell.
const EVALUATED: &str = "thimble:evaluated";

/// What runs inside of the evaluation of a module, and began some of its own.
enum Running {
    /// `require` of an ES module, and what had not run to its end when it began.
    Required { before: HashSet<String> },
    /// A file that is no ES module, whose turn has come.
    Filled(String),
}

/// A file that was compiled as an ES module.
struct Compiled {
    /// Lives as long as the context.
    module: Value,
    meta: Value,
}

thread_local! {
    static COMPILED: RefCell<HashMap<String, Compiled>> = RefCell::new(HashMap::new());
    /// Which files the ES modules import, statically or not.
    static IMPORTS: RefCell<HashMap<String, HashSet<String>>> = RefCell::new(HashMap::new());
    static RUNNING: RefCell<Vec<Running>> = const { RefCell::new(Vec::new()) };
    /// The names that were declared of what is no ES module.
    static DECLARED: RefCell<HashMap<String, Vec<String>>> = RefCell::new(HashMap::new());
}

pub fn start() {
    // SAFETY: the loader has the type that QuickJS asks for and needs no opaque pointer.
    unsafe { sys::JS_SetModuleLoaderFunc(js::runtime(), Some(normalize), Some(load), null_mut()) }
}

/// A file as an ES module, with all that it imports, ready to be run.
pub fn compile(path: &str, code: &str, is_main: bool) -> js::Result<Value> {
    if let Some(known) = COMPILED.with_borrow(|compiled| compiled.get(path).map(|known| known.module.clone())) {
        return Ok(known);
    }
    show_origin(code)?;
    // A module that has frozen its `import.meta` is still one.
    let marked = format!("{code}\n;try{{import.meta[{EVALUATED:?}]=true}}catch{{}}");
    let module = js::compile(&marked, path, 1, Goal::Module)?;
    // SAFETY: it was compiled as a module just now.
    let meta = Value::checked(unsafe { sys::JS_GetImportMeta(context(), js::definition(&module)) })?;
    meta.define_hidden(EVALUATED, Value::bool(false))?;
    ask("describe", &[&meta, &Value::string(path), &Value::bool(is_main)])?;
    COMPILED.with_borrow_mut(|compiled| compiled.insert(path.to_owned(), Compiled { module: module.clone(), meta }));
    Ok(module)
}

/// `require` of an ES module: its namespace, if it can be had at once.
pub fn evaluate(path: &str) -> js::Result<Value> {
    let before: HashSet<String> = COMPILED.with_borrow(|compiled| compiled.keys().cloned().collect());
    let module = compile(path, &read(path)?, false)?;
    if is_under_way(path, &before) {
        let message = format!(
            "Cannot require() ES Module {path} in a cycle. A cycle involving require(esm) is not allowed to maintain \
             invariants mandated by the ECMAScript specification. Try making at least part of the dependency in the \
             graph lazily loaded."
        );
        return Err(Thrown::new("Error", &message).with("code", "ERR_REQUIRE_CYCLE_MODULE"));
    }
    RUNNING.with_borrow_mut(|running| running.push(Running::Required { before: unfinished(before) }));
    let promise = js::run(module.clone());
    RUNNING.with_borrow_mut(|running| drop(running.pop()));
    let promise = promise?;
    match tasks::outcome_now(&promise) {
        Some(outcome) => outcome.and_then(|_| js::namespace(&module)),
        None => {
            let message = format!("require() cannot be used on {path}, which awaits at its top level: use import()");
            Err(Thrown::new("Error", &message).with("code", "ERR_REQUIRE_ASYNC_MODULE"))
        }
    }
}

/// Whether a module, or one that it imports, has begun and has not run to its end: QuickJS cannot begin it again. Which modules
/// have begun is not told either; what has not can be required early, if it is certain.
fn is_under_way(path: &str, before: &HashSet<String>) -> bool {
    let (inner, suspects) = RUNNING.with_borrow(|running| {
        let suspects = running.iter().filter_map(|one| match one {
            Running::Required { before } => Some(before),
            Running::Filled(_) => None,
        });
        let suspects: HashSet<String> = suspects.flatten().cloned().collect();
        match running.last() {
            Some(Running::Filled(name)) => (Some(name.clone()), suspects),
            _ => (None, suspects),
        }
    });
    reachable(path).into_iter().any(|path| {
        let unfinished = before.contains(&path) && !has_run(&path);
        // Modules that wait for the one that runs import it, directly or not.
        unfinished && (suspects.contains(&path) || inner.as_ref().is_none_or(|inner| reachable(&path).contains(inner)))
    })
}

/// A file and all that it imports.
fn reachable(path: &str) -> HashSet<String> {
    let (mut seen, mut left) = (HashSet::from([path.to_owned()]), vec![path.to_owned()]);
    while let Some(path) = left.pop() {
        let imports = IMPORTS.with_borrow(|imports| imports.get(&path).cloned().unwrap_or_default());
        left.extend(imports.into_iter().filter(|path| seen.insert(path.clone())));
    }
    seen
}

/// Whether the top level of an ES module has run to its end. What is no ES module has no part in this.
fn has_run(path: &str) -> bool {
    let meta = COMPILED.with_borrow(|compiled| compiled.get(path).map(|known| known.meta.clone()));
    meta.and_then(|meta| meta.get(EVALUATED).ok()).is_none_or(|done| done.is_true())
}

fn unfinished(mut modules: HashSet<String>) -> HashSet<String> {
    modules.retain(|path| !has_run(path));
    modules
}

fn read(path: &str) -> js::Result<String> {
    program_of(path).map(|text| text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// From what stands in an `import` to a module's name.
unsafe extern "C" fn normalize(
    context: *mut sys::JSContext,
    from: *const c_char,
    name: *const c_char,
    _: Opaque,
) -> *mut c_char {
    // SAFETY: QuickJS passes texts that end with a zero byte.
    let (from, specifier) = unsafe { (js::c_text(from), js::c_text(name)) };
    let resolved = match resolve(&from, &specifier) {
        Ok(None) => None,
        Ok(Some(path)) => CString::new(path).ok(),
        Err(thrown) => {
            thrown.throw();
            return null_mut();
        }
    };
    // SAFETY: QuickJS frees the copy with its own allocator.
    unsafe { sys::js_strdup(context, resolved.as_ref().map_or(name, |path| path.as_ptr())) }
}

/// The path of a file; none where the name stays what it is.
fn resolve(from: &str, specifier: &str) -> js::Result<Option<String>> {
    if is_builtin(specifier) || !has_files() {
        return Ok(None);
    }
    // Code that `eval` compiled in a file of the function's: `native/eval.h` names it so.
    let from = from.strip_prefix("eval (").and_then(|rest| rest.strip_suffix(')')).unwrap_or(from);
    let base = if is_path(from) { from.to_owned() } else { format!("{TASK}/{from}") };
    let found = ask("resolveImport", &[&Value::string(specifier), &Value::string(&base)])?.text()?;
    if is_path(&found) {
        IMPORTS.with_borrow_mut(|imports| imports.entry(base).or_default().insert(found.clone()));
    }
    Ok(Some(found))
}

unsafe extern "C" fn load(context: *mut sys::JSContext, name: *const c_char, _: Opaque) -> *mut sys::JSModuleDef {
    // SAFETY: QuickJS passes a text that ends with a zero byte.
    let text = unsafe { js::c_text(name) };
    let names = match names_of(&text) {
        Ok(Some(names)) => names,
        Ok(None) => match read(&text).and_then(|code| compile(&text, &code, false)) {
            Ok(module) => return js::definition(&module),
            Err(thrown) => {
                thrown.throw();
                return null_mut();
            }
        },
        Err(thrown) => {
            thrown.throw();
            return null_mut();
        }
    };
    // SAFETY: name and initialiser live as long as they are used; exports are declared before instantiation.
    unsafe {
        let module = sys::JS_NewCModule(context, name, Some(fill));
        if !module.is_null() {
            sys::JS_AddModuleExport(context, module, c"default".as_ptr());
            for export in &names {
                if let Ok(export) = CString::new(export.as_str()) {
                    sys::JS_AddModuleExport(context, module, export.as_ptr());
                }
            }
        }
        DECLARED.with_borrow_mut(|declared| declared.insert(text.into_owned(), names));
        module
    }
}

/// The names that a module exports besides `default`; none for a file that is an ES module itself.
fn names_of(name: &str) -> js::Result<Option<Vec<String>>> {
    let mut names = if is_path(name) {
        let names = ask("namesOf", &[&Value::string(name)])?;
        if names.is_undefined() {
            return Ok(None);
        }
        js::texts(&names)?
    } else {
        js::keys(&builtin(name).unwrap_or_else(|| Err(not_found(name)))?)?
    };
    names.retain(|name| name != "default");
    Ok(Some(names))
}

unsafe extern "C" fn fill(_: *mut sys::JSContext, definition: *mut sys::JSModuleDef) -> i32 {
    // SAFETY: QuickJS passes a definition that `load` made.
    let name = unsafe { js::module_name(definition) };
    let filled = name.and_then(|name| {
        let exports = if is_path(&name) {
            RUNNING.with_borrow_mut(|running| running.push(Running::Filled(name.clone())));
            let exports = ask("exportsOf", &[&Value::string(&name)]);
            RUNNING.with_borrow_mut(|running| drop(running.pop()));
            exports?
        } else {
            builtin(&name).unwrap_or_else(|| Err(not_found(&name)))?
        };
        let names = DECLARED.with_borrow(|declared| declared.get(&name).cloned().unwrap_or_default());
        let holds = exports.is_object();
        // SAFETY: the exports were declared by `load`; each value is handed over.
        unsafe {
            for name in names {
                let value = if holds { exports.get(&name)? } else { Value::UNDEFINED };
                if let Ok(name) = CString::new(name) {
                    sys::JS_SetModuleExport(context(), definition, name.as_ptr(), value.into_raw());
                }
            }
            Ok(sys::JS_SetModuleExport(context(), definition, c"default".as_ptr(), exports.into_raw()))
        }
    });
    filled.unwrap_or_else(|thrown| {
        thrown.throw();
        -1
    })
}
