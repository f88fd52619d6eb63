//! The files of an instance: the private `/tmp` of an invocation, a folder of its own, scoped by cap-std, with a quota, gone
//! afterwards; and the folders that all instances of a function read, which nobody writes.

mod quota;
mod wasi;
pub(crate) mod working;

pub(crate) use quota::Quota;
pub(super) use wasi::link;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name under which a program's working directory is opened for it: WASI knows no other way to have one.
pub(crate) const WORKING: &str = ".";

/// The folder in which all instances have theirs.
#[derive(Debug)]
pub struct TmpRoot {
    path: PathBuf,
    dir: Dir,
}

/// A folder that the instances of a function read.
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    /// Where the guest sees it.
    pub at: String,
    /// Where it is; its content never changes.
    pub folder: PathBuf,
}

/// One instance's folder. Dropping it removes it.
#[derive(Debug)]
pub struct TmpDir {
    root: Arc<TmpRoot>,
    name: String,
    path: PathBuf,
    dir: Dir,
}

impl TmpRoot {
    /// Opens the folder, or makes it, and sweeps out what an earlier process left.
    #[expect(clippy::disallowed_methods, reason = "the one place that opens this folder; all else is scoped to it")]
    pub fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        // wasmtime-wasi opens folders by path: it must not depend on the current one.
        let path = path.canonicalize()?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority())?;
        empty(&dir)?;
        Ok(Self { path, dir })
    }

    fn make(self: &Arc<Self>) -> io::Result<TmpDir> {
        let name = uuid::Uuid::now_v7().to_string();
        self.dir.create_dir(&name)?;
        let dir = self.dir.open_dir(&name)?;
        Ok(TmpDir { root: self.clone(), path: self.path.join(&name), name, dir })
    }
}

impl TmpDir {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes all that is in it. Blocks.
    pub fn empty(&self) -> io::Result<()> {
        empty(&self.dir)
    }
}

impl Drop for TmpDir {
    fn drop(&mut self) {
        let (root, name) = (self.root.clone(), std::mem::take(&mut self.name));
        let remove = move || {
            if let Err(error) = root.dir.remove_dir_all(&name) {
                tracing::warn!(%error, folder = name, "a /tmp could not be removed; the next start will");
            }
        };
        match tokio::runtime::Handle::try_current() {
            // Removing many files takes time that no invocation should wait for.
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// Links are removed, never followed.
fn empty(dir: &Dir) -> io::Result<()> {
    for entry in dir.entries()? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() { dir.remove_dir_all(&name)? } else { dir.remove_file(&name)? }
    }
    Ok(())
}
