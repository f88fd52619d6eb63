//! A deploy's body: as it was written, and its checks that need no sandbox.

use super::Shape;
use super::bundle::{self, Bundle, BundleError, Files};
use super::document::{Dependencies, Document, Isolation, StoredFunction, StoredMount, TASK};
use super::layers::{self, Layer, LayerError};
use super::operations::{self, OperationError};
use crate::host_api::egress::rules::Rules;
use crate::limits::{self, AskedLimits, ByteSize, ServerLimits};
use crate::packages::python::requirements;
use crate::routing::{Name, RoutingError};
use crate::store::blobs::Hash;
use crate::store::trees::Tree;
use base64::Engine as _;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// `POST /v2/functions/{workspace}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceSpec {
    pub functions: Functions,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    #[serde(default)]
    pub egress: Vec<String>,
    #[serde(default)]
    pub dependencies: BTreeMap<String, String>,
    #[serde(default, rename = "optionalDependencies")]
    pub optional_dependencies: BTreeMap<String, String>,
    #[serde(default, rename = "disableNpmRegistry")]
    pub disable_npm_registry: bool,
    #[serde(default)]
    pub requirements: Requirements,
}

/// Python packages: a list of requirements, or the text of a requirements.txt.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "WrittenRequirements")]
pub struct Requirements(pub Vec<String>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "requirements are a list of texts, or the text of a requirements.txt")]
enum WrittenRequirements {
    List(Vec<String>),
    Text(String),
}

impl Requirements {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<WrittenRequirements> for Requirements {
    fn from(written: WrittenRequirements) -> Self {
        match written {
            WrittenRequirements::List(list) => Self(list),
            WrittenRequirements::Text(text) => Self(text.lines().map(str::to_string).collect()),
        }
    }
}

/// The functions in the order in which they were written; a name that is there twice is refused.
#[derive(Debug, Default)]
pub struct Functions(pub Vec<(String, FunctionSpec)>);

/// A function as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionSpec {
    /// Source text; for `wasm`, the component in Base64.
    pub code: String,
    /// Where the code is among its files, below `/var/task`.
    pub main: Option<String>,
    /// Its other files, by their paths below `/var/task`.
    #[serde(default)]
    pub files: BTreeMap<String, FileSpec>,
    #[serde(default)]
    pub language: Kind,
    /// Parameters by name, each with a JSON Schema. The order counts for calls with several arguments.
    pub parameters: Option<Map<String, Value>>,
    pub description: Option<String>,
    /// Milliseconds.
    pub timeout: Option<u64>,
    /// MiB.
    pub memory: Option<u64>,
    pub fuel: Option<u64>,
    #[serde(default)]
    pub isolation: Isolation,
    #[serde(rename = "provisionedConcurrency")]
    pub provisioned: Option<u32>,
    /// `name`, `name:latest` or `name:3`, the later ones over the earlier ones.
    #[serde(default)]
    pub layers: Vec<String>,
    /// What a read function shows of its types, so that it can be sent again as it was read. They are found anew.
    #[serde(default, rename = "schemas")]
    pub shown: serde::de::IgnoredAny,
    #[serde(default)]
    pub requirements: Requirements,
    /// The OpenAPI description of an app, or which of its files that is.
    pub openapi: Option<OpenApi>,
}

/// An OpenAPI description, as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "openapi is an OpenAPI description, or the path of one of the function's files")]
pub enum OpenApi {
    File(String),
    Description(Map<String, Value>),
}

/// A file of a function, as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a file is a text, or an object with its content as `base64`")]
pub enum FileSpec {
    Text(String),
    Bytes(Base64),
}

/// Bytes as JSON can hold them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base64 {
    base64: String,
}

/// What a function's code is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    #[default]
    #[serde(alias = "js", alias = "node", alias = "nodejs")]
    JavaScript,
    #[serde(alias = "ts")]
    TypeScript,
    /// TypeScript with JSX, where a type in angle brackets is an element.
    Tsx,
    /// JavaScript with JSX.
    Jsx,
    #[serde(alias = "py")]
    Python,
    #[serde(alias = "webassembly")]
    Wasm,
}

impl Kind {
    /// The ending of its files.
    pub fn extension(self) -> &'static str {
        match self {
            Self::JavaScript => "js",
            Self::TypeScript => "ts",
            Self::Tsx => "tsx",
            Self::Jsx => "jsx",
            Self::Python => "py",
            Self::Wasm => "wasm",
        }
    }

    /// Whether the JavaScript interpreter runs it, as it is or translated.
    pub fn runs_javascript(self) -> bool {
        self == Self::JavaScript || self.is_translated()
    }

    /// Whether JavaScript must be made of it.
    pub fn is_translated(self) -> bool {
        matches!(self, Self::TypeScript | Self::Tsx | Self::Jsx)
    }
}

/// What is wrong with a deploy's body, and in which function.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    #[error(transparent)]
    Name(#[from] RoutingError),
    #[error("function `{function}`: {source}")]
    Limit { function: Name, source: limits::LimitError },
    #[error("requirements: {0}")]
    Requirement(#[from] requirements::LineError),
    #[error("egress: {0}")]
    Egress(#[from] crate::host_api::egress::rules::RuleError),
    #[error("{what}: {found} is more than the {allowed} that are allowed")]
    TooMany { what: &'static str, found: usize, allowed: usize },
    #[error(
        "function `{function}`: provisionedConcurrency has no use here, since each call of a `wasi:http` or `wasi:cli` \
         component gets a new instance; leave it out, or export `thimble:runtime/handler@0.1.0`, whose instances stay ready"
    )]
    NothingStaysReady { function: Name },
    #[error("env is {found} bytes in names and values; {} are allowed", limits::MAX_ENVIRONMENT)]
    EnvironmentTooLarge { found: usize },
    #[error("env: `{}` is no name of a variable: letters, digits and `_`, not beginning with a digit", .0.escape_debug())]
    EnvironmentName(String),
    #[error("function `{function}`: `code` is not valid Base64, as `\"language\": \"wasm\"` asks for")]
    Base64 { function: Name },
    #[error("function `{function}`: the file `{file}` is not valid Base64")]
    FileBase64 { function: Name, file: String },
    #[error("function `{function}`: `code` is empty")]
    Empty { function: Name },
    #[error("function `{function}`: `main` is `{main}`, but the language is {}; name the `language`", .language.name())]
    MainLanguage { function: Name, main: String, language: Kind },
    #[error("function `{function}`: {source}")]
    Bundle { function: Name, source: BundleError },
    #[error("function `{function}`: {source}")]
    Layer { function: Name, source: LayerError },
    #[error("function `{function}`: {source}")]
    Operations { function: Name, source: OperationError },
    #[error(
        "function `{function}`: it has an OpenAPI description, and is no app whose operations could be called: a WSGI or ASGI `app`, \
         `export default {{ fetch }}`, or a `wasi:http` component"
    )]
    NoApp { function: Name },
    #[error("function `{function}`: its OpenAPI description `{}` {problem}", .file.escape_debug())]
    OpenApi { function: Name, file: String, problem: String },
}

/// A spec that passed its checks: what to store, and the code by its hash.
pub struct Checked {
    pub document: Document,
    pub files: HashMap<Hash, Arc<[u8]>>,
    pub folders: Vec<Folder>,
}

/// A function that passed its checks.
pub struct CheckedFunction {
    pub stored: StoredFunction,
    pub code: Arc<[u8]>,
    /// Its own files, if it has more than its code.
    pub folder: Option<Folder>,
}

/// A folder to be stored.
pub struct Folder {
    pub tree: Tree,
    pub contents: Vec<Arc<[u8]>>,
}

impl WorkspaceSpec {
    /// Checks all that can be checked without running anything.
    pub fn check(self, server: &ServerLimits) -> Result<Checked, SpecError> {
        let dependencies = Dependencies {
            dependencies: self.dependencies,
            optional_dependencies: self.optional_dependencies,
            disable_npm_registry: self.disable_npm_registry,
            requirements: self.requirements.0,
        };
        let mut document = Document { env: self.env, egress: self.egress, dependencies, ..Document::default() };
        let (mut files, mut folders) = (HashMap::new(), Vec::new());
        for (name, function) in self.functions.0 {
            let name = Name::function(&name)?;
            let checked = function.check(name)?;
            files.insert(checked.stored.code, checked.code);
            folders.extend(checked.folder);
            document.functions.push(checked.stored);
        }
        document.check(server)?;
        Ok(Checked { document, files, folders })
    }
}

impl FunctionSpec {
    /// A function that was sent as its bare code.
    pub fn bare(code: String, language: Kind) -> Self {
        Self {
            code,
            main: None,
            files: BTreeMap::new(),
            language,
            parameters: None,
            description: None,
            timeout: None,
            memory: None,
            fuel: None,
            isolation: Isolation::default(),
            provisioned: None,
            layers: Vec::new(),
            shown: serde::de::IgnoredAny,
            requirements: Requirements::default(),
            openapi: None,
        }
    }

    /// The stored form of a function, and its code.
    pub fn check(mut self, name: Name) -> Result<CheckedFunction, SpecError> {
        let code: Arc<[u8]> = match self.language {
            Kind::Wasm => base64::engine::general_purpose::STANDARD
                .decode(self.code.as_bytes())
                .map_err(|_| SpecError::Base64 { function: name.clone() })?
                .into(),
            _ => std::mem::take(&mut self.code).into_bytes().into(),
        };
        let (files, main) = (std::mem::take(&mut self.files), self.main.take());
        if files.is_empty() && main.is_none() {
            return self.stored(name, code, None);
        }
        let bundle = beside(code, main, self.language, &name, files)?;
        self.bundled(name, bundle)
    }

    /// The stored form of a function of several files.
    pub fn bundled(self, name: Name, bundle: Bundle) -> Result<CheckedFunction, SpecError> {
        let code = bundle.files.get(&bundle.main).cloned();
        let code = code.ok_or_else(|| SpecError::Bundle {
            function: name.clone(),
            source: BundleError::MainMissing { by: "`main`", main: bundle.main.clone() },
        })?;
        self.stored(name, code, Some(bundle))
    }

    fn stored(self, name: Name, code: Arc<[u8]>, bundle: Option<Bundle>) -> Result<CheckedFunction, SpecError> {
        if code.iter().all(u8::is_ascii_whitespace) {
            return Err(SpecError::Empty { function: name });
        }
        let layers = layers::asked(&self.layers);
        let layers: Vec<Layer> = layers.map_err(|source| SpecError::Layer { function: name.clone(), source })?;
        let openapi = match self.openapi {
            None => None,
            Some(OpenApi::Description(description)) => Some(description),
            Some(OpenApi::File(file)) => Some(description_in(bundle.as_ref(), &name, file)?),
        };
        if let Some(description) = &openapi {
            operations::read(description).map_err(|source| SpecError::Operations { function: name.clone(), source })?;
        }
        let mounts = bundle.iter().map(|bundle| StoredMount { at: TASK.into(), tree: bundle.hash }).collect();
        let (main, folder) = bundle
            .map(|Bundle { files, main, tree, .. }| (main, Folder { tree, contents: files.into_values().collect() }))
            .unzip();
        let stored = StoredFunction {
            name,
            language: self.language,
            code: Hash::of(&code),
            translation: None,
            main,
            mounts,
            layers,
            asks: None,
            requirements: self.requirements.0,
            openapi,
            parameters: self.parameters,
            description: self.description,
            limits: AskedLimits { timeout: self.timeout, memory: self.memory, fuel: self.fuel },
            isolation: self.isolation,
            provisioned: self.provisioned,
            shape: Shape::default(),
            signatures: Vec::new(),
            image: None,
        };
        Ok(CheckedFunction { stored, code, folder })
    }
}

/// The description in one of a function's files.
fn description_in(bundle: Option<&Bundle>, function: &Name, file: String) -> Result<Map<String, Value>, SpecError> {
    let content = bundle.and_then(|bundle| bundle.files.get(&file));
    let read = match content {
        None => Err("is none of the function's files".to_string()),
        Some(content) => serde_json::from_slice(content).map_err(|error| format!("is no JSON object: {error}")),
    };
    read.map_err(|problem| SpecError::OpenApi { function: function.clone(), file, problem })
}

/// Code with other files beside it.
fn beside(
    code: Arc<[u8]>,
    main: Option<String>,
    language: Kind,
    function: &Name,
    files: BTreeMap<String, FileSpec>,
) -> Result<Bundle, SpecError> {
    at_most("files", files.len(), limits::MAX_BUNDLE_FILES)?;
    let refuse = |source| SpecError::Bundle { function: function.clone(), source };
    let path_of = |path: &str| {
        let empty = || BundleError::Path { entry: path.escape_debug().to_string(), problem: "it names no file" };
        bundle::checked_path(path.as_bytes()).and_then(|path| path.ok_or_else(empty)).map_err(refuse)
    };
    let main = path_of(main.as_deref().unwrap_or(language.main()))?;
    if bundle::kind(&main).is_some_and(|kind| kind != language) {
        return Err(SpecError::MainLanguage { function: function.clone(), main, language });
    }
    let mut all = Files::default();
    all.add(main.clone(), code).map_err(refuse)?;
    for (path, file) in files {
        let content =
            match file {
                FileSpec::Text(text) => text.into_bytes(),
                FileSpec::Bytes(Base64 { base64 }) => base64::engine::general_purpose::STANDARD
                    .decode(base64.as_bytes())
                    .map_err(|_| SpecError::FileBase64 { function: function.clone(), file: path.clone() })?,
            };
        all.add(path_of(&path)?, content.into()).map_err(refuse)?;
    }
    Ok(Bundle::with_main(all.finish(), main, language))
}

impl Kind {
    /// As it is written in JSON.
    fn name(self) -> &'static str {
        match self {
            Self::JavaScript => "javascript",
            Self::TypeScript => "typescript",
            Self::Tsx => "tsx",
            Self::Jsx => "jsx",
            Self::Python => "python",
            Self::Wasm => "wasm",
        }
    }

    /// What the code is called where other files are beside it and it has no name.
    fn main(self) -> &'static str {
        match self {
            Self::JavaScript => "index.js",
            Self::TypeScript => "index.ts",
            Self::Tsx => "index.tsx",
            Self::Jsx => "index.jsx",
            Self::Python => "main.py",
            Self::Wasm => "main.wasm",
        }
    }
}

impl Document {
    /// The rules for a whole workspace, whether it came in one body or grew function by function.
    pub fn check(&self, server: &ServerLimits) -> Result<(), SpecError> {
        at_most("functions", self.functions.len(), limits::MAX_FUNCTIONS)?;
        at_most("egress", self.egress.len(), limits::MAX_EGRESS_RULES)?;
        let asked = &self.dependencies;
        let count = asked.dependencies.len() + asked.optional_dependencies.len();
        at_most("dependencies", count, limits::MAX_DEPENDENCIES)?;
        let own = self.functions.iter().map(|function| &function.requirements);
        for lines in own.chain([&asked.requirements]) {
            requirements::read(lines.iter().map(String::as_str))?;
        }
        Rules::parse(self.egress.iter().map(String::as_str))?;
        let size: usize = self.env.iter().map(|(name, value)| name.len() + value.len()).sum();
        if ByteSize(size as u64) > limits::MAX_ENVIRONMENT {
            return Err(SpecError::EnvironmentTooLarge { found: size });
        }
        for name in self.env.keys() {
            let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
            if !first || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(SpecError::EnvironmentName(name.clone()));
            }
        }
        for function in &self.functions {
            let provisioned = function.provisioned.unwrap_or(0) as usize;
            at_most("provisionedConcurrency", provisioned, limits::MAX_PROVISIONED as usize)?;
            at_most("parameters", function.parameters.as_ref().map_or(0, Map::len), limits::MAX_PARAMETERS)?;
            super::limits_of(function, server)
                .map_err(|source| SpecError::Limit { function: function.name.clone(), source })?;
        }
        Ok(())
    }
}

fn at_most(what: &'static str, found: usize, allowed: usize) -> Result<(), SpecError> {
    if found > allowed { Err(SpecError::TooMany { what, found, allowed }) } else { Ok(()) }
}

impl<'de> Deserialize<'de> for Functions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Functions;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of functions by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Functions, A::Error> {
                let mut functions = Vec::new();
                let mut names = HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        return Err(de::Error::custom(format!(
                            "the function `{}` is there twice",
                            name.escape_debug()
                        )));
                    }
                    functions.push((name, map.next_value()?));
                }
                Ok(Functions(functions))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
