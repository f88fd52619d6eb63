//! Python packages: what a workspace's `requirements` ask for, as wheels that hold nothing but Python.
//!
//! `requirements` reads what was written, `pip` decides on versions and brings wheels, `wheel` unpacks them, `shared` is what the
//! operator installs for all. What was resolved is locked in the deployment; a restart needs no index.

pub mod pip;
pub mod requirements;
pub mod shared;
mod wheel;

use super::progress::{Event, Progress};
use super::unfit::{Reason, Unfit};
use crate::limits;
use crate::store::blobs::Hash;
use crate::store::trees::{Tree, TreeFile};
use crate::store::{Store, StoreError};
use cap_std::fs::Dir;
use pip::{Package, Pip, Resolved, Scratch, Wheels};
use requirements::{LineError, Requirement};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Where functions see the packages of their workspace.
pub const PACKAGES_AT: &str = "/opt/python-packages";

/// Packages that have no wheel without machine code, and do without that code: what it makes faster they have in Python, too.
const DO_WITHOUT: [&str; 5] = ["markupsafe", "msgpack", "pyyaml", "ruamel-yaml-clib", "zope-interface"];

/// What to do without a package of machine code, for those that are asked for most.
const ALTERNATIVES: [(&str, &str); 9] = [
    ("numpy", "use lists, `array`, `statistics` or `fractions`, or do the numeric part in a WebAssembly component"),
    ("pandas", "use `csv` with dicts, `sqlite3` in memory, or `tabulate` for tables"),
    ("scipy", "do the numeric part in a WebAssembly component, or use `mpmath` or `sympy`"),
    ("lxml", "use `xml.etree.ElementTree`, or `beautifulsoup4` with `html.parser`"),
    ("pydantic-core", "use `dataclasses` or `attrs`, or ask for `pydantic<2`"),
    ("regex", "use `re`"),
    ("pillow", "call a function made of an image library as a WebAssembly component"),
    ("psycopg2-binary", "use `pg8000`"),
    ("cryptography", "use `hashlib`, `hmac` and `secrets`, or call a JavaScript function that uses `crypto.subtle`"),
];

/// The Python packages of all workspaces.
pub struct PythonPackages {
    store: Arc<Store>,
    pip: Pip,
    /// Lists of files of unpacked wheels, by the hash of the wheel that was resolved.
    lists: Arc<Dir>,
    /// What functions may ask for, by the names of packages or of their modules; none for everything.
    allow: Option<BTreeSet<String>>,
    turns: Semaphore,
}

/// The packages of one deployment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PythonLock {
    /// What was asked for. What asks for the same gets the same.
    pub wanted: BTreeSet<String>,
    pub packages: Vec<LockedWheel>,
}

/// One package that was installed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockedWheel {
    pub name: String,
    pub version: String,
    /// The wheel that was unpacked, and its hash.
    pub file: String,
    pub sha256: String,
    pub direct: bool,
    pub needed_by: Vec<String>,
    /// The names under which its modules are imported.
    pub modules: BTreeSet<String>,
    /// Bytes in its files.
    pub size: u64,
    pub files: usize,
}

/// What a workspace gets.
pub struct Provided {
    pub lock: PythonLock,
    /// None where all that is asked for is for other machines.
    pub tree: Option<Tree>,
}

/// A wheel, unpacked: its files by content.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Unpacked {
    file: String,
    sha256: String,
    modules: BTreeSet<String>,
    files: Vec<super::File>,
}

/// Why a workspace cannot have its packages.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Problem {
    #[error("requirements: {0}")]
    Line(#[from] LineError),
    #[error("requirements: `{line}` cannot be understood: {reason}")]
    Requirement { line: String, reason: String },
    #[error("requirements: {found} packages are asked for; {} are allowed", limits::MAX_DEPENDENCIES)]
    TooMany { found: usize },
    #[error(
        "no wheel was found for `{requirement}`: there is no such package, or none for Python 3.14, or it comes as source only, \
         which would have to be built"
    )]
    NotFound { requirement: String },
    #[error("no version will do for `{requirement}`; there are {known}")]
    NoVersion { requirement: String, known: String },
    #[error("no versions of the packages go together: {reason}")]
    Unresolved { reason: String },
    #[error(
        "package `{package}`{} is native: its wheels hold machine code, which cannot run in a sandbox ({file}); {}",
        if .needed_by.is_empty() { String::new() } else { format!(" (needed by {})", .needed_by.join(", ")) },
        alternative(.name)
    )]
    Native { package: String, name: String, file: String, needed_by: Vec<String> },
    #[error("package `{package}` is not on this server's list of allowed packages (PYTHON_PACKAGES_WHITELIST_IMPORT)")]
    NotAllowed { package: String },
    #[error("package `{package}` is not what its requirement says: the wheel {file} has the SHA-256 {found}")]
    Hash { package: String, file: String, found: String },
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error(
        "the packages are too large: one wheel may have {}, and all of them {} and {} files unpacked",
        wheel::MAX_WHEEL,
        limits::MAX_INSTALLED_SIZE,
        limits::MAX_INSTALLED_FILES
    )]
    TooLargeTogether,
    #[error("the packages were not there after {} s", limits::INSTALL_TIMEOUT.as_secs())]
    TooSlow,
    #[error("the index of Python packages cannot be reached: {reason}")]
    Unreachable { reason: String },
    #[error(
        "this server cannot install Python packages: {reason}; its operator can install Python with pip 23 or later, or name \
         another Python in `packages.python`"
    )]
    NoTool { reason: String },
    #[error("pip could not install the packages: {reason}")]
    Tool { reason: String },
    #[error("the files of packages could not be stored: {0}")]
    Store(String),
    #[error("the server is stopping")]
    Stopping,
}

impl Problem {
    fn store(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }

    fn disk(error: io::Error) -> Self {
        Self::Store(error.to_string())
    }

    pub fn fault(&self) -> super::Fault {
        match self {
            Self::TooSlow | Self::Unreachable { .. } | Self::Tool { .. } => super::Fault::Registry,
            Self::NoTool { .. } | Self::Store(_) | Self::Stopping => super::Fault::Server,
            _ => super::Fault::Asked,
        }
    }

    /// For programs: stable.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Line(_) | Self::Requirement { .. } | Self::TooMany { .. } => "invalid_dependency",
            Self::NotFound { .. } | Self::NoVersion { .. } => "package_not_found",
            Self::Unresolved { .. } => "package_conflict",
            Self::Native { .. } => "package_native",
            Self::NotAllowed { .. } => "package_not_allowed",
            Self::Hash { .. } => "package_integrity",
            Self::TooLargeTogether => "package_too_large",
            Self::Unfit(unfit) => unfit.code(),
            Self::TooSlow | Self::Unreachable { .. } | Self::Tool { .. } => "registry_unavailable",
            Self::NoTool { .. } => "installer_missing",
            Self::Store(_) => "storage_unavailable",
            Self::Stopping => "stopping",
        }
    }
}

/// What to do instead of using a package that is native.
fn alternative(name: &str) -> &'static str {
    let found = ALTERNATIVES.iter().find(|(known, _)| *known == name);
    found
        .map_or("look for a package of pure Python, or do that part in a WebAssembly component", |(_, instead)| instead)
}

impl PythonPackages {
    pub fn new(store: Arc<Store>, pip: Pip, allow: Option<BTreeSet<String>>) -> io::Result<Self> {
        let lists = Arc::new(store.folder("python/lists")?);
        Ok(Self { store, pip, lists, allow, turns: Semaphore::new(limits::CONCURRENT_PIP) })
    }

    /// Finds and brings all that is asked for. What was had before is had again, as far as that will do.
    pub async fn provide(
        &self,
        asked: &BTreeSet<Requirement>,
        before: Option<&PythonLock>,
        progress: &Progress,
    ) -> Result<Provided, Problem> {
        let provided = self.provide_any(asked, before, progress).await?;
        for wheel in provided.lock.packages.iter().filter(|wheel| wheel.direct) {
            self.check_allowed(wheel)?;
        }
        Ok(provided)
    }

    /// Whatever the operator lets workspaces ask for.
    async fn provide_any(
        &self,
        asked: &BTreeSet<Requirement>,
        before: Option<&PythonLock>,
        progress: &Progress,
    ) -> Result<Provided, Problem> {
        if asked.len() > limits::MAX_DEPENDENCIES {
            return Err(Problem::TooMany { found: asked.len() });
        }
        let install = async {
            let _turn = self.turns.acquire().await.map_err(|_| Problem::Stopping)?;
            self.install(asked, before, progress).await
        };
        let provided = tokio::time::timeout(limits::INSTALL_TIMEOUT, install).await.unwrap_or(Err(Problem::TooSlow));
        self.pip.trim().await;
        provided
    }

    async fn install(
        &self,
        asked: &BTreeSet<Requirement>,
        before: Option<&PythonLock>,
        progress: &Progress,
    ) -> Result<Provided, Problem> {
        let scratch = self.pip.scratch().map_err(Problem::disk)?;
        let texts: Vec<&str> = asked.iter().map(|requirement| requirement.text.as_str()).collect();
        let pin = |name: &str, version: &str| format!("{name}=={version}");
        let locked: Vec<String> =
            before.iter().flat_map(|lock| &lock.packages).map(|it| pin(&it.name, &it.version)).collect();
        let Resolved { asked: names, packages, .. } = self.pip.resolve(&scratch, &texts, &locked, progress).await?;
        if packages.len() > limits::MAX_PACKAGES {
            return Err(Problem::TooMany { found: packages.len() });
        }
        let unpacked = self.fetch(&scratch, &packages, progress).await?;
        let mut hashes: HashMap<&str, &BTreeSet<String>> = HashMap::new();
        for (requirement, name) in asked.iter().zip(&names).filter(|(requirement, _)| !requirement.hashes.is_empty()) {
            hashes.insert(name, &requirement.hashes);
        }
        let mut files: BTreeMap<String, (Hash, u64)> = BTreeMap::new();
        let (mut lock, mut size) = (PythonLock { wanted: wanted(asked), packages: Vec::new() }, 0);
        for Package { name, version, direct, needed_by, .. } in packages {
            let Some(wheel) = unpacked.get(&name) else { continue };
            if hashes.get(name.as_str()).is_some_and(|hashes| !hashes.contains(&wheel.sha256)) {
                let (file, found) = (wheel.file.clone(), wheel.sha256.clone());
                return Err(Problem::Hash { package: name, file, found });
            }
            let own_size = wheel.files.iter().map(|file| file.size).sum();
            size += own_size;
            // Of two packages with a file of the same path, the last one wins, as it would with pip.
            files.extend(wheel.files.iter().map(|file| (file.path.clone(), (file.content, file.size))));
            if size > limits::MAX_INSTALLED_SIZE.0 || files.len() > limits::MAX_INSTALLED_FILES {
                return Err(Problem::TooLargeTogether);
            }
            let Unpacked { file, sha256, modules, files } = wheel.clone();
            let (size, files) = (own_size, files.len());
            lock.packages.push(LockedWheel { name, version, file, sha256, direct, needed_by, modules, size, files });
        }
        let file = |(path, (content, size))| TreeFile { path, content, size };
        let tree = (!files.is_empty()).then(|| Tree { files: files.into_iter().map(file).collect() });
        Ok(Provided { lock, tree })
    }

    /// Whether the operator lets functions ask for a package, by its name or that of a module in it.
    fn check_allowed(&self, wheel: &LockedWheel) -> Result<(), Problem> {
        let Some(allow) = &self.allow else { return Ok(()) };
        let allowed = allow.contains("*")
            || allow.iter().any(|entry| canonical(entry) == wheel.name)
            || wheel.modules.iter().any(|module| allow.contains(module));
        if allowed { Ok(()) } else { Err(Problem::NotAllowed { package: wheel.name.clone() }) }
    }

    /// The files of all packages, by their names.
    async fn fetch(
        &self,
        scratch: &Scratch,
        packages: &[Package],
        progress: &Progress,
    ) -> Result<HashMap<String, Unpacked>, Problem> {
        let (of, mut bytes) = (packages.len(), 0);
        let mut unpacked: HashMap<String, Unpacked> = HashMap::new();
        let mut missing = Vec::new();
        for package in packages {
            match self.kept(package).await {
                Some(wheel) => drop(unpacked.insert(package.name.clone(), wheel)),
                None => missing.push(package),
            }
        }
        progress.tell(Event::Downloading { done: unpacked.len(), of, bytes });
        let (pure, native): (Vec<&Package>, Vec<&Package>) =
            missing.into_iter().partition(|package| wheel::is_pure(&package.file));
        let (without, other): (Vec<&Package>, Vec<&Package>) =
            native.into_iter().partition(|package| DO_WITHOUT.contains(&package.name.as_str()));
        let mut fresh = Vec::new();
        for (packages, wheels) in [(pure, Wheels::Pure), (without, Wheels::OfLinux), (other, Wheels::Pure)] {
            // Some at a time, so that whoever watches sees that it goes on.
            for some in packages.chunks(limits::WHEELS_AT_ONCE) {
                for (package, file, content) in self.bring(scratch, some, wheels).await? {
                    bytes += content.len() as u64;
                    fresh.push((package, self.unpack(package, file, content).await?));
                }
                progress.tell(Event::Downloading { done: unpacked.len() + fresh.len(), of, bytes });
            }
        }
        if !fresh.is_empty() {
            self.store.blobs.sync().await.map_err(Problem::store)?;
        }
        for (package, wheel) in fresh {
            self.keep(package, &wheel).await?;
            unpacked.insert(package.name.clone(), wheel);
        }
        Ok(unpacked)
    }

    /// A wheel of each of these packages, with its name. Where one has none of the kind that will do, it is named.
    async fn bring<'a>(
        &self,
        scratch: &Scratch,
        packages: &[&'a Package],
        wheels: Wheels,
    ) -> Result<Vec<(&'a Package, String, Vec<u8>)>, Problem> {
        let pinned: Vec<String> = packages.iter().map(|package| package.pinned()).collect();
        let mut brought = match self.pip.fetch(scratch, &pinned, wheels).await {
            Ok(brought) => brought,
            Err(Problem::NotFound { requirement } | Problem::NoVersion { requirement, .. }) => {
                let named = requirement.split(['=', ' ', '[']).next().unwrap_or_default();
                let named = packages.iter().find(|package| package.name == canonical(named));
                let Some(package) = named else { return Err(Problem::NotFound { requirement }) };
                let Package { name, version, file, needed_by, .. } = (*package).clone();
                return Err(Problem::Native { package: format!("{name} {version}"), name, file, needed_by });
            }
            Err(problem) => return Err(problem),
        };
        let mut found = Vec::with_capacity(packages.len());
        for package in packages {
            let of_it = |file: &str| canonical(file.split('-').next().unwrap_or_default()) == package.name;
            let at = brought.iter().position(|(file, _)| of_it(file)).ok_or_else(|| {
                let none = Reason::Damaged { archive: "wheel", found: "pip brought none".into() };
                none.of(&package.pinned())
            })?;
            let (file, content) = brought.swap_remove(at);
            found.push((*package, file, content));
        }
        Ok(found)
    }

    async fn unpack(&self, package: &Package, file: String, wheel: Vec<u8>) -> Result<Unpacked, Problem> {
        let blobs = self.store.blobs.clone();
        let package = package.clone();
        let unpack = move || {
            let sha256: String = Sha256::digest(&wheel).iter().map(|byte| format!("{byte:02x}")).collect();
            if file == package.file && !package.sha256.is_empty() && package.sha256 != sha256 {
                return Err(Problem::Hash { package: package.pinned(), file, found: sha256 });
            }
            let mut files = Vec::new();
            let found = wheel::unpack(&package.pinned(), &wheel, |path, content| {
                files.push(super::File::stored(path, &content, &blobs).map_err(Problem::store)?);
                Ok(())
            })?;
            if let Some(code) = found.machine_code.filter(|_| !DO_WITHOUT.contains(&package.name.as_str())) {
                let Package { name, version, needed_by, .. } = package;
                let package = format!("{name} {version}");
                return Err(Problem::Native { package, name, file: code, needed_by });
            }
            Ok(Unpacked { file, sha256, modules: found.modules, files })
        };
        tokio::task::spawn_blocking(unpack).await.map_err(|_| Problem::Stopping)?
    }

    /// What was unpacked before, if all of it is still there.
    async fn kept(&self, package: &Package) -> Option<Unpacked> {
        let (lists, blobs, name) = (self.lists.clone(), self.store.blobs.clone(), list_name(package)?);
        let read = move || {
            let unpacked: Unpacked = serde_json::from_slice(&lists.read(name).ok()?).ok()?;
            unpacked.files.iter().all(|file| blobs.has(file.content, file.size)).then_some(unpacked)
        };
        tokio::task::spawn_blocking(read).await.ok().flatten()
    }

    async fn keep(&self, package: &Package, wheel: &Unpacked) -> Result<(), Problem> {
        let Some(name) = list_name(package) else { return Ok(()) };
        let list = serde_json::to_vec(wheel).map_err(|error| Problem::Store(error.to_string()))?;
        let lists = self.lists.clone();
        let write = move || {
            let draft = format!("{name}.{}", uuid::Uuid::now_v7());
            lists.write(&draft, list).and_then(|()| lists.rename(&draft, &lists, &name))
        };
        tokio::task::spawn_blocking(write).await.map_err(|_| Problem::Stopping)?.map_err(Problem::disk)
    }
}

impl Package {
    fn pinned(&self) -> String {
        format!("{}=={}", self.name, self.version)
    }
}

/// What names the list of a package's files: the hash that the index gives; none where it gives none.
fn list_name(package: &Package) -> Option<String> {
    let Package { name, version, sha256, .. } = package;
    (!sha256.is_empty()).then(|| Hash::of(format!("{name} {version} {sha256}").as_bytes()).to_string())
}

/// Requirements as they are compared with those of before.
pub fn wanted(asked: &BTreeSet<Requirement>) -> BTreeSet<String> {
    let line =
        |it: &Requirement| it.hashes.iter().fold(it.text.clone(), |line, hash| format!("{line} --hash=sha256:{hash}"));
    asked.iter().map(line).collect()
}

/// A package's name as indexes compare it.
fn canonical(name: &str) -> String {
    let dashes = name.trim().to_ascii_lowercase().replace(['_', '.'], "-");
    dashes.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}
