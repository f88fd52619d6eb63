//! Turns the core module of an interpreter into the component that the server embeds.
//!
//! `thimble-interpreter-builder snapshot CORE.wasm OUT.wasm` runs the module's `wizer-initialize` (which starts the interpreter),
//! freezes the memory that this leaves behind into the module, and wraps the result as a validated component. Whatever
//! the module imports traps while it is initialised: nothing of the build machine can get into the snapshot.
//! `thimble-interpreter-builder inline COMPONENT.wasm OUT.wasm` moves a component's shims into its core module.

mod shims;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use anyhow::{Context as _, bail};
use wasmtime::{Config, Engine, Linker, Store};
use wasmtime_wizer::Wizer;

const INITIALISE: &str = "wizer-initialize";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (step, from, to): (fn(&[u8]) -> anyhow::Result<Vec<u8>>, _, _) = match arguments.as_slice() {
        [step, from, to] if step == "snapshot" => (snapshot, from, to),
        [step, from, to] if step == "inline" => (shims::inline, from, to),
        _ => bail!("usage: thimble-interpreter-builder snapshot|inline FROM.wasm TO.wasm"),
    };
    let before = std::fs::read(from).with_context(|| format!("reading {from}"))?;
    let after = step(&before).with_context(|| format!("making {to} of {from}"))?;
    std::fs::write(to, &after).with_context(|| format!("writing {to}"))?;
    println!("{to}: {} bytes from {} bytes", after.len(), before.len());
    Ok(())
}

/// The component of a core module whose interpreter has started.
fn snapshot(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    let snapshot = finish(initialise(module)).context("initialising the interpreter")?;
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&snapshot)
        .and_then(|mut encoder| encoder.encode())
        .context("making a component of the snapshot")
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
