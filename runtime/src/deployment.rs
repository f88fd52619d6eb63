//! One immutable version of a workspace's functions, made ready to run.
//!
//! `spec` is what a deploy's body says, `bundle` a function of several files, `layers` what it shares with others, `document`
//! what is stored of it, `upload` a compiled component, `typescript` what makes JavaScript of it, `signature` what its entry
//! points take and give, `operations` what can be called of an app that describes itself.

pub mod bundle;
pub mod document;
pub mod layers;
pub mod operations;
pub mod signature;
pub mod spec;
pub mod typescript;
pub mod upload;

use crate::config::ImportRules;
use crate::engine::Metering;
use crate::host_api::bindings::exports::thimble::runtime::guest;
use crate::host_api::egress::Egress;
use crate::host_api::egress::rules::{RuleError, Rules};
use crate::host_api::filesystem::{Mount, TmpRoot};
use crate::host_api::programs::Library;
use crate::host_api::{Grants, Shared};
use crate::interpreters::Language;
use crate::limits::{Footprint, InvocationLimits, LimitError, ServerLimits};
use crate::packages::python::PACKAGES_AT;
use crate::packages::python::shared::{SHARED_AT as SHARED_PYTHON_AT, Shared as SharedPython};
use crate::packages::shared::SHARED_AT;
use crate::routing::Name;
use crate::store::blobs::Hash;
use arc_swap::ArcSwapOption;
use document::{Document, Isolation, OPT, StoredFunction, StoredImage};
use operations::{Operation, OperationError};
use serde::{Deserialize, Serialize};
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
    /// Those of an app that has a description.
    pub operations: Box<[Operation]>,
    /// What the first load left in memory, or a later one where that could not be used any more.
    pub image: ArcSwapOption<StoredImage>,
    /// What its image is made for: the interpreter, and what the operator says about imports.
    pub made_for: String,
    pub grants: Arc<Grants>,
}

impl Function {
    /// The operation of that name.
    pub fn operation(&self, id: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.id == id)
    }
}

/// How a source turned out to be written, as the first load found out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    /// Whether it can be invoked without naming an entry point.
    pub callable: bool,
    /// Entry points by name.
    #[serde(default)]
    pub entries: Vec<String>,
    /// Whether it takes HTTP requests itself, and reads their bodies as they arrive.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_requests: bool,
}

impl Shape {
    /// That of a program that has one way to be invoked, with an event.
    pub fn plain() -> Self {
        Self { callable: true, ..Self::default() }
    }
}

/// What is run.
pub enum Program {
    Source { language: Language, metering: Metering, source: Box<guest::Source> },
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
    #[error("function `{function}`: {source}")]
    Operations { function: Name, source: OperationError },
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
    /// The same for Python.
    pub shared_python: Option<&'a SharedPython>,
    pub imports: &'a ImportRules,
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
            let metering = if limits.fuel.is_some() { Metering::Fuel } else { Metering::Epoch };
            let grants = Arc::new(Grants {
                workspace: workspace.clone(),
                function: name.clone(),
                version: version_text.clone(),
                environment: environment(&workspace, stored, &version_text, &limits, document),
                limits,
                egress: egress.clone(),
                shared: surroundings.shared.clone(),
                mounts: mounts(stored, surroundings)?,
                tmp: surroundings.tmp.clone(),
                programs: surroundings.programs.clone(),
            });
            let code = code.get(&name).cloned().ok_or_else(|| AssembleError::MissingCode(name.clone()))?;
            let program = program(stored, &code, &names, metering, &grants.mounts, surroundings);
            let function = Function {
                made_for: made_for(&program, surroundings),
                index: u32::try_from(index).unwrap_or(u32::MAX),
                program,
                parameters: stored.parameter_names().map(Into::into),
                isolation: stored.isolation,
                provisioned: stored.provisioned.unwrap_or(0),
                shape: stored.shape.clone(),
                operations: stored
                    .operations()
                    .map_err(|source| AssembleError::Operations { function: stored.name.clone(), source })?
                    .into_iter()
                    .map(|described| described.operation)
                    .collect(),
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
        let is_known = function.operation(entry).is_some() || function.shape.entries.iter().any(|known| known == entry);
        is_known.then_some((function, Some(entry)))
    }

    /// Whether the body of an HTTP request goes to its function as it arrives.
    pub fn reads_as_it_arrives(&self, called: &str) -> bool {
        let takes = |function: &Function| function.shape.takes_requests || function.program.speaks_http();
        self.functions.get(called).is_some_and(|function| takes(function))
    }

    /// Tells the functions what their first load found out. Before it is published, nobody else has them.
    pub fn set_loaded(&mut self, document: &Document) {
        for stored in &document.functions {
            if let Some(function) = self.functions.get_mut(&stored.name).and_then(Arc::get_mut) {
                function.shape.clone_from(&stored.shape);
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
    let shared_python = surroundings.shared_python.filter(|_| stored.language == spec::Kind::Python);
    let shared_python =
        shared_python.map(|shared| Ok(Mount { at: SHARED_PYTHON_AT.into(), folder: shared.folder.clone() }));
    stored.mounts.iter().map(mount).chain(shared).chain(shared_python).collect()
}

/// Changes when an image would be another one, though the function's own code is the same.
fn made_for(program: &Program, surroundings: &Surroundings<'_>) -> String {
    match program {
        Program::Upload(_) => String::new(),
        Program::Source { language: Language::JavaScript, .. } => Language::JavaScript.fingerprint().into(),
        Program::Source { language: Language::Python, .. } => {
            let ImportRules { modules, bodies_only, shared } = surroundings.imports;
            let packages = surroundings.shared_python.map(|shared| &shared.folder);
            let rules = Hash::of(format!("{modules:?} {bodies_only} {shared:?} {packages:?}").as_bytes()).to_string();
            format!("{}-{}", Language::Python.fingerprint(), &rules[..16])
        }
    }
}

fn program(
    stored: &StoredFunction,
    code: &Code,
    names: &[String],
    metering: Metering,
    mounts: &[Mount],
    surroundings: &Surroundings<'_>,
) -> Program {
    let text = match code {
        Code::Source(text) => text,
        Code::Upload(upload) => return Program::Upload(upload.clone()),
    };
    let language = if stored.language == spec::Kind::Python { Language::Python } else { Language::JavaScript };
    let mounted = |at: &str| language == Language::Python && mounts.iter().any(|mount| mount.at == at);
    let search = PYTHON_SEARCHES.into_iter().filter(|(mount, _)| mounted(mount));
    let ImportRules { modules, bodies_only, shared } = surroundings.imports.clone();
    let shared_folder = SHARED_PYTHON_AT.into();
    let rules = guest::ImportRules { modules, bodies_only, shared_folder, shared };
    Program::Source {
        language,
        metering,
        source: Box::new(guest::Source {
            name: stored.name.to_string(),
            file: stored.file(),
            code: text.to_string(),
            parameters: stored.parameter_names(),
            functions: names.to_vec(),
            search: search.map(|(_, place)| place.to_string()).collect(),
            imports: (language == Language::Python).then_some(rules),
        }),
    }
}

/// The system's variables, then the workspace's own.
fn environment(
    workspace: &Name,
    function: &StoredFunction,
    version: &str,
    limits: &InvocationLimits,
    document: &Document,
) -> Arc<[(String, String)]> {
    let system = [
        ("THIMBLE_WORKSPACE", workspace.to_string()),
        ("THIMBLE_FUNCTION_NAME", function.name.to_string()),
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

/// Where Python looks for modules after the function's own files: the mount that a place is in, and the place. Those in layers
/// are as AWS Lambda has them: packages as pip installs them to a target, or into a prefix.
const PYTHON_SEARCHES: [(&str, &str); 4] = [
    (OPT, "/opt/python"),
    (OPT, "/opt/python/lib/python3.14/site-packages"),
    (PACKAGES_AT, PACKAGES_AT),
    (SHARED_PYTHON_AT, SHARED_PYTHON_AT),
];
