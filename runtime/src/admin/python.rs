//! Python packages of a deploy: what its functions ask for, the tree that they get, and what is listed of it.

use super::Admin;
use super::packages::{Fresh, Listed};
use crate::deployment::document::{Asks, Document, StoredFunction, StoredMount};
use crate::deployment::spec::Kind;
use crate::error::RequestError;
use crate::packages::lock::StoredPackages;
use crate::packages::progress::Progress;
use crate::packages::python::requirements::{self, Requirement};
use crate::packages::python::{PACKAGES_AT, Problem, PythonLock, wanted};
use crate::store::blobs::Hash;
use std::collections::BTreeSet;

/// The file in which a function's own files say what they need.
const REQUIREMENTS: &str = "requirements.txt";

impl Admin {
    /// Brings the Python packages that a deployment's functions ask for, and mounts them.
    pub(super) async fn install_python(
        &self,
        document: &mut Document,
        before: Option<&Document>,
        files: &mut Fresh,
        progress: &Progress,
    ) -> Result<(), RequestError> {
        self.look_for_requirements(document, before).await?;
        let asked = asked(document)?;
        if asked.is_empty() {
            mount(document, None);
            document.python = None;
            return Ok(());
        }
        let lock = self.python_lock(document).await?;
        let as_before = lock.as_ref().is_some_and(|lock| lock.wanted == wanted(&asked));
        if as_before && let Some(stored) = &document.python {
            let tree = stored.tree;
            mount(document, tree);
            return Ok(());
        }
        let provided = self.python.provide(&asked, lock.as_ref(), progress).await?;
        let mut hash = None;
        if let Some(tree) = provided.tree {
            hash = Some(tree.hash());
            self.pipeline.registry.store.trees.keep(tree, Vec::new()).await?;
        }
        let lock = serde_json::to_vec(&provided.lock).map_err(|error| RequestError::internal(&error))?;
        document.python = Some(StoredPackages { lock: Hash::of(&lock), tree: hash });
        files.insert(Hash::of(&lock), lock.into());
        mount(document, hash);
        Ok(())
    }

    /// What was installed for a document.
    pub(super) async fn python_lock(&self, document: &Document) -> Result<Option<PythonLock>, RequestError> {
        let Some(packages) = &document.python else { return Ok(None) };
        let content = self.pipeline.registry.store.blobs.get(packages.lock).await?;
        Ok(Some(serde_json::from_slice(&content).map_err(|error| RequestError::internal(&error))?))
    }

    /// Notes what stands in the functions' own files, where these are others than before.
    async fn look_for_requirements(
        &self,
        document: &mut Document,
        before: Option<&Document>,
    ) -> Result<(), RequestError> {
        let store = &self.pipeline.registry.store;
        for function in &mut document.functions {
            let Some(task) = function.task().filter(|_| function.language == Kind::Python && function.asks.is_none())
            else {
                continue;
            };
            let known = before.and_then(|before| before.function(&function.name));
            if let Some(asks) = known.filter(|known| known.task() == Some(task)).and_then(|known| known.asks.clone()) {
                function.asks = Some(asks);
                continue;
            }
            let tree = store.trees.read(task).await?;
            let mut asks = Asks::default();
            if let Some(file) = tree.files.iter().find(|file| file.path == REQUIREMENTS) {
                let text = store.blobs.get(file.content).await?;
                asks.requirements = String::from_utf8_lossy(&text).lines().map(str::to_string).collect();
            }
            function.asks = Some(asks);
        }
        Ok(())
    }
}

/// All that a workspace and its Python functions ask for.
fn asked(document: &Document) -> Result<BTreeSet<Requirement>, Problem> {
    let mut asked = requirements::read(document.dependencies.requirements.iter().map(String::as_str))?;
    for function in document.functions.iter().filter(|function| function.language == Kind::Python) {
        asked.extend(requirements::read(own(function))?);
    }
    Ok(asked)
}

fn own(function: &StoredFunction) -> impl Iterator<Item = &str> {
    let in_files = function.asks.iter().flat_map(|asks| &asks.requirements);
    function.requirements.iter().chain(in_files).map(String::as_str)
}

/// Shows the packages to all Python functions of the workspace.
fn mount(document: &mut Document, tree: Option<Hash>) {
    for function in &mut document.functions {
        function.mounts.retain(|mount| mount.at != PACKAGES_AT);
        if let Some(tree) = tree.filter(|_| function.language == Kind::Python) {
            function.mounts.push(StoredMount { at: PACKAGES_AT.into(), tree });
        }
    }
}

/// The packages of a workspace, and those that are there for all.
pub(super) fn listed<'a>(own: &'a PythonLock, shared: Option<&'a PythonLock>) -> impl Iterator<Item = Listed<'a>> {
    let entries =
        |lock: &'a PythonLock, source| lock.packages.iter().map(move |package| Listed::of_python(package, source));
    entries(own, "installed").chain(shared.into_iter().flat_map(move |shared| entries(shared, "shared")))
}
