//! For machines: is it alive, does it take work, what has it done.

use super::Shared;
use crate::error::RequestError;
use crate::record::metric;
use axum::extract::State;
use axum::response::IntoResponse;
use http::{StatusCode, header};
use std::sync::atomic::Ordering;

/// `GET /healthz`: the process answers.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: it takes new work, and its store answers.
pub(super) async fn ready(State(admin): Shared) -> Result<&'static str, RequestError> {
    if !admin.ready.load(Ordering::Relaxed) {
        return Err(RequestError::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the server is stopping"));
    }
    admin.pipeline.registry.store.metadata.ping().await?;
    Ok("ok\n")
}

/// `GET /metrics`, in Prometheus' text format.
pub(super) async fn metrics(State(admin): Shared) -> impl IntoResponse {
    let mut text = String::new();
    let pipeline = &admin.pipeline;
    pipeline.counters.write(&mut text);
    let (running, idle) = (f64::from(pipeline.gates.inside()), pipeline.pools.idle() as f64);
    metric(&mut text, "thimble_invocations_running", "gauge", "Invocations under way.", running);
    metric(&mut text, "thimble_instances_idle", "gauge", "Warm instances that wait for an invocation.", idle);
    let (told, untold) = pipeline.pools.retirement().counts();
    for (name, help, count) in [
        (
            "thimble_retirements_told_total",
            "Instances that were told before they were retired, as they had asked for.",
            told,
        ),
        (
            "thimble_retirements_untold_total",
            "Instances that asked for it and were not told, as too many were.",
            untold,
        ),
    ] {
        metric(&mut text, name, "counter", help, count as f64);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}
