//! What the files of one `/tmp` count: logical sizes, so that a sparse file counts what it pretends to be.
//!
//! Every growth is charged before it happens. What is removed is not credited at once, since a removed file lives on
//! while it is open: instead, when the quota is used up, the folder and the open files are counted anew.

use super::{TmpDir, TmpRoot};
use crate::limits::{self, ByteSize};
use cap_std::fs::{Dir, MetadataExt};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, Weak};

/// Folders inside folders, so that removing them needs no deep stack.
const MAX_DEPTH: usize = 64;

/// The quota of one `/tmp`: an instance's, and that of the programs which it starts.
pub(crate) struct Quota {
    folder: Option<Arc<TmpDir>>,
    limit: u64,
    usage: Arc<Mutex<Usage>>,
    /// How deep the open folders lie, by the number of their descriptor in this instance.
    depths: HashMap<u32, usize>,
}

/// For something else that writes there: the same folder and the same count, and no folder open.
impl Clone for Quota {
    fn clone(&self) -> Self {
        let (folder, usage) = (self.folder.clone(), self.usage.clone());
        Self { folder, limit: self.limit, usage, depths: HashMap::new() }
    }
}

#[derive(Default)]
struct Usage {
    bytes: u64,
    files: u64,
    /// Whether something was created since the last invocation ended.
    dirty: bool,
    /// Whether something was removed since the last count: only then can a count find more room.
    freed: bool,
    open: Vec<Weak<File>>,
}

/// What a change needs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Need {
    pub bytes: u64,
    pub files: u64,
}

impl Quota {
    /// A folder of its own below `root`; none where it cannot be made, and the server's log says why.
    pub(crate) fn new(root: &Arc<TmpRoot>, limit: ByteSize) -> Self {
        let folder = root.make().map_err(|error| tracing::error!(%error, "no folder for /tmp can be made")).ok();
        Self { folder: folder.map(Arc::new), limit: limit.0, usage: Arc::default(), depths: HashMap::new() }
    }

    pub(crate) fn folder(&self) -> Option<&TmpDir> {
        self.folder.as_deref()
    }

    /// The folder, if anything was created in it since the last call: it is to be emptied.
    pub(crate) fn take_dirty(&mut self) -> Option<Arc<TmpDir>> {
        let mut usage = self.usage();
        usage.freed = true;
        std::mem::take(&mut usage.dirty).then(|| self.folder.clone()).flatten()
    }

    /// Takes what a change needs, or says that there is no room. May count the files, in a thread that may block.
    pub(crate) async fn take(&self, need: Need) -> bool {
        if self.try_take(need) {
            return true;
        }
        self.recount().await && self.try_take(need)
    }

    /// The bytes that are left, as far as was counted.
    pub(crate) fn room(&self) -> u64 {
        self.limit.saturating_sub(self.usage().bytes)
    }

    /// Whether counting anew may find more room.
    pub(crate) fn may_find_more(&self) -> bool {
        self.usage().freed
    }

    /// Counts what is there, if something was removed since the last time. Whether it did.
    pub(crate) async fn recount(&self) -> bool {
        let recount = std::mem::take(&mut self.usage().freed);
        let Some(folder) = self.folder.clone().filter(|_| recount) else { return false };
        let open: Vec<Arc<File>> = self.usage().open.iter().filter_map(Weak::upgrade).collect();
        let counted = tokio::task::spawn_blocking(move || count(&folder.dir, &open)).await;
        match counted {
            Ok(Ok((bytes, files))) => {
                let mut usage = self.usage();
                (usage.bytes, usage.files) = (bytes, files);
            }
            Ok(Err(error)) => tracing::warn!(%error, "the files of a /tmp cannot be counted"),
            Err(_) => {}
        }
        true
    }

    /// Takes what a change needs without counting anything anew.
    pub(crate) fn try_take(&self, need: Need) -> bool {
        let mut usage = self.usage();
        usage.dirty = true;
        let bytes = usage.bytes.saturating_add(need.bytes);
        let files = usage.files.saturating_add(need.files);
        let fits = bytes <= self.limit && files <= limits::MAX_TMP_FILES;
        if fits {
            (usage.bytes, usage.files) = (bytes, files);
        }
        fits
    }

    /// Gives back what was taken for a change that was not made.
    pub(crate) fn give_back(&self, need: Need) {
        let mut usage = self.usage();
        usage.bytes = usage.bytes.saturating_sub(need.bytes);
        usage.files = usage.files.saturating_sub(need.files);
    }

    pub(crate) fn freed(&self) {
        let mut usage = self.usage();
        usage.freed = true;
        usage.dirty = true;
    }

    /// Whether one more file may be open.
    pub(crate) fn may_open(&self) -> bool {
        let mut usage = self.usage();
        if usage.open.len() >= limits::MAX_OPEN_FILES {
            usage.open.retain(|file| file.strong_count() > 0);
        }
        usage.open.len() < limits::MAX_OPEN_FILES
    }

    pub(crate) fn opened(&self, file: &Arc<File>) {
        self.usage().open.push(Arc::downgrade(file));
    }

    /// How deep a path below an open folder lies; none where that is too deep.
    pub(crate) fn depth(&self, folder: u32, path: &str) -> Option<usize> {
        let below = path.split('/').filter(|part| !matches!(*part, "" | ".")).count();
        let depth = self.depths.get(&folder).copied().unwrap_or(0) + below;
        (depth <= MAX_DEPTH).then_some(depth)
    }

    pub(crate) fn opened_folder(&mut self, folder: u32, depth: usize) {
        self.depths.insert(folder, depth);
    }

    pub(crate) fn closed(&mut self, descriptor: u32) {
        self.depths.remove(&descriptor);
    }

    fn usage(&self) -> std::sync::MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// How much a write makes a file grow.
pub(crate) fn growth(file: &File, end: u64) -> io::Result<u64> {
    Ok(end.saturating_sub(file.metadata()?.size()))
}

/// Logical bytes and the number of files, each counted once however many names it has.
fn count(root: &Dir, open: &[Arc<File>]) -> io::Result<(u64, u64)> {
    let mut seen = HashSet::new();
    let (mut bytes, mut files) = (0u64, 0);
    let mut folders = vec![root.try_clone()?];
    while let Some(folder) = folders.pop() {
        for entry in folder.entries()? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            files += 1;
            if metadata.is_dir() {
                folders.push(entry.open_dir()?);
            } else if seen.insert(metadata.ino()) {
                bytes = bytes.saturating_add(metadata.len());
            }
        }
    }
    for file in open {
        let metadata = file.metadata()?;
        if metadata.is_file() && seen.insert(metadata.ino()) {
            files += 1;
            bytes = bytes.saturating_add(metadata.len());
        }
    }
    Ok((bytes, files))
}
