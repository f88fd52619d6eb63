//! The JavaScript interpreter: QuickJS-ng behind the world `thimble:runtime/interpreter`, with `wasi:filesystem` besides.
//!
//! The build runs `wizer-initialize` once and freezes the memory, so an instance begins with the runtime started and the
//! boot JavaScript (`boot/`) evaluated. The server then calls `load` once and `invoke` any number of times. It may take
//! an image of the memory after `load` and fork instances from it: whatever belongs to one instance (random seed, clock
//! base, environment) is therefore fetched again by the first `invoke` (`instance.rs`).

mod allocator;
mod async_context;
mod boxed;
mod classify;
mod command;
mod engine_json;
mod failure;
mod host;
mod instance;
mod invoke;
mod js;
mod json;
mod library;
mod load;
mod modules;
mod natives;
mod origin;
mod reactor;
mod scan;
mod tasks;
mod warm;

mod bindings {
    wit_bindgen::generate!({
        path: [
            "../../../wit/deps/io",
            "../../../wit/deps/clocks",
            "../../../wit/deps/random",
            "../../../wit/deps/filesystem",
            "../../../wit/thimble",
            "wit",
        ],
        world: "thimble:javascript/javascript",
        generate_all,
    });
}

use bindings::exports::thimble::runtime::guest::{Failure, Guest, Loaded, Source};

struct Interpreter;

impl Guest for Interpreter {
    fn load(source: Source) -> Result<Loaded, Failure> {
        js::enter();
        load::load(source)
    }

    fn invoke(entry: Option<String>, event: String) -> Result<String, Failure> {
        js::enter();
        invoke::invoke(entry.as_deref(), event)
    }

    fn retire() {
        js::enter();
        invoke::retire();
    }
}

bindings::export!(Interpreter with_types_in bindings);

/// Starts the interpreter. Runs in the build, where every import traps.
#[unsafe(export_name = "wizer-initialize")]
extern "C" fn initialise() {
    instance::while_initialising(|| {
        js::start(&allocator::FUNCTIONS);
        js::enter();
        natives::boot();
        warm::up();
        js::settle();
        allocator::fill_holes();
    });
}
