//! Turns the core module of an interpreter into the component that the server embeds.
//!
//! `thimble-interpreter-builder CORE.wasm OUT.wasm` runs the module's `wizer-initialize` (which starts the interpreter),
//! freezes the memory that this leaves behind into the module, and wraps the result as a validated component. Whatever
//! the module imports traps while it is initialised: nothing of the build machine can get into the snapshot.

use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use anyhow::{Context as _, bail};
use wasmtime::{Config, Engine, Linker, Store};
use wasmtime_wizer::Wizer;

const INITIALISE: &str = "wizer-initialize";

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(core), Some(out), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        bail!("usage: thimble-interpreter-builder CORE.wasm OUT.wasm");
    };
    let module = std::fs::read(&core).with_context(|| format!("reading {}", core.display()))?;
    let snapshot = finish(initialise(&module)).context("initialising the interpreter")?;
    let component = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&snapshot)
        .and_then(|mut encoder| encoder.encode())
        .context("making a component of the snapshot")?;
    std::fs::write(&out, &component).with_context(|| format!("writing {}", out.display()))?;
    println!("{}: {} bytes from a module of {} bytes", out.display(), component.len(), module.len());
    Ok(())
}

async fn initialise(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut config = Config::new();
    // The interpreter's boot code recurses deeper than the default stack of 512 KiB allows for.
    config.max_wasm_stack(4 << 20).async_stack_size(8 << 20);
    let engine = Engine::new(&config)?;
    let mut store = Store::new(&engine, ());
    let snapshot = Wizer::new()
        .init_func(INITIALISE)
        .run(&mut store, module, async |store, module| {
            let mut linker = Linker::new(store.engine());
            linker.define_unknown_imports_as_traps(module)?;
            linker.instantiate_async(store, module).await
        })
        .await?;
    Ok(snapshot)
}

/// Drives a future that never waits for anything outside itself.
fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}
