//! Warm instances: which are kept, for how long, and who has one.
//!
//! A moka cache holds a pool for each function that was called lately. Least recently used pools go first when the
//! bound is met; a pool that is not called expires; a pool with more instances than it needs shrinks.

use super::{Factory, Instance, StartError};
use crate::deployment::Function;
use crate::host_api::Invocation;
use crate::interpreters::Language;
use crate::limits::{self, ByteSize};
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

/// A function of one deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolKey {
    version: Uuid,
    index: u32,
}

impl PoolKey {
    pub fn new(version: Uuid, function: &Function) -> Self {
        Self { version, index: function.index }
    }
}

/// All warm instances of the server.
pub struct Pools {
    cache: Cache<PoolKey, Arc<Pool>>,
    factory: Factory,
    /// Places for instances, idle and busy together.
    slots: Arc<Semaphore>,
    bounds: Bounds,
    idle: Arc<AtomicU64>,
}

/// How much may stay warm.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub instances: u32,
    pub memory: ByteSize,
    pub idle_expiry: Duration,
    /// Instances at once, idle or busy.
    pub live: u32,
}

/// The instances of one function that wait for an invocation.
struct Pool {
    idle: Mutex<Vec<Instance>>,
    closed: AtomicBool,
    /// Instances that are here or leased, as the cache was last told.
    weighed: AtomicU64,
    total_idle: Arc<AtomicU64>,
    base: u64,
}

/// The use of an instance by one invocation. Dropping it drops the instance: only [`Lease::give_back`] keeps it.
pub struct Lease {
    instance: Option<Instance>,
    pool: Arc<Pool>,
    pools: Arc<Pools>,
    key: PoolKey,
}

/// The cache's weights are parts of this: an instance weighs the larger of its shares of the two bounds.
const CAPACITY: u64 = 1 << 24;

/// Private memory of a warm instance that has done nothing unusual: measured by `benches`, with room to spare.
const fn base_memory(language: Option<Language>) -> u64 {
    match language {
        Some(Language::JavaScript) => 300 << 10,
        Some(Language::Python) => 3 << 20,
        None => 1 << 20,
    }
}

impl Pools {
    pub fn new(factory: Factory, bounds: Bounds) -> Arc<Self> {
        let cache = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(move |_, pool: &Arc<Pool>| pool.weigh(&bounds))
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(bounds.idle_expiry)
            .eviction_listener(|_, pool: Arc<Pool>, cause| {
                // A pool that is weighed anew replaces itself.
                if cause != RemovalCause::Replaced {
                    pool.close();
                }
            })
            .build();
        let slots = Arc::new(Semaphore::new(bounds.live as usize));
        Arc::new(Self { cache, factory, slots, bounds, idle: Arc::default() })
    }

    pub fn factory(&self) -> &Factory {
        &self.factory
    }

    /// How many instances wait for an invocation now.
    pub fn idle(&self) -> u64 {
        self.idle.load(Ordering::Relaxed)
    }

    /// A warm instance of the function, or else a new one, loaded under the invocation's deadline.
    pub async fn lease(
        self: &Arc<Self>,
        key: PoolKey,
        function: &Function,
        invocation: &Invocation,
    ) -> Result<Lease, StartError> {
        let pool = match self.cache.get(&key) {
            Some(pool) => pool,
            None => self.cache.get_with(key, || Arc::new(Pool::new(function, self.idle.clone()))),
        };
        if let Some(instance) = pool.take() {
            return Ok(Lease { instance: Some(instance), pool, pools: self.clone(), key });
        }
        let instance = self.start(function, invocation.clone()).await?;
        Ok(Lease { instance: Some(instance), pool, pools: self.clone(), key })
    }

    async fn start(&self, function: &Function, mut invocation: Invocation) -> Result<Instance, StartError> {
        // The top level runs for all later invocations: it sees neither this one's secrets nor other functions.
        invocation.callee = None;
        Ok(self.start_with_shape(function, invocation).await?.0)
    }

    /// A new instance, and what its load found out: for a deploy, which stores it.
    pub async fn start_with_shape(
        &self,
        function: &Function,
        invocation: Invocation,
    ) -> Result<(Instance, crate::deployment::Shape), StartError> {
        let slot = self.slot()?;
        self.factory.start(function, invocation, slot).await
    }

    /// A place for one more instance.
    pub fn slot(&self) -> Result<OwnedSemaphorePermit, StartError> {
        if let Ok(slot) = self.slots.clone().try_acquire_owned() {
            return Ok(slot);
        }
        // Idle instances give way before anyone is refused.
        self.cache.run_pending_tasks();
        self.slots.clone().try_acquire_owned().map_err(|_| StartError::NoRoom)
    }

    /// Puts an instance that was just loaded to the warm ones of its function.
    pub fn adopt(self: &Arc<Self>, key: PoolKey, function: &Function, instance: Instance) {
        let pool = self.cache.get_with(key, || Arc::new(Pool::new(function, self.idle.clone())));
        Lease { instance: Some(instance), pool, pools: self.clone(), key }.give_back();
    }

    /// Ends the instances of a function whose deployment was replaced. Those in use end with their invocation.
    pub fn retire(&self, key: PoolKey) {
        self.cache.invalidate(&key);
    }

    /// Ends instances that a function had more of than it needs now. To be called every few seconds.
    pub fn shrink(&self) {
        self.cache.run_pending_tasks();
        for (key, pool) in &self.cache {
            if pool.drop_surplus() {
                self.cache.insert(*key, pool);
            }
        }
    }

    /// Ends all instances that are idle.
    pub fn clear(&self) {
        self.cache.invalidate_all();
        self.cache.run_pending_tasks();
    }
}

impl Pool {
    fn new(function: &Function, total_idle: Arc<AtomicU64>) -> Self {
        let language = match &function.program {
            crate::deployment::Program::Source { language, .. } => Some(*language),
            crate::deployment::Program::Upload(_) => None,
        };
        Self {
            idle: Mutex::default(),
            closed: AtomicBool::new(false),
            weighed: AtomicU64::new(0),
            total_idle,
            base: base_memory(language),
        }
    }

    /// The warmest instance: the one that was used last.
    fn take(&self) -> Option<Instance> {
        let instance = self.idle().pop()?;
        self.total_idle.fetch_sub(1, Ordering::Relaxed);
        Some(instance)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Instance>> {
        self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn weigh(&self, bounds: &Bounds) -> u32 {
        let (count, memory) = {
            let idle = self.idle();
            let grown: u64 = idle.iter().map(|instance| instance.growth() as u64).sum();
            (idle.len() as u64, idle.len() as u64 * self.base + grown)
        };
        self.weighed.store(count, Ordering::Relaxed);
        let by_count = count.saturating_mul(CAPACITY) / u64::from(bounds.instances);
        let by_memory = (u128::from(memory) * u128::from(CAPACITY) / u128::from(bounds.memory.0.max(1))) as u64;
        u32::try_from(by_count.max(by_memory)).unwrap_or(u32::MAX)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let ended = std::mem::take(&mut *self.idle());
        self.total_idle.fetch_sub(ended.len() as u64, Ordering::Relaxed);
    }

    /// Drops all but one of the instances that have waited too long. Whether there were any.
    fn drop_surplus(&self) -> bool {
        let now = Instant::now();
        let surplus: Vec<Instance> = {
            let mut idle = self.idle();
            // The oldest stand first: instances are taken from the end.
            let stale = |instance: &Instance| now.duration_since(instance.idle_since) > limits::SURPLUS_EXPIRY;
            let count = idle.iter().take_while(|instance| stale(instance)).count().min(idle.len().saturating_sub(1));
            idle.drain(..count).collect()
        };
        self.total_idle.fetch_sub(surplus.len() as u64, Ordering::Relaxed);
        !surplus.is_empty()
    }
}

impl Lease {
    pub fn instance(&mut self) -> &mut Instance {
        self.instance.as_mut().expect("a lease has its instance until it ends")
    }

    /// The invocation ended well: the instance waits for the next one, once its files are gone.
    pub fn give_back(mut self) {
        let Some(mut instance) = self.instance.take() else { return };
        instance.store.data_mut().finish();
        if instance.served >= limits::MAX_INVOCATIONS_PER_INSTANCE {
            return;
        }
        match instance.store.data_mut().files_to_remove() {
            None => self.keep(instance),
            Some(folder) => {
                tokio::task::spawn_blocking(move || match folder.empty() {
                    Ok(()) => self.keep(instance),
                    // An instance whose files cannot be removed is not used again.
                    Err(error) => tracing::warn!(%error, "a /tmp could not be emptied"),
                });
            }
        }
    }

    fn keep(&self, mut instance: Instance) {
        let (pool, pools) = (&self.pool, &self.pools);
        instance.idle_since = Instant::now();
        let count = {
            let mut idle = pool.idle();
            if pool.closed.load(Ordering::Acquire) {
                return;
            }
            idle.push(instance);
            idle.len() as u64
        };
        let total = pools.idle.fetch_add(1, Ordering::Relaxed) + 1;
        if count > pool.weighed.load(Ordering::Relaxed) {
            pools.cache.insert(self.key, pool.clone());
        }
        if total > u64::from(pools.bounds.instances) {
            pools.cache.run_pending_tasks();
        }
    }
}
