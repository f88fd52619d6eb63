//! wasmtime's engines, the epoch that bounds every guest's CPU, and the compiled code that they run.
//!
//! Two engines, each of them once more where a fuel budget is asked for: the `Lean` one forks instances of our own
//! interpreters from images, in slots and on stacks that are used again; the `Uploads` one makes what users upload by
//! wasmtime's own means. A metered engine compiles its code anew, so it is made at the first use.

pub mod artefacts;
pub mod child;
pub mod compiler;
mod exit_codes;
mod faults;
pub mod image;
mod pages;
pub mod slots;
pub mod split;
mod stacks;

use crate::limits;
use rustix::io::Errno;
use stacks::Stacks;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use wasmtime::{Config, Engine, EngineWeak, InstanceAllocationStrategy};

/// Which code an engine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Our interpreters.
    Lean,
    /// What users upload.
    Uploads,
}

/// How a guest's work is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metering {
    /// By the clock alone: the epoch.
    Epoch,
    /// By instructions as well.
    Fuel,
}

/// The engines of the server.
pub struct Engines {
    made: [[OnceLock<Vec<Engine>>; 2]; 2],
    stacks: Stacks,
    ticking: Arc<Ticking>,
}

struct Ticking {
    engines: Mutex<Vec<EngineWeak>>,
    stop: AtomicBool,
}

impl Engines {
    /// Engines, and a thread that drives their epoch.
    pub fn start() -> Self {
        let ticking = Arc::new(Ticking { engines: Mutex::new(Vec::new()), stop: AtomicBool::new(false) });
        let ticker = ticking.clone();
        #[expect(clippy::disallowed_methods, reason = "the ticker must run when all workers are busy with guests")]
        std::thread::Builder::new()
            .name("epoch".into())
            .spawn(move || ticker.run())
            .expect("the process can start a thread at its own start");
        Self { made: Default::default(), stacks: Stacks::default(), ticking }
    }

    /// The engine for that code, made at its first use.
    pub fn get(&self, origin: Origin, metering: Metering) -> &Engine {
        &self.replicas(origin, metering)[0]
    }

    /// The engines for that code, all alike: one for each CPU, up to a few, for the interpreters. A fork counts references to its
    /// engine and its code some forty times, and CPUs that count the same ones wait for each other.
    pub fn replicas(&self, origin: Origin, metering: Metering) -> &[Engine] {
        let slot = &self.made[usize::from(origin == Origin::Uploads)][usize::from(metering == Metering::Fuel)];
        slot.get_or_init(|| {
            let cpus = std::thread::available_parallelism().map_or(1, usize::from);
            let count = if origin == Origin::Lean { cpus.min(limits::MAX_REPLICAS) } else { 1 };
            (0..count).map(|_| self.make(origin, metering)).collect()
        })
    }

    fn make(&self, origin: Origin, metering: Metering) -> Engine {
        let mut config = config(origin, metering);
        if origin == Origin::Lean {
            config.with_host_stack(Arc::new(self.stacks.clone()));
        }
        let engine = Engine::new(&config).expect("the configuration is one that we test");
        let mut engines = self.ticking.engines.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        engines.push(engine.weak());
        engine
    }

    /// Gives back the memory of stacks that wait to be used again.
    pub fn trim(&self) {
        self.stacks.trim();
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        self.ticking.stop.store(true, Ordering::Relaxed);
    }
}

impl Ticking {
    fn run(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(limits::EPOCH_PERIOD);
            for engine in self.engines.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).iter() {
                if let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                }
            }
        }
    }
}

/// Whether an error is the kernel's refusal of memory: there is no more, or no more for this process.
pub fn is_out_of_memory(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::OutOfMemory)
            || cause.downcast_ref::<Errno>() == Some(&Errno::NOMEM)
    })
}

/// The configuration that code is compiled for. The compiler's child process uses it too.
pub(crate) fn config(origin: Origin, metering: Metering) -> Config {
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .epoch_interruption(true)
        .consume_fuel(metering == Metering::Fuel)
        .max_wasm_stack(limits::WASM_STACK)
        .async_stack_size(limits::FIBER_STACK)
        // All that we run exports sync-lifted functions only; this alone is a third of a warm call.
        .concurrency_support(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_memory64(false)
        .wasm_multi_memory(origin == Origin::Lean);
    match origin {
        // What an interpreter's memory holds at its start is mapped by the slot, not by wasmtime.
        Origin::Lean => config.memory_init_cow(false).with_host_memory(Arc::new(slots::Slots)),
        // A stack that a stranger's code recursed on must not stay in memory when it is done.
        Origin::Uploads => config.memory_init_cow(true).async_stack_zeroing(true),
    };
    config
}
