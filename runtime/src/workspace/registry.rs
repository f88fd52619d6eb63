//! Which deployment serves a workspace: read from the store when it is first asked for, kept in a moka cache, and
//! replaced in one step by a deploy.

use super::admission::Gate;
use super::locks::{Locked, Locks};
use crate::config::ImportRules;
use crate::deployment::document::Document;
use crate::deployment::spec::Kind;
use crate::deployment::upload::{Upload, UploadError};
use crate::deployment::{AssembleError, Code, Deployment, Surroundings};
use crate::engine::compiler::Compiler;
use crate::engine::{Engines, Metering};
use crate::host_api::Shared;
use crate::host_api::cache::{Cache, CacheBudget};
use crate::host_api::filesystem::TmpRoot;
use crate::host_api::programs::Library;
use crate::host_api::secrets::Secrets;
use crate::limits::{self, ServerLimits};
use crate::packages::python::shared::Shared as SharedPython;
use crate::routing::Name;
use crate::store::blobs::Hash;
use crate::store::{Store, StoreError};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use uuid::Uuid;

/// All workspaces.
pub struct Registry {
    pub store: Arc<Store>,
    pub engines: Arc<Engines>,
    pub compiler: Compiler,
    /// The programs of all functions.
    pub programs: Arc<Library>,
    pub limits: ServerLimits,
    tmp: Arc<TmpRoot>,
    /// The operator's folder of packages.
    shared_packages: Option<PathBuf>,
    /// The same for Python, and what may be imported.
    python: (Option<SharedPython>, ImportRules),
    live: moka::future::Cache<Name, Arc<Live>>,
    /// What outlives a deployment's place in the cache: values of `cache`, secrets, the workspace's gate.
    lasting: RwLock<HashMap<Name, Lasting>>,
    budget: Arc<CacheBudget>,
    /// Changes of one workspace happen one after the other, from what they start from to their commit.
    changes: Locks,
    /// Held while what serves is put in its place: by a deploy for its commit, by a load from the store.
    swaps: Locks,
}

/// A workspace as it serves.
#[derive(Debug)]
pub struct Live {
    pub deployment: Deployment,
    pub gate: Arc<Gate>,
}

#[derive(Clone)]
struct Lasting {
    shared: Arc<Shared>,
    gate: Arc<Gate>,
}

/// A workspace cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("there is no workspace `{0}`")]
    NoWorkspace(Name),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the stored deployment cannot be used any more: {0}")]
    Assemble(#[from] AssembleError),
    #[error("function `{function}`: {source}")]
    Upload { function: Name, source: UploadError },
    #[error("the code of function `{0}` is not text")]
    NotText(Name),
}

/// The right to change a workspace, while it is held.
pub type Change<'a> = Locked<'a>;

impl Registry {
    pub fn new(
        store: Arc<Store>,
        engines: Arc<Engines>,
        compiler: Compiler,
        tmp: Arc<TmpRoot>,
        shared_packages: Option<PathBuf>,
        python: (Option<SharedPython>, ImportRules),
        limits: ServerLimits,
    ) -> Self {
        let live = moka::future::Cache::builder()
            .max_capacity(limits::CACHED_DEPLOYMENT_BYTES.0)
            .weigher(|_, live: &Arc<Live>| {
                // So many deployments as there may be, or fewer that are large.
                let floor = limits::CACHED_DEPLOYMENT_BYTES.0 / limits::CACHED_DEPLOYMENTS;
                u32::try_from(live.deployment.weight().max(floor)).unwrap_or(u32::MAX)
            })
            .eviction_policy(moka::policy::EvictionPolicy::lru())
            .build();
        Self {
            store,
            programs: Arc::new(Library::new(engines.clone(), compiler.clone())),
            engines,
            compiler,
            budget: Arc::new(CacheBudget::new(limits.total_cache_size)),
            limits,
            tmp,
            shared_packages,
            python,
            live,
            lasting: RwLock::default(),
            changes: Locks::default(),
            swaps: Locks::default(),
        }
    }

    /// The workspace as it serves now. Reads it from the store where it is not in memory.
    pub async fn get(&self, name: &str) -> Result<Arc<Live>, RegistryError> {
        if let Some(live) = self.live.get(name).await {
            return Ok(live);
        }
        let name = &Name::workspace(name).map_err(|_| RegistryError::NoWorkspace(unknown_name()))?;
        // A load that a deploy overtook would bring the old deployment back: so they wait for each other.
        let _swap = self.swap(name).await;
        if let Some(live) = self.live.get(name).await {
            return Ok(live);
        }
        let stored = self.store.metadata.deployment(name.as_str()).await?;
        let stored = stored.ok_or_else(|| RegistryError::NoWorkspace(name.clone()))?;
        let document: Document = serde_json::from_str(&stored.document).map_err(StoreError::Document)?;
        let version = stored
            .version
            .parse()
            .map_err(|_| StoreError::Document(serde::de::Error::custom("the version is no UUID")))?;
        let deployment = self.assemble(name, version, &document, &HashMap::new()).await?;
        Ok(self.publish(deployment).await)
    }

    /// Waits until nobody else changes the workspace.
    pub async fn change(&self, name: &Name) -> Change<'_> {
        self.changes.lock(name).await
    }

    /// Waits until nobody else puts anything in this workspace's place. To be held from commit to [`Self::publish`].
    pub async fn swap(&self, name: &Name) -> Locked<'_> {
        self.swaps.lock(name).await
    }

    /// The stored document of a workspace.
    pub async fn document(&self, name: &Name) -> Result<Document, RegistryError> {
        let stored = self.store.metadata.deployment(name.as_str()).await?;
        let stored = stored.ok_or_else(|| RegistryError::NoWorkspace(name.clone()))?;
        Ok(serde_json::from_str(&stored.document).map_err(StoreError::Document)?)
    }

    /// Makes a deployment of a document; code that is not among `fresh` comes from the store.
    pub async fn assemble(
        &self,
        workspace: &Name,
        version: Uuid,
        document: &Document,
        fresh: &HashMap<Hash, Arc<[u8]>>,
    ) -> Result<Deployment, RegistryError> {
        let lasting = self.lasting(workspace).await?;
        let mut code = HashMap::with_capacity(document.functions.len());
        for function in &document.functions {
            let bytes = match fresh.get(&function.program()) {
                Some(bytes) => bytes.to_vec(),
                None => self.store.blobs.get(function.program()).await?,
            };
            let name = function.name.clone();
            let ready = match function.language {
                Kind::JavaScript | Kind::TypeScript | Kind::Tsx | Kind::Jsx | Kind::Python => {
                    let text = String::from_utf8(bytes).map_err(|_| RegistryError::NotText(name.clone()))?;
                    Code::Source(text.into())
                }
                Kind::Wasm => {
                    let metering = if function.limits.fuel.is_some() { Metering::Fuel } else { Metering::Epoch };
                    let upload = Upload::new(&bytes, metering, &self.engines, &self.compiler).await;
                    let upload = upload.map_err(|source| RegistryError::Upload { function: name.clone(), source })?;
                    Code::Upload(Arc::new(upload))
                }
            };
            code.insert(name, ready);
        }
        let mut folders = HashMap::new();
        for tree in document.trees() {
            if let Entry::Vacant(vacant) = folders.entry(tree) {
                vacant.insert(self.store.trees.folder(tree).await?);
            }
        }
        let surroundings = Surroundings {
            limits: &self.limits,
            tmp: &self.tmp,
            programs: &self.programs,
            shared: &lasting.shared,
            folders: &folders,
            shared_packages: self.shared_packages.as_deref(),
            shared_python: self.python.0.as_ref(),
            imports: &self.python.1,
        };
        Ok(Deployment::assemble(workspace.clone(), version, document, &code, &surroundings)?)
    }

    /// From here on, this deployment serves its workspace. Invocations under way end on the one they began with.
    pub async fn publish(&self, deployment: Deployment) -> Arc<Live> {
        let name = deployment.workspace.clone();
        let gate = self.known(&name).map_or_else(|| Gate::of_workspace(&self.limits), |lasting| lasting.gate);
        let live = Arc::new(Live { deployment, gate });
        self.live.insert(name, live.clone()).await;
        live
    }

    /// The workspace as it serves, if it is in memory.
    pub async fn loaded(&self, name: &Name) -> Option<Arc<Live>> {
        self.live.get(name).await
    }

    /// The workspace is gone, and all that it kept in memory.
    pub async fn forget(&self, name: &Name) {
        self.live.invalidate(name).await;
        self.lasting.write().unwrap_or_else(|poisoned| poisoned.into_inner()).remove(name);
    }

    /// Reads the workspace's secrets anew; warm instances see the change with their next question.
    pub async fn refresh_secrets(&self, name: &Name) -> Result<(), RegistryError> {
        if let Some(lasting) = self.known(name) {
            lasting.shared.secrets.replace(self.read_secrets(name).await?);
        }
        Ok(())
    }

    fn known(&self, name: &Name) -> Option<Lasting> {
        self.lasting.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(name).cloned()
    }

    async fn lasting(&self, name: &Name) -> Result<Lasting, RegistryError> {
        if let Some(known) = self.known(name) {
            return Ok(known);
        }
        let secrets = Secrets::default();
        secrets.replace(self.read_secrets(name).await?);
        let made = Lasting {
            shared: Arc::new(Shared {
                cache: Cache::new(self.limits.cache_size, self.budget.clone()),
                secrets,
                labour: Arc::new(tokio::sync::Semaphore::new(limits::WORKSPACE_LABOUR)),
                retiring: Arc::new(tokio::sync::Semaphore::new(limits::WORKSPACE_RETIREMENTS)),
            }),
            gate: Gate::of_workspace(&self.limits),
        };
        let mut lasting = self.lasting.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        Ok(lasting.entry(name.clone()).or_insert(made).clone())
    }

    async fn read_secrets(&self, name: &Name) -> Result<BTreeMap<String, String>, RegistryError> {
        let sealed = self.store.metadata.secrets(name.as_str()).await?;
        let open = |(secret, sealed): (String, Vec<u8>)| {
            let value = self.store.key.unseal(name.as_str(), &secret, &sealed)?;
            Ok((secret, value))
        };
        sealed.into_iter().map(open).collect()
    }
}

/// Stands for a name that is none, in an error that must not repeat it.
fn unknown_name() -> Name {
    Name::workspace("unknown").expect("it follows the rule")
}
