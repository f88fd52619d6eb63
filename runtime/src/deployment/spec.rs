//! A deploy's body: as it was written, and its checks that need no sandbox.

use super::document::{Document, Isolation, StoredFunction};
use crate::host_api::egress::rules::Rules;
use crate::limits::{self, AskedLimits, ByteSize, ServerLimits};
use crate::routing::{Name, RoutingError};
use crate::store::blobs::Hash;
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
    #[error("egress: {0}")]
    Egress(#[from] crate::host_api::egress::rules::RuleError),
    #[error("{what}: {found} is more than the {allowed} that are allowed")]
    TooMany { what: &'static str, found: usize, allowed: usize },
    #[error("env is {found} bytes in names and values; {} are allowed", limits::MAX_ENVIRONMENT)]
    EnvironmentTooLarge { found: usize },
    #[error("env: `{}` is no name of a variable: letters, digits and `_`, not beginning with a digit", .0.escape_debug())]
    EnvironmentName(String),
    #[error("function `{function}`: `code` is not valid Base64, as `\"language\": \"wasm\"` asks for")]
    Base64 { function: Name },
    #[error("function `{function}`: `code` is empty")]
    Empty { function: Name },
}

/// A spec that passed its checks: what to store, and the code by its hash.
pub struct Checked {
    pub document: Document,
    pub files: HashMap<Hash, Arc<[u8]>>,
}

impl WorkspaceSpec {
    /// Checks all that can be checked without running anything.
    pub fn check(self, server: &ServerLimits) -> Result<Checked, SpecError> {
        let mut document = Document { env: self.env, egress: self.egress, functions: Vec::new() };
        let mut files = HashMap::new();
        for (name, function) in self.functions.0 {
            let name = Name::function(&name)?;
            let (stored, code) = function.check(name)?;
            files.insert(stored.code, code);
            document.functions.push(stored);
        }
        document.check(server)?;
        Ok(Checked { document, files })
    }
}

impl FunctionSpec {
    /// A function that was sent as its bare code.
    pub fn bare(code: String, language: Kind) -> Self {
        Self {
            code,
            language,
            parameters: None,
            description: None,
            timeout: None,
            memory: None,
            fuel: None,
            isolation: Isolation::default(),
            provisioned: None,
        }
    }

    /// The stored form of a function, and its code.
    pub fn check(self, name: Name) -> Result<(StoredFunction, Arc<[u8]>), SpecError> {
        let code: Arc<[u8]> = match self.language {
            Kind::Wasm => base64::engine::general_purpose::STANDARD
                .decode(self.code.as_bytes())
                .map_err(|_| SpecError::Base64 { function: name.clone() })?
                .into(),
            _ => self.code.into_bytes().into(),
        };
        if code.iter().all(u8::is_ascii_whitespace) {
            return Err(SpecError::Empty { function: name });
        }
        let stored = StoredFunction {
            name,
            language: self.language,
            code: Hash::of(&code),
            translation: None,
            parameters: self.parameters,
            description: self.description,
            limits: AskedLimits { timeout: self.timeout, memory: self.memory, fuel: self.fuel },
            isolation: self.isolation,
            provisioned: self.provisioned,
            callable: false,
            entries: Vec::new(),
            image: None,
        };
        Ok((stored, code))
    }
}

impl Document {
    /// The rules for a whole workspace, whether it came in one body or grew function by function.
    pub fn check(&self, server: &ServerLimits) -> Result<(), SpecError> {
        at_most("functions", self.functions.len(), limits::MAX_FUNCTIONS)?;
        at_most("egress", self.egress.len(), limits::MAX_EGRESS_RULES)?;
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
