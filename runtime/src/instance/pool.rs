//! Ready instances: which are kept, for how long, and who has one.
//!
//! A moka cache holds a pool for each function that was called lately. Least recently used pools go first when the
//! bound is met; a pool that is not called expires; a pool with more instances than it needs shrinks.
//!
//! In the isolation `workspace`, an instance comes back after its invocation. In `request`, a fresh fork comes in its
//! place, made while nobody waits for it: so as many are ready as were lately in use at once.

use super::idle::Idle;
use super::replace::{self, Used};
use super::retirement::Retirement;
use super::{Factory, Instance, StartError};
use crate::deployment::document::Isolation;
use crate::deployment::{Function, Program};
use crate::engine::image::Image;
use crate::host_api::{Invocation, Stage};
use crate::interpreters::Language;
use crate::limits::{self, ByteSize};
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OnceCell, OwnedSemaphorePermit, Semaphore};
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
    /// The keys are the server's own: no stranger can choose them to collide.
    cache: Cache<PoolKey, Arc<Pool>, foldhash::fast::RandomState>,
    factory: Factory,
    /// Places for instances, idle and busy together.
    slots: Arc<Semaphore>,
    /// A pool with more instances would be over the bound by itself, and go.
    most_idle: u32,
    /// The functions that keep instances ready whether they are called or not.
    provisioned: Mutex<HashMap<PoolKey, Arc<Function>>>,
    /// That one of them may lack some.
    lack: Notify,
    retirement: Arc<Retirement>,
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
pub(super) struct Pool {
    pub function: Arc<Function>,
    /// What new instances are forked from; none where each must load the function itself.
    pub image: OnceCell<Option<Arc<Image>>>,
    pub idle: Idle,
    /// Held by whoever makes instances ready.
    filling: tokio::sync::Mutex<()>,
    /// Instances that are here or leased, as the cache was last told.
    weighed: AtomicU64,
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

/// Private memory of an instance that has done nothing unusual: measured by `benches`, with room to spare.
const fn base_memory(language: Option<Language>) -> u64 {
    match language {
        Some(Language::JavaScript) => 256 << 10,
        Some(Language::Python) => 2 << 20,
        None => 1 << 20,
    }
}

impl Pools {
    pub fn new(factory: Factory, bounds: Bounds) -> Arc<Self> {
        let retirement = Arc::new(Retirement::new());
        let ending = retirement.clone();
        let cache = Cache::builder()
            .max_capacity(CAPACITY)
            .weigher(move |_, pool: &Arc<Pool>| pool.weigh(&bounds))
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(bounds.idle_expiry)
            .eviction_listener(move |_, pool: Arc<Pool>, cause| {
                // A pool that is weighed anew replaces itself.
                if cause != RemovalCause::Replaced {
                    ending.retire_all(pool.idle.close());
                }
            })
            .build_with_hasher(foldhash::fast::RandomState::default());
        // An instance that is being retired keeps its place, and takes it from none.
        let slots = Arc::new(Semaphore::new(bounds.live.saturating_add(limits::MAX_RETIREMENTS) as usize));
        let most_idle = bounds.instances;
        let (provisioned, lack) = (Mutex::default(), Notify::new());
        Arc::new(Self { cache, factory, slots, most_idle, provisioned, lack, retirement })
    }

    pub fn factory(&self) -> &Factory {
        &self.factory
    }

    pub fn retirement(&self) -> &Arc<Retirement> {
        &self.retirement
    }

    /// How many instances wait for an invocation now.
    pub fn idle(&self) -> u64 {
        self.cache.iter().map(|(_, pool)| pool.idle.len() as u64).sum()
    }

    /// An instance of the function that is ready, or else a new one, made under the invocation's deadline.
    pub async fn lease(
        self: &Arc<Self>,
        key: PoolKey,
        function: &Arc<Function>,
        invocation: &Invocation,
    ) -> Result<Lease, StartError> {
        let pool = self.pool(key, function);
        let ready = pool.idle.take().or_else(|| {
            replace::catch_up();
            pool.idle.take()
        });
        let instance = match ready {
            Some(instance) => instance,
            None => self.make(&pool, invocation).await?,
        };
        Ok(Lease { instance: Some(instance), pool, pools: self.clone(), key })
    }

    fn pool(&self, key: PoolKey, function: &Arc<Function>) -> Arc<Pool> {
        match self.cache.get(&key) {
            Some(pool) => pool,
            None => self.cache.get_with(key, || Arc::new(Pool::new(function.clone()))),
        }
    }

    /// A new instance.
    async fn make(&self, pool: &Pool, invocation: &Invocation) -> Result<Instance, StartError> {
        let factory = &self.factory;
        let mut loaded = None;
        let image = pool.image.get_or_try_init(async || {
            let made = factory.image(&pool.function, loading(invocation), self.slot()?).await?;
            Ok::<_, StartError>(made.map_err(|instance| loaded = Some(instance)).ok())
        });
        let image = image.await?.clone();
        match (image, loaded) {
            (Some(image), _) => factory.fork(&pool.function, &image, self.slot()?).await,
            (None, Some(instance)) => Ok(instance),
            (None, None) => Ok(factory.load(&pool.function, loading(invocation), self.slot()?).await?.instance),
        }
    }

    /// Has instances ready of a function that was just deployed: forked from its image, or the one that was loaded.
    pub async fn prepare(self: &Arc<Self>, key: PoolKey, function: &Arc<Function>, made: Made) {
        let pool = self.pool(key, function);
        match made {
            Made::Loaded(instance) => {
                let _ = pool.image.set(None);
                Lease { instance: Some(instance), pool, pools: self.clone(), key }.give_back();
            }
            Made::Image(image) => {
                let _ = pool.image.set(Some(image));
                self.fill(key, &pool, function.provisioned.max(1)).await;
            }
        }
        self.provision(key, function);
    }

    /// Makes instances until so many wait, or as many as may; unless somebody does already.
    async fn fill(self: &Arc<Self>, key: PoolKey, pool: &Arc<Pool>, wanted: u32) {
        let Ok(_filling) = pool.filling.try_lock() else { return };
        let wanted = wanted.min(self.most_idle) as usize;
        while pool.idle.len() < wanted && !pool.idle.is_closed() {
            match self.make(pool, &Invocation::of_load(&pool.function.grants.limits)).await {
                Ok(instance) => self.keep(key, pool, instance),
                Err(error) => {
                    tracing::warn!(function = %pool.function.grants.function, ?error, "no instance could be made ready");
                    return;
                }
            }
        }
    }

    /// From now on, instances of the function are kept ready, if it asks for that.
    pub fn provision(&self, key: PoolKey, function: &Arc<Function>) {
        if function.provisioned > 0 {
            self.provisioned().insert(key, function.clone());
            self.lack.notify_one();
        }
    }

    /// Waits until instances may be missing of those that are to be ready.
    pub async fn lack(&self) {
        self.lack.notified().await;
    }

    /// Makes ready what is missing of the instances that are to be ready. To be called every few seconds, and when there is
    /// a [`Self::lack`]; a call need not wait for the one before.
    pub async fn fill_provisioned(self: &Arc<Self>) {
        let wanted: Vec<_> = self.provisioned().iter().map(|(key, function)| (*key, function.clone())).collect();
        for (key, function) in wanted {
            // This also keeps the pool from expiring.
            let pool = self.pool(key, &function);
            // Its deployment may have been replaced meanwhile, and with it the pool that was there before.
            if !self.provisioned().contains_key(&key) {
                self.cache.invalidate(&key);
                continue;
            }
            self.fill(key, &pool, function.provisioned).await;
        }
    }

    fn provisioned(&self) -> MutexGuard<'_, HashMap<PoolKey, Arc<Function>>> {
        self.provisioned.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
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

    /// Ends the instances of a function whose deployment was replaced. Those in use end with their invocation.
    pub fn retire(&self, key: PoolKey) {
        self.provisioned().remove(&key);
        self.cache.invalidate(&key);
    }

    /// Ends instances that a function had more of than it needs now. To be called every few seconds.
    pub fn shrink(&self) {
        self.cache.run_pending_tasks();
        self.factory.engines.trim();
        self.factory.interpreters.trim();
        for (key, pool) in &self.cache {
            let surplus = pool.take_surplus();
            if !surplus.is_empty() {
                self.retirement.retire_all(surplus);
                self.cache.insert(*key, pool);
            }
        }
    }

    /// Retires all instances that are idle, and waits for those that are being told, until then at most.
    pub async fn stop(&self, until: Instant) {
        self.retirement.take_all();
        // Those that were evicted and that the cache has not ended yet; then those that it holds.
        self.cache.run_pending_tasks();
        for (_, pool) in &self.cache {
            self.retirement.retire_all(pool.idle.close());
        }
        self.cache.invalidate_all();
        self.cache.run_pending_tasks();
        self.retirement.ended(until).await;
    }
}

impl Pool {
    fn new(function: Arc<Function>) -> Self {
        let language = match &function.program {
            Program::Source { language, .. } => Some(*language),
            Program::Upload(_) => None,
        };
        Self {
            function,
            image: OnceCell::new(),
            idle: Idle::new(),
            filling: tokio::sync::Mutex::default(),
            weighed: AtomicU64::new(0),
            base: base_memory(language),
        }
    }

    fn weigh(&self, bounds: &Bounds) -> u32 {
        let count = self.idle.len() as u64;
        let image = self.image.get().and_then(Option::as_ref).map_or(0, |image| image.weight());
        let memory = count * self.base + self.idle.growth() + image;
        self.weighed.store(count, Ordering::Relaxed);
        let by_count = count.saturating_mul(CAPACITY) / u64::from(bounds.instances);
        let by_memory = (u128::from(memory) * u128::from(CAPACITY) / u128::from(bounds.memory.0.max(1))) as u64;
        u32::try_from(by_count.max(by_memory)).unwrap_or(u32::MAX)
    }

    /// Takes the instances that have waited too long, all but those that are to be ready.
    fn take_surplus(&self) -> Vec<Instance> {
        let surplus = self.idle.take_stale(limits::SURPLUS_EXPIRY, self.function.provisioned.max(1) as usize);
        if let Some(Some(image)) = self.image.get() {
            image.trim();
        }
        surplus
    }
}

/// What a deploy has made of a function, for its instances to come.
pub enum Made {
    Image(Arc<Image>),
    Loaded(Instance),
}

/// The top level runs for all later invocations: it sees neither this one's secrets nor other functions.
fn loading(invocation: &Invocation) -> Invocation {
    Invocation { stage: Stage::Load, callee: None, output: None, ..invocation.clone() }
}

impl Lease {
    pub fn instance(&mut self) -> &mut Instance {
        self.instance.as_mut().expect("a lease has its instance until it ends")
    }

    /// The invocation ended well: its instance waits for the next one, once its files are gone; or a fresh one does.
    pub fn give_back(mut self) {
        let Some(mut instance) = self.instance.take() else { return };
        instance.store.data_mut().finish();
        let Self { pools, pool, key, .. } = &self;
        match pool.function.isolation {
            Isolation::Request => {
                if pool.function.provisioned > 0 && pool.image.get().is_none_or(Option::is_none) {
                    // No fork comes in its place, and a load is nothing for a worker to do before it sleeps.
                    pools.lack.notify_one();
                }
                // One that is told goes on living, and its replacement takes a place of its own.
                let instance = pools.retirement.retire(instance);
                replace::later(Used { pools: pools.clone(), pool: pool.clone(), key: *key, instance });
            }
            Isolation::Workspace if instance.served >= limits::MAX_INVOCATIONS_PER_INSTANCE => {
                drop(pools.retirement.retire(instance));
            }
            Isolation::Workspace => match instance.store.data_mut().files_to_remove() {
                None => self.keep(instance),
                Some(folder) => {
                    tokio::task::spawn_blocking(move || match folder.empty() {
                        Ok(()) => self.keep(instance),
                        // An instance whose files cannot be removed is not used again.
                        Err(error) => tracing::warn!(%error, "a /tmp could not be emptied"),
                    });
                }
            },
        }
    }

    fn keep(&self, instance: Instance) {
        self.pools.keep(self.key, &self.pool, instance);
    }
}

impl Pools {
    /// Adds an instance to those that wait.
    pub(super) fn keep(&self, key: PoolKey, pool: &Arc<Pool>, instance: Instance) {
        if let Err(instance) = pool.idle.put(instance) {
            drop(self.retirement.retire(instance));
            return;
        }
        if pool.idle.len() as u64 > pool.weighed.load(Ordering::Relaxed) {
            self.cache.insert(key, pool.clone());
            // What is over the bound goes now, not when the cache next finds the time.
            self.cache.run_pending_tasks();
        }
    }
}
