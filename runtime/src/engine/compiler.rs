//! Compiling what users upload, in a child process with limits on memory, CPU and time.
//!
//! The time that Cranelift takes is not bounded by the size of its input, and a compiler is a large target: so the
//! server never compiles a stranger's code itself. The child is this same program, started as `thimble compile`.

use super::artefacts::{ArtefactError, ArtefactName, Artefacts};
use super::child::{self, Bounds, ChildError};
use super::{Engines, Metering, Origin, config, exit_codes};
use crate::limits::{self, ByteSize};
use std::sync::Arc;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Compiles uploads, a few at a time.
#[derive(Clone, Debug)]
pub struct Compiler {
    artefacts: Artefacts,
    turns: Arc<Semaphore>,
}

/// Why an upload has no compiled form.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The author's fault; the text says what is wrong.
    #[error("{0}")]
    Invalid(String),
    #[error("this is compiled code, which is not accepted; upload the WebAssembly itself")]
    Precompiled,
    #[error("compiling it takes more than {} s or {}", limits::COMPILE_TIMEOUT.as_secs(), limits::COMPILE_MEMORY)]
    TooExpensive,
    #[error("the compiler could not be run")]
    Run(#[source] std::io::Error),
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
}

/// The name of the hidden subcommand.
pub const SUBCOMMAND: &str = "compile";
/// The child's exit code for an input that is not acceptable; its standard error says why.
const EXIT_INVALID: i32 = 3;
/// The child's exit code for compiled code.
const EXIT_PRECOMPILED: i32 = 4;
/// Of what is made of an upload before it is compiled: compiled code of another revision is not used.
const REVISION: u32 = 2;
/// No compiled component is larger: some 20 times the largest upload.
const MAX_CODE: ByteSize = ByteSize::mib(1024);

impl Compiler {
    pub fn new(artefacts: Artefacts) -> Self {
        Self { artefacts, turns: Arc::new(Semaphore::new(limits::CONCURRENT_COMPILATIONS)) }
    }

    /// The compiled form of WebAssembly with that hash, if it was compiled before. Blocks while it is read and checked.
    pub fn compiled(
        &self,
        engines: &Engines,
        wasm: &[u8; 32],
        metering: Metering,
    ) -> Result<Option<Component>, CompileError> {
        let engine = engines.get(Origin::Uploads, metering);
        Ok(self.artefacts.load(engine, &self.name(engine, wasm, metering))?)
    }

    /// The compiled form of an upload; from the cache where the same bytes were compiled before.
    pub async fn component(
        &self,
        engines: &Engines,
        wasm: &[u8],
        metering: Metering,
    ) -> Result<Component, CompileError> {
        let engine = engines.get(Origin::Uploads, metering);
        let name = self.name(engine, blake3::hash(wasm).as_bytes(), metering);
        if let Some(component) = self.artefacts.load(engine, &name)? {
            return Ok(component);
        }
        let _turn = self.turns.acquire().await.map_err(|_| CompileError::TooExpensive)?;
        if let Some(component) = self.artefacts.load(engine, &name)? {
            return Ok(component);
        }
        let code = run_child(wasm, metering).await?;
        self.artefacts.store(&name, &code)?;
        drop(code);
        self.artefacts
            .load(engine, &name)?
            .ok_or_else(|| CompileError::Run(std::io::Error::other("compiled code vanished")))
    }
}

impl Compiler {
    fn name(&self, engine: &Engine, wasm: &[u8; 32], metering: Metering) -> ArtefactName {
        let source = blake3::Hasher::new().update(&REVISION.to_le_bytes()).update(wasm).finalize();
        self.artefacts.name(engine, (Origin::Uploads, metering), source.as_bytes())
    }
}

async fn run_child(wasm: &[u8], metering: Metering) -> Result<Vec<u8>, CompileError> {
    let arguments = [SUBCOMMAND, "--fuel"];
    let arguments = if metering == Metering::Fuel { &arguments[..] } else { &arguments[..1] };
    let bounds = Bounds { output: MAX_CODE, timeout: limits::COMPILE_TIMEOUT };
    child::run(arguments, wasm, bounds).await.map_err(|error| match error {
        ChildError::Run(error) => CompileError::Run(error),
        ChildError::TimedOut => CompileError::TooExpensive,
        ChildError::Ended { status, complaint, .. } => match status.code() {
            Some(EXIT_INVALID) => CompileError::Invalid(complaint),
            Some(EXIT_PRECOMPILED) => CompileError::Precompiled,
            _ => {
                tracing::warn!(%status, stderr = %complaint, "the compiler's process died");
                CompileError::TooExpensive
            }
        },
    })
}

/// The child's whole work: WebAssembly from standard input, compiled code to standard output. Answers the exit code.
pub fn child(metering: Metering) -> i32 {
    use std::io::{Read, Write};
    child::restrict(limits::COMPILE_MEMORY, limits::COMPILE_CPU);
    let mut wasm = Vec::new();
    if std::io::stdin().read_to_end(&mut wasm).is_err() {
        return 1;
    }
    if Engine::detect_precompiled(&wasm).is_some() {
        return EXIT_PRECOMPILED;
    }
    let compiled = component_of(&wasm).and_then(|component| {
        let engine = Engine::new(&config(Origin::Uploads, metering)).map_err(|error| format!("{error:#}"))?;
        engine.precompile_component(&component).map_err(|error| format!("{error:#}"))
    });
    match compiled {
        Ok(code) => match std::io::stdout().write_all(&code) {
            Ok(()) => 0,
            Err(_) => 1,
        },
        Err(complaint) => {
            eprintln!("{complaint}");
            EXIT_INVALID
        }
    }
}

/// A component as it is; a core module that was built for WASI preview 1, adapted; text format, translated.
fn component_of(upload: &[u8]) -> Result<Vec<u8>, String> {
    let wasm = wat::parse_bytes(upload).map_err(|error| format!("this is no WebAssembly: {error}"))?;
    if wasm.get(4..8) != Some(&[1, 0, 0, 0]) {
        return Ok(wasm.into_owned());
    }
    use wasi_preview1_component_adapter_provider::{
        WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER as COMMAND, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as REACTOR,
    };
    // A command; a module that was built against component interfaces alone; and one that uses preview 1 besides.
    let with_codes = exit_codes::told_whole(&wasm).and_then(|wasm| encode(&wasm, Some(COMMAND)).ok());
    let command = with_codes.map_or_else(|| encode(&wasm, Some(COMMAND)), Ok);
    command.or_else(|error| encode(&wasm, None).or_else(|_| encode(&wasm, Some(REACTOR))).map_err(|_| error)).map_err(
        |error| {
            format!(
                "this core module is neither a command for WASI preview 1 nor one that was built for component \
                 interfaces, as wit-bindgen does: {error}"
            )
        },
    )
}

fn encode(module: &[u8], adapter: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let encoder = wit_component::ComponentEncoder::default().validate(true);
    let encoded = encoder.module(module).and_then(|mut encoder| {
        if let Some(adapter) = adapter {
            let name = wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;
            encoder = encoder.adapter(name, adapter)?;
        }
        encoder.encode()
    });
    encoded.map_err(|error| format!("{error:#}"))
}
