//! wasmtime's engines, the epoch that bounds every guest's CPU, and the compiled code that they run.
//!
//! Two engines, each of them once more where a fuel budget is asked for: the `Lean` one pools the instances of our own
//! interpreters; the `Uploads` one makes what users upload on demand, so that nothing they declare can use up a pool.
//! A metered engine compiles its code anew, so it is made at the first use.

pub mod artefacts;
pub mod compiler;

use crate::limits;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use wasmtime::{Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig};

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
    slots: [[OnceLock<Engine>; 2]; 2],
    instances: u32,
    ticking: Arc<Ticking>,
}

struct Ticking {
    engines: Mutex<Vec<EngineWeak>>,
    stop: AtomicBool,
}

impl Engines {
    /// Engines with room for so many instances of the interpreters at once, and a thread that drives their epoch.
    pub fn new(instances: u32) -> Self {
        let ticking = Arc::new(Ticking { engines: Mutex::new(Vec::new()), stop: AtomicBool::new(false) });
        let ticker = ticking.clone();
        #[expect(clippy::disallowed_methods, reason = "the ticker must run when all workers are busy with guests")]
        std::thread::Builder::new()
            .name("epoch".into())
            .spawn(move || ticker.run())
            .expect("the process can start a thread at its own start");
        Self { slots: Default::default(), instances, ticking }
    }

    /// The engine for that code, made at its first use.
    pub fn get(&self, origin: Origin, metering: Metering) -> &Engine {
        let slot = &self.slots[usize::from(origin == Origin::Uploads)][usize::from(metering == Metering::Fuel)];
        slot.get_or_init(|| {
            // A metered function is rare; a pool of a quarter of the size is kept for them.
            let instances = if metering == Metering::Fuel { (self.instances / 4).max(16) } else { self.instances };
            let engine =
                Engine::new(&config(origin, metering, instances)).expect("the configuration is one that we test");
            let mut engines = self.ticking.engines.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            engines.push(engine.weak());
            engine
        })
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

/// The configuration that code is compiled for. The compiler's child process uses it too.
pub(crate) fn config(origin: Origin, metering: Metering, instances: u32) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(metering == Metering::Fuel)
        .max_wasm_stack(limits::WASM_STACK)
        .async_stack_size(limits::FIBER_STACK)
        // A stack that a guest recursed on must not stay in memory when it is done.
        .async_stack_zeroing(true)
        // All that we run exports sync-lifted functions only; this alone is a third of a warm call.
        .concurrency_support(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_memory64(false)
        .wasm_multi_memory(origin == Origin::Lean)
        .memory_init_cow(true);
    match origin {
        Origin::Lean => {
            let mut pool = PoolingAllocationConfig::new();
            pool.total_component_instances(instances)
                // CPython's component is made of 14 core modules.
                .total_core_instances(instances.saturating_mul(16))
                .max_core_instances_per_component(20)
                .total_memories(instances)
                .max_memories_per_component(2)
                .total_tables(instances.saturating_mul(2))
                .max_tables_per_component(4)
                .table_elements(limits::MAX_TABLE_ELEMENTS)
                .total_stacks(instances)
                .max_component_instance_size(2 << 20)
                .max_core_instance_size(2 << 20)
                .max_memory_size(limits::MAX_MEMORY.as_usize())
                // Pages that a guest wrote are reset by copy instead of being given back and faulted in again.
                // As much stays with an unused slot: all slots together may hold this much of memory that nobody uses.
                .linear_memory_keep_resident(limits::KEPT_MEMORY)
                .table_keep_resident(16 << 10)
                .async_stack_keep_resident(limits::KEPT_STACK)
                .pagemap_scan(Enabled::Auto);
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        }
        Origin::Uploads => {
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        }
    }
    config
}
