//! Files by content hash: sources and uploaded components. Written once, never changed, checked at each read.

use super::StoreError;
use cap_std::fs::{Dir, OpenOptions};
use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::sync::Arc;

/// BLAKE3 of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hash(blake3::Hash);

impl Hash {
    pub fn of(content: &[u8]) -> Self {
        Self(blake3::hash(content))
    }

    /// None where the text is no hash in hexadecimal.
    pub fn parse(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(Self)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

/// The folder of the files.
#[derive(Clone, Debug)]
pub struct Blobs(Arc<Dir>);

impl Blobs {
    pub fn open(data: &Dir) -> io::Result<Self> {
        data.create_dir_all("blobs")?;
        Ok(Self(Arc::new(data.open_dir("blobs")?)))
    }

    /// Stores contents, each under its hash. When this returns they survive a loss of power.
    pub async fn put(&self, contents: Vec<Arc<[u8]>>) -> Result<(), StoreError> {
        let folder = self.0.clone();
        blocking(move || {
            let sync = if contents.len() > ONE_BY_ONE { Flush::Together } else { Flush::Each };
            let mut drafts = Vec::new();
            for content in contents {
                let hash = Hash::of(&content);
                let draft = draft(&folder, hash, &content, sync).map_err(|source| StoreError::Blob { hash, source })?;
                drafts.extend(draft.map(|draft| (draft, hash)));
            }
            if sync == Flush::Together && !drafts.is_empty() {
                let synced = folder.open(".").and_then(|dir| Ok(rustix::fs::syncfs(dir)?));
                synced.map_err(|source| StoreError::Blob { hash: Hash::of(b""), source })?;
            }
            for (draft, hash) in &drafts {
                let renamed = folder.rename(draft, &folder, hash.to_string());
                renamed.map_err(|source| StoreError::Blob { hash: *hash, source })?;
            }
            if !drafts.is_empty() {
                // A file's name is durable only once its folder is.
                let synced = folder.open(".").and_then(|dir| dir.sync_all());
                synced.map_err(|source| StoreError::Blob { hash: Hash::of(b""), source })?;
            }
            Ok(())
        })
        .await
    }

    /// Stores a content that will be durable with the next [`Self::sync`], and not before. Blocks.
    pub fn put_soon(&self, content: &[u8]) -> Result<Hash, StoreError> {
        let hash = Hash::of(content);
        let write = || match draft(&self.0, hash, content, Flush::Together)? {
            Some(draft) => self.0.rename(draft, &self.0, hash.to_string()),
            None => Ok(()),
        };
        write().map_err(|source| StoreError::Blob { hash, source })?;
        Ok(hash)
    }

    /// All that was stored by now survives a loss of power.
    pub async fn sync(&self) -> Result<(), StoreError> {
        let folder = self.0.clone();
        blocking(move || {
            let synced = folder.open(".").and_then(|dir| Ok(rustix::fs::syncfs(dir)?));
            synced.map_err(|source| StoreError::Blob { hash: Hash::of(b""), source })
        })
        .await
    }

    /// Whether a content of that size is there, as far as can be told without reading it. Blocks.
    pub fn has(&self, hash: Hash, size: u64) -> bool {
        self.0.metadata(hash.to_string()).is_ok_and(|there| there.len() == size)
    }

    /// The content of that hash. A file that was changed behind our back is an error, never an answer.
    pub async fn get(&self, hash: Hash) -> Result<Vec<u8>, StoreError> {
        let folder = self.0.clone();
        blocking(move || {
            let content = folder.read(hash.to_string()).map_err(|source| StoreError::Blob { hash, source })?;
            if Hash::of(&content) == hash { Ok(content) } else { Err(StoreError::Damaged { hash }) }
        })
        .await
    }

    /// Those whose content begins so.
    pub async fn beginning_with<T: Send + 'static>(
        &self,
        magic: &'static [u8],
        files: Vec<T>,
        content: fn(&T) -> Hash,
    ) -> Result<Vec<T>, StoreError> {
        let folder = self.0.clone();
        let begins = move |hash: Hash| {
            let mut beginning = Vec::new();
            let read = folder
                .open(hash.to_string())
                .and_then(|file| file.take(magic.len() as u64).read_to_end(&mut beginning));
            read.map(|_| beginning == magic).map_err(|source| StoreError::Blob { hash, source })
        };
        blocking(move || {
            let mut found = Vec::new();
            for file in files {
                if begins(content(&file))? {
                    found.push(file);
                }
            }
            Ok(found)
        })
        .await
    }

    /// Gives a file a second name in another folder; where the file system knows no links, it is copied.
    pub(super) fn link(&self, hash: Hash, folder: &Dir, name: &str) -> io::Result<()> {
        let own = hash.to_string();
        // Another deploy may put the same content in this one's place just then: the kernel finds no file for that moment.
        let mut linked = self.0.hard_link(&own, folder, name);
        for _ in 0..LINK_TRIES {
            if !matches!(&linked, Err(error) if error.kind() == io::ErrorKind::NotFound && self.0.exists(&own)) {
                break;
            }
            linked = self.0.hard_link(&own, folder, name);
        }
        match linked {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
            Err(_) => {
                self.0.copy(&own, folder, name)?;
                folder.open(name)?.sync_data()
            }
        }
    }

    /// Removes whatever no deployment uses: leftovers of deploys that never came to their commit, and old versions.
    pub fn sweep(&self, used: &HashSet<String>) -> io::Result<()> {
        for entry in self.0.entries()? {
            let name = entry?.file_name();
            if !name.to_str().is_some_and(|name| used.contains(name)) {
                self.0.remove_file(&name)?;
            }
        }
        Ok(())
    }
}

/// More files or folders than this are written first and then made durable together: an `fsync` takes about a millisecond.
pub(super) const ONE_BY_ONE: usize = 16;

/// How often a link to a file that is being replaced is tried again.
const LINK_TRIES: usize = 16;

/// When a file is made durable.
#[derive(Clone, Copy, PartialEq)]
enum Flush {
    Each,
    Together,
}

/// Writes a file under a name that it does not keep; none where it stands there already.
fn draft(folder: &Dir, hash: Hash, content: &[u8], sync: Flush) -> io::Result<Option<String>> {
    let name = hash.to_string();
    if folder.metadata(&name).is_ok_and(|there| there.len() == content.len() as u64) && folder.read(&name)? == content {
        return Ok(None);
    }
    let draft = format!("{name}.{}", uuid::Uuid::now_v7());
    let mut file = folder.open_with(&draft, OpenOptions::new().write(true).create_new(true))?;
    file.write_all(content)?;
    if sync == Flush::Each {
        file.sync_data()?;
    }
    Ok(Some(draft))
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::Blob { hash: Hash::of(b""), source: io::Error::other("the server is stopping") }),
    }
}
