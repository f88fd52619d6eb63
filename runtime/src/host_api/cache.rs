//! The interface `cache`: values of a workspace that outlive its instances, in the server's memory.

use super::State;
use super::bindings::thimble::runtime::cache as wit;
use crate::limits::{self, ByteSize};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

pub use wit::Error;

/// The room that all caches of the server share.
#[derive(Debug)]
pub struct CacheBudget {
    limit: u64,
    used: AtomicU64,
}

/// One workspace's cache.
#[derive(Debug)]
pub struct Cache {
    limit: u64,
    budget: Arc<CacheBudget>,
    contents: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    values: HashMap<String, String>,
    bytes: u64,
}

impl CacheBudget {
    pub fn new(limit: ByteSize) -> Self {
        Self { limit: limit.0, used: AtomicU64::new(0) }
    }

    fn take(&self, bytes: u64) -> bool {
        let fits = |used: u64| used.checked_add(bytes).filter(|total| *total <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn give(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Cache {
    pub fn new(limit: ByteSize, budget: Arc<CacheBudget>) -> Self {
        Self { limit: limit.0, budget, contents: Mutex::default() }
    }

    pub fn get(&self, key: &str) -> Option<String> {
        self.contents().values.get(key).cloned()
    }

    pub fn set(&self, key: String, value: String) -> Result<(), Error> {
        self.contents().put(self, key, value)
    }

    pub fn delete(&self, key: &str) -> bool {
        let mut contents = self.contents();
        let Some(value) = contents.values.remove(key) else { return false };
        let freed = cost(key, &value);
        contents.bytes -= freed;
        self.budget.give(freed);
        true
    }

    pub fn keys(&self) -> Vec<String> {
        self.contents().values.keys().cloned().collect()
    }

    /// Adds in one step; no other call sees the value in between.
    pub fn increment(&self, key: String, by: i64) -> Result<i64, Error> {
        let mut contents = self.contents();
        let now = match contents.values.get(&key) {
            None => 0,
            Some(text) => whole_number(text).ok_or(Error::NotAnInteger)?,
        };
        let sum = now.checked_add(by).ok_or(Error::NotAnInteger)?;
        contents.put(self, key, sum.to_string())?;
        Ok(sum)
    }

    fn contents(&self) -> std::sync::MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Contents {
    fn put(&mut self, cache: &Cache, key: String, value: String) -> Result<(), Error> {
        if key.len() > limits::MAX_CACHE_KEY {
            return Err(Error::KeyTooLong);
        }
        let size = cost(&key, &value);
        if size > cache.limit {
            return Err(Error::ValueTooLarge(cache.limit));
        }
        let slot = self.values.entry(key);
        let before = match &slot {
            Entry::Occupied(there) => cost(there.key(), there.get()),
            Entry::Vacant(_) => 0,
        };
        let total = self.bytes - before + size;
        if total > cache.limit {
            return Err(Error::Full(cache.limit));
        }
        if size > before && !cache.budget.take(size - before) {
            return Err(Error::Full(cache.limit));
        }
        if before > size {
            cache.budget.give(before - size);
        }
        self.bytes = total;
        slot.insert_entry(value);
        Ok(())
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.budget.give(self.contents().bytes);
    }
}

fn cost(key: &str, value: &str) -> u64 {
    (key.len() + value.len()) as u64 + limits::CACHE_ENTRY_OVERHEAD
}

/// JSON has one kind of number: a counter that JavaScript wrote as `2.0` or `1e3` is whole as well.
fn whole_number(text: &str) -> Option<i64> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let float: f64 = text.parse().ok()?;
        (float.fract() == 0.0 && float.abs() < 2f64.powi(53)).then_some(float as i64)
    })
}

impl wit::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        Ok(self.grants.shared.cache.get(&key))
    }

    fn set(&mut self, key: String, value: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.grants.shared.cache.set(key, value))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<bool> {
        Ok(self.grants.shared.cache.delete(&key))
    }

    fn keys(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.grants.shared.cache.keys())
    }

    fn increment(&mut self, key: String, by: i64) -> wasmtime::Result<Result<i64, Error>> {
        Ok(self.grants.shared.cache.increment(key, by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(limit: u64, total: u64) -> (Arc<CacheBudget>, Cache) {
        let budget = Arc::new(CacheBudget::new(ByteSize(total)));
        (budget.clone(), Cache::new(ByteSize(limit), budget))
    }

    #[test]
    fn a_full_cache_refuses_and_room_comes_back() {
        let (budget, cache) = cache(300, 1000);
        assert!(cache.set("a".into(), "x".repeat(100)).is_ok());
        assert!(matches!(cache.set("b".into(), "x".repeat(100)), Err(Error::Full(300))));
        assert!(matches!(cache.set("b".into(), "x".repeat(400)), Err(Error::ValueTooLarge(300))));
        assert!(cache.set("a".into(), "x".repeat(190)).is_ok());
        assert!(cache.delete("a") && !cache.delete("a"));
        assert!(cache.set("b".into(), "x".repeat(100)).is_ok());
        drop(cache);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn all_caches_share_the_servers_room() {
        let (budget, first) = cache(1000, 250);
        let second = Cache::new(ByteSize(1000), budget);
        assert!(first.set("a".into(), "1".into()).is_ok());
        assert!(second.set("a".into(), "1".into()).is_ok());
        assert!(second.set("b".into(), "1".into()).is_err());
        drop(first);
        assert!(second.set("b".into(), "1".into()).is_ok());
    }

    #[test]
    fn increment_counts_what_is_a_whole_number() {
        let (_, cache) = cache(1000, 1000);
        assert_eq!(cache.increment("n".into(), 2).unwrap(), 2);
        cache.set("n".into(), "1e3".into()).unwrap();
        assert_eq!(cache.increment("n".into(), -1).unwrap(), 999);
        for wrong in ["\"1\"", "1.5", "null", "9223372036854775807"] {
            cache.set("n".into(), wrong.into()).unwrap();
            assert!(matches!(cache.increment("n".into(), 1), Err(Error::NotAnInteger)), "{wrong}");
        }
    }
}
