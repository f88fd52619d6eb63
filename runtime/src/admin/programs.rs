//! Programs among the files of functions, compiled at the deploy, so that the first call need not.
//!
//! A deploy does not fail for one: packages bring WebAssembly along that is no program but a library, and nothing in a file
//! tells whether it will ever be started. What is wrong with a program, the call that starts it says.

use super::Admin;
use crate::deployment::document::{Document, StoredMount, TRANSLATIONS};
use crate::engine::Metering;
use crate::engine::compiler::CompileError;
use crate::error::RequestError;
use crate::host_api::programs::MAGIC;
use crate::limits;
use crate::store::blobs::Hash;
use std::collections::HashSet;

/// Endings of files that are text: most files of packages, which need not be looked into.
const TEXT: [&str; 20] = [
    "cjs", "css", "cts", "flow", "html", "js", "json", "jsx", "map", "markdown", "md", "mjs", "mts", "py", "scss",
    "svg", "ts", "tsx", "txt", "yml",
];

impl Admin {
    /// Compiles what may be a program in folders that came with this deploy. Answers what its author should know.
    pub(super) async fn prepare_programs(
        &self,
        document: &Document,
        before: Option<&Document>,
    ) -> Result<Vec<String>, RequestError> {
        let known: HashSet<(Hash, bool)> = before.into_iter().flat_map(folders).collect();
        let fresh: HashSet<(Hash, bool)> = folders(document).filter(|folder| !known.contains(folder)).collect();
        if fresh.is_empty() {
            return Ok(vec![]);
        }
        let preparing = self.prepare_folders(fresh);
        match tokio::time::timeout(limits::PREPARE_TIMEOUT, preparing).await {
            Ok(warnings) => warnings,
            Err(_) => Ok(vec![format!(
                "compiling the programs among the files takes longer than {} s; those that are left are compiled when they are \
                 started for the first time",
                limits::PREPARE_TIMEOUT.as_secs()
            )]),
        }
    }

    async fn prepare_folders(&self, folders: HashSet<(Hash, bool)>) -> Result<Vec<String>, RequestError> {
        let registry = &self.pipeline.registry;
        let (mut count, mut bytes) = (0, 0);
        for (tree, fuel) in folders {
            let metering = if fuel { Metering::Fuel } else { Metering::Epoch };
            let mut files = registry.store.trees.read(tree).await?.files;
            files.retain(|file| file.size <= limits::MAX_PROGRAM_SIZE.0 && !is_text(&file.path));
            for file in registry.store.blobs.beginning_with(MAGIC, files, |file| file.content).await? {
                (count, bytes) = (count + 1, bytes + file.size);
                if count > limits::MAX_PREPARED_PROGRAMS || bytes > limits::PREPARED_PROGRAMS.0 {
                    return Ok(vec![format!(
                        "there are more than {} programs or {} of them among the files; the others are compiled when they are \
                         started for the first time",
                        limits::MAX_PREPARED_PROGRAMS,
                        limits::PREPARED_PROGRAMS
                    )]);
                }
                let wasm = registry.store.blobs.get(file.content).await?;
                match registry.programs.prepare(&wasm, metering).await {
                    Ok(()) => {}
                    Err(CompileError::Run(_) | CompileError::Artefact(_)) => return Ok(vec![]),
                    Err(error) => tracing::debug!(path = file.path, %error, "a file is no program that could run here"),
                }
            }
        }
        Ok(vec![])
    }
}

/// The folders from which functions can start programs, and whether fuel is counted there.
fn folders(document: &Document) -> impl Iterator<Item = (Hash, bool)> {
    let is_given = |mount: &&StoredMount| mount.at != TRANSLATIONS;
    let of_javascript = document.functions.iter().filter(|function| function.language.runs_javascript());
    of_javascript.flat_map(move |function| {
        function.mounts.iter().filter(is_given).map(|mount| (mount.tree, function.limits.fuel.is_some()))
    })
}

fn is_text(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').is_some_and(|(_, ending)| TEXT.binary_search(&ending).is_ok())
}
