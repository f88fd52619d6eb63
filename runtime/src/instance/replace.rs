//! A fresh fork in the place of an instance that has served, made when nobody waits for it.
//!
//! A worker of the executor does it before it goes to sleep, so after the answer was written; or, where it never sleeps,
//! before the next one. A task of its own would wake another worker, which costs more than the fork.

use super::Instance;
use super::pool::{Pool, PoolKey, Pools};
use futures_util::FutureExt;
use std::cell::RefCell;
use std::sync::Arc;

/// An instance that has served, and whose it was. None where it is being retired, with its place.
pub(super) struct Used {
    pub pools: Arc<Pools>,
    pub pool: Arc<Pool>,
    pub key: PoolKey,
    pub instance: Option<Instance>,
}

thread_local! {
    static PENDING: RefCell<Option<Used>> = const { RefCell::new(None) };
}

/// Puts a replacement off; the one before it is made now.
pub(super) fn later(used: Used) {
    if let Some(before) = PENDING.replace(Some(used)) {
        before.replace();
    }
}

/// Makes the replacement that this thread has put off. To be called before a worker sleeps.
pub fn catch_up() {
    if let Some(used) = PENDING.take() {
        used.replace();
    }
}

impl Used {
    fn replace(self) {
        let Self { pools, pool, key, instance } = self;
        // Ends the instance and puts its image back; its place is kept.
        let slot = instance.map(Instance::into_slot);
        let Some(Some(image)) = pool.image.get() else { return };
        if pool.idle.is_closed() {
            return;
        }
        let Ok(slot) = slot.map_or_else(|| pools.slot(), Ok) else { return };
        // Nothing of a fork waits for anything.
        match pools.factory().fork(&pool.function, image, slot).now_or_never() {
            Some(Ok(instance)) => pools.keep(key, &pool, instance),
            Some(Err(error)) => tracing::warn!(?error, "no instance could be made ready"),
            None => tracing::warn!("a fork waited for something"),
        }
    }
}
