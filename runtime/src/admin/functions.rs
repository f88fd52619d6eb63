//! Functions and settings of workspaces: create, replace, read, remove.

use super::deploy::Deployed;
use super::{Admin, Answer, Shared, json, watch};
use crate::deployment::bundle::Format;
use crate::deployment::document::{Dependencies, Document, Isolation, StoredFunction};
use crate::deployment::signature::Signature;
use crate::deployment::spec::{CheckedFunction, FunctionSpec, Kind, OpenApi, Requirements, WorkspaceSpec};
use crate::error::RequestError;
use crate::packages::progress::Progress;
use crate::pipeline::request;
use crate::routing::Name;
use crate::workspace::registry::RegistryError;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json as value};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// `GET /v2/functions`
pub(super) async fn list(State(admin): Shared, headers: HeaderMap) -> Answer {
    let identity = admin.pipeline.tokens.identify(&headers)?;
    let mut names = admin.pipeline.registry.store.metadata.workspaces().await?;
    names.retain(|name| identity.sees(name));
    json(StatusCode::OK, &value!({ "workspaces": names }))
}

/// `POST /v2/functions/{workspace}`: puts these functions and settings in the place of what was there.
pub(super) async fn deploy(
    State(admin): Shared,
    Path(workspace): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let workspace = Name::workspace(&workspace)?;
    admin.authorize(&headers, &workspace)?;
    let body = admin.body(body, admin.pipeline.limits.request_size).await?;
    let spec: WorkspaceSpec = request::json(&body)?;
    let checked = spec.check(&admin.pipeline.limits)?;
    watch::answer(&headers, move |progress| {
        Box::pin(async move {
            admin.keep(checked.folders).await?;
            let change = admin.pipeline.registry.change(&workspace).await;
            let before = admin.stored(&workspace).await?;
            let mut document = checked.document;
            document.packages = before.as_ref().and_then(|before| before.packages.clone());
            document.python = before.as_ref().and_then(|before| before.python.clone());
            let deployed =
                admin.deploy(&change, &workspace, document, before.as_ref(), checked.files, &progress).await?;
            echo(body, &deployed)
        })
    })
    .await
}

/// `GET /v2/functions/{workspace}`: a body that could be deployed again.
pub(super) async fn read(State(admin): Shared, Path(workspace): Path<String>, headers: HeaderMap) -> Answer {
    let workspace = Name::workspace(&workspace)?;
    admin.authorize(&headers, &workspace)?;
    let document = admin.pipeline.registry.document(&workspace).await?;
    let mut functions = Map::new();
    for function in &document.functions {
        functions.insert(function.name.to_string(), admin.shown(function).await?);
    }
    let mut shown = Map::from_iter([("functions".to_string(), Value::Object(functions))]);
    shown.extend(Settings::of(&document).shown());
    json(StatusCode::OK, &shown)
}

/// `DELETE /v2/functions/{workspace}`
pub(super) async fn remove(State(admin): Shared, Path(workspace): Path<String>, headers: HeaderMap) -> Answer {
    let workspace = Name::workspace(&workspace)?;
    admin.authorize(&headers, &workspace)?;
    let registry = &admin.pipeline.registry;
    let _change = registry.change(&workspace).await;
    let _swap = registry.swap(&workspace).await;
    if !registry.store.metadata.remove(workspace.as_str()).await? {
        return Err(RegistryError::NoWorkspace(workspace).into());
    }
    let replaced = registry.loaded(&workspace).await;
    registry.forget(&workspace).await;
    if let Some(replaced) = replaced {
        admin.retire(&replaced.deployment);
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A workspace's settings.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    egress: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    dependencies: BTreeMap<String, String>,
    #[serde(default, rename = "optionalDependencies", skip_serializing_if = "BTreeMap::is_empty")]
    optional_dependencies: BTreeMap<String, String>,
    #[serde(default, rename = "disableNpmRegistry", skip_serializing_if = "std::ops::Not::not")]
    disable_npm_registry: bool,
    #[serde(default, skip_serializing_if = "Requirements::is_empty")]
    requirements: Requirements,
}

impl Settings {
    fn of(document: &Document) -> Self {
        let Dependencies { dependencies, optional_dependencies, disable_npm_registry, requirements } =
            document.dependencies.clone();
        Self {
            env: document.env.clone(),
            egress: document.egress.clone(),
            dependencies,
            optional_dependencies,
            disable_npm_registry,
            requirements: Requirements(requirements),
        }
    }

    /// The settings that say something.
    fn shown(&self) -> Map<String, Value> {
        let mut shown = Map::new();
        if !self.env.is_empty() {
            shown.insert("env".into(), value!(self.env));
        }
        if !self.egress.is_empty() {
            shown.insert("egress".into(), value!(self.egress));
        }
        if !self.dependencies.is_empty() {
            shown.insert("dependencies".into(), value!(self.dependencies));
        }
        if !self.optional_dependencies.is_empty() {
            shown.insert("optionalDependencies".into(), value!(self.optional_dependencies));
        }
        if self.disable_npm_registry {
            shown.insert("disableNpmRegistry".into(), value!(true));
        }
        if !self.requirements.is_empty() {
            shown.insert("requirements".into(), value!(self.requirements));
        }
        shown
    }
}

/// `GET /v2/functions/{workspace}/settings`
pub(super) async fn read_settings(State(admin): Shared, Path(workspace): Path<String>, headers: HeaderMap) -> Answer {
    let workspace = Name::workspace(&workspace)?;
    admin.authorize(&headers, &workspace)?;
    json(StatusCode::OK, &Settings::of(&admin.pipeline.registry.document(&workspace).await?))
}

/// `PUT /v2/functions/{workspace}/settings`: a new deployment of the same functions.
pub(super) async fn put_settings(
    State(admin): Shared,
    Path(workspace): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let workspace = Name::workspace(&workspace)?;
    admin.authorize(&headers, &workspace)?;
    let body = admin.body(body, admin.pipeline.limits.request_size).await?;
    let settings: Settings = request::json(&body)?;
    watch::answer(&headers, move |progress| {
        Box::pin(async move {
            let change = admin.pipeline.registry.change(&workspace).await;
            let before = admin.pipeline.registry.document(&workspace).await?;
            let dependencies = Dependencies {
                dependencies: settings.dependencies,
                optional_dependencies: settings.optional_dependencies,
                disable_npm_registry: settings.disable_npm_registry,
                requirements: settings.requirements.0,
            };
            let document = Document { env: settings.env, egress: settings.egress, dependencies, ..before };
            document.check(&admin.pipeline.limits)?;
            // The environment may decide what the top level does, so everything is loaded anew.
            let deployed = admin.deploy(&change, &workspace, document, None, HashMap::new(), &progress).await?;
            echo(body, &deployed)
        })
    })
    .await
}

/// `GET /v2/functions/{workspace}/{function}`
pub(super) async fn read_one(
    State(admin): Shared,
    Path((workspace, function)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let (workspace, function) = (Name::workspace(&workspace)?, Name::function(&function)?);
    admin.authorize(&headers, &workspace)?;
    let document = admin.pipeline.registry.document(&workspace).await?;
    let stored = document.function(&function).ok_or_else(|| no_function(&workspace, &function))?;
    let mut shown = admin.shown(stored).await?;
    let operations = stored.operations().map_err(|error| RequestError::internal(&error))?;
    let signatures: Vec<Signature> =
        stored.signatures.iter().cloned().chain(operations.into_iter().map(|described| described.signature)).collect();
    if !signatures.is_empty() {
        shown["schemas"] = Signature::show_all(&function, &signatures);
    }
    json(StatusCode::OK, &shown)
}

/// What a bare upload may say besides its code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    timeout: Option<u64>,
    memory: Option<u64>,
    fuel: Option<u64>,
    isolation: Option<Isolation>,
    #[serde(rename = "provisionedConcurrency")]
    provisioned: Option<u32>,
    /// The file of a bundle that is run.
    main: Option<String>,
    /// With commas between them.
    layers: Option<String>,
    /// The file of a bundle that describes its app.
    openapi: Option<String>,
}

/// `PUT /v2/functions/{workspace}/{function}`: one function, in JSON, as its bare code or as an archive by its media type.
pub(super) async fn put_one(
    State(admin): Shared,
    Path((workspace, function)): Path<(String, String)>,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (workspace, function) = (Name::workspace(&workspace)?, Name::function(&function)?);
    admin.authorize(&headers, &workspace)?;
    let Query(asked) = asked.map_err(|error| {
        RequestError::new(
            StatusCode::BAD_REQUEST,
            "bad_request",
            format!("the query is not understood: {}", error.body_text()),
        )
    })?;
    let (stored, code) = admin.uploaded(&headers, body, &function, asked).await?;
    watch::answer(&headers, move |progress| {
        Box::pin(async move {
            let change = admin.pipeline.registry.change(&workspace).await;
            let before = admin.stored(&workspace).await?;
            let is_new = before.as_ref().is_none_or(|document| document.function(&function).is_none());
            let mut document = before.clone().unwrap_or_default();
            let files = HashMap::from([(stored.code, code)]);
            document.put(stored);
            document.check(&admin.pipeline.limits)?;
            let deployed = admin.deploy(&change, &workspace, document, before.as_ref(), files, &progress).await?;
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            let mut answer = value!({ "workspace": workspace, "function": function, "version": deployed.version });
            if !deployed.warnings.is_empty() {
                answer["warnings"] = value!(deployed.warnings);
            }
            json(status, &answer)
        })
    })
    .await
}

/// `DELETE /v2/functions/{workspace}/{function}`
pub(super) async fn remove_one(
    State(admin): Shared,
    Path((workspace, function)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let (workspace, function) = (Name::workspace(&workspace)?, Name::function(&function)?);
    admin.authorize(&headers, &workspace)?;
    let change = admin.pipeline.registry.change(&workspace).await;
    let before = admin.pipeline.registry.document(&workspace).await?;
    before.function(&function).ok_or_else(|| no_function(&workspace, &function))?;
    let mut document = before.clone();
    document.functions.retain(|there| there.name != function);
    let alone = Progress::default();
    admin.deploy(&change, &workspace, document, Some(&before), HashMap::new(), &alone).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The body of a deploy as it came, and what its author should know about it.
fn echo(body: Bytes, deployed: &Deployed) -> Answer {
    if deployed.warnings.is_empty() {
        return Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response());
    }
    let mut answer: Map<String, Value> = request::json(&body)?;
    answer.insert("warnings".into(), value!(deployed.warnings));
    json(StatusCode::OK, &answer)
}

/// What a request's body is, without parameters.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    media.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

fn no_function(workspace: &Name, function: &Name) -> RequestError {
    let message = format!("there is no function `{function}` in the workspace `{workspace}`");
    RequestError::new(StatusCode::NOT_FOUND, "function_not_found", message)
}

impl Admin {
    /// The stored document, if the workspace is there.
    pub(super) async fn stored(&self, workspace: &Name) -> Result<Option<Document>, RequestError> {
        match self.pipeline.registry.document(workspace).await {
            Ok(document) => Ok(Some(document)),
            Err(RegistryError::NoWorkspace(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A function as it was sent, with its files stored.
    async fn uploaded(
        &self,
        headers: &HeaderMap,
        body: Body,
        function: &Name,
        asked: Asked,
    ) -> Result<(StoredFunction, Arc<[u8]>), RequestError> {
        let limits = &self.pipeline.limits;
        let mut unpacked = None;
        let media = media_type(headers);
        let source = async |language, body: Body| {
            let body = self.body(body, limits.request_size).await?;
            let code = String::from_utf8(body.into()).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                RequestError::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "invalid_source",
                    format!("the source is not UTF-8 (at byte {at})"),
                )
            })?;
            Ok::<_, RequestError>(FunctionSpec::bare(code, language))
        };
        let mut spec = match media.as_str() {
            "application/json" => {
                let body = self.body(body, limits.request_size).await?;
                request::json::<FunctionSpec>(&body)?
            }
            "text/javascript" | "application/javascript" | "application/x-javascript" => {
                source(Kind::JavaScript, body).await?
            }
            "text/typescript" | "application/typescript" | "text/x-typescript" | "application/x-typescript" => {
                source(Kind::TypeScript, body).await?
            }
            "text/tsx" | "application/tsx" | "text/x-tsx" | "application/x-tsx" => source(Kind::Tsx, body).await?,
            "text/jsx" | "application/jsx" | "text/x-jsx" | "application/x-jsx" => source(Kind::Jsx, body).await?,
            "text/x-python" | "text/python" | "application/x-python" | "application/x-python-code" => {
                source(Kind::Python, body).await?
            }
            "application/wasm" => {
                let wasm: Bytes = self.body(body, limits.upload_size).await?;
                let mut spec = FunctionSpec::bare(String::new(), Kind::Wasm);
                spec.code = base64::engine::general_purpose::STANDARD.encode(&wasm);
                spec
            }
            other if let Some(format) = Format::of_media(other) => {
                let found = self.unpacked(body, format, function, asked.main.clone()).await?;
                FunctionSpec::bare(String::new(), unpacked.insert(found).bundle.kind)
            }
            _ => {
                let message = format!(
                    "the Content-Type is `{}`; a function is sent as application/json, text/javascript, text/typescript, \
                     text/tsx, text/jsx, text/x-python or application/wasm, several files as application/zip or \
                     application/gzip (a tar.gz)",
                    media.escape_debug()
                );
                return Err(RequestError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message));
            }
        };
        spec.timeout = asked.timeout.or(spec.timeout);
        spec.memory = asked.memory.or(spec.memory);
        spec.fuel = asked.fuel.or(spec.fuel);
        spec.isolation = asked.isolation.unwrap_or(spec.isolation);
        spec.provisioned = asked.provisioned.or(spec.provisioned);
        if let Some(layers) = asked.layers {
            spec.layers = layers.split(',').filter(|layer| !layer.is_empty()).map(str::to_string).collect();
        }
        spec.openapi = asked.openapi.map(OpenApi::File).or(spec.openapi);
        let (bundle, _turn) = unpacked.map(|unpacked| (unpacked.bundle, unpacked.turn)).unzip();
        let CheckedFunction { stored, code, folder } = match bundle {
            Some(bundle) => spec.bundled(function.clone(), bundle)?,
            None => {
                spec.main = asked.main.or(spec.main);
                spec.check(function.clone())?
            }
        };
        self.keep(folder.into_iter().collect()).await?;
        Ok((stored, code))
    }

    /// A function as it could be deployed again.
    async fn shown(&self, function: &StoredFunction) -> Result<Value, RequestError> {
        let code: Vec<u8> = self.pipeline.registry.store.blobs.get(function.code).await?;
        let code = match function.language {
            Kind::Wasm => base64::engine::general_purpose::STANDARD.encode(code),
            _ => String::from_utf8_lossy(&code).into_owned(),
        };
        let mut shown =
            Map::from_iter([("code".to_string(), value!(code)), ("language".to_string(), value!(function.language))]);
        self.show_files(function, &mut shown).await?;
        let mut optional = |name: &str, setting: Option<Value>| {
            if let Some(setting) = setting {
                shown.insert(name.into(), setting);
            }
        };
        optional("parameters", function.parameters.clone().map(Value::Object));
        optional("description", function.description.clone().map(Value::String));
        optional("timeout", function.limits.timeout.map(Value::from));
        optional("memory", function.limits.memory.map(Value::from));
        optional("fuel", function.limits.fuel.map(Value::from));
        optional("isolation", (function.isolation != Isolation::default()).then(|| value!(function.isolation)));
        optional("provisionedConcurrency", function.provisioned.map(Value::from));
        optional("layers", (!function.layers.is_empty()).then(|| value!(function.layers)));
        optional("openapi", function.openapi.clone().map(Value::Object));
        optional("requirements", (!function.requirements.is_empty()).then(|| value!(function.requirements)));
        Ok(Value::Object(shown))
    }
}
