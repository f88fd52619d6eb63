//! A function of several files: unpacked from an archive or written out in JSON, and the file that is run of them.
//!
//! `archive` reads zip and tar.gz, `main` finds the file that is run. Nothing is written to disk here: a bundle is in memory
//! until it is stored by its content, so no path of an archive ever is one of the server's.

mod archive;
mod main;

pub use archive::{Format, unpack};
pub use main::kind;

use crate::deployment::spec::Kind;
use crate::limits;
use crate::store::blobs::Hash;
use crate::store::trees::Tree;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// The files of a function.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// By their paths below `/var/task`.
    pub files: BTreeMap<String, Arc<[u8]>>,
    /// The path of the file that is run.
    pub main: String,
    pub kind: Kind,
    /// The folder that they make, and what names it.
    pub tree: Tree,
    pub hash: Hash,
}

/// Files cannot be a function.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("the {format} archive cannot be read{}: {problem}", .entry.as_ref().map(|at| format!(" at `{at}`")).unwrap_or_default())]
    Damaged { format: Format, entry: Option<String>, problem: String },
    #[error("`{entry}` cannot be a file's path in a bundle: {problem}")]
    Path { entry: String, problem: &'static str },
    #[error("`{entry}` is {what}; a bundle has files and folders only. Pack what it points to in its place")]
    NoFile { entry: String, what: &'static str },
    #[error("`{entry}` is encrypted; pack it without a password")]
    Encrypted { entry: String },
    #[error("`{entry}` is there twice")]
    Twice { entry: String },
    #[error("`{entry}` is a file and a folder at once")]
    FileAndFolder { entry: String },
    #[error("the bundle has more than the {} files and folders that are allowed", limits::MAX_BUNDLE_FILES)]
    TooManyFiles,
    #[error("`{entry}` is larger than the {} that a file of a bundle may have", limits::MAX_BUNDLE_FILE)]
    FileTooLarge { entry: String },
    #[error("the bundle is larger than {} when it is unpacked (at `{entry}`)", limits::MAX_BUNDLE_SIZE)]
    TooLarge { entry: String },
    #[error("the bundle has no files")]
    Empty,
    #[error("the bundle has nothing to run: there is {looked_for}. Name the file with `main`")]
    NoMain { looked_for: String },
    #[error("{by} names `{main}` to be run, which is not in the bundle")]
    MainMissing { by: &'static str, main: String },
    #[error("`{main}` cannot be run: its name must end with {}", main::endings())]
    MainKind { main: String },
    #[error("package.json cannot be read: {0}")]
    PackageJson(serde_json::Error),
}

impl BundleError {
    /// The file of the archive that is to blame.
    pub fn entry(&self) -> Option<&str> {
        match self {
            Self::Damaged { entry, .. } => entry.as_deref(),
            Self::Path { entry, .. }
            | Self::NoFile { entry, .. }
            | Self::Encrypted { entry }
            | Self::Twice { entry }
            | Self::FileAndFolder { entry }
            | Self::FileTooLarge { entry }
            | Self::TooLarge { entry } => Some(entry),
            Self::MainMissing { main, .. } | Self::MainKind { main } => Some(main),
            Self::TooManyFiles | Self::Empty | Self::NoMain { .. } | Self::PackageJson(_) => None,
        }
    }

    /// Whether it is too much of something that is otherwise allowed.
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::TooManyFiles | Self::FileTooLarge { .. } | Self::TooLarge { .. })
    }
}

impl Bundle {
    /// Unpacks an archive and finds what is run of it. Blocks for as long as that takes.
    pub fn unpack(format: Format, archive: &[u8], main: Option<&str>) -> Result<Self, BundleError> {
        let files = archive::unpack(format, archive)?;
        match Self::of(files.clone(), main) {
            // Many tools pack the folder itself, and npm calls it `package`.
            Err(error @ (BundleError::NoMain { .. } | BundleError::MainMissing { .. })) => match without_top(files) {
                Some(below) => Self::of(below, main),
                None => Err(error),
            },
            found => found,
        }
    }

    /// Finds what is run of these files.
    pub fn of(files: BTreeMap<String, Arc<[u8]>>, main: Option<&str>) -> Result<Self, BundleError> {
        if files.is_empty() {
            return Err(BundleError::Empty);
        }
        let main = main::find(&files, main)?;
        let kind = main::kind(&main).ok_or_else(|| BundleError::MainKind { main: main.clone() })?;
        Ok(Self::with_main(files, main, kind))
    }

    /// Files of which it is known what is run. Takes as long as it takes to hash them.
    pub fn with_main(files: BTreeMap<String, Arc<[u8]>>, main: String, kind: Kind) -> Self {
        let tree = Tree::of(&files);
        let hash = tree.hash();
        Self { files, main, kind, tree, hash }
    }
}

/// Files that are put together one by one, each under a path that was checked.
#[derive(Default)]
pub struct Files {
    files: BTreeMap<String, Arc<[u8]>>,
    /// The folders that files are in.
    folders: HashSet<String>,
}

impl Files {
    /// Adds a file.
    pub fn add(&mut self, path: String, content: Arc<[u8]>) -> Result<(), BundleError> {
        if self.folders.contains(&path) {
            return Err(BundleError::FileAndFolder { entry: path });
        }
        for (at, _) in path.match_indices('/') {
            if self.files.contains_key(&path[..at]) {
                return Err(BundleError::FileAndFolder { entry: path[..at].to_string() });
            }
            if !self.folders.contains(&path[..at]) {
                self.folders.insert(path[..at].to_string());
            }
        }
        match self.files.insert(path.clone(), content) {
            // Folders are made on disk, too, and one path may ask for many.
            None if self.files.len() + self.folders.len() > limits::MAX_BUNDLE_FILES => Err(BundleError::TooManyFiles),
            None => Ok(()),
            Some(_) => Err(BundleError::Twice { entry: path }),
        }
    }

    /// All of them, by their paths.
    pub fn finish(self) -> BTreeMap<String, Arc<[u8]>> {
        self.files
    }
}

/// A path as files are kept under, or what is wrong with it. None for the folder that holds all.
pub fn checked_path(name: &[u8]) -> Result<Option<String>, BundleError> {
    let refuse = |problem| {
        let shown: String = String::from_utf8_lossy(name).chars().take(200).collect();
        Err(BundleError::Path { entry: shown.escape_debug().to_string(), problem })
    };
    let Ok(path) = std::str::from_utf8(name) else { return refuse("it is not UTF-8") };
    if path.len() > limits::MAX_BUNDLE_PATH {
        return refuse("it is too long");
    }
    if path.starts_with('/') || path.as_bytes().get(1) == Some(&b':') {
        return refuse("it is absolute");
    }
    if path.chars().any(|c| c.is_control()) || path.contains('\\') {
        return refuse("it has control characters or `\\` in it");
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return refuse("it leads out of the bundle");
    }
    if parts.iter().any(|part| part.len() > limits::MAX_FILE_NAME) {
        return refuse("a name in it is too long");
    }
    if parts.len() > limits::MAX_BUNDLE_DEPTH {
        return refuse("it has too many folders in it");
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

/// Whether JavaScript is made of a file at the deploy: what packages bring was made already.
pub fn is_translated(path: &str) -> bool {
    let is_package = path.split('/').any(|folder| folder == "node_modules");
    let is_types = [".d.ts", ".d.mts", ".d.cts"].iter().any(|ending| path.ends_with(ending));
    !is_package && !is_types && kind(path).is_some_and(Kind::is_translated)
}

/// The files without the one folder that holds them all.
fn without_top(files: BTreeMap<String, Arc<[u8]>>) -> Option<BTreeMap<String, Arc<[u8]>>> {
    let top = files.keys().next()?.split_once('/')?.0.to_string() + "/";
    files.into_iter().map(|(path, content)| Some((path.strip_prefix(&top)?.to_string(), content))).collect()
}
