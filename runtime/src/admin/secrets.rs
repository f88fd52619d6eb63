//! Secrets of a workspace: written and removed here, listed by name only, read by its functions only.

use super::{Answer, Shared, json};
use crate::error::RequestError;
use crate::limits;
use crate::routing::Name;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode};
use serde_json::json as value;

/// `GET /v2/functions/{workspace}/secrets`: names, never values.
pub(super) async fn list(State(admin): Shared, Path(workspace): Path<String>, headers: HeaderMap) -> Answer {
    let workspace = Name::workspace(&workspace)?;
    admin.authorize(&headers, &workspace)?;
    let secrets = admin.pipeline.registry.store.metadata.secrets(workspace.as_str()).await?;
    let names: Vec<String> = secrets.into_iter().map(|(name, _)| name).collect();
    json(StatusCode::OK, &value!({ "secrets": names }))
}

/// `PUT /v2/functions/{workspace}/secrets/{name}`: the body is the value, as text.
pub(super) async fn put(
    State(admin): Shared,
    Path((workspace, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let (workspace, name) = (Name::workspace(&workspace)?, Name::secret(&name)?);
    admin.authorize(&headers, &workspace)?;
    let body = admin.body(body, limits::MAX_SECRET_SIZE).await?;
    let secret = std::str::from_utf8(&body).map_err(|_| {
        RequestError::new(StatusCode::BAD_REQUEST, "bad_request", "a secret is text in UTF-8; encode bytes as Base64")
    })?;
    let registry = &admin.pipeline.registry;
    let _change = registry.change(&workspace).await;
    registry.document(&workspace).await?;
    let there = registry.store.metadata.secrets(workspace.as_str()).await?;
    if there.len() >= limits::MAX_SECRETS && !there.iter().any(|(known, _)| known == name.as_str()) {
        let message = format!("a workspace may have {} secrets", limits::MAX_SECRETS);
        return Err(RequestError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_setting", message));
    }
    let sealed = registry.store.key.seal(workspace.as_str(), name.as_str(), secret)?;
    registry.store.metadata.put_secret(workspace.as_str(), name.as_str(), &sealed).await?;
    registry.refresh_secrets(&workspace).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `DELETE /v2/functions/{workspace}/secrets/{name}`
pub(super) async fn remove(
    State(admin): Shared,
    Path((workspace, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let (workspace, name) = (Name::workspace(&workspace)?, Name::secret(&name)?);
    admin.authorize(&headers, &workspace)?;
    let registry = &admin.pipeline.registry;
    let _change = registry.change(&workspace).await;
    if !registry.store.metadata.remove_secret(workspace.as_str(), name.as_str()).await? {
        let message = format!("there is no secret `{name}` in the workspace `{workspace}`");
        return Err(RequestError::new(StatusCode::NOT_FOUND, "secret_not_found", message));
    }
    registry.refresh_secrets(&workspace).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
