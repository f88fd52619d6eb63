//! A deploy: everything that can fail happens first, then one commit, then one swap.

use super::Admin;
use crate::deployment::bundle;
use crate::deployment::document::{Document, StoredFunction, StoredImage, StoredMount, TASK, TRANSLATIONS};
use crate::deployment::signature::Signature;
use crate::deployment::spec::{Folder, Kind, SpecError};
use crate::deployment::typescript::{self, Original, Place, Refused, Translated};
use crate::deployment::{Deployment, Function, Program, Shape};
use crate::error::RequestError;
use crate::host_api::Invocation;
use crate::instance::failure::{Failure, FailureKind, Position};
use crate::instance::images::{NewImage, NoImage};
use crate::instance::pool::{Made, PoolKey};
use crate::instance::{Loaded, StartError};
use crate::packages::progress::{Event, Progress};
use crate::routing::Name;
use crate::store::blobs::Hash;
use crate::store::metadata::StoredDeployment;
use crate::store::trees::Tree;
use crate::workspace::registry::{Change, RegistryError};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// Functions of one deployment that are loaded at once.
const LOADS_AT_ONCE: usize = 4;

/// What came of a deploy.
pub(super) struct Deployed {
    pub version: Uuid,
    /// What its author should know, though it was deployed.
    pub warnings: Vec<String>,
}

/// A deployment that is built and not yet stored.
struct Built {
    deployment: Deployment,
    /// What instances are made of, for the functions that were loaded.
    made: Vec<(Name, Made)>,
    images: Vec<Arc<[u8]>>,
    warnings: Vec<String>,
}

impl Admin {
    /// Builds, checks, commits and publishes. Functions that are the same in `before` are not loaded again. The caller holds the right to change the workspace.
    pub(super) fn deploy<'a>(
        &'a self,
        _change: &'a Change<'_>,
        workspace: &'a Name,
        document: Document,
        before: Option<&'a Document>,
        files: HashMap<Hash, Arc<[u8]>>,
        progress: &'a Progress,
    ) -> BoxFuture<'a, Result<Deployed, RequestError>> {
        self.deploy_watched(workspace, document, before, files, progress).boxed()
    }

    async fn deploy_watched(
        &self,
        workspace: &Name,
        mut document: Document,
        before: Option<&Document>,
        mut files: HashMap<Hash, Arc<[u8]>>,
        progress: &Progress,
    ) -> Result<Deployed, RequestError> {
        self.attach(workspace, &mut document).await?;
        // Packages are looked for in what is run, hence after the translation.
        self.translate(&mut document, before, &mut files).await?;
        let about_packages = self.install(&mut document, before, &mut files, progress).await?;
        self.install_python(&mut document, before, &mut files, progress).await?;
        let about_programs = self.prepare_programs(&document, before).await?;
        progress.tell(Event::Loading { functions: document.functions.len() });
        let _turn = self.builds.acquire().await.map_err(|error| RequestError::internal(&error))?;
        let registry = &self.pipeline.registry;
        let version = Uuid::now_v7();
        let built = self.build(workspace, version, &mut document, before, &files).await;
        let built = match built {
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
        registry.store.blobs.put(files.into_values().chain(built.images).collect()).await?;
        let _swap = registry.swap(workspace).await;
        registry.store.metadata.commit(workspace.as_str(), &stored, &document.uses()).await?;

        let replaced = registry.loaded(workspace).await;
        let live = registry.publish(built.deployment).await;
        for (name, made) in built.made {
            if let Some(function) = live.deployment.function(name.as_str()) {
                self.pipeline.pools.prepare(PoolKey::new(version, function), function, made).await;
            }
        }
        for function in live.deployment.functions() {
            self.pipeline.pools.provision(PoolKey::new(version, function), function);
        }
        if let Some(replaced) = replaced {
            self.retire(&replaced.deployment);
        }
        tracing::info!(%workspace, %version, functions = document.functions.len(), "deployed");
        Ok(Deployed { version, warnings: [about_packages, about_programs, built.warnings].concat() })
    }

    /// Ends the warm instances of a deployment that serves no more.
    pub(super) fn retire(&self, deployment: &Deployment) {
        for function in deployment.functions() {
            self.pipeline.pools.retire(PoolKey::new(deployment.version, function));
        }
    }

    /// Makes JavaScript of what is TypeScript or JSX and was not translated before.
    async fn translate(
        &self,
        document: &mut Document,
        before: Option<&Document>,
        files: &mut HashMap<Hash, Arc<[u8]>>,
    ) -> Result<(), RequestError> {
        let mut functions = Vec::new();
        let mut originals = Vec::new();
        for function in &mut document.functions {
            let known = before.and_then(|before| before.function(&function.name));
            if function.language == Kind::JavaScript {
                describe(function, known, files).await;
            }
            if let Some(tree) = function.task() {
                self.translate_files(function, known, tree, files).await?;
                continue;
            }
            if !function.language.is_translated() || function.translation.is_some() {
                continue;
            }
            let known = known.filter(|there| there.code == function.code && there.file() == function.file());
            function.translation = known.and_then(|there| there.translation);
            function.signatures = known.map(|there| there.signatures.clone()).unwrap_or_default();
            if function.translation.is_none()
                && let Some(code) = files.get(&function.code)
            {
                let text = String::from_utf8_lossy(code).into_owned();
                originals.push(Original { file: function.file(), text });
                functions.push(function);
            }
        }
        if originals.is_empty() {
            return Ok(());
        }
        let translated = typescript::translate(&originals).await?;
        for ((function, original), result) in functions.into_iter().zip(originals).zip(translated) {
            let Translated { code, signatures } = match result {
                Ok(translated) => translated,
                Err(refused) => return Err(cannot_deploy(&function.name, does_not_parse(original.file, refused))),
            };
            let code: Arc<[u8]> = code.into_bytes().into();
            (function.translation, function.signatures) = (Some(Hash::of(&code)), signatures);
            files.insert(Hash::of(&code), code);
        }
        Ok(())
    }

    /// Makes JavaScript of what is TypeScript or JSX among a function's own files, and a folder of that.
    async fn translate_files(
        &self,
        function: &mut StoredFunction,
        known: Option<&StoredFunction>,
        tree: Hash,
        files: &mut HashMap<Hash, Arc<[u8]>>,
    ) -> Result<(), RequestError> {
        let is_ours = |mount: &&StoredMount| mount.at == TRANSLATIONS;
        if !function.language.runs_javascript() || function.translations().is_some() {
            return Ok(());
        }
        if let Some(known) = known.filter(|there| there.task() == Some(tree) && there.main == function.main) {
            (function.translation, function.signatures) = (known.translation, known.signatures.clone());
            function.mounts.extend(known.mounts.iter().find(is_ours).cloned());
            return Ok(());
        }
        let store = &self.pipeline.registry.store;
        let (mut paths, mut originals) = (Vec::new(), Vec::new());
        for file in store.trees.read(tree).await?.files {
            let is_main = function.main.as_ref() == Some(&file.path) && function.language.is_translated();
            if !is_main && !bundle::is_translated(&file.path) {
                continue;
            }
            // What is no text is no TypeScript: films have that ending, too.
            if let Ok(text) = String::from_utf8(store.blobs.get(file.content).await?) {
                originals.push(Original { file: format!("{TASK}/{}", file.path), text });
                paths.push(file.path);
            }
        }
        if originals.is_empty() {
            return Ok(());
        }
        let translated = typescript::translate(&originals).await?;
        let mut made = BTreeMap::new();
        for ((path, original), result) in paths.into_iter().zip(originals).zip(translated) {
            let Translated { code, signatures } = match result {
                Ok(translated) => translated,
                Err(refused) => return Err(cannot_deploy(&function.name, does_not_parse(original.file, refused))),
            };
            let code: Arc<[u8]> = code.into_bytes().into();
            if function.main.as_ref() == Some(&path) {
                (function.translation, function.signatures) = (Some(Hash::of(&code)), signatures);
                files.insert(Hash::of(&code), code.clone());
            }
            made.insert(path, code);
        }
        let tree = Tree::of(&made);
        function.mounts.push(StoredMount { at: TRANSLATIONS.into(), tree: tree.hash() });
        self.keep(vec![Folder { tree, contents: made.into_values().collect() }]).await
    }

    async fn build(
        &self,
        workspace: &Name,
        version: Uuid,
        document: &mut Document,
        before: Option<&Document>,
        files: &HashMap<Hash, Arc<[u8]>>,
    ) -> Result<Built, RequestError> {
        let registry = &self.pipeline.registry;
        let mut deployment = registry.assemble(workspace, version, document, files).await?;
        if let Some(function) = deployment.functions().find(|it| it.provisioned > 0 && !it.program.stays_warm()) {
            return Err(SpecError::NothingStaysReady { function: function.grants.function.clone() }.into());
        }
        // What a top level sees besides its own code: the environment, where it may fetch, the names that it may call.
        let same_settings = before.is_some_and(|before| before.env == document.env && before.egress == document.egress);
        let names = |document: &Document| document.functions.iter().map(|it| it.name.clone()).collect::<HashSet<_>>();
        let same_names = before.is_some_and(|before| names(before) == names(document));
        let mut to_load = Vec::new();
        for function in &mut document.functions {
            let known = before.and_then(|before| before.function(&function.name)).filter(|there| same(there, function));
            if let Some(known) = known {
                function.shape.clone_from(&known.shape);
                function.signatures.clone_from(&known.signatures);
                function.image = known.image.clone();
                if same_settings && same_names && !is_outdated(known, &deployment) {
                    continue;
                }
            }
            to_load.extend(deployment.function(function.name.as_str()).cloned().map(|it| (it, known.is_some())));
        }
        let (mut made, mut images, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        let load =
            |(function, known): (Arc<Function>, bool)| async move { (self.load(&function).await, known) }.boxed();
        let loads: Vec<BoxFuture<'_, _>> = to_load.into_iter().map(load).collect();
        let mut loads = stream::iter(loads).buffered(LOADS_AT_ONCE);
        while let Some((loaded, known)) = loads.next().await {
            let built = match loaded {
                // Only names of others came or went, and it fails by itself: it is not what this deploy is about, and
                // stays as it was deployed.
                Err(error) if known && same_settings && error.status == StatusCode::UNPROCESSABLE_ENTITY => {
                    tracing::warn!(%workspace, "a function stays as it was: {}", error.message);
                    continue;
                }
                loaded => loaded?,
            };
            let Some(function) = document.functions.iter_mut().find(|function| function.name == built.name) else {
                continue;
            };
            function.shape = built.shape;
            match function.language {
                Kind::Python => function.signatures = built.signatures,
                _ => Signature::keep_entries(
                    &mut function.signatures,
                    &function.name,
                    function.shape.callable,
                    &function.shape.entries,
                ),
            }
            // None where this load left what cannot be an image, whatever the one before did.
            function.image = built.stored.map(|(stored, content)| {
                images.push(content);
                stored
            });
            if let Some(warning) = built.no_image.and_then(NoImage::warning) {
                warnings.push(format!("function `{}`: {warning}", built.name));
            }
            made.extend(built.made.map(|made| (built.name, made)));
        }
        drop(loads);
        deployment.set_loaded(document);
        for function in deployment.functions().filter(|function| !function.operations.is_empty()) {
            if !function.shape.takes_requests && !function.program.speaks_http() {
                return Err(SpecError::NoApp { function: function.grants.function.clone() }.into());
            }
        }
        Ok(Built { deployment, made, images, warnings })
    }

    /// Runs a function's top level once, for all instances to come.
    async fn load(&self, function: &Function) -> Result<BuiltFunction, RequestError> {
        let name = function.grants.function.clone();
        let invocation = Invocation::of_load(&function.grants.limits);
        let (pools, factory) = (&self.pipeline.pools, self.pipeline.pools.factory());
        let slot = pools.slot()?;
        if let Program::Upload(upload) = &function.program
            && !function.program.stays_warm()
        {
            let probed = factory.probe(function, upload, invocation).await;
            probed.map_err(|error| cannot_deploy(&name, error))?;
            let shape = Shape::plain();
            return Ok(BuiltFunction { name, shape, signatures: vec![], made: None, stored: None, no_image: None });
        }
        let loaded = factory.load(function, invocation, slot).await;
        let Loaded { instance, shape, signatures, image } = loaded.map_err(|error| cannot_deploy(&name, error))?;
        let captured = match image {
            Ok(captured) => captured,
            Err(reason) => {
                let (made, no_image) = (Some(Made::Loaded(instance)), Some(reason));
                return Ok(BuiltFunction { name, shape, signatures, made, stored: None, no_image });
            }
        };
        drop(instance);
        let NewImage { image, stored, content } = factory.make_image(function, captured).await?;
        let stored = Some((stored, content));
        Ok(BuiltFunction { name, shape, signatures, made: Some(Made::Image(image)), stored, no_image: None })
    }
}

/// Reads the types of JavaScript, where its comments tell them.
async fn describe(function: &mut StoredFunction, known: Option<&StoredFunction>, files: &HashMap<Hash, Arc<[u8]>>) {
    if let Some(known) = known.filter(|there| there.code == function.code && there.language == function.language) {
        function.signatures = known.signatures.clone();
    } else if let Some(text) = files.get(&function.code).and_then(|code| std::str::from_utf8(code).ok())
        && typescript::has_jsdoc(text)
    {
        function.signatures = typescript::describe(function.file(), text.to_owned()).await;
    }
}

/// A function whose top level has run.
struct BuiltFunction {
    name: Name,
    shape: Shape,
    signatures: Vec<Signature>,
    made: Option<Made>,
    /// Its image as it is stored, and the content.
    stored: Option<(StoredImage, Arc<[u8]>)>,
    no_image: Option<NoImage>,
}

/// Whether a function would load as it did before.
fn same(a: &StoredFunction, b: &StoredFunction) -> bool {
    let names = |function: &StoredFunction| function.parameter_names();
    a.code == b.code
        && (&a.main, &a.mounts) == (&b.main, &b.mounts)
        && a.language == b.language
        && names(a) == names(b)
        && a.limits == b.limits
}

/// Whether another interpreter may find out more about a function than the one that loaded it did.
fn is_outdated(known: &StoredFunction, deployment: &Deployment) -> bool {
    let made_for = deployment.function(known.name.as_str()).map(|function| &function.made_for);
    known.image.as_ref().is_some_and(|image| Some(&image.interpreter) != made_for)
}

/// A source that the translator refuses, in the shape that the interpreter's own refusals have.
fn does_not_parse(file: String, refused: Refused) -> StartError {
    let mut failure = Failure::new(FailureKind::Syntax, refused.message);
    failure.name = Some("SyntaxError".into());
    failure.position = refused.place.map(|Place { line, column, text }| Position { file, line, column, text });
    StartError::Function(failure)
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
