//! One immutable version of a workspace's functions, made ready to run.
//!
//! `spec` is what a deploy's body says, `bundle` a function of several files, `document` what is stored of it, `upload` a
//! compiled component, `typescript` what makes JavaScript of it.

pub mod bundle;
pub mod document;
pub mod spec;
pub mod typescript;
pub mod upload;

use crate::engine::Metering;
use crate::host_api::bindings::exports::thimble::runtime::guest;
use crate::host_api::egress::Egress;
use crate::host_api::egress::rules::{RuleError, Rules};
use crate::host_api::filesystem::{Mount, TmpRoot};
use crate::host_api::programs::Library;
use crate::host_api::{Grants, Shared};
use crate::interpreters::Language;
use crate::limits::{Footprint, InvocationLimits, LimitError, ServerLimits};
use crate::packages::shared::SHARED_AT;
use crate::routing::Name;
use crate::store::blobs::Hash;
use arc_swap::ArcSwapOption;
use document::{Document, Isolation, StoredFunction, StoredImage};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use upload::{Upload, UploadKind};
use uuid::Uuid;

/// A workspace's functions as they run.
#[derive(Debug)]
pub struct Deployment {
    pub workspace: Name,
    pub version: Uuid,
    pub shared: Arc<Shared>,
    functions: HashMap<Name, Arc<Function>>,
}

/// One function, ready to run.
#[derive(Debug)]
pub struct Function {
    /// Its place in the deployment: with the version, the key of its pool of instances.
    pub index: u32,
    pub program: Program,
    /// The names of the declared parameters, in order.
    pub parameters: Option<Arc<[String]>>,
    pub isolation: Isolation,
    /// Instances that are kept ready.
    pub provisioned: u32,
    /// What the first load found out.
    pub shape: Shape,
    /// What the first load left in memory, or a later one where that could not be used any more.
    pub image: ArcSwapOption<StoredImage>,
    pub grants: Arc<Grants>,
}

/// How a source turned out to be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// Whether it can be invoked without naming an entry point.
    pub callable: bool,
    /// Entry points by name.
    pub entries: Vec<String>,
}

/// What is run.
pub enum Program {
    Source { language: Language, metering: Metering, source: guest::Source },
    Upload(Arc<Upload>),
}

impl Program {
    /// Whether it takes an HTTP request as it is, instead of an event.
    pub fn speaks_http(&self) -> bool {
        matches!(self, Self::Upload(upload) if matches!(upload.kind, UploadKind::Http(_)))
    }

    /// Whether an instance serves more than one invocation, so that it can be ready before the first.
    pub fn stays_warm(&self) -> bool {
        match self {
            Self::Source { .. } => true,
            Self::Upload(upload) => matches!(upload.kind, UploadKind::Handler(_)),
        }
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Source { language, .. } => f.write_str(language.title()),
            Self::Upload(_) => f.write_str("WebAssembly"),
        }
    }
}

/// Code as it is held in memory.
#[derive(Clone)]
pub enum Code {
    Source(Arc<str>),
    Upload(Arc<Upload>),
}

/// A stored document cannot be made into a deployment.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    #[error("function `{function}`: {source}")]
    Limit { function: Name, source: LimitError },
    #[error("egress: {0}")]
    Egress(#[from] RuleError),
    #[error("the code of function `{0}` is missing")]
    MissingCode(Name),
    #[error("the folder {at} of function `{function}` is missing")]
    MissingFolder { function: Name, at: String },
}

/// What deployments are assembled with.
pub struct Surroundings<'a> {
    pub limits: &'a ServerLimits,
    pub tmp: &'a Arc<TmpRoot>,
    pub programs: &'a Arc<Library>,
    pub shared: &'a Arc<Shared>,
    /// Where the folders that functions read are.
    pub folders: &'a HashMap<Hash, PathBuf>,
    /// The operator's packages, which every function in JavaScript reads.
    pub shared_packages: Option<&'a Path>,
}

impl Deployment {
    /// Puts a deployment together from its document and its code, by function.
    pub fn assemble(
        workspace: Name,
        version: Uuid,
        document: &Document,
        code: &HashMap<Name, Code>,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, AssembleError> {
        let egress = Arc::new(Egress::new(Rules::parse(document.egress.iter().map(String::as_str))?));
        let names: Vec<String> = document.functions.iter().map(|function| function.name.to_string()).collect();
        let version_text: Arc<str> = version.to_string().into();
        let mut functions = HashMap::with_capacity(document.functions.len());
        for (index, stored) in document.functions.iter().enumerate() {
            let name = stored.name.clone();
            let limits = limits_of(stored, surroundings.limits)
                .map_err(|source| AssembleError::Limit { function: name.clone(), source })?;
            let grants = Arc::new(Grants {
                workspace: workspace.clone(),
                function: name.clone(),
                version: version_text.clone(),
                environment: environment(&workspace, &name, &version_text, &limits, document),
                limits,
                egress: egress.clone(),
                shared: surroundings.shared.clone(),
                mounts: mounts(stored, surroundings)?,
                tmp: surroundings.tmp.clone(),
                programs: surroundings.programs.clone(),
            });
            let code = code.get(&name).cloned().ok_or_else(|| AssembleError::MissingCode(name.clone()))?;
            let function = Function {
                index: u32::try_from(index).unwrap_or(u32::MAX),
                program: program(stored, &code, &names, limits.fuel.is_some()),
                parameters: stored.parameter_names().map(Into::into),
                isolation: stored.isolation,
                provisioned: stored.provisioned.unwrap_or(0),
                shape: Shape { callable: stored.callable, entries: stored.entries.clone() },
                image: ArcSwapOption::from_pointee(stored.image.clone()),
                grants,
            };
            functions.insert(name, Arc::new(function));
        }
        Ok(Self { workspace, version, shared: surroundings.shared.clone(), functions })
    }

    /// The function of that name.
    pub fn function(&self, name: &str) -> Option<&Arc<Function>> {
        self.functions.get(name)
    }

    pub fn functions(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.functions.values()
    }

    /// The function that a caller means, and its entry point: `name`, or `name.entry`.
    pub fn resolve<'a>(&self, called: &'a str) -> Option<(&Arc<Function>, Option<&'a str>)> {
        if let Some(function) = self.functions.get(called) {
            return Some((function, None));
        }
        let (name, entry) = called.rsplit_once('.')?;
        let function = self.functions.get(name)?;
        function.shape.entries.iter().any(|known| known == entry).then_some((function, Some(entry)))
    }

    /// Tells the functions what their first load found out. Before it is published, nobody else has them.
    pub fn set_loaded(&mut self, document: &Document) {
        for stored in &document.functions {
            if let Some(function) = self.functions.get_mut(&stored.name).and_then(Arc::get_mut) {
                function.shape = Shape { callable: stored.callable, entries: stored.entries.clone() };
                function.image = ArcSwapOption::from_pointee(stored.image.clone());
            }
        }
    }

    /// What it holds in memory, for the weight of its place in the cache.
    pub fn weight(&self) -> u64 {
        let code = |function: &Arc<Function>| match &function.program {
            Program::Source { source, .. } => source.code.len() as u64,
            Program::Upload(upload) => upload.size,
        };
        self.functions.values().map(|function| 1024 + code(function)).sum()
    }
}

/// The limits that a stored function has on this server.
pub fn limits_of(stored: &StoredFunction, server: &ServerLimits) -> Result<InvocationLimits, LimitError> {
    let footprint = match stored.language {
        spec::Kind::Python => Footprint::Python,
        spec::Kind::JavaScript | spec::Kind::TypeScript | spec::Kind::Tsx | spec::Kind::Jsx | spec::Kind::Wasm => {
            Footprint::Small
        }
    };
    server.narrow(stored.limits, footprint)
}

fn mounts(stored: &StoredFunction, surroundings: &Surroundings<'_>) -> Result<Arc<[Mount]>, AssembleError> {
    let mount = |mount: &document::StoredMount| match surroundings.folders.get(&mount.tree) {
        Some(folder) => Ok(Mount { at: mount.at.clone(), folder: folder.clone() }),
        None => Err(AssembleError::MissingFolder { function: stored.name.clone(), at: mount.at.clone() }),
    };
    let of_the_operator = surroundings.shared_packages.filter(|_| stored.language.runs_javascript());
    let shared = of_the_operator.map(|folder| Ok(Mount { at: SHARED_AT.into(), folder: folder.into() }));
    stored.mounts.iter().map(mount).chain(shared).collect()
}

fn program(stored: &StoredFunction, code: &Code, names: &[String], fuel: bool) -> Program {
    let text = match code {
        Code::Source(text) => text,
        Code::Upload(upload) => return Program::Upload(upload.clone()),
    };
    let language = if stored.language == spec::Kind::Python { Language::Python } else { Language::JavaScript };
    Program::Source {
        language,
        metering: if fuel { Metering::Fuel } else { Metering::Epoch },
        source: guest::Source {
            name: stored.name.to_string(),
            file: stored.file(),
            code: text.to_string(),
            parameters: stored.parameter_names(),
            functions: names.to_vec(),
        },
    }
}

/// The system's variables, then the workspace's own.
fn environment(
    workspace: &Name,
    function: &Name,
    version: &str,
    limits: &InvocationLimits,
    document: &Document,
) -> Arc<[(String, String)]> {
    let system = [
        ("THIMBLE_WORKSPACE", workspace.to_string()),
        ("THIMBLE_FUNCTION_NAME", function.to_string()),
        ("THIMBLE_FUNCTION_VERSION", version.to_string()),
        ("THIMBLE_MEMORY_SIZE", (limits.memory.0 >> 20).to_string()),
        ("THIMBLE_TIMEOUT", limits.timeout.as_millis().to_string()),
    ];
    let mut all: Vec<(String, String)> = system.map(|(name, value)| (name.to_string(), value)).into();
    for (name, value) in &document.env {
        all.retain(|(there, _)| there != name);
        all.push((name.clone(), value.clone()));
    }
    all.into()
}
