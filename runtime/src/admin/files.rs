//! Functions of several files: unpacking what was sent, keeping it, and showing it again.

use super::Admin;
use crate::deployment::bundle::{Bundle, Format};
use crate::deployment::document::StoredFunction;
use crate::deployment::spec::{Folder, SpecError};
use crate::error::RequestError;
use crate::routing::Name;
use axum::body::Body;
use base64::Engine as _;
use serde_json::{Map, Value, json};
use tokio::sync::SemaphorePermit;

/// A bundle in memory, and the right to have one there.
pub(super) struct Unpacked<'a> {
    pub bundle: Bundle,
    pub turn: SemaphorePermit<'a>,
}

impl Admin {
    /// A bundle out of a request's body. Unpacking has threads of its own, and few take part at once: each holds much memory.
    pub(super) async fn unpacked(
        &self,
        body: Body,
        format: Format,
        function: &Name,
        main: Option<String>,
    ) -> Result<Unpacked<'_>, RequestError> {
        let archive = self.body(body, self.pipeline.limits.upload_size).await?;
        let turn = self.extractions.acquire().await.map_err(|error| RequestError::internal(&error))?;
        let unpacked = tokio::task::spawn_blocking(move || Bundle::unpack(format, &archive, main.as_deref())).await;
        let unpacked = unpacked.map_err(|error| RequestError::internal(&error))?;
        let bundle = unpacked.map_err(|source| SpecError::Bundle { function: function.clone(), source })?;
        Ok(Unpacked { bundle, turn })
    }

    /// Stores folders before anything is run that reads them. What no deployment comes to use goes at the next start.
    pub(super) async fn keep(&self, folders: Vec<Folder>) -> Result<(), RequestError> {
        for Folder { tree, contents } in folders {
            self.pipeline.registry.store.trees.keep(tree, contents).await?;
        }
        Ok(())
    }

    /// What a function of several files has besides its code, in the form in which it could be deployed again. Where that is
    /// more than a request may have, their names and sizes.
    pub(super) async fn show_files(
        &self,
        function: &StoredFunction,
        shown: &mut Map<String, Value>,
    ) -> Result<(), RequestError> {
        let (Some(tree), Some(main)) = (function.task(), &function.main) else { return Ok(()) };
        shown.insert("main".into(), json!(main));
        let store = &self.pipeline.registry.store;
        let mut others = store.trees.read(tree).await?.files;
        others.retain(|file| file.path != *main);
        if others.iter().map(|file| file.size).sum::<u64>() > self.pipeline.limits.request_size.0 {
            let sizes: Map<String, Value> = others.into_iter().map(|file| (file.path, json!(file.size))).collect();
            shown.insert("sizes".into(), Value::Object(sizes));
            return Ok(());
        }
        let mut files = Map::new();
        for file in others {
            let content = match String::from_utf8(store.blobs.get(file.content).await?) {
                Ok(text) => Value::String(text),
                Err(bytes) => json!({ "base64": base64::engine::general_purpose::STANDARD.encode(bytes.as_bytes()) }),
            };
            files.insert(file.path, content);
        }
        shown.insert("files".into(), Value::Object(files));
        Ok(())
    }
}
