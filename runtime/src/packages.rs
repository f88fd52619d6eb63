//! Packages: `python` is those of Python, all else is npm's. What a workspace's sources ask for, from the operator's shared
//! folder or from a registry.
//!
//! `specifiers` finds what is asked for, `tree` decides on versions and places, `client` and `contents` bring the files, `lock` is
//! what stays. Nothing of a package runs here: no install script is ever started. A restart needs no registry.

mod client;
mod contents;
mod integrity;
pub mod lock;
mod manifest;
mod native;
pub mod progress;
pub mod python;
pub mod registries;
mod requirement;
pub mod rules;
pub mod shared;
pub mod specifiers;
mod tree;
mod unfit;
mod unpack;

use crate::limits;
use crate::store::blobs::Hash;
use crate::store::{Store, StoreError};
use client::Client;
use contents::{Contents, File, Unpacked};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use lock::{Asked, Lock, LockedPackage};
use manifest::{ChoiceError, Manifest};
use progress::{Event, Progress};
use registries::Registries;
use requirement::{Requirement, RequirementError};
use rules::Rules;
use shared::SharedFolder;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tree::{Makings, Tree, Wanted};
use unfit::Unfit;

/// The packages of all workspaces.
pub struct Packages {
    client: Client,
    contents: Contents,
    rules: Rules,
    shared: Option<Arc<SharedFolder>>,
}

/// What a workspace asks for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Versions that are written down: `dependencies` and `optionalDependencies`.
    pub declared: BTreeMap<String, Asked>,
    /// Packages that sources name, and whether all of them can do without it.
    pub named: BTreeMap<String, bool>,
    /// `disableNpmRegistry`.
    pub registry_disabled: bool,
}

/// What a workspace gets.
#[derive(Clone, Debug, Default)]
pub struct Provided {
    pub lock: Lock,
    /// The files of installed packages by their paths below `/var/runtime`, in order.
    pub files: Vec<(String, Hash, u64)>,
    pub warnings: Vec<String>,
}

/// Why a workspace cannot have its packages.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Problem {
    #[error("{source}{}", needed_by(.chain))]
    Needed { chain: Vec<String>, source: Box<Problem> },
    #[error("the registry has no package `{package}`")]
    NotFound { package: String },
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    #[error("`{package}`: {source}")]
    Requirement { package: String, source: RequirementError },
    #[error("package `{package}` is on this server's list of blocked packages")]
    Blocked { package: String },
    #[error("package `{package}` is not on this server's list of allowed packages")]
    NotAllowed { package: String },
    #[error(
        "package `{package}` is not in this server's shared folder, and `disableNpmRegistry` forbids to install it in this workspace"
    )]
    Disabled { package: String },
    #[error("package `{package}` is native, and machine code cannot run in a sandbox: {reason}; {}", native::alternative(name_of(.package)))]
    Native { package: String, reason: String },
    #[error(
        "package `{package}` needs `{asked}` beside it, where {found} is; ask for versions that go together in `dependencies`"
    )]
    Conflict { package: String, asked: String, found: String },
    #[error("the packages need more than {} others", limits::MAX_PACKAGES)]
    TooManyPackages,
    #[error("package `{package}` stands in a circle of versions that exclude each other")]
    TooDeep { package: String },
    #[error("a workspace may ask for {} packages", limits::MAX_DEPENDENCIES)]
    TooManyDependencies,
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error("package `{package}` is not what the registry says that it is: the tarball from {host} has another hash")]
    Integrity { package: String, host: String },
    #[error("package `{package}` has no hash in the registry, so nobody knows whether it is what was published")]
    NoIntegrity { package: String },
    #[error(
        "the packages are larger than {} or have more than {} files together",
        limits::MAX_INSTALLED_SIZE,
        limits::MAX_INSTALLED_FILES
    )]
    TooLargeTogether,
    #[error("package `{package}` could not be had: the registry {host} does not let this server in ({status})")]
    Unauthorized { package: String, host: String, status: u16 },
    #[error("package `{package}` could not be had from {host}: {reason}")]
    Registry { package: String, host: String, reason: String },
    #[error("the packages were not there after {} s", limits::INSTALL_TIMEOUT.as_secs())]
    TooSlow,
    #[error("the files of packages could not be stored: {0}")]
    Store(String),
    #[error("the server is stopping")]
    Stopping,
}

/// Whose fault a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What was asked for cannot be had.
    Asked,
    /// The way to the registry.
    Registry,
    Server,
}

impl Problem {
    fn store(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }

    /// Says how it came to be needed, from the workspace down.
    fn needed(self, chain: Vec<String>) -> Self {
        match self {
            Self::Needed { .. } => self,
            source => Self::Needed { chain, source: Box::new(source) },
        }
    }

    /// Whether another package could be had all the same.
    fn is_about_the_package(&self) -> bool {
        !matches!(self, Self::TooManyPackages | Self::TooDeep { .. } | Self::Store(_) | Self::Stopping | Self::TooSlow)
    }

    /// The package that the workspace itself asks for, if it is about one.
    pub fn direct(&self) -> Option<&str> {
        match self {
            Self::Needed { chain, .. } => chain.first().map(|first| name_of(first)),
            Self::Blocked { package } | Self::NotAllowed { package } | Self::Disabled { package } => Some(package),
            _ => None,
        }
    }

    pub fn fault(&self) -> Fault {
        match self {
            Self::Needed { source, .. } => source.fault(),
            Self::Unauthorized { .. } | Self::Registry { .. } | Self::TooSlow => Fault::Registry,
            Self::Store(_) | Self::Stopping => Fault::Server,
            _ => Fault::Asked,
        }
    }

    /// For programs: stable.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Needed { source, .. } => source.code(),
            Self::NotFound { .. } | Self::Choice(_) => "package_not_found",
            Self::Requirement { .. } | Self::TooManyDependencies => "invalid_dependency",
            Self::Blocked { .. } => "package_blocked",
            Self::NotAllowed { .. } => "package_not_allowed",
            Self::Disabled { .. } => "registry_disabled",
            Self::Native { .. } => "package_native",
            Self::Conflict { .. } | Self::TooDeep { .. } => "package_conflict",
            Self::TooManyPackages | Self::TooLargeTogether => "package_too_large",
            Self::Unfit(unfit) => unfit.code(),
            Self::Integrity { .. } | Self::NoIntegrity { .. } => "package_integrity",
            Self::Unauthorized { .. } | Self::Registry { .. } | Self::TooSlow => "registry_unavailable",
            Self::Store(_) => "storage_unavailable",
            Self::Stopping => "stopping",
        }
    }
}

/// `a` of `a@1.0.0`.
fn name_of(package: &str) -> &str {
    let end = package.char_indices().skip(1).find(|(_, c)| *c == '@').map_or(package.len(), |(at, _)| at);
    &package[..end]
}

fn needed_by(chain: &[String]) -> String {
    if chain.len() < 2 { String::new() } else { format!(" (needed by {})", chain[..chain.len() - 1].join(" > ")) }
}

/// What is to be installed, and what the shared folder gives: version by name.
type Sorted = (BTreeMap<String, Wanted>, BTreeMap<String, String>);

impl Packages {
    pub fn new(
        store: Arc<Store>,
        registries: Registries,
        timeout: Duration,
        rules: Rules,
        shared: Option<SharedFolder>,
    ) -> io::Result<Self> {
        let client = Client::new(registries, timeout, store.folder("packages/registry")?).map_err(io::Error::other)?;
        let lists = store.folder("packages/lists")?;
        Ok(Self { client, contents: Contents::new(store, lists), rules, shared: shared.map(Arc::new) })
    }

    /// The operator's folder, if there is one.
    pub fn shared(&self) -> Option<&Arc<SharedFolder>> {
        self.shared.as_ref()
    }

    /// The folder of the operator that functions see, on this server's disk.
    pub fn shared_path(&self) -> Option<&Path> {
        self.shared.as_ref().map(|shared| shared.path())
    }

    /// Finds and brings all that a workspace asks for. What it had before it gets again, as far as that will do.
    pub async fn provide(
        &self,
        request: Request,
        before: Option<Lock>,
        progress: &Progress,
    ) -> Result<Provided, Problem> {
        let installed = self.install(request, before, progress);
        tokio::time::timeout(limits::INSTALL_TIMEOUT, installed).await.unwrap_or(Err(Problem::TooSlow))
    }

    async fn install(&self, request: Request, before: Option<Lock>, progress: &Progress) -> Result<Provided, Problem> {
        let (wanted, shared) = self.sort_out(&request)?;
        if wanted.is_empty() {
            return Ok(Provided { lock: Lock { shared, ..Lock::default() }, ..Provided::default() });
        }
        let asked = |wanted: &Wanted| Asked { version: wanted.asked.clone(), optional: wanted.optional };
        let asked: BTreeMap<String, Asked> =
            wanted.iter().map(|(name, wanted)| (name.clone(), asked(wanted))).collect();
        if let Some(before) = &before
            && (&before.wanted, &before.shared) == (&asked, &shared)
        {
            return self.again(before, progress).await;
        }
        let locked: Vec<Manifest> = before.into_iter().flat_map(|lock| lock.packages).map(|it| it.manifest).collect();
        let makings = Makings {
            client: &self.client,
            rules: &self.rules,
            wanted: &wanted,
            locked: &locked,
            shared: &shared,
            progress,
        };
        let mut tree = Tree::resolve(&makings).await?;
        let contents = self.fetch(&mut tree, progress).await?;
        let mut packages = Vec::new();
        for placed in tree.placed() {
            let Some(unpacked) = contents.get(&placed.node()) else { continue };
            packages.push((
                LockedPackage {
                    place: placed.place,
                    direct: placed.direct,
                    optional: placed.optional,
                    needed_by: placed.needed_by,
                    size: unpacked.size(),
                    files: unpacked.files.len(),
                    manifest: (**placed.manifest).clone(),
                },
                unpacked.clone(),
            ));
        }
        let mut warnings = std::mem::take(&mut tree.warnings);
        warnings.truncate(limits::MAX_PACKAGE_WARNINGS);
        self.assemble(packages, asked, shared, warnings).await
    }

    /// What the workspace asks for: from a registry, and of the shared folder with its versions.
    fn sort_out(&self, request: &Request) -> Result<Sorted, Problem> {
        let (mut wanted, mut shared) = (BTreeMap::new(), BTreeMap::new());
        let any = Asked { version: String::new(), optional: false };
        let named = request.named.iter().filter(|(name, _)| !request.declared.contains_key(*name));
        let named = named.map(|(name, optional)| (name, Asked { optional: *optional, ..any.clone() }));
        let all = request.declared.iter().map(|(name, asked)| (name, asked.clone())).chain(named);
        for (name, asked) in all {
            let place = |problem: Problem| problem.needed(vec![name.clone()]);
            if !specifiers::is_name(name) {
                let source = RequirementError::Invalid { text: asked.version };
                return Err(place(Problem::Requirement { package: name.chars().take(214).collect(), source }));
            }
            let requirement = Requirement::parse(name, &asked.version)
                .map_err(|source| place(Problem::Requirement { package: name.clone(), source }))?;
            let there = self.shared.as_ref().and_then(|folder| folder.versions().get(name));
            let will_do = |version: &&String| {
                let parsed = deno_semver::Version::parse_from_npm(version);
                requirement.package == *name
                    && (asked.version.is_empty() || parsed.is_ok_and(|version| requirement.allows(&version)))
            };
            let found = match there.filter(will_do) {
                Some(version) => {
                    self.rules.usable_shared(name).map(|()| drop(shared.insert(name.clone(), version.clone())))
                }
                None if request.registry_disabled => Err(Problem::Disabled { package: name.clone() }),
                None => self.rules.usable(name).map(|()| {
                    wanted.insert(name.clone(), Wanted { asked: asked.version.clone(), optional: asked.optional });
                }),
            };
            match found {
                // A source that can do without it finds that it is not there.
                Err(_) if asked.optional => {}
                found => found?,
            }
        }
        if wanted.len() > limits::MAX_DEPENDENCIES {
            return Err(Problem::TooManyDependencies);
        }
        Ok((wanted, shared))
    }

    /// The files of all packages of a tree, by their numbers in it. Optional ones that cannot be had are taken out.
    async fn fetch(&self, tree: &mut Tree, progress: &Progress) -> Result<HashMap<usize, Arc<Unpacked>>, Problem> {
        let placed: Vec<(usize, Arc<Manifest>, bool)> =
            tree.placed().iter().map(|it| (it.node(), it.manifest.clone(), it.optional)).collect();
        let (of, mut bytes) = (placed.len(), 0);
        progress.tell(Event::Downloading { done: 0, of, bytes });
        let get = |(node, manifest, optional): (usize, Arc<Manifest>, bool)| {
            async move { (node, optional, self.usable_files(&manifest).await) }.boxed()
        };
        let gets: Vec<BoxFuture<'_, _>> = placed.into_iter().map(get).collect();
        let mut gets = stream::iter(gets).buffer_unordered(limits::REGISTRY_REQUESTS);
        let (mut contents, mut failed) = (HashMap::new(), BTreeSet::new());
        while let Some((node, optional, got)) = gets.next().await {
            match got {
                Ok(unpacked) => {
                    bytes += unpacked.size();
                    contents.insert(node, unpacked);
                }
                Err(problem) if optional && problem.is_about_the_package() => {
                    tracing::debug!(%problem, "an optional package is left out");
                    failed.insert(node);
                }
                Err(problem) => return Err(problem.needed(tree.chain(node))),
            }
            progress.tell(Event::Downloading { done: contents.len() + failed.len(), of, bytes });
        }
        drop(gets);
        tree.without(&failed);
        Ok(contents)
    }

    async fn usable_files(&self, manifest: &Manifest) -> Result<Arc<Unpacked>, Problem> {
        let unpacked = self.contents.get(&self.client, manifest).await?;
        match &unpacked.native {
            None => Ok(unpacked),
            Some(reason) => {
                let package = format!("{}@{}", manifest.name, manifest.version);
                Err(Problem::Native { package, reason: reason.clone() })
            }
        }
    }

    /// The same as before, without asking anyone about versions; files that are gone are downloaded again.
    async fn again(&self, before: &Lock, progress: &Progress) -> Result<Provided, Problem> {
        for package in &before.packages {
            self.rules.installable(
                package.place.rsplit("node_modules/").next().unwrap_or_default(),
                &package.manifest.name,
            )?;
        }
        let of = before.packages.len();
        let get = |package: LockedPackage| {
            async move {
                let unpacked = self.usable_files(&package.manifest).await?;
                Ok::<_, Problem>((package, unpacked))
            }
            .boxed()
        };
        let gets: Vec<BoxFuture<'_, _>> = before.packages.iter().cloned().map(get).collect();
        let mut gets = stream::iter(gets).buffered(limits::REGISTRY_REQUESTS);
        let (mut packages, mut bytes) = (Vec::new(), 0);
        while let Some(got) = gets.next().await {
            let (package, unpacked) = got?;
            bytes += unpacked.size();
            packages.push((package, unpacked));
            progress.tell(Event::Downloading { done: packages.len(), of, bytes });
        }
        drop(gets);
        self.assemble(packages, before.wanted.clone(), before.shared.clone(), Vec::new()).await
    }

    /// Puts the files together as functions see them.
    async fn assemble(
        &self,
        packages: Vec<(LockedPackage, Arc<Unpacked>)>,
        wanted: BTreeMap<String, Asked>,
        shared: BTreeMap<String, String>,
        warnings: Vec<String>,
    ) -> Result<Provided, Problem> {
        self.contents.keep(packages.iter().map(|(package, unpacked)| (&package.manifest, unpacked))).await?;
        let places: BTreeSet<&str> = packages.iter().map(|(package, _)| package.place.as_str()).collect();
        let (mut files, mut size) = (Vec::new(), 0);
        for (package, unpacked) in &packages {
            for File { path, content, size: bytes } in &unpacked.files {
                let path = format!("{}/{path}", package.place);
                // What a package brings along inside gives way to what was placed there.
                let inside = path[package.place.len()..]
                    .match_indices('/')
                    .skip(2)
                    .map(|(at, _)| &path[..package.place.len() + at]);
                if inside.into_iter().any(|folder| places.contains(folder)) {
                    continue;
                }
                size += bytes;
                files.push((path, *content, *bytes));
            }
            if size > limits::MAX_INSTALLED_SIZE.0 || files.len() > limits::MAX_INSTALLED_FILES {
                return Err(Problem::TooLargeTogether);
            }
        }
        files.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let packages = packages.into_iter().map(|(package, _)| package).collect();
        Ok(Provided { lock: Lock { wanted, shared, packages }, files, warnings })
    }
}
