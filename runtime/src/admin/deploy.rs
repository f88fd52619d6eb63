//! A deploy: everything that can fail happens first, then one commit, then one swap.

use super::Admin;
use crate::deployment::document::{Document, StoredFunction};
use crate::deployment::upload::UploadKind;
use crate::deployment::{Deployment, Function, Program, Shape};
use crate::error::RequestError;
use crate::host_api::Invocation;
use crate::host_api::log::Log;
use crate::instance::pool::PoolKey;
use crate::instance::{Instance, StartError};
use crate::routing::Name;
use crate::store::blobs::Hash;
use crate::store::metadata::StoredDeployment;
use crate::workspace::registry::{Change, RegistryError};
use futures_util::{StreamExt, stream};
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

/// Functions of one deployment that are loaded at once.
const LOADS_AT_ONCE: usize = 4;

impl Admin {
    /// Builds, checks, commits and publishes. Functions that are the same in `before` are not loaded again. The caller holds the right to change the workspace.
    pub(super) async fn deploy(
        &self,
        _change: &Change<'_>,
        workspace: &Name,
        mut document: Document,
        before: Option<&Document>,
        files: HashMap<Hash, Arc<[u8]>>,
    ) -> Result<Uuid, RequestError> {
        let _turn = self.builds.acquire().await.map_err(|error| RequestError::internal(&error))?;
        let registry = &self.pipeline.registry;
        let version = Uuid::now_v7();
        let built = self.build(workspace, version, &mut document, before, &files).await;
        let (deployment, instances) = match built {
            Ok(built) => built,
            Err(error) => {
                // A workspace that never came to be leaves nothing behind.
                if let Err(RegistryError::NoWorkspace(_)) = registry.document(workspace).await {
                    registry.forget(workspace).await;
                }
                return Err(error);
            }
        };

        let stored = StoredDeployment {
            version: version.to_string(),
            document: serde_json::to_string(&document).map_err(|error| RequestError::internal(&error))?,
        };
        registry.store.blobs.put(files.into_values().collect()).await?;
        let _swap = registry.swap(workspace).await;
        registry.store.metadata.commit(workspace.as_str(), &stored, &document.files()).await?;

        let replaced = registry.loaded(workspace).await;
        let live = registry.publish(deployment).await;
        for (name, instance) in instances {
            if let Some(function) = live.deployment.function(name.as_str()) {
                self.pipeline.pools.adopt(PoolKey::new(version, function), function, instance);
            }
        }
        if let Some(replaced) = replaced {
            self.retire(&replaced.deployment);
        }
        tracing::info!(%workspace, %version, functions = document.functions.len(), "deployed");
        Ok(version)
    }

    /// Ends the warm instances of a deployment that serves no more.
    pub(super) fn retire(&self, deployment: &Deployment) {
        for function in deployment.functions() {
            self.pipeline.pools.retire(PoolKey::new(deployment.version, function));
        }
    }

    async fn build(
        &self,
        workspace: &Name,
        version: Uuid,
        document: &mut Document,
        before: Option<&Document>,
        files: &HashMap<Hash, Arc<[u8]>>,
    ) -> Result<(Deployment, Vec<(Name, Instance)>), RequestError> {
        let registry = &self.pipeline.registry;
        let mut deployment = registry.assemble(workspace, version, document, files).await?;
        let unchanged = |function: &StoredFunction| {
            before.and_then(|before| before.function(&function.name)).filter(|there| same(there, function))
        };
        let mut shapes = HashMap::new();
        let mut instances = Vec::new();
        let mut to_load = Vec::new();
        for function in &document.functions {
            match unchanged(function) {
                Some(known) => {
                    let shape = Shape { callable: known.callable, entries: known.entries.clone() };
                    shapes.insert(function.name.clone(), shape);
                }
                None => to_load.extend(deployment.function(function.name.as_str()).cloned()),
            }
        }
        let mut loads = stream::iter(to_load.into_iter().map(|function| self.load(function))).buffered(LOADS_AT_ONCE);
        while let Some(loaded) = loads.next().await {
            let (name, shape, instance) = loaded?;
            instances.extend(instance.map(|instance| (name.clone(), instance)));
            shapes.insert(name, shape);
        }
        drop(loads);
        for function in &mut document.functions {
            if let Some(shape) = shapes.get(&function.name) {
                (function.callable, function.entries) = (shape.callable, shape.entries.clone());
            }
        }
        deployment.set_shapes(shapes);
        Ok((deployment, instances))
    }

    /// Runs a function's top level once, as every instance will.
    async fn load(&self, function: Arc<Function>) -> Result<(Name, Shape, Option<Instance>), RequestError> {
        let limits = function.grants.limits;
        let name = function.grants.function.clone();
        let invocation = Invocation {
            id: Uuid::now_v7(),
            deadline: Instant::now() + limits.timeout,
            depth: 0,
            caller: None,
            log: Arc::new(Log::new(limits.log_size)),
            callee: None,
        };
        let pools = &self.pipeline.pools;
        match &function.program {
            Program::Upload(upload) if !matches!(upload.kind, UploadKind::Handler(_)) => {
                let _slot = pools.slot()?;
                let probed = pools.factory().probe(&function, upload, invocation).await;
                probed.map_err(|error| cannot_deploy(&name, error))?;
                Ok((name, Shape { callable: true, entries: vec![] }, None))
            }
            _ => {
                let started = pools.start_with_shape(&function, invocation).await;
                let (instance, shape) = started.map_err(|error| cannot_deploy(&name, error))?;
                Ok((name, shape, Some(instance)))
            }
        }
    }
}

/// Whether a function would load as it did before.
fn same(a: &StoredFunction, b: &StoredFunction) -> bool {
    let names = |function: &StoredFunction| function.parameter_names();
    a.code == b.code && a.language == b.language && names(a) == names(b) && a.limits == b.limits
}

/// What the function did wrong when it was loaded, said about that function. Its fault, so 422.
fn cannot_deploy(name: &Name, error: StartError) -> RequestError {
    let StartError::Function(failure) = error else { return error.into() };
    let place = failure
        .position
        .as_ref()
        .map(|place| format!("{}:{}:{}: ", place.file, place.line, place.column))
        .unwrap_or_default();
    let class = match &failure.name {
        Some(class) if failure.kind.code() == "function_error" => format!("{class}: "),
        _ => String::new(),
    };
    let mut details = match failure.details() {
        Some(Value::Object(details)) => details,
        _ => serde_json::Map::new(),
    };
    details.insert("function".into(), json!(name));
    RequestError {
        details: Some(Value::Object(details)),
        ..RequestError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            failure.kind.code(),
            format!("function `{name}` cannot be deployed: {place}{class}{}", failure.message),
        )
    }
}
