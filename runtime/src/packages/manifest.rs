//! What a registry says of a package (its packument), and of one version of it (its manifest).
//!
//! Read leniently, as npm does: what has the wrong shape counts as absent, since the registry holds whatever was once published.

use super::requirement::Requirement;
use crate::limits;
use deno_semver::Version;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// Names and what is asked of each.
pub type Asked = BTreeMap<String, String>;

/// All versions of a package.
#[derive(Debug, Deserialize)]
pub struct Packument {
    #[serde(default, rename = "dist-tags", deserialize_with = "lenient")]
    pub tags: BTreeMap<String, String>,
    #[serde(default)]
    versions: BTreeMap<String, Box<RawValue>>,
    /// Bytes that it was read from.
    #[serde(skip)]
    size: usize,
}

/// One version of a package.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Manifest {
    #[serde(deserialize_with = "lenient")]
    pub name: String,
    #[serde(deserialize_with = "lenient")]
    pub version: String,
    #[serde(deserialize_with = "asked", skip_serializing_if = "BTreeMap::is_empty")]
    pub dependencies: Asked,
    #[serde(deserialize_with = "asked", skip_serializing_if = "BTreeMap::is_empty")]
    pub optional_dependencies: Asked,
    #[serde(deserialize_with = "asked", skip_serializing_if = "BTreeMap::is_empty")]
    pub peer_dependencies: Asked,
    #[serde(deserialize_with = "lenient", skip_serializing_if = "BTreeMap::is_empty")]
    pub peer_dependencies_meta: BTreeMap<String, PeerMeta>,
    #[serde(alias = "bundledDependencies", deserialize_with = "lenient", skip_serializing_if = "Bundled::is_none")]
    pub bundle_dependencies: Bundled,
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub os: Vec<String>,
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub cpu: Vec<String>,
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub dist: Dist,
}

/// Where a version's files are, and what they must hash to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Dist {
    pub tarball: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integrity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shasum: Option<String>,
}

/// What is said of a peer dependency besides its version.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PeerMeta {
    pub optional: bool,
}

/// Dependencies that a package brings along inside itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Bundled {
    Names(BTreeSet<String>),
    All(bool),
    #[default]
    None,
}

/// How a dependency is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Required,
    Optional,
    Peer,
}

/// No version does what is asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChoiceError {
    #[error("there is no version of `{package}` for `{asked}`; {available}")]
    NoVersion { package: String, asked: String, available: String },
    #[error("what the registry says of `{package}` {version} cannot be read")]
    Manifest { package: String, version: String },
}

impl Packument {
    /// Says how large the text was that it came from.
    pub fn of_size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// About what it takes in memory.
    pub fn weight(&self) -> usize {
        self.size + 64 * self.versions.len()
    }

    /// The version that npm would take: the one of the tag, the latest one where that will do, or the highest that is not
    /// deprecated.
    pub fn choose(&self, asked: &Requirement) -> Result<Manifest, ChoiceError> {
        let tagged = |tag: &str| self.tags.get(tag).filter(|version| self.versions.contains_key(*version));
        if let Some(tag) = asked.tag() {
            let version = tagged(tag).ok_or_else(|| self.none(asked))?;
            return self.manifest(&asked.package, version);
        }
        let mut candidates: Vec<(Version, &String)> = self
            .versions
            .keys()
            .filter_map(|text| Some((Version::parse_from_npm(text).ok()?, text)))
            .filter(|(version, _)| asked.allows(version) || asked.text().is_empty() || asked.text() == "*")
            .collect();
        candidates.sort_by(|one, other| other.0.cmp(&one.0));
        let latest = tagged("latest");
        if let Some(latest) = latest.filter(|latest| candidates.iter().any(|(_, text)| text == latest)) {
            let manifest = self.manifest(&asked.package, latest)?;
            if manifest.deprecated.is_none() || asked.text().is_empty() || asked.text() == "*" {
                return Ok(manifest);
            }
        }
        candidates.retain(|(version, _)| asked.allows(version));
        let mut deprecated = None;
        for (_, text) in candidates {
            let Ok(manifest) = self.manifest(&asked.package, text) else { continue };
            if manifest.deprecated.is_none() {
                return Ok(manifest);
            }
            deprecated.get_or_insert(manifest);
        }
        deprecated.ok_or_else(|| self.none(asked))
    }

    fn manifest(&self, package: &str, version: &str) -> Result<Manifest, ChoiceError> {
        let failed = || ChoiceError::Manifest { package: package.into(), version: version.into() };
        let raw = self.versions.get(version).ok_or_else(failed)?;
        let mut manifest: Manifest = serde_json::from_str(raw.get()).map_err(|_| failed())?;
        // The registry answers for what it was asked; a manifest that names another package lies.
        (manifest.name, manifest.version) = (package.into(), version.into());
        manifest.settle();
        Ok(manifest)
    }

    fn none(&self, asked: &Requirement) -> ChoiceError {
        let available = match self.tags.get("latest") {
            Some(latest) => format!("the latest is {latest}"),
            None if self.versions.is_empty() => "it has no versions".into(),
            None => format!("it has {} others", self.versions.len()),
        };
        let asked_for = if asked.text().is_empty() { "*" } else { asked.text() };
        ChoiceError::NoVersion { package: asked.package.clone(), asked: asked_for.into(), available }
    }
}

impl Manifest {
    /// Registries list what is optional among what is required too; what is bundled is inside already.
    fn settle(&mut self) {
        for name in self.optional_dependencies.keys() {
            self.dependencies.remove(name);
        }
        match std::mem::take(&mut self.bundle_dependencies) {
            Bundled::All(true) => {
                self.dependencies.clear();
                self.optional_dependencies.clear();
            }
            Bundled::Names(names) => {
                self.dependencies.retain(|name, _| !names.contains(name));
                self.optional_dependencies.retain(|name, _| !names.contains(name));
            }
            Bundled::All(false) | Bundled::None => {}
        }
        self.peer_dependencies.retain(|name, _| !self.dependencies.contains_key(name));
        if let Some(text) = &mut self.deprecated {
            *text = text.chars().take(300).collect();
        }
    }

    /// What it needs, in the order of names. Optional peers are not needed: they count only where somebody else brings them.
    pub fn needs(&self) -> impl Iterator<Item = (&str, &str, Kind)> {
        fn of(asked: &Asked, kind: Kind) -> Vec<(&str, &str, Kind)> {
            asked.iter().map(move |(name, text)| (name.as_str(), text.as_str(), kind)).collect()
        }
        let optional = |name: &str| self.peer_dependencies_meta.get(name).is_some_and(|meta| meta.optional);
        let mut peers = of(&self.peer_dependencies, Kind::Peer);
        peers.retain(|(name, ..)| !optional(name));
        of(&self.dependencies, Kind::Required)
            .into_iter()
            .chain(of(&self.optional_dependencies, Kind::Optional))
            .chain(peers)
    }
}

impl Bundled {
    fn is_none(&self) -> bool {
        !matches!(self, Self::Names(_) | Self::All(true))
    }
}

fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(deserializer: D) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

fn asked<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Asked, D::Error> {
    let Value::Object(entries) = Value::deserialize(deserializer)? else { return Ok(Asked::new()) };
    let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_string()));
    Ok(entries.into_iter().filter_map(text).take(limits::MAX_PUBLISHED_DEPENDENCIES).collect())
}

fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_string).take(100).collect(),
        _ => Vec::new(),
    })
}
