//! The library: modules that are there for all functions, and that cost nothing until one asks for them.
//!
//! The build compiles each of them and keeps the bytecode as plain bytes, outside of the collector's heap: the collector
//! does not walk it, so its pages stay the snapshot's, shared by all instances. The first `require` reads the
//! bytecode and runs it. What a function's top level asks for then stands in its image.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::js::{self, Goal, Result, Value};
use crate::natives;

mod sources {
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/target/library/library.rs"));
}

thread_local! {
    /// The bytecode of all modules, by name.
    static SHELF: RefCell<Vec<(&'static str, &'static [u8])>> = const { RefCell::new(Vec::new()) };
    /// The `module` objects of those that have been asked for.
    static LOADED: RefCell<HashMap<&'static str, Value>> = RefCell::new(HashMap::new());
}

/// Compiles all modules. Belongs to the build.
pub fn shelve() {
    let shelve = |(name, code): (&'static str, &str)| {
        // The code's first line stays its first line.
        let code = format!("(function (exports, require, module, host) {{ {code}\n}})");
        let compiled = js::compile(&code, name, 1, Goal::Script);
        let bytes = compiled.and_then(|compiled| js::bytecode(&compiled));
        let bytes: &'static [u8] = natives::ok(bytes).leak();
        (name, bytes)
    };
    SHELF.set(sources::MODULES.into_iter().map(shelve).collect());
}

/// The exports of a module: `node:` may be left out, `thimble:` may not. None where there is no such module.
pub fn find(name: &str) -> Option<Result<Value>> {
    on_shelf(name).map(|(name, bytes)| exports(name, bytes))
}

/// Whether there is a module of that name.
pub fn has(name: &str) -> bool {
    on_shelf(name).is_some()
}

fn on_shelf(name: &str) -> Option<(&'static str, &'static [u8])> {
    SHELF.with_borrow(|shelf| {
        let at = |name: &str| shelf.binary_search_by(|(there, _)| (*there).cmp(name)).ok();
        let at = at(name).or_else(|| at(&format!("node:{name}")))?;
        Some(shelf[at])
    })
}

/// The names of all modules, the library's own among them.
pub fn names() -> Vec<&'static str> {
    SHELF.with_borrow(|shelf| shelf.iter().map(|(name, _)| *name).collect())
}

fn exports(name: &'static str, bytes: &'static [u8]) -> Result<Value> {
    let loaded = LOADED.with_borrow(|loaded| loaded.get(name).cloned());
    if let Some(module) = loaded {
        // Modules that need each other see what is there so far, as in Node.
        return module.get("exports");
    }
    let (module, exports) = (Value::object(), Value::object());
    module.set("exports", exports.clone())?;
    LOADED.with_borrow_mut(|loaded| loaded.insert(name, module.clone()));
    let run = || {
        let function = js::run(js::from_bytecode(bytes)?)?;
        let require = natives::internal("require")?;
        function.call(&exports, &[&exports, &require, &module, &natives::host()])
    };
    if let Err(thrown) = run() {
        LOADED.with_borrow_mut(|loaded| loaded.remove(name));
        return Err(thrown);
    }
    module.get("exports")
}
