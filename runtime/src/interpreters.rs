//! The interpreters: embedded in the server, compiled at its first start, shared by all functions of their language.

use crate::cpu;
use crate::engine::artefacts::{ArtefactError, ArtefactName, Artefacts};
use crate::engine::image::{Base, Image};
use crate::engine::split::{Split, SplitError};
use crate::engine::{Engines, Metering, Origin};
use crate::host_api::State;
use crate::host_api::bindings::InterpreterPre;
use crate::host_api::linker;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;
use wasmtime::Engine;
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

    /// Changes when the interpreter does, and with it what an image of it means.
    pub fn fingerprint(self) -> &'static str {
        static FINGERPRINTS: [OnceLock<String>; 2] = [OnceLock::new(), OnceLock::new()];
        FINGERPRINTS[self as usize].get_or_init(|| {
            let mut hasher = blake3::Hasher::new();
            hasher.update(PREBUILT[self as usize]).update(&rustix::param::page_size().to_le_bytes());
            hasher.finalize().to_hex()[..32].to_string()
        })
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::JavaScript => "JavaScript",
            Self::Python => "Python",
        }
    }
}

/// The ending of an interpreter's memory among the artefacts.
const MEMORY: &str = "memory";

/// The interpreters in compiled form.
pub struct Interpreters {
    engines: Arc<Engines>,
    artefacts: Artefacts,
    /// By metering and language, one for each CPU.
    ready: [[OnceLock<Vec<Interpreter>>; 2]; 2],
    /// Two functions that are the first to need a metered interpreter must not compile it twice.
    compiling: Mutex<()>,
}

/// An interpreter, ready to be instantiated.
pub struct Interpreter {
    pub code: InterpreterPre<State>,
    /// The memory that its images differ from.
    pub base: Arc<Base>,
    /// What a function is loaded into.
    pub blank: Arc<Image>,
}

/// An interpreter cannot be made ready: a fault of the build or the disk, never of a user.
#[derive(Debug, thiserror::Error)]
pub enum InterpreterError {
    #[error("the embedded {} interpreter is damaged", .0.title())]
    Damaged(Language, #[source] std::io::Error),
    #[error("the embedded {} interpreter cannot be taken apart", .0.title())]
    Split(Language, #[source] SplitError),
    #[error("the memory of the {} interpreter cannot be mapped", .0.title())]
    Map(Language, #[source] std::io::Error),
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
        if self.ready(language, metering).is_some() {
            return Ok(());
        }
        let interpreters = self.clone();
        let made = tokio::task::spawn_blocking(move || interpreters.get(language, metering).map(drop));
        made.await.unwrap_or(Err(InterpreterError::Stopping))
    }

    /// The interpreter of a language. Blocks for seconds where it must be compiled first.
    pub fn get(&self, language: Language, metering: Metering) -> Result<&Interpreter, InterpreterError> {
        if let Some(ready) = self.ready(language, metering) {
            return Ok(ready);
        }
        let _compiling = self.compiling.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let slot = &self.ready[usize::from(metering == Metering::Fuel)][language as usize];
        if slot.get().is_none() {
            let made = self.make(language, metering)?;
            // The lock is held: nobody else has set it.
            let _ = slot.set(made);
        }
        Ok(self.ready(language, metering).expect("it was set above"))
    }

    /// Gives back the memory that functions were loaded into.
    pub fn trim(&self) {
        // All replicas of an interpreter share one.
        for interpreter in self.ready.iter().flatten().filter_map(OnceLock::get).filter_map(|all| all.first()) {
            interpreter.blank.trim();
        }
    }

    /// The interpreter of a language, if it is ready: this CPU's own.
    fn ready(&self, language: Language, metering: Metering) -> Option<&Interpreter> {
        let replicas = self.ready[usize::from(metering == Metering::Fuel)][language as usize].get()?;
        replicas.get(cpu::current() % replicas.len())
    }

    fn make(&self, language: Language, metering: Metering) -> Result<Vec<Interpreter>, InterpreterError> {
        let engines = self.engines.replicas(Origin::Lean, metering);
        let source = PREBUILT[language as usize];
        let name = self.artefacts.name(&engines[0], (Origin::Lean, metering), blake3::hash(source).as_bytes());
        let stored = self.artefacts.load_all(engines, &name)?.zip(self.artefacts.open_file(&name, MEMORY));
        let (components, memory) = match stored {
            Some(stored) => stored,
            None => self.compile(language, engines, source, &name)?,
        };
        let base = Base::open(memory).map_err(|error| InterpreterError::Map(language, error))?;
        let failed = |error| InterpreterError::Compile(language, error);
        let blank = Image::of_base(base.clone());
        let link = |(engine, component)| {
            let linker = linker::interpreter(engine).map_err(failed)?;
            let code = linker.instantiate_pre(component).and_then(InterpreterPre::new).map_err(failed)?;
            Ok(Interpreter { code, blank: blank.clone(), base: base.clone() })
        };
        engines.iter().zip(&components).map(link).collect()
    }

    fn compile(
        &self,
        language: Language,
        engines: &[Engine],
        source: &[u8],
        name: &ArtefactName,
    ) -> Result<(Vec<Component>, File), InterpreterError> {
        let started = Instant::now();
        tracing::info!("compiling the {} interpreter; this happens once", language.title());
        let wasm = zstd::decode_all(source).map_err(|error| InterpreterError::Damaged(language, error))?;
        let split = Split::of(&wasm).map_err(|error| InterpreterError::Split(language, error))?;
        let code =
            engines[0].precompile_component(&split.code).map_err(|error| InterpreterError::Compile(language, error))?;
        self.artefacts.store(name, &code)?;
        self.artefacts.store_file(name, MEMORY, &split.memory)?;
        tracing::info!(seconds = started.elapsed().as_secs_f32(), "compiled the {} interpreter", language.title());
        let stored = self.artefacts.load_all(engines, name)?.zip(self.artefacts.open_file(name, MEMORY));
        stored.ok_or_else(|| InterpreterError::Map(language, std::io::ErrorKind::NotFound.into()))
    }
}
