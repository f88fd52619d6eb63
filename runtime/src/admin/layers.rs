//! Layers of a workspace: stored, listed and removed here; looked up and put together at a deploy.

use super::functions::media_type;
use super::{Admin, Answer, Shared, json};
use crate::deployment::bundle::{BundleError, Format, unpack};
use crate::deployment::document::{Document, OPT, StoredMount};
use crate::deployment::layers::{self, LayerError};
use crate::deployment::spec::{Folder, SpecError};
use crate::error::RequestError;
use crate::limits::{self, ByteSize};
use crate::routing::Name;
use crate::store::metadata::StoredLayer;
use crate::store::trees::Tree;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json as value};
use sha2::{Digest, Sha256};

/// `GET /v2/functions/{workspace}/layers`: the newest version of each.
pub(super) async fn list(State(admin): Shared, Path(workspace): Path<String>, headers: HeaderMap) -> Answer {
    let workspace = Name::workspace(&workspace)?;
    admin.authorize(&headers, &workspace)?;
    let stored = admin.pipeline.registry.store.metadata.layers(workspace.as_str()).await?;
    let newest = stored.chunk_by(|one, next| one.name == next.name).filter_map(<[_]>::last);
    json(StatusCode::OK, &value!({ "layers": newest.map(shown).collect::<Vec<_>>() }))
}

/// `GET /v2/functions/{workspace}/layers/{layer}`: its versions.
pub(super) async fn read(
    State(admin): Shared,
    Path((workspace, layer)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let (workspace, name) = (Name::workspace(&workspace)?, Name::layer(&layer)?);
    admin.authorize(&headers, &workspace)?;
    let stored = admin.pipeline.registry.store.metadata.layers(workspace.as_str()).await?;
    let versions: Vec<Value> = layers::of(&name, &stored)?.into_iter().map(shown).collect();
    json(StatusCode::OK, &value!({ "name": name, "versions": versions }))
}

/// `GET /v2/functions/{workspace}/layers/{layer}/{version}`: with the sizes of its files, and the functions that use it.
pub(super) async fn read_one(
    State(admin): Shared,
    Path((workspace, layer, version)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Answer {
    let (workspace, name) = (Name::workspace(&workspace)?, Name::layer(&layer)?);
    admin.authorize(&headers, &workspace)?;
    let store = &admin.pipeline.registry.store;
    let stored = store.metadata.layers(workspace.as_str()).await?;
    let layer = layers::exact(&name, &version, &stored)?;
    let sizes = store.trees.read(layer.tree).await?.files.into_iter().map(|file| (file.path, value!(file.size)));
    let mut answer = shown(layer);
    answer["sizes"] = Value::Object(sizes.collect::<Map<_, _>>());
    answer["usedBy"] = value!(admin.users(&workspace, &name, layer.version).await?);
    json(StatusCode::OK, &answer)
}

/// `PUT /v2/functions/{workspace}/layers/{layer}`: an archive, which becomes the layer's next version. The workspace need not be
/// there: its functions may need the layer to be deployed.
pub(super) async fn put(
    State(admin): Shared,
    Path((workspace, layer)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (workspace, name) = (Name::workspace(&workspace)?, Name::layer(&layer)?);
    admin.authorize(&headers, &workspace)?;
    let media = media_type(&headers);
    let format = Format::of_media(&media).ok_or_else(|| {
        let message = format!(
            "the Content-Type is `{}`; a layer is sent as application/zip or application/gzip (a tar.gz)",
            media.escape_debug()
        );
        RequestError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    })?;
    let archive = admin.body(body, admin.pipeline.limits.upload_size).await?;
    let turn = admin.extractions.acquire().await.map_err(|error| RequestError::internal(&error))?;
    let unpacking = tokio::task::spawn_blocking(move || {
        let files = unpack(format, &archive)?;
        if files.is_empty() {
            return Err(BundleError::Empty);
        }
        let tree = Tree::of(&files);
        let folder = Folder { tree, contents: files.into_values().collect() };
        let sha256: String = Sha256::digest(&archive).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((folder, sha256))
    });
    let unpacked = unpacking.await.map_err(|error| RequestError::internal(&error))?;
    let (folder, sha256) = unpacked.map_err(|source| LayerError::Bundle { name: name.clone(), source })?;
    let layer = StoredLayer {
        name: name.to_string(),
        version: 0,
        tree: folder.tree.hash(),
        sha256,
        size: folder.tree.files.iter().map(|file| file.size).sum(),
        files: folder.tree.files.len() as u64,
        created_at: 0,
    };
    admin.keep(vec![folder]).await?;
    // A workspace's own deploy may take long: nobody else's archive waits for it.
    drop(turn);
    let registry = &admin.pipeline.registry;
    let _change = registry.change(&workspace).await;
    if registry.store.metadata.layers(workspace.as_str()).await?.len() >= limits::MAX_LAYER_VERSIONS {
        return Err(LayerError::NoMoreVersions.into());
    }
    let layer = registry.store.metadata.add_layer(workspace.as_str(), layer).await?;
    tracing::info!(%workspace, layer = layer.name, version = layer.version, "a layer was stored");
    json(StatusCode::CREATED, &shown(&layer))
}

/// `DELETE /v2/functions/{workspace}/layers/{layer}/{version}`: where no function uses it.
pub(super) async fn remove(
    State(admin): Shared,
    Path((workspace, layer, version)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Answer {
    let (workspace, name) = (Name::workspace(&workspace)?, Name::layer(&layer)?);
    admin.authorize(&headers, &workspace)?;
    let registry = &admin.pipeline.registry;
    let _change = registry.change(&workspace).await;
    let stored = registry.store.metadata.layers(workspace.as_str()).await?;
    let version = layers::exact(&name, &version, &stored)?.version;
    let functions = admin.users(&workspace, &name, version).await?;
    if !functions.is_empty() {
        return Err(LayerError::InUse { name, version, functions }.into());
    }
    registry.store.metadata.remove_layer(workspace.as_str(), name.as_str(), version).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn shown(layer: &StoredLayer) -> Value {
    value!({
        "name": layer.name,
        "version": layer.version,
        "sha256": layer.sha256,
        "size": layer.size,
        "files": layer.files,
        "created": layer.created_at,
    })
}

impl Admin {
    /// The functions that see a version of a layer.
    async fn users(&self, workspace: &Name, layer: &Name, version: u32) -> Result<Vec<String>, RequestError> {
        let document = self.stored(workspace).await?.unwrap_or_default();
        let uses = |one: &layers::Layer| one.name == *layer && one.version == Some(version);
        let users = document.functions.iter().filter(|function| function.layers.iter().any(uses));
        Ok(users.map(|function| function.name.to_string()).collect())
    }

    /// Looks the layers up that functions ask for, and puts what they make together at `/opt`. Functions that were deployed before
    /// keep what they have. The caller holds the right to change the workspace, so that none is removed meanwhile.
    pub(super) async fn attach(&self, workspace: &Name, document: &mut Document) -> Result<(), RequestError> {
        let store = &self.pipeline.registry.store;
        let mut stored = None;
        for function in &mut document.functions {
            if function.layers.is_empty() || function.opt().is_some() {
                continue;
            }
            let stored = match &stored {
                Some(stored) => stored,
                None => stored.insert(store.metadata.layers(workspace.as_str()).await?),
            };
            let refuse = |source| SpecError::Layer { function: function.name.clone(), source };
            let (mut trees, mut size) = (Vec::new(), 0);
            if let Some(task) = function.task() {
                size += store.trees.read(task).await?.files.iter().map(|file| file.size).sum::<u64>();
            }
            let mut found = Vec::new();
            for layer in &function.layers {
                let there = layer.find(stored).map_err(refuse)?;
                size += there.size;
                found.push(layers::Layer { name: layer.name.clone(), version: Some(there.version) });
                trees.push(there.tree);
            }
            if size > limits::MAX_BUNDLE_SIZE.0 {
                return Err(refuse(LayerError::TooLarge { found: ByteSize(size) }).into());
            }
            let tree = match trees.as_slice() {
                [one] => *one,
                _ => {
                    let mut layers = Vec::new();
                    for tree in trees {
                        layers.push(store.trees.read(tree).await?);
                    }
                    let merged = tokio::task::spawn_blocking(move || layers::merge(layers)).await;
                    let merged = merged.map_err(|error| RequestError::internal(&error))?.map_err(refuse)?;
                    let hash = merged.hash();
                    self.keep(vec![Folder { tree: merged, contents: Vec::new() }]).await?;
                    hash
                }
            };
            function.layers = found;
            function.mounts.push(StoredMount { at: OPT.into(), tree });
        }
        Ok(())
    }
}
