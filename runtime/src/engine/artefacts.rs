//! Compiled code on disk: written once, checked by a keyed hash, mapped into memory. The one user of `deserialize`.
//!
//! Compiled code runs as it stands, so only files of our own are ever loaded: each has a message authentication code
//! under a key that lies beside it, readable by the server's user only. A file that fails the check is made anew.

use super::{Metering, Origin};
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use wasmtime::Engine;
use wasmtime::component::Component;

/// The ending of compiled code.
const CODE: &str = "cwasm";

/// The folder of compiled code.
#[derive(Clone, Debug)]
pub struct Artefacts {
    folder: PathBuf,
    key: [u8; 32],
}

/// Compiled code is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum ArtefactError {
    #[error("cannot use {}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("compiled code in {} cannot be loaded", path.display())]
    Load { path: PathBuf, source: wasmtime::Error },
}

/// What a piece of compiled code is called: by its source and by all that decides the compiler's output.
#[derive(Clone, Debug)]
pub struct ArtefactName(String);

#[expect(clippy::disallowed_methods, reason = "the folder of compiled code is the server's own, named by its settings")]
impl Artefacts {
    /// Opens the folder, or makes it.
    pub fn open(folder: &Path) -> Result<Self, ArtefactError> {
        let failed = |source| ArtefactError::Io { path: folder.into(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let path = folder.join("key");
        let key = match std::fs::read(&path) {
            Ok(bytes) if bytes.len() == 32 => bytes.try_into().expect("its length is 32"),
            _ => {
                let mut key = [0; 32];
                getrandom::fill(&mut key).map_err(|error| failed(io::Error::other(error.to_string())))?;
                replace(&path, &key).map_err(failed)?;
                key
            }
        };
        Ok(Self { folder: folder.into(), key })
    }

    /// The name of the code that `engine` would make of a source with that hash.
    pub fn name(&self, engine: &Engine, kind: (Origin, Metering), source: &[u8; 32]) -> ArtefactName {
        let mut hasher = Fingerprint(blake3::Hasher::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        kind.hash(&mut hasher);
        hasher.0.update(source);
        ArtefactName(hasher.0.finalize().to_hex().to_string())
    }

    /// The code of that name, if it is there and unharmed.
    pub fn load(&self, engine: &Engine, name: &ArtefactName) -> Result<Option<Component>, ArtefactError> {
        let loaded = self.load_all(std::slice::from_ref(engine), name)?;
        Ok(loaded.and_then(|components| components.into_iter().next()))
    }

    /// The same for engines that are all alike: checked once.
    pub fn load_all(&self, engines: &[Engine], name: &ArtefactName) -> Result<Option<Vec<Component>>, ArtefactError> {
        if self.open_file(name, CODE).is_none() {
            return Ok(None);
        }
        let path = self.path(name, CODE);
        let load = |engine| {
            // SAFETY: the file was written by this server for an engine of this configuration: the keyed hash says so, the
            // name carries the engine's compatibility hash, and nobody but the server's user can write to the folder.
            let loaded = unsafe { Component::deserialize_file(engine, &path) };
            loaded.map_err(|source| ArtefactError::Load { path: path.clone(), source })
        };
        engines.iter().map(load).collect::<Result<_, _>>().map(Some)
    }

    /// Stores compiled code, so that it is there whole or not at all.
    pub fn store(&self, name: &ArtefactName, code: &[u8]) -> Result<(), ArtefactError> {
        self.store_file(name, CODE, code)
    }

    /// What else was stored under a name, if it is there and unharmed.
    pub fn open_file(&self, name: &ArtefactName, kind: &str) -> Option<File> {
        let path = self.path(name, kind);
        let (mut file, seal) = (File::open(&path).ok()?, std::fs::read(seal_of(&path)).ok()?);
        // In pieces: the file is mapped later, and need not be in memory twice.
        let mut hasher = self.hasher(name, kind);
        let read = hasher.update_reader(&mut file).is_ok();
        // `blake3::Hash` compares in constant time.
        if !read || <[u8; 32]>::try_from(seal).ok().map(blake3::Hash::from) != Some(hasher.finalize()) {
            tracing::warn!(file = %path.display(), "it fails its check and is made anew");
            return None;
        }
        Some(file)
    }

    /// See [`Self::store`].
    pub fn store_file(&self, name: &ArtefactName, kind: &str, content: &[u8]) -> Result<(), ArtefactError> {
        let path = self.path(name, kind);
        let failed = |source| ArtefactError::Io { path: path.clone(), source };
        replace(&path, content).map_err(failed)?;
        let seal = self.hasher(name, kind).update(content).finalize();
        replace(&seal_of(&path), seal.as_bytes()).map_err(failed)
    }

    fn path(&self, name: &ArtefactName, kind: &str) -> PathBuf {
        self.folder.join(&name.0).with_extension(kind)
    }

    /// The name is sealed in: code cannot be passed off under another name.
    fn hasher(&self, name: &ArtefactName, kind: &str) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(name.0.as_bytes()).update(kind.as_bytes());
        hasher
    }
}

fn seal_of(path: &Path) -> PathBuf {
    path.with_added_extension("mac")
}

/// Writes a file in one step: others see the old one or the new one.
#[expect(clippy::disallowed_methods, reason = "see `Artefacts`")]
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let draft = path.with_extension(uuid::Uuid::now_v7().to_string());
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(content)?;
    drop(file);
    std::fs::rename(&draft, path)
}

/// Collects what `Hash` writes, for a hash that is the same in every process.
struct Fingerprint(blake3::Hasher);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
