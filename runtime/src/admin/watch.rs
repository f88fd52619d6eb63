//! A long request whose progress is watched: events as they come, then the answer that would have come alone.
//!
//! Asked for with `Accept: application/x-ndjson` or `text/event-stream`. The status is sent before the outcome is known, so it is
//! 200, and the last event says what it would have been. A client that leaves ends the work, as it does without events.

use super::Answer;
use crate::limits;
use crate::packages::progress::Progress;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde::Serialize;
use serde_json::{Value, json};
use std::convert::Infallible;

/// How events are written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Lines,
    ServerSent,
}

/// Answers with what the work comes to, and with events before it if the client asks for them.
pub(super) async fn answer(headers: &HeaderMap, work: impl FnOnce(Progress) -> BoxFuture<'static, Answer>) -> Answer {
    let Some(form) = form(headers) else { return work(Progress::default()).await };
    let (progress, events) = Progress::watched(limits::PROGRESS_EVENTS);
    let work = work(progress);
    let pieces = stream::unfold(Some((work, events)), move |state| async move {
        let (mut work, mut events) = state?;
        tokio::select! {
            biased;
            Some(event) = events.recv() => Some((Ok::<_, Infallible>(form.write(&event)), Some((work, events)))),
            answered = &mut work => {
                // What was said just before the end is still read.
                let mut text = Vec::new();
                while let Ok(event) = events.try_recv() {
                    text.extend_from_slice(&form.write(&event));
                }
                text.extend_from_slice(&form.write(&last(answered).await));
                Some((Ok(text.into()), None))
            }
        }
    });
    let media = match form {
        Form::Lines => "application/x-ndjson",
        Form::ServerSent => "text/event-stream",
    };
    let headers = [(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

fn form(headers: &HeaderMap) -> Option<Form> {
    let accept = headers.get(header::ACCEPT)?.to_str().ok()?.to_ascii_lowercase();
    let asks = |media: &str| accept.split(',').any(|range| range.split(';').next().unwrap_or_default().trim() == media);
    if asks("application/x-ndjson") { Some(Form::Lines) } else { asks("text/event-stream").then_some(Form::ServerSent) }
}

/// The answer as an event.
async fn last(answered: Answer) -> Value {
    let response: Response = answered.unwrap_or_else(IntoResponse::into_response);
    let status = response.status();
    // An answer of ours is in memory already.
    let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let event = if status.is_success() { "done" } else { "failed" };
    json!({ "event": event, "status": status.as_u16(), "body": body })
}

impl Form {
    fn write(self, event: &impl Serialize) -> Bytes {
        let value = serde_json::to_value(event).unwrap_or_default();
        match self {
            Self::Lines => format!("{value}\n"),
            Self::ServerSent => {
                format!("event: {}\ndata: {value}\n\n", value["event"].as_str().unwrap_or("message"))
            }
        }
        .into()
    }
}
