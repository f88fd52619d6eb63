//! The interface `secrets`: a workspace's secrets, read at the moment they are asked for, so that a rotated or removed
//! one is gone from warm instances too.

use super::bindings::thimble::runtime::secrets as wit;
use super::{Stage, State};
use std::collections::BTreeMap;
use std::sync::RwLock;

/// One workspace's secrets, unsealed, in memory.
#[derive(Default)]
pub struct Secrets(RwLock<BTreeMap<String, String>>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl Secrets {
    /// Puts these in the place of what was there.
    pub fn replace(&self, secrets: BTreeMap<String, String>) {
        *self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = secrets;
    }

    fn get(&self, name: &str) -> Option<String> {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(name).cloned()
    }
}

impl wit::Host for State {
    fn get(&mut self, name: String) -> wasmtime::Result<Result<Option<String>, wit::Error>> {
        if self.running()?.stage == Stage::Load {
            return Ok(Err(wit::Error::NotWhileLoading));
        }
        Ok(Ok(self.grants.shared.secrets.get(&name)))
    }
}
