//! Packages, unpacked: their files by content, kept for all workspaces. A package is downloaded once, whoever needs it.

use super::client::Client;
use super::manifest::Manifest;
use super::{Problem, native, unpack};
use crate::limits;
use crate::store::blobs::{Blobs, Hash};
use crate::store::{Store, StoreError};
use cap_std::fs::Dir;
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Semaphore;

/// The unpacked packages.
pub struct Contents {
    store: Arc<Store>,
    /// Lists of files, by the hash of what the registry says that the tarball hashes to.
    lists: Arc<Dir>,
    known: moka::future::Cache<Hash, Arc<Unpacked>>,
    turns: Semaphore,
}

/// The files of a package.
#[derive(Debug, Serialize, Deserialize)]
pub struct Unpacked {
    pub files: Vec<File>,
    /// Why it cannot run here, if it is machine code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<String>,
    /// Whether its list is stored, and with it all files.
    #[serde(skip)]
    kept: AtomicBool,
}

/// One file of a package.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct File {
    pub path: String,
    pub content: Hash,
    pub size: u64,
}

impl File {
    /// Stores a file that is durable with the next sync of the blobs. Blocks.
    pub fn stored(path: String, content: &[u8], blobs: &Blobs) -> Result<Self, StoreError> {
        Ok(Self { path, content: blobs.put_soon(content)?, size: content.len() as u64 })
    }
}

impl Unpacked {
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

impl Contents {
    pub fn new(store: Arc<Store>, lists: Dir) -> Self {
        let known = moka::future::Cache::builder()
            .max_capacity(limits::CACHED_FILE_LISTS.0)
            .weigher(|_, unpacked: &Arc<Unpacked>| {
                let size: usize = unpacked.files.iter().map(|file| 96 + file.path.len()).sum();
                u32::try_from(size).unwrap_or(u32::MAX)
            })
            .build();
        Self { store, lists: Arc::new(lists), known, turns: Semaphore::new(limits::CONCURRENT_UNPACKING) }
    }

    /// The files of a package: known, kept, or downloaded.
    pub async fn get(&self, client: &Client, manifest: &Manifest) -> Result<Arc<Unpacked>, Problem> {
        let key = key(manifest);
        let made = self.known.try_get_with(key, self.find(client, manifest, key).boxed());
        made.await.map_err(|problem: Arc<Problem>| (*problem).clone())
    }

    /// Makes durable what was unpacked, and notes the lists. To be called before a deployment counts on it.
    pub async fn keep<'a>(&self, used: impl Iterator<Item = (&'a Manifest, &'a Arc<Unpacked>)>) -> Result<(), Problem> {
        let fresh: Vec<_> = used.filter(|(_, unpacked)| !unpacked.kept.load(Ordering::Acquire)).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        self.store.blobs.sync().await.map_err(Problem::store)?;
        for (manifest, unpacked) in fresh {
            let name = key(manifest).to_string();
            let list = serde_json::to_vec(&**unpacked).map_err(|error| Problem::Store(error.to_string()))?;
            let lists = self.lists.clone();
            let write = move || {
                let draft = format!("{name}.{}", uuid::Uuid::now_v7());
                lists.write(&draft, list).and_then(|()| lists.rename(&draft, &lists, &name))
            };
            let written = tokio::task::spawn_blocking(write).await.map_err(|_| Problem::Stopping)?;
            written.map_err(|error| Problem::Store(error.to_string()))?;
            unpacked.kept.store(true, Ordering::Release);
        }
        Ok(())
    }

    async fn find(&self, client: &Client, manifest: &Manifest, key: Hash) -> Result<Arc<Unpacked>, Problem> {
        if let Some(kept) = self.kept(key).await {
            return Ok(Arc::new(kept));
        }
        let package = format!("{}@{}", manifest.name, manifest.version);
        let tarball = client.tarball(&manifest.name, &manifest.version, &manifest.dist).await?;
        let _turn = self.turns.acquire().await.map_err(|_| Problem::Stopping)?;
        let blobs = self.store.blobs.clone();
        let unpacked = tokio::task::spawn_blocking(move || {
            let (mut files, mut native) = (Vec::new(), None);
            unpack::unpack(&package, &tarball, |path, content| {
                native = native.or_else(|| native::said_by_file(&path));
                files.push(File::stored(path, &content, &blobs).map_err(Problem::store)?);
                Ok(())
            })?;
            // A path that comes again counts; the last one is what an extraction would leave.
            files.sort_by(|one: &File, other| one.path.cmp(&other.path));
            files.reverse();
            files.dedup_by(|one, other| one.path == other.path);
            files.reverse();
            Ok(Unpacked { files, native: native.map(str::to_string), kept: AtomicBool::new(false) })
        });
        unpacked.await.map_err(|_| Problem::Stopping)?.map(Arc::new)
    }

    /// What was unpacked before, if all of it is still there.
    async fn kept(&self, key: Hash) -> Option<Unpacked> {
        let (lists, blobs) = (self.lists.clone(), self.store.blobs.clone());
        let read = move || {
            let unpacked: Unpacked = serde_json::from_slice(&lists.read(key.to_string()).ok()?).ok()?;
            let there = unpacked.files.iter().all(|file| blobs.has(file.content, file.size));
            there.then_some(unpacked)
        };
        let unpacked = tokio::task::spawn_blocking(read).await.ok().flatten()?;
        unpacked.kept.store(true, Ordering::Release);
        Some(unpacked)
    }
}

/// What names a package's content: what the registry says that it hashes to.
fn key(manifest: &Manifest) -> Hash {
    let dist = &manifest.dist;
    let parts = [dist.integrity.as_deref().unwrap_or(""), " ", dist.shasum.as_deref().unwrap_or("")];
    Hash::of(parts.concat().as_bytes())
}
