//! Layers: folders of files that functions share, each with a name and versions that never change. A function names the ones
//! that it wants, and sees what they make together at `/opt`.

use super::bundle::BundleError;
use crate::limits;
use crate::routing::{Name, RoutingError};
use crate::store::metadata::StoredLayer;
use crate::store::trees::{Tree, TreeFile};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// A layer as functions name it: `name:3`; `name` and `name:latest` mean the newest version at the deploy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Layer {
    pub name: Name,
    /// None until it was looked up which one is the newest.
    pub version: Option<u32>,
}

/// A layer cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    #[error("layers: {0}")]
    Name(#[from] RoutingError),
    #[error(
        "layers: `{}` names no version of a layer; write `name`, `name:latest` or `name:3`",
        .asked.chars().take(140).collect::<String>().escape_debug()
    )]
    Version { asked: String },
    #[error("layers: `{name}` is there twice; a function sees one version of a layer")]
    Twice { name: Name },
    #[error("layers: {found} are more than the {} that a function may have", limits::MAX_LAYERS)]
    TooMany { found: usize },
    #[error("there is no layer `{name}` in the workspace; {}", listed("layer", .known))]
    NoLayer { name: Name, known: Vec<String> },
    #[error("there is no version {version} of the layer `{name}`; {}", listed("version", .known))]
    NoVersion { name: Name, version: String, known: Vec<String> },
    #[error(
        "its layers and its own files are {found} when they are unpacked; together they may be {}",
        limits::MAX_BUNDLE_SIZE
    )]
    TooLarge { found: limits::ByteSize },
    #[error("its layers together have more than the {} files and folders that are allowed", limits::MAX_BUNDLE_FILES)]
    TooManyFiles,
    #[error("layer `{name}`: {source}")]
    Bundle { name: Name, source: BundleError },
    #[error("the workspace has {} versions of layers, as many as it may have; remove some", limits::MAX_LAYER_VERSIONS)]
    NoMoreVersions,
    #[error("version {version} of the layer `{name}` is in use by {}", .functions.join(", "))]
    InUse { name: Name, version: u32, functions: Vec<String> },
}

fn listed(what: &str, known: &[String]) -> String {
    match known {
        [] => format!("it has no {what}s"),
        [one] => format!("the only {what} is {one}"),
        [more @ .., last] => format!("the {what}s are {} and {last}", more.join(", ")),
    }
}

impl Layer {
    fn parse(asked: &str) -> Result<Self, LayerError> {
        let malformed = || LayerError::Version { asked: asked.into() };
        let (name, version) = match asked.split_once(':') {
            None | Some((_, "latest")) => (asked.split(':').next().unwrap_or(asked), None),
            Some((name, version)) => (name, Some(self::version(version).ok_or_else(malformed)?)),
        };
        Ok(Self { name: Name::layer(name)?, version })
    }

    /// Which of a workspace's layers it is: the newest of that name, where it names no version.
    pub fn find<'a>(&self, stored: &'a [StoredLayer]) -> Result<&'a StoredLayer, LayerError> {
        let versions = of(&self.name, stored)?;
        match self.version {
            None => versions.last().copied(),
            Some(version) => versions.iter().find(|there| there.version == version).copied(),
        }
        .ok_or_else(|| no_version(&self.name, &self.version.unwrap_or(0).to_string(), &versions))
    }
}

/// The versions of a layer, the newest last. There is one at least.
pub fn of<'a>(name: &Name, stored: &'a [StoredLayer]) -> Result<Vec<&'a StoredLayer>, LayerError> {
    let versions: Vec<&StoredLayer> = stored.iter().filter(|layer| layer.name == name.as_str()).collect();
    if versions.is_empty() {
        let mut known: Vec<String> = stored.iter().map(|layer| format!("`{}`", layer.name)).collect();
        known.dedup();
        return Err(LayerError::NoLayer { name: name.clone(), known });
    }
    Ok(versions)
}

/// The version that a path names.
pub fn exact<'a>(name: &Name, asked: &str, stored: &'a [StoredLayer]) -> Result<&'a StoredLayer, LayerError> {
    let versions = of(name, stored)?;
    let found = version(asked).and_then(|version| versions.iter().find(|there| there.version == version).copied());
    found.ok_or_else(|| no_version(name, asked, &versions))
}

fn no_version(name: &Name, asked: &str, versions: &[&StoredLayer]) -> LayerError {
    let version = asked.chars().take(20).collect::<String>().escape_debug().to_string();
    let known = versions.iter().map(|there| there.version.to_string()).collect();
    LayerError::NoVersion { name: name.clone(), version, known }
}

fn version(text: &str) -> Option<u32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_number)
}

/// The layers that a function asks for.
pub fn asked(layers: &[String]) -> Result<Vec<Layer>, LayerError> {
    if layers.len() > limits::MAX_LAYERS {
        return Err(LayerError::TooMany { found: layers.len() });
    }
    let mut all: Vec<Layer> = Vec::with_capacity(layers.len());
    for asked in layers {
        let layer = Layer::parse(asked)?;
        if all.iter().any(|there| there.name == layer.name) {
            return Err(LayerError::Twice { name: layer.name });
        }
        all.push(layer);
    }
    Ok(all)
}

/// The folder that layers make together: what a later one has at a path is there, and nothing of an earlier one.
pub fn merge(layers: Vec<Tree>) -> Result<Tree, LayerError> {
    let mut all: BTreeMap<String, TreeFile> = BTreeMap::new();
    for layer in layers {
        for file in layer.files {
            for (at, _) in file.path.match_indices('/') {
                all.remove(&file.path[..at]);
            }
            let below = format!("{}/", file.path);
            let covered = all.range(below.clone()..).take_while(|(path, _)| path.starts_with(&below));
            let covered: Vec<String> = covered.map(|(path, _)| path.clone()).collect();
            for path in covered {
                all.remove(&path);
            }
            all.insert(file.path.clone(), file);
        }
    }
    let folders = |path: &'_ String| path.match_indices('/').map(|(at, _)| at).collect::<Vec<_>>();
    let folders: HashSet<&str> = all.keys().flat_map(|path| folders(path).into_iter().map(|at| &path[..at])).collect();
    if all.len() + folders.len() > limits::MAX_BUNDLE_FILES {
        return Err(LayerError::TooManyFiles);
    }
    Ok(Tree { files: all.into_values().collect() })
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.version {
            Some(version) => write!(f, "{}:{version}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

impl TryFrom<String> for Layer {
    type Error = LayerError;

    fn try_from(text: String) -> Result<Self, LayerError> {
        Self::parse(&text)
    }
}

impl From<Layer> for String {
    fn from(layer: Layer) -> Self {
        layer.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::blobs::Hash;

    #[test]
    fn what_names_a_layer() {
        let parse = |text| Layer::parse(text).map(|layer| layer.to_string()).ok();
        for (asked, expected) in
            [("a", "a"), ("a:latest", "a"), ("a:1", "a:1"), ("a-b.c:4294967295", "a-b.c:4294967295")]
        {
            assert_eq!(parse(asked).as_deref(), Some(expected), "{asked}");
        }
        for bad in
            ["", ":1", "a:", "a:0", "a:01", "a:+1", "a:-1", "a:1.5", "a:4294967296", "a:1:2", "a:x", "../a", "a b:1"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_later_layer_covers_an_earlier_one() {
        let tree = |files: &[(&str, u64)]| Tree {
            files: files
                .iter()
                .map(|(path, size)| TreeFile { path: path.to_string(), content: Hash::of(b""), size: *size })
                .collect(),
        };
        let check = |layers: &[&[(&str, u64)]], expected: &[(&str, u64)]| {
            let merged = merge(layers.iter().map(|files| tree(files)).collect()).expect("few files");
            assert_eq!(merged, tree(expected), "{layers:?}");
        };
        check(&[&[("a", 1), ("b/c", 1)], &[("b/c", 2), ("b/d", 2)]], &[("a", 1), ("b/c", 2), ("b/d", 2)]);
        check(&[&[("a/b", 1), ("a/c/d", 1), ("a-", 1), ("a0", 1)], &[("a", 2)]], &[("a", 2), ("a-", 1), ("a0", 1)]);
        check(&[&[("a", 1)], &[("a/b/c", 2)]], &[("a/b/c", 2)]);
        check(&[&[("a", 1)], &[("a/b", 2)], &[("a", 3)]], &[("a", 3)]);
        let many: Vec<(String, u64)> = (0..limits::MAX_BUNDLE_FILES).map(|at| (format!("{at:05}"), 0)).collect();
        let many: Vec<(&str, u64)> = many.iter().map(|(path, size)| (path.as_str(), *size)).collect();
        assert!(merge(vec![tree(&many)]).is_ok());
        assert!(matches!(merge(vec![tree(&many), tree(&[("x", 0)])]), Err(LayerError::TooManyFiles)));
    }
}
