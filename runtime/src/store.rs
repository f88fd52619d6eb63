//! What survives the process: metadata in SQLite, files by content hash, folders made of them, and the key that seals
//! secrets.
//!
//! One server owns a data folder at a time; a second one is refused at start.

pub mod blobs;
pub mod key;
pub mod metadata;
pub mod trees;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use std::path::{Path, PathBuf};

/// The durable side of the server.
#[derive(Debug)]
pub struct Store {
    pub metadata: metadata::Metadata,
    pub blobs: blobs::Blobs,
    pub trees: trees::Trees,
    pub key: key::MasterKey,
    folder: Dir,
    /// Held for as long as the server lives.
    _lock: std::fs::File,
}

/// The durable side failed. The text is for the operator; callers read that it failed, and no more.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot use the folder {}", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("the data folder {} is in use by another server", path.display())]
    InUse { path: PathBuf },
    #[error("the metadata could not be read or written")]
    Metadata(#[from] sqlx::Error),
    #[error("the metadata is of a newer version ({found}); this server knows version {known}")]
    TooNew { found: i64, known: i64 },
    #[error("the file {hash} could not be read or written")]
    Blob { hash: blobs::Hash, source: std::io::Error },
    #[error("the folder {tree} could not be made of its files")]
    Tree { tree: blobs::Hash, source: std::io::Error },
    #[error("the file {hash} is damaged: its content has another hash; deploy the function again")]
    Damaged { hash: blobs::Hash },
    #[error("a stored document is damaged")]
    Document(#[source] serde_json::Error),
    #[error("a secret could not be unsealed: the key file does not belong to this data")]
    Unseal,
}

impl Store {
    /// Opens the data folder, makes what is missing, and removes files that no deployment uses.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Folder { path: folder.into(), source };
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that opens the data folder; all else is scoped to it"
        )]
        let dir = std::fs::create_dir_all(folder)
            .and_then(|()| Dir::open_ambient_dir(folder, ambient_authority()))
            .map_err(failed)?;
        let lock = dir.create("lock").map_err(failed)?.into_std();
        lock.try_lock().map_err(|_| StoreError::InUse { path: folder.into() })?;
        let key = key::MasterKey::open(&dir).map_err(failed)?;
        let metadata = metadata::Metadata::open(&folder.join("thimble.db")).await?;
        let blobs = blobs::Blobs::open(&dir).map_err(failed)?;
        let trees = trees::Trees::open(&dir, folder, blobs.clone()).map_err(failed)?;
        let uses = metadata.uses().await?;
        match trees.sweep(&uses).await.map_err(failed)? {
            Some(used) => blobs.sweep(&used).map_err(failed)?,
            None => tracing::error!("a list of files is missing, so no file is removed"),
        }
        Ok(Self { metadata, blobs, trees, key, folder: dir, _lock: lock })
    }

    /// A folder for what can be had again if it is lost.
    pub fn folder(&self, name: &str) -> std::io::Result<Dir> {
        self.folder.create_dir_all(name)?;
        self.folder.open_dir(name)
    }
}
