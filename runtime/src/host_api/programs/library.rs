//! Programs in the folders of functions: found, compiled as uploads are, linked, and kept ready for the next start.
//!
//! A deploy has those compiled that it finds. A program that it left out is compiled at its first start, by the same child process, and
//! under the deadline of who starts it.

use super::wit::{Failure, FailureCode};
use crate::engine::compiler::{CompileError, Compiler};
use crate::engine::{Engines, Metering, Origin};
use crate::host_api::State;
use crate::host_api::filesystem::{Mount, working};
use crate::host_api::linker;
use crate::limits;
use crate::task::Owned;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;
use tokio::task::JoinError;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi::p2::bindings::CommandPre;

/// A program, linked.
pub(crate) type Program = Arc<CommandPre<State>>;

/// The programs of all functions. Lives as long as the server.
pub struct Library {
    engines: Arc<Engines>,
    compiler: Compiler,
    /// By metering.
    linkers: [OnceLock<Linker<State>>; 2],
    /// By the folder and the path in it: the content of a folder never changes.
    ready: moka::future::Cache<(PathBuf, String, Metering), Program>,
    /// Files that are in memory to be compiled.
    turns: Semaphore,
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Library({} programs)", self.ready.entry_count())
    }
}

/// How every WebAssembly file begins.
pub const MAGIC: &[u8; 4] = b"\0asm";

/// There is no program to be started.
pub(super) fn failure(code: FailureCode, message: impl Into<String>) -> Failure {
    Failure { code, message: message.into() }
}

impl Library {
    pub fn new(engines: Arc<Engines>, compiler: Compiler) -> Self {
        Self {
            engines,
            compiler,
            linkers: Default::default(),
            ready: moka::future::Cache::new(limits::CACHED_PROGRAMS),
            turns: Semaphore::new(limits::CONCURRENT_COMPILATIONS),
        }
    }

    /// The program at a path, as one of these folders has it.
    pub(crate) async fn program(
        self: &Arc<Self>,
        path: &str,
        mounts: &[Mount],
        metering: Metering,
    ) -> Result<Program, Failure> {
        let Some((mount, below)) = working::holding(path, mounts) else {
            let message = "only a program that was deployed with the function can be started: one in /var/task or /opt";
            let is_tmp = path.strip_prefix(working::TMP).is_some_and(|rest| rest.starts_with('/'));
            let code = if is_tmp { FailureCode::NotExecutable } else { FailureCode::NotFound };
            return Err(failure(code, message));
        };
        let key = (mount.folder.clone(), below.to_string(), metering);
        if let Some(program) = self.ready.get(&key).await {
            return Ok(program);
        }
        // Others wait for it, too, so it goes on even when this caller computes and polls nothing.
        let (library, mount) = (self.clone(), mount.clone());
        let made =
            async { Owned::spawn(library.make(mount, below.to_string(), metering)).await.unwrap_or_else(stopped) };
        let made = self.ready.try_get_with(key, made).await;
        made.map_err(|failure: Arc<Failure>| Failure::clone(&failure))
    }

    async fn make(self: Arc<Self>, mount: Mount, below: String, metering: Metering) -> Result<Program, Failure> {
        let (library, at) = (self.clone(), (mount.clone(), below.clone()));
        let found = blocking(move || {
            let hash = hash(&at.0, &at.1)?;
            library.compiler.compiled(&library.engines, &hash, metering).map_err(|error| not_compiled(&error))
        });
        let component = match found.await? {
            Some(component) => component,
            None => {
                // Never closed.
                let _turn = self.turns.acquire().await;
                let wasm = blocking(move || read(&mount, &below)).await?;
                let compiled = self.compiler.component(&self.engines, &wasm, metering).await;
                compiled.map_err(|error| not_compiled(&error))?
            }
        };
        let library = self.clone();
        blocking(move || library.link(&component, metering)).await
    }

    /// Compiles what may be a program, ahead of its first start.
    pub async fn prepare(&self, wasm: &[u8], metering: Metering) -> Result<(), CompileError> {
        let _turn = self.turns.acquire().await;
        self.compiler.component(&self.engines, wasm, metering).await.map(drop)
    }

    fn link(&self, component: &Component, metering: Metering) -> Result<Program, Failure> {
        let invalid = |error: wasmtime::Error| failure(FailureCode::InvalidProgram, format!("{error:#}"));
        let engine = self.engines.get(Origin::Uploads, metering);
        let slot = &self.linkers[usize::from(metering == Metering::Fuel)];
        let linker = match slot.get() {
            Some(linker) => linker,
            None => {
                let made = linker::program(engine).map_err(invalid)?;
                slot.get_or_init(|| made)
            }
        };
        let runs = |(name, _): (&str, _)| name.starts_with("wasi:cli/run@0.2");
        if !component.component_type().exports(engine).any(runs) {
            let message = "it is a component that does not export `wasi:cli/run@0.2`; a handler or an HTTP component is deployed \
                           as a function of its own";
            return Err(failure(FailureCode::InvalidProgram, message));
        }
        let pre = linker.instantiate_pre(component).map_err(|error| {
            let reason = format!("{error:#}");
            let import = reason.split('`').nth(1).unwrap_or("something");
            let message =
                format!("it imports `{import}`, which programs are not offered: they have WASI 0.2 without sockets");
            failure(FailureCode::InvalidProgram, message)
        })?;
        CommandPre::new(pre).map(Arc::new).map_err(invalid)
    }
}

/// Does what blocks on a thread that may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(stopped)
}

fn stopped<T>(_: JoinError) -> Result<T, Failure> {
    Err(failure(FailureCode::Other, "the server is stopping"))
}

/// Opens a file that begins as WebAssembly does; behind its first bytes.
fn open(mount: &Mount, below: &str) -> Result<cap_std::fs::File, Failure> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => failure(FailureCode::NotFound, "no file is there"),
        _ => failure(FailureCode::NotExecutable, format!("it cannot be read: {error}")),
    };
    let mut file = working::open_mount(mount).and_then(|folder| folder.open(below)).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(failure(FailureCode::NotExecutable, "it is no file"));
    }
    if metadata.len() > limits::MAX_PROGRAM_SIZE.0 {
        let message = format!("it is larger than the {} that a program may have", limits::MAX_PROGRAM_SIZE);
        return Err(failure(FailureCode::InvalidProgram, message));
    }
    let mut magic = [0; MAGIC.len()];
    if file.read_exact(&mut magic).is_err() || magic != *MAGIC {
        return Err(failure(FailureCode::NotExecutable, "it is no WebAssembly"));
    }
    Ok(file)
}

fn hash(mount: &Mount, below: &str) -> Result<[u8; 32], Failure> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(MAGIC);
    let read = hasher.update_reader(open(mount, below)?);
    read.map_err(|error| failure(FailureCode::Other, format!("it cannot be read: {error}")))?;
    Ok(hasher.finalize().into())
}

fn read(mount: &Mount, below: &str) -> Result<Vec<u8>, Failure> {
    let mut wasm = MAGIC.to_vec();
    let read = open(mount, below)?.take(limits::MAX_PROGRAM_SIZE.0).read_to_end(&mut wasm);
    read.map_err(|error| failure(FailureCode::Other, format!("it cannot be read: {error}")))?;
    Ok(wasm)
}

fn not_compiled(error: &CompileError) -> Failure {
    let code = match error {
        CompileError::Invalid(_) | CompileError::Precompiled | CompileError::TooExpensive => {
            FailureCode::InvalidProgram
        }
        CompileError::Run(_) | CompileError::Artefact(_) => {
            tracing::error!(%error, "a program cannot be compiled");
            FailureCode::Other
        }
    };
    failure(code, error.to_string())
}
