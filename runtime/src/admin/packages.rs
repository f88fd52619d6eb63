//! The packages of a deploy: what its functions ask for, found, installed and mounted; and what a workspace has.

use super::{Admin, Answer, Shared, json, python};
use crate::deployment::document::{Asks, Document, RUNTIME, StoredFunction, StoredMount};
use crate::deployment::spec::Kind;
use crate::error::RequestError;
use crate::packages::lock::{Asked, Lock, StoredPackages};
use crate::packages::progress::Progress;
use crate::packages::python::LockedWheel;
use crate::packages::{Problem, Request, specifiers};
use crate::routing::Name;
use crate::store::blobs::Hash;
use crate::store::trees::{Tree, TreeFile};
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json as value};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Source files, by the ends of their names.
const SOURCES: [&str; 8] = [".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx"];

/// Which form of a function's sources.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// What its author wrote, and knows the lines of.
    Written,
    /// What is run: types are gone, and JSX asks for its library.
    Run,
}

/// Code that a deploy brings along, by its hash.
pub(super) type Fresh = HashMap<Hash, Arc<[u8]>>;

/// A package as it is listed.
#[derive(Serialize)]
pub(super) struct Listed<'a> {
    name: &'a str,
    version: &'a str,
    /// Whether a function, or the workspace's `dependencies`, ask for it.
    direct: bool,
    size: u64,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<&'a str>,
    #[serde(rename = "neededBy", skip_serializing_if = "<[String]>::is_empty")]
    needed_by: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<Kind>,
    /// Of the wheel that was unpacked.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
}

impl<'a> Listed<'a> {
    pub(super) fn of_python(package: &'a LockedWheel, source: &'static str) -> Self {
        Self {
            name: &package.name,
            version: &package.version,
            direct: package.direct,
            size: package.size,
            source,
            place: None,
            needed_by: &package.needed_by,
            language: Some(Kind::Python),
            sha256: Some(&package.sha256),
        }
    }
}

/// `GET /v2/functions/{workspace}/packages`
pub(super) async fn list(State(admin): Shared, Path(workspace): Path<String>, headers: HeaderMap) -> Answer {
    let workspace = Name::workspace(&workspace)?;
    admin.authorize(&headers, &workspace)?;
    let document = admin.pipeline.registry.document(&workspace).await?;
    let lock = admin.lock(&document).await?.unwrap_or_default();
    let mut listed: Vec<Listed<'_>> = lock
        .packages
        .iter()
        .map(|package| Listed {
            name: &package.manifest.name,
            version: &package.manifest.version,
            direct: package.direct,
            size: package.size,
            source: "installed",
            place: Some(&package.place),
            needed_by: &package.needed_by,
            language: None,
            sha256: None,
        })
        .collect();
    let shared = admin.packages.shared().cloned();
    let sized = shared.clone().map(|shared| tokio::task::spawn_blocking(move || shared.sizes().clone()));
    let sizes = match sized {
        Some(sized) => sized.await.map_err(|error| RequestError::internal(&error))?,
        None => BTreeMap::new(),
    };
    listed.extend(shared.iter().flat_map(|shared| shared.versions()).map(|(name, version)| Listed {
        name,
        version,
        direct: lock.shared.contains_key(name),
        size: sizes.get(name).copied().unwrap_or(0),
        source: "shared",
        place: None,
        needed_by: &[],
        language: None,
        sha256: None,
    }));
    let python_lock = admin.python_lock(&document).await?.unwrap_or_default();
    listed.extend(python::listed(&python_lock, admin.shared_python.as_ref()));
    json(StatusCode::OK, &value!({ "packages": listed }))
}

impl Admin {
    /// Brings the packages that a deployment's functions ask for, and mounts them. Answers what its author should know.
    pub(super) async fn install(
        &self,
        document: &mut Document,
        before: Option<&Document>,
        files: &mut Fresh,
        progress: &Progress,
    ) -> Result<Vec<String>, RequestError> {
        self.look_into(document, before, files).await?;
        let request = request(document)?;
        if request.declared.is_empty() && request.named.is_empty() {
            mount(document, None, false);
            document.packages = None;
            return Ok(Vec::new());
        }
        let lock = self.lock(document).await?;
        let declared = !request.declared.is_empty();
        let provided = match self.packages.provide(request, lock, progress).await {
            Ok(provided) => provided,
            Err(problem) => return Err(self.blame(problem, document, files).await),
        };
        let store = &self.pipeline.registry.store;
        let mut tree = None;
        if !provided.files.is_empty() {
            let file = |(path, content, size)| TreeFile { path, content, size };
            let made = Tree { files: provided.files.into_iter().map(file).collect() };
            tree = Some(made.hash());
            store.trees.keep(made, Vec::new()).await?;
        }
        let lock = serde_json::to_vec(&provided.lock).map_err(|error| RequestError::internal(&error))?;
        let hash = Hash::of(&lock);
        files.insert(hash, lock.into());
        document.packages = Some(StoredPackages { lock: hash, tree });
        mount(document, tree, declared);
        Ok(provided.warnings)
    }

    /// What was installed for a document.
    async fn lock(&self, document: &Document) -> Result<Option<Lock>, RequestError> {
        let Some(packages) = &document.packages else { return Ok(None) };
        let content = self.pipeline.registry.store.blobs.get(packages.lock).await?;
        Ok(Some(serde_json::from_slice(&content).map_err(|error| RequestError::internal(&error))?))
    }

    /// Notes what each function asks for, where its files are other ones than before.
    async fn look_into(
        &self,
        document: &mut Document,
        before: Option<&Document>,
        files: &Fresh,
    ) -> Result<(), RequestError> {
        for function in &mut document.functions {
            if !function.language.runs_javascript() || function.asks.is_some() {
                continue;
            }
            let known = before.and_then(|before| before.function(&function.name));
            let same = |known: &&StoredFunction| {
                known.program() == function.program()
                    && known.task() == function.task()
                    && known.translations() == function.translations()
                    && known.opt() == function.opt()
            };
            let known = known.filter(same);
            function.asks = match known.and_then(|known| known.asks.clone()) {
                Some(asks) => Some(asks),
                None => Some(self.asks(function, files).await?),
            };
        }
        Ok(())
    }

    async fn asks(&self, function: &StoredFunction, files: &Fresh) -> Result<Asks, RequestError> {
        let mut sources = self.sources(function, files, Form::Run).await?;
        let own = |(path, _): &(String, Vec<u8>)| path == "package.json";
        let package = sources.iter().position(own).map(|at| sources.swap_remove(at).1);
        let mut brought = Vec::new();
        for folder in function.task().into_iter().chain(function.opt()) {
            let files = self.pipeline.registry.store.trees.read(folder).await?.files;
            brought.extend(files.into_iter().map(|file| file.path));
        }
        let scanned = tokio::task::spawn_blocking(move || {
            let own_name = package.as_deref().and_then(name_of);
            let mut asks =
                Asks { declared: package.map(|text| declared(&text)).unwrap_or_default(), ..Asks::default() };
            for (_, content) in sources {
                for found in specifiers::scan(&String::from_utf8_lossy(&content)) {
                    let can_do_without = asks.named.entry(found.package).or_insert(true);
                    *can_do_without &= found.optional;
                }
            }
            // What the function or a layer has in a `node_modules`, wherever that lies, is there; and so is the package that it is.
            let has = |name: &str| {
                let place = format!("/node_modules/{name}");
                let is_of = |path: &String| {
                    let path = format!("/{path}");
                    path.match_indices(&place).any(|(at, _)| path[at + place.len()..].starts_with(['/', '.']))
                };
                own_name.as_deref() == Some(name) || brought.iter().any(is_of)
            };
            asks.named.retain(|name, _| !has(name));
            asks.declared.retain(|name, _| !has(name));
            asks
        });
        scanned.await.map_err(|error| RequestError::internal(&error))
    }

    /// A function's own sources and its `package.json`, by their paths; those of packages that it brings along are not looked at.
    async fn sources(
        &self,
        function: &StoredFunction,
        files: &Fresh,
        form: Form,
    ) -> Result<Vec<(String, Vec<u8>)>, RequestError> {
        let store = &self.pipeline.registry.store;
        let Some(task) = function.task() else {
            let code = if form == Form::Run { function.program() } else { function.code };
            let code = match files.get(&code) {
                Some(code) => code.to_vec(),
                None => store.blobs.get(code).await?,
            };
            return Ok(vec![(function.file(), code)]);
        };
        let mut translated = BTreeMap::new();
        if let Some(tree) = function.translations().filter(|_| form == Form::Run) {
            let made = store.trees.read(tree).await?.files;
            translated.extend(made.into_iter().map(|file| (file.path, file.content)));
        }
        let mut sources = Vec::new();
        for file in store.trees.read(task).await?.files {
            let is_own = !file.path.split('/').any(|part| part == "node_modules");
            let is_source = SOURCES.iter().any(|end| file.path.ends_with(end)) && !file.path.ends_with(".d.ts");
            if is_own && (is_source || file.path == "package.json") {
                let content = translated.get(&file.path).copied().unwrap_or(file.content);
                sources.push((file.path, store.blobs.get(content).await?));
            }
        }
        Ok(sources)
    }

    /// An error that names the place where the package is asked for, if it is in a source.
    async fn blame(&self, problem: Problem, document: &Document, files: &Fresh) -> RequestError {
        let mut details = Map::new();
        let mut place = String::new();
        if let Some(package) = problem.direct() {
            details.insert("package".into(), value!(package));
            for function in &document.functions {
                let names = |asks: &Asks| asks.named.contains_key(package);
                if !function.asks.as_ref().is_some_and(names) {
                    continue;
                }
                let Ok(sources) = self.sources(function, files, Form::Written).await else { continue };
                let found = sources.iter().find_map(|(path, content)| {
                    let found = specifiers::scan(&String::from_utf8_lossy(content));
                    found.into_iter().find(|found| found.package == package).map(|found| (path, found))
                });
                if let Some((path, found)) = found {
                    place = format!("{path}:{}:{}: ", found.line, found.column);
                    details.insert("function".into(), value!(function.name));
                    details.insert("file".into(), value!(path));
                    details.insert("line".into(), value!(found.line));
                    details.insert("column".into(), value!(found.column));
                    break;
                }
            }
        }
        let error = RequestError::from(problem);
        let message = format!("{place}{}", error.message);
        RequestError { message, details: (!details.is_empty()).then_some(Value::Object(details)), ..error }
    }
}

/// All that a workspace asks for: what is written down for it, what functions bring in a `package.json`, what sources name.
fn request(document: &Document) -> Result<Request, RequestError> {
    let said = &document.dependencies;
    let mut request = Request { registry_disabled: said.disable_npm_registry, ..Request::default() };
    let mut by: BTreeMap<String, &Name> = BTreeMap::new();
    for asks in document.functions.iter().filter_map(|function| Some((&function.name, function.asks.as_ref()?))) {
        let (function, asks) = asks;
        for (name, optional) in &asks.named {
            let can_do_without = request.named.entry(name.clone()).or_insert(true);
            *can_do_without &= optional;
        }
        for (name, asked) in &asks.declared {
            if said.dependencies.contains_key(name) || said.optional_dependencies.contains_key(name) {
                continue;
            }
            match request.declared.get(name) {
                Some(other) if other.version != asked.version => {
                    let message = format!(
                        "the functions `{}` and `{function}` ask for `{name}` in the versions `{}` and `{}`; a workspace has one: \
                         name it in the workspace's `dependencies`",
                        by.get(name).map(|name| name.as_str()).unwrap_or_default(),
                        other.version,
                        asked.version
                    );
                    return Err(RequestError::new(StatusCode::UNPROCESSABLE_ENTITY, "package_conflict", message));
                }
                Some(_) => {}
                None => {
                    by.insert(name.clone(), function);
                    request.declared.insert(name.clone(), asked.clone());
                }
            }
        }
    }
    let asked = |version: &String, optional| Asked { version: version.clone(), optional };
    request.declared.extend(said.optional_dependencies.iter().map(|(name, it)| (name.clone(), asked(it, true))));
    request.declared.extend(said.dependencies.iter().map(|(name, it)| (name.clone(), asked(it, false))));
    Ok(request)
}

/// The name that a `package.json` gives its own package.
fn name_of(package: &[u8]) -> Option<String> {
    serde_json::from_slice::<Value>(package).ok()?.get("name")?.as_str().map(str::to_string)
}

/// What a `package.json` asks for. One that cannot be read is the interpreter's to complain about.
fn declared(text: &[u8]) -> BTreeMap<String, Asked> {
    let Ok(Value::Object(package)) = serde_json::from_slice(text) else { return BTreeMap::new() };
    let mut declared = BTreeMap::new();
    for (field, optional) in [("optionalDependencies", true), ("dependencies", false)] {
        let Some(Value::Object(asked)) = package.get(field) else { continue };
        for (name, version) in asked {
            // What is in both is optional, as npm has it.
            if let Some(version) = version.as_str().filter(|_| !declared.contains_key(name)) {
                declared.insert(name.clone(), Asked { version: version.into(), optional });
            }
        }
    }
    declared
}

/// Shows the packages to the functions that ask for any; where some are written down for the workspace, to all in JavaScript.
fn mount(document: &mut Document, tree: Option<Hash>, to_all: bool) {
    for function in &mut document.functions {
        function.mounts.retain(|mount| mount.at != RUNTIME);
        let asks = function.asks.as_ref().is_some_and(|asks| !asks.named.is_empty() || !asks.declared.is_empty());
        if let Some(tree) = tree.filter(|_| function.language.runs_javascript() && (asks || to_all)) {
            function.mounts.push(StoredMount { at: RUNTIME.into(), tree });
        }
    }
}
