//! What is stored of a deployment: one JSON document a workspace, its code elsewhere by hash.

use super::Shape;
use super::layers::Layer;
use super::operations::{self, Described, OperationError};
use super::signature::Signature;
use super::spec::Kind;
use crate::limits::AskedLimits;
use crate::packages::lock::{Asked, StoredPackages};
use crate::routing::Name;
use crate::store::blobs::Hash;
use crate::store::metadata::Use;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A workspace's functions and settings, as stored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Document {
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    #[serde(default)]
    pub egress: Vec<String>,
    /// Packages and their versions, as they were asked for.
    #[serde(default, skip_serializing_if = "Dependencies::is_empty")]
    pub dependencies: Dependencies,
    /// What was installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packages: Option<StoredPackages>,
    /// The same for Python.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<StoredPackages>,
    pub functions: Vec<StoredFunction>,
}

/// What a workspace says about its packages, in the words of `package.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dependencies {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dependencies: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub optional_dependencies: BTreeMap<String, String>,
    /// Nothing is installed: what the server's shared folder has is all that there is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disable_npm_registry: bool,
    /// Python packages, as the lines of a requirements.txt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<String>,
}

/// What stands in the JSON of a document with a function that keeps instances ready.
pub const PROVISIONED: &str = "\"provisioned\":";

/// A function, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredFunction {
    pub name: Name,
    pub language: Kind,
    pub code: Hash,
    /// The JavaScript that was made of the code, where that is another language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translation: Option<Hash>,
    /// Where the code is below `/var/task`, for a function of several files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main: Option<String>,
    /// The folders that it reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<StoredMount>,
    /// The layers that it sees together at `/opt`, the later ones over the earlier ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
    /// The packages that its files ask for; none where nobody has looked yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<Asks>,
    /// The Python packages that were written down for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The OpenAPI description of an app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openapi: Option<Map<String, Value>>,
    pub limits: AskedLimits,
    #[serde(default, skip_serializing_if = "Isolation::is_default")]
    pub isolation: Isolation,
    /// Instances that are kept ready whether it is called or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned: Option<u32>,
    #[serde(flatten)]
    pub shape: Shape,
    /// The types of its entry points that say something of theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<Signature>,
    /// What the first load left in memory, to fork instances from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<StoredImage>,
}

/// What a function's files ask for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Asks {
    /// Packages that its sources name, and whether they can do without.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub named: BTreeMap<String, bool>,
    /// What its own `package.json` says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub declared: BTreeMap<String, Asked>,
    /// The lines of its own `requirements.txt`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<String>,
}

/// The folder of a function's own files.
pub const TASK: &str = "/var/task";
/// The folder of a workspace's packages.
pub const RUNTIME: &str = "/var/runtime";

/// The folder of what a function's layers make together.
pub const OPT: &str = "/opt";

/// Where a function of several files finds the JavaScript that was made of its TypeScript and JSX.
pub const TRANSLATIONS: &str = "/var/translated";

/// A folder that a function reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMount {
    /// Where the function sees it.
    pub at: String,
    pub tree: Hash,
}

/// What invocations of a function may share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// An instance serves one invocation after the other: what a module keeps in its variables stays.
    #[default]
    Workspace,
    /// Each invocation has an instance of its own, as it stood after its top level ran.
    Request,
}

/// Where an image is kept, and what it was made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredImage {
    pub content: Hash,
    /// Of the interpreter: an image is of no use to another one.
    pub interpreter: String,
    /// The keyed hash that binds the content to its workspace, its function and its interpreter.
    pub seal: String,
}

impl Dependencies {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Isolation {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl StoredFunction {
    /// The name that its file has in places and stacks.
    pub fn file(&self) -> String {
        match &self.main {
            Some(path) => format!("{TASK}/{path}"),
            None => format!("{}.{}", self.name, self.language.extension()),
        }
    }

    /// What is run of it.
    pub fn program(&self) -> Hash {
        self.translation.unwrap_or(self.code)
    }

    /// The folder of its own files, if it has more than one.
    pub fn task(&self) -> Option<Hash> {
        self.folder_at(TASK)
    }

    /// The folder of what its own files were translated to, if any had to be.
    pub fn translations(&self) -> Option<Hash> {
        self.folder_at(TRANSLATIONS)
    }

    /// The folder that its layers make, once they were looked up.
    pub fn opt(&self) -> Option<Hash> {
        self.folder_at(OPT)
    }

    fn folder_at(&self, at: &str) -> Option<Hash> {
        self.mounts.iter().find(|mount| mount.at == at).map(|mount| mount.tree)
    }

    /// The operations that its description names.
    pub fn operations(&self) -> Result<Vec<Described>, OperationError> {
        self.openapi.as_ref().map_or(Ok(Vec::new()), operations::read)
    }

    /// The names of the declared parameters, in order.
    pub fn parameter_names(&self) -> Option<Vec<String>> {
        self.parameters.as_ref().map(|parameters| parameters.keys().cloned().collect())
    }
}

impl Document {
    pub fn function(&self, name: &Name) -> Option<&StoredFunction> {
        self.functions.iter().find(|function| function.name == *name)
    }

    /// Puts a function in, in the place of the one of that name.
    pub fn put(&mut self, function: StoredFunction) {
        match self.functions.iter_mut().find(|there| there.name == function.name) {
            Some(there) => *there = function,
            None => self.functions.push(function),
        }
    }

    /// All code, translations, images, folders, and the lock file.
    pub fn uses(&self) -> Vec<Use> {
        let images = self.functions.iter().flat_map(|function| &function.image).map(|image| image.content);
        let translations = self.functions.iter().filter_map(|function| function.translation);
        let lock = self.packages.iter().chain(&self.python).map(|packages| packages.lock);
        let files = self.functions.iter().map(|function| function.code).chain(translations).chain(images).chain(lock);
        files.map(Use::File).chain(self.trees().map(Use::Tree)).collect()
    }

    /// The folders of all functions.
    pub fn trees(&self) -> impl Iterator<Item = Hash> {
        self.functions.iter().flat_map(|function| &function.mounts).map(|mount| mount.tree)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Name::stored(&text).map_err(de::Error::custom)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Hash::parse(&text).ok_or_else(|| de::Error::custom("not a hash"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_before_signatures_were_stored_is_read() {
        let code = Hash::of(b"return 1");
        let text = format!(
            r#"{{"functions": [{{"name": "f", "language": "python", "code": "{code}", "limits": {{}}, "callable": true}}]}}"#
        );
        let document: Document = serde_json::from_str(&text).expect("it is whole");
        assert!(document.functions[0].signatures.is_empty());
        assert!(!serde_json::to_string(&document).expect("JSON").contains("signatures"));
    }
}
