//! What was installed for a workspace, so that it stays as it is: stored with its deployment.

use super::manifest::Manifest;
use crate::store::blobs::Hash;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The packages of one deployment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Lock {
    /// What was asked for, by name. What asks for the same gets the same.
    pub wanted: BTreeMap<String, Asked>,
    /// Packages of the shared folder that functions use, with their versions.
    #[serde(default)]
    pub shared: BTreeMap<String, String>,
    pub packages: Vec<LockedPackage>,
}

/// What a workspace asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub version: String,
    #[serde(default)]
    pub optional: bool,
}

/// One package in its place.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockedPackage {
    /// `node_modules/a/node_modules/b`.
    pub place: String,
    /// Whether the workspace itself asks for it.
    pub direct: bool,
    /// Whether all who ask can do without it.
    #[serde(default)]
    pub optional: bool,
    /// The places of those who ask; the workspace's is empty.
    pub needed_by: Vec<String>,
    /// Bytes in its files.
    pub size: u64,
    pub files: usize,
    /// As the registry described it.
    pub manifest: Manifest,
}

/// Where a deployment's packages are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPackages {
    /// The [`Lock`], as JSON.
    pub lock: Hash,
    /// The files, as functions see them; none where all that is used is shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Hash>,
}
