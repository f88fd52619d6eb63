//! The operator's own folder of packages, which every workspace may use without an installation.

use crate::limits;
use cap_std::fs::Dir;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Packages that are there for everyone; read once, at the start.
#[derive(Debug)]
pub struct SharedFolder {
    /// The folder with the packages in it.
    path: PathBuf,
    folder: Dir,
    versions: BTreeMap<String, String>,
    sizes: OnceLock<BTreeMap<String, u64>>,
}

/// Where functions see it: where Node's own images have the packages that are installed for all. `/opt` is that of layers.
pub const SHARED_AT: &str = "/usr/local/lib/node_modules";

#[derive(Deserialize)]
struct PackageJson {
    #[serde(default)]
    version: String,
}

impl SharedFolder {
    /// Opens `node_modules` in a folder, or the folder itself if it is one.
    pub fn open(given: &Path) -> io::Result<Self> {
        let inner = given.join("node_modules");
        let is_one = given.file_name().is_some_and(|name| name == "node_modules");
        let path = if is_one && !inner.is_dir() { given.to_path_buf() } else { inner };
        // The working directory may change.
        let path = path.canonicalize()?;
        #[expect(clippy::disallowed_methods, reason = "the one place that opens the operator's folder of packages")]
        let folder = Dir::open_ambient_dir(&path, cap_std::ambient_authority())?;
        let mut versions = BTreeMap::new();
        for name in names(&folder)? {
            if name.starts_with('@') {
                for below in names(&folder.open_dir(&name)?)? {
                    let name = format!("{name}/{below}");
                    versions.extend(version(&folder, &name).map(|version| (name, version)));
                }
            } else {
                versions.extend(version(&folder, &name).map(|version| (name, version)));
            }
        }
        Ok(Self { path, folder, versions, sizes: OnceLock::new() })
    }

    /// Where it is on the server's disk.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The packages at its top, with their versions.
    pub fn versions(&self) -> &BTreeMap<String, String> {
        &self.versions
    }

    /// The bytes in the files of each package. Blocks for as long as it takes to look at all of them, once.
    pub fn sizes(&self) -> &BTreeMap<String, u64> {
        self.sizes.get_or_init(|| {
            let size = |name: &String| (name.clone(), self.folder.open_dir(name).map_or(0, |folder| size(&folder, 0)));
            self.versions.keys().map(size).collect()
        })
    }
}

/// Names of packages and scopes; what begins with a dot is npm's own.
fn names(folder: &Dir) -> io::Result<Vec<String>> {
    let name = |entry: io::Result<cap_std::fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
    Ok(folder.entries()?.filter_map(name).filter(|name| !name.starts_with('.')).collect())
}

fn version(folder: &Dir, name: &str) -> Option<String> {
    let mut text = String::new();
    let file = folder.open(format!("{name}/package.json")).ok()?;
    file.take(limits::MAX_PACKAGE_FILE.0).read_to_string(&mut text).ok()?;
    serde_json::from_str::<PackageJson>(&text).ok().map(|package| package.version)
}

fn size(folder: &Dir, depth: usize) -> u64 {
    let Ok(entries) = folder.entries() else { return 0 };
    let of = |entry: cap_std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() && depth < 64 => entry.open_dir().map_or(0, |inner| size(&inner, depth + 1)),
        Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |metadata| metadata.len()),
        _ => 0,
    };
    entries.flatten().map(of).sum()
}
