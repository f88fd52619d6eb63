//! One lock a workspace, there only while somebody holds it or waits for it.

use crate::routing::Name;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::OwnedMutexGuard;

/// Locks by workspace. Work on one workspace never waits for another's.
#[derive(Debug, Default)]
pub struct Locks(Mutex<HashMap<Name, Arc<tokio::sync::Mutex<()>>>>);

/// A lock that is held. Dropping it lets the next one in.
#[derive(Debug)]
pub struct Locked<'a> {
    locks: &'a Locks,
    name: Name,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Locks {
    /// Waits until nobody else holds the workspace's lock.
    pub async fn lock(&self, name: &Name) -> Locked<'_> {
        let lock = self.all().entry(name.clone()).or_default().clone();
        // Made first: whoever gives up waiting cleans up as whoever was served does.
        let mut locked = Locked { locks: self, name: name.clone(), guard: None };
        locked.guard = Some(lock.lock_owned().await);
        locked
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<Name, Arc<tokio::sync::Mutex<()>>>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let mut all = self.locks.all();
        drop(self.guard.take());
        // Others that wait hold the lock's second reference.
        if all.get(&self.name).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            all.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_lock_excludes_its_own_workspace_only_and_leaves_nothing_behind() {
        let locks = Locks::default();
        let (shop, bank) = (Name::workspace("shop").unwrap(), Name::workspace("bank").unwrap());
        let held = locks.lock(&shop).await;
        assert!(locks.lock(&shop).now_or_never().is_none());
        assert!(locks.lock(&bank).now_or_never().is_some());
        assert_eq!(locks.all().len(), 1);
        drop(held);
        assert!(locks.lock(&shop).now_or_never().is_some());
        assert!(locks.all().is_empty());
    }
}
