//! The control plane: deploy, read, list, remove; layers, secrets and settings; health. Never on the path of an invocation.

mod deploy;
mod files;
mod functions;
mod health;
mod layers;
mod packages;
mod programs;
mod python;
mod secrets;
mod watch;

use crate::auth::{Identity, Right};
use crate::error::RequestError;
use crate::limits::ByteSize;
use crate::packages::Packages;
use crate::packages::python::{PythonLock, PythonPackages};
use crate::pipeline::Pipeline;
use crate::routing::{Name, RoutingError};
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// What the control plane works on.
pub struct Admin {
    pub pipeline: Arc<Pipeline>,
    packages: Packages,
    python: PythonPackages,
    /// The Python packages that are there for every workspace.
    shared_python: Option<PythonLock>,
    /// Deployments built at once.
    builds: Semaphore,
    /// Archives unpacked at once.
    extractions: Semaphore,
    /// Whether the server takes new work.
    ready: AtomicBool,
}

impl Admin {
    pub fn new(
        pipeline: Arc<Pipeline>,
        packages: Packages,
        python: PythonPackages,
        shared_python: Option<PythonLock>,
    ) -> Arc<Self> {
        Arc::new(Self {
            pipeline,
            packages,
            python,
            shared_python,
            builds: Semaphore::new(crate::limits::CONCURRENT_BUILDS),
            extractions: Semaphore::new(crate::limits::CONCURRENT_EXTRACTIONS),
            ready: AtomicBool::new(true),
        })
    }

    /// From here on `/readyz` says no, so that balancers send new work elsewhere.
    pub fn stop(&self) {
        self.ready.store(false, Ordering::Relaxed);
    }

    /// The routes of the control plane.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/v2/functions", get(functions::list))
            .route("/v2/functions/{workspace}", get(functions::read).post(functions::deploy).delete(functions::remove))
            .route("/v2/functions/{workspace}/settings", get(functions::read_settings).put(functions::put_settings))
            .route("/v2/functions/{workspace}/packages", get(packages::list))
            .route("/v2/functions/{workspace}/layers", get(layers::list))
            .route("/v2/functions/{workspace}/layers/{layer}", get(layers::read).put(layers::put))
            .route("/v2/functions/{workspace}/layers/{layer}/{version}", get(layers::read_one).delete(layers::remove))
            .route("/v2/functions/{workspace}/secrets", get(secrets::list))
            .route("/v2/functions/{workspace}/secrets/{name}", axum::routing::put(secrets::put).delete(secrets::remove))
            .route(
                "/v2/functions/{workspace}/{function}",
                get(functions::read_one).put(functions::put_one).delete(functions::remove_one),
            )
            .route("/healthz", get(health::live))
            .route("/readyz", get(health::ready))
            .route("/metrics", get(health::metrics))
            .fallback(nothing_here)
            .method_not_allowed_fallback(no_such_method)
            .with_state(self)
    }

    /// The caller, if that may be done in that workspace.
    fn authorize(&self, headers: &HeaderMap, workspace: &Name) -> Result<Identity, RequestError> {
        let identity = self.pipeline.tokens.identify(headers)?;
        identity.allow(Right::Deploy, workspace.as_str())?;
        Ok(identity)
    }

    /// A request's body, within a limit.
    async fn body(&self, body: axum::body::Body, limit: ByteSize) -> Result<Bytes, RequestError> {
        Ok(self.pipeline.bodies.collect(body, limit).await?.0)
    }
}

type Shared = State<Arc<Admin>>;
type Answer = Result<Response, RequestError>;

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        self.respond(None, Duration::ZERO).map(axum::body::Body::from)
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(value).map_err(|error| RequestError::internal(&error))?;
    Ok((status, [(http::header::CONTENT_TYPE, "application/json")], body).into_response())
}

async fn nothing_here(State(admin): Shared) -> RequestError {
    admin.pipeline.counters.refused();
    RoutingError::NoSuchPath.into()
}

async fn no_such_method(method: http::Method) -> RequestError {
    let message = format!("{method} means nothing at this path");
    RequestError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}
