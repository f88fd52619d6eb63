//! The interpreters: embedded in the server, compiled at its first start, shared by all functions of their language.

use crate::engine::artefacts::{ArtefactError, Artefacts};
use crate::engine::{Engines, Metering, Origin};
use crate::host_api::State;
use crate::host_api::bindings::InterpreterPre;
use crate::host_api::linker;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;
use wasmtime::component::Component;

/// A language whose source is run as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    JavaScript,
    Python,
}

/// The prebuilt components, as `interpreters/build` made them.
const PREBUILT: [&[u8]; 2] = [
    include_bytes!("../interpreters/prebuilt/javascript.wasm.zst"),
    include_bytes!("../interpreters/prebuilt/python.wasm.zst"),
];

impl Language {
    pub const ALL: [Self; 2] = [Self::JavaScript, Self::Python];

    /// The ending of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::JavaScript => "js",
            Self::Python => "py",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
        }
    }
}

/// The interpreters in compiled form.
pub struct Interpreters {
    engines: Arc<Engines>,
    artefacts: Artefacts,
    ready: [[OnceLock<InterpreterPre<State>>; 2]; 2],
    /// Two functions that are the first to need a metered interpreter must not compile it twice.
    compiling: Mutex<()>,
}

/// An interpreter cannot be made ready: a fault of the build or the disk, never of a user.
#[derive(Debug, thiserror::Error)]
pub enum InterpreterError {
    #[error("the embedded {} interpreter is damaged", .0.title())]
    Damaged(Language, #[source] std::io::Error),
    #[error("the {} interpreter cannot be compiled or linked", .0.title())]
    Compile(Language, #[source] wasmtime::Error),
    #[error("the server is stopping")]
    Stopping,
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
}

impl Interpreters {
    pub fn new(engines: Arc<Engines>, artefacts: Artefacts) -> Self {
        Self { engines, artefacts, ready: Default::default(), compiling: Mutex::new(()) }
    }

    /// Makes an interpreter ready, off the executor's threads.
    pub async fn prepare(self: &Arc<Self>, language: Language, metering: Metering) -> Result<(), InterpreterError> {
        if self.ready[usize::from(metering == Metering::Fuel)][language as usize].get().is_some() {
            return Ok(());
        }
        let interpreters = self.clone();
        let made = tokio::task::spawn_blocking(move || interpreters.get(language, metering).map(drop));
        made.await.unwrap_or(Err(InterpreterError::Stopping))
    }

    /// The interpreter of a language. Blocks for seconds where it must be compiled first.
    pub fn get(&self, language: Language, metering: Metering) -> Result<&InterpreterPre<State>, InterpreterError> {
        let slot = &self.ready[usize::from(metering == Metering::Fuel)][language as usize];
        if let Some(ready) = slot.get() {
            return Ok(ready);
        }
        let _compiling = self.compiling.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if slot.get().is_none() {
            let made = self.make(language, metering)?;
            // The lock is held: nobody else has set it.
            let _ = slot.set(made);
        }
        Ok(slot.get().expect("it was set above"))
    }

    fn make(&self, language: Language, metering: Metering) -> Result<InterpreterPre<State>, InterpreterError> {
        let engine = self.engines.get(Origin::Lean, metering);
        let source = PREBUILT[language as usize];
        let name = self.artefacts.name(engine, (Origin::Lean, metering), blake3::hash(source).as_bytes());
        let component = match self.artefacts.load(engine, &name)? {
            Some(component) => component,
            None => self.compile(language, engine, source, &name)?,
        };
        let failed = |error| InterpreterError::Compile(language, error);
        let linker = linker::interpreter(engine).map_err(failed)?;
        linker.instantiate_pre(&component).and_then(InterpreterPre::new).map_err(failed)
    }

    fn compile(
        &self,
        language: Language,
        engine: &wasmtime::Engine,
        source: &[u8],
        name: &crate::engine::artefacts::ArtefactName,
    ) -> Result<Component, InterpreterError> {
        let started = Instant::now();
        tracing::info!("compiling the {} interpreter; this happens once", language.title());
        let wasm = zstd::decode_all(source).map_err(|error| InterpreterError::Damaged(language, error))?;
        let failed = |error| InterpreterError::Compile(language, error);
        let code = engine.precompile_component(&wasm).map_err(failed)?;
        self.artefacts.store(name, &code)?;
        tracing::info!(seconds = started.elapsed().as_secs_f32(), "compiled the {} interpreter", language.title());
        match self.artefacts.load(engine, name)? {
            Some(component) => Ok(component),
            // The folder may be read-only to others or full; code that was just made needs no check.
            None => Component::new(engine, &wasm).map_err(failed),
        }
    }
}
