//! Answers that are given while the function runs: as it produces them, or before it ends.
//!
//! Once an answer has begun, its call goes on in a task of its own, which ends at the deadline however slowly the client
//! reads. When the client leaves, the function is told by its next piece, has a moment for its clean-up, and ends.

use super::Pipeline;
use crate::context::{RequestContext, milliseconds};
use crate::error::RequestError;
use crate::host_api::Invocation;
use crate::host_api::log::Log;
use crate::host_api::output::{Answer, Delivery, Output};
use crate::limits;
use crate::workspace::admission::Admission;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Response, header};
use hyper::body::{Body, Frame};
use serde_json::json;
use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot, watch};

/// How a call ended: with a result, which no longer matters once the answer has begun, or not.
type Outcome = Result<String, RequestError>;

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// As they are: the function wrote an HTTP body itself.
    Bytes,
    /// One JSON text a line.
    Lines,
    /// Server-sent events: an element each, then `end`, or `error`.
    Events,
}

/// What came of an invocation that may answer before it ends.
pub(super) enum Answered {
    Result(String),
    Stream(Response<StreamBody>),
}

/// The body of an answer whose function still runs.
pub struct StreamBody {
    pieces: mpsc::Receiver<Bytes>,
    complete: Arc<AtomicBool>,
    outcome: oneshot::Receiver<Outcome>,
    /// Told when the answer is complete; dropped before that, the client has left.
    reader: Option<oneshot::Sender<()>>,
    /// Goes with this body: so the function may learn at any time that nobody reads any more.
    _present: watch::Sender<()>,
    framing: Framing,
    /// What is said last, where the framing has a place for that.
    last: Option<Last>,
}

struct Last {
    log: Arc<Log>,
    context: RequestContext,
}

impl Last {
    /// The event that ends a stream of them.
    fn event(&self) -> String {
        let mut logs = Vec::new();
        self.log.append_json(&mut logs);
        let logs = String::from_utf8_lossy(&logs);
        let duration = milliseconds(self.context.started.elapsed());
        format!("event: end\ndata: {{\"logs\":{logs},\"duration\":{duration}}}\n\n")
    }
}

/// The function failed after its answer had begun, and the client must see that it is not whole.
#[derive(Debug, thiserror::Error)]
#[error("the function failed while it was answering: {0}")]
pub struct BrokenOff(String);

impl Framing {
    /// The streaming form that a client asks for, if it does.
    pub(super) fn asked_for(headers: &HeaderMap) -> Option<Self> {
        let accepted = headers.get(header::ACCEPT)?.to_str().ok()?;
        accepted.split(',').find_map(|range| match range.split(';').next().unwrap_or("").trim() {
            "application/x-ndjson" | "application/jsonl" | "application/json-seq" => Some(Self::Lines),
            "text/event-stream" => Some(Self::Events),
            _ => None,
        })
    }

    fn delivery(self) -> Delivery {
        if self == Self::Bytes { Delivery::Http } else { Delivery::Elements }
    }

    /// A result of one part, as a stream of that one element.
    pub(super) fn only(self, result: String, log: &Arc<Log>, context: RequestContext) -> Response<Bytes> {
        let mut body = self.framed(result.into()).to_vec();
        if self == Self::Events {
            body.extend_from_slice(Last { log: log.clone(), context }.event().as_bytes());
        }
        let mut response = Response::new(body.into());
        self.label(response.headers_mut());
        response
    }

    fn label(self, headers: &mut HeaderMap) {
        let kind = match self {
            Self::Bytes => return,
            Self::Lines => "application/x-ndjson",
            Self::Events => "text/event-stream",
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }

    fn framed(self, element: Bytes) -> Bytes {
        let (before, after): (&[u8], &[u8]) = match self {
            Self::Bytes => return element,
            Self::Lines => (b"", b"\n"),
            Self::Events => (b"data: ", b"\n\n"),
        };
        [before, &on_one_line(&element), after].concat().into()
    }
}

/// JSON without its line breaks, which would end a line or a field of an event: inside of strings there are none.
fn on_one_line(json: &[u8]) -> Cow<'_, [u8]> {
    let breaks = |byte: &u8| matches!(byte, b'\n' | b'\r');
    if json.iter().any(breaks) { json.iter().copied().filter(|byte| !breaks(byte)).collect() } else { json.into() }
}

impl Pipeline {
    /// Invokes with a way to answer early; the result comes back where the function has not used it.
    pub(super) async fn stream(
        self: &Arc<Self>,
        admission: Admission,
        event: String,
        mut invocation: Invocation,
        context: RequestContext,
        framing: Framing,
    ) -> Result<Answered, RequestError> {
        let (output, Answer { mut head, pieces, complete, reader: _present }) = Output::new(framing.delivery());
        invocation.output = Some(output);
        let last = Last { log: invocation.log.clone(), context };
        let pipeline = self.clone();
        let mut call: BoxFuture<'static, Outcome> = Box::pin(async move {
            let workspace = admission.live.deployment.workspace.clone();
            let record =
                pipeline.counters.begin(context, workspace.as_str(), admission.function.grants.function.as_str());
            let outcome = match pipeline.call(&admission, event, invocation).await {
                Ok(outcome) => outcome.map_err(RequestError::from),
                Err(error) => Err(error.into()),
            };
            record.end(outcome.as_ref().err().map_or("ok", |error| error.code));
            outcome
        });
        let (begun, call) = tokio::select! {
            biased;
            outcome = &mut call => match head.try_recv() {
                Ok(begun) => (begun, std::future::ready(outcome).boxed()),
                Err(_) => return outcome.map(Answered::Result),
            },
            Ok(begun) = &mut head => (begun, call),
        };
        let (ended, outcome) = oneshot::channel();
        let (reader, left) = oneshot::channel();
        go_on(call, ended, left);
        let mut response = Response::new(StreamBody {
            pieces,
            complete,
            outcome,
            reader: Some(reader),
            _present,
            framing,
            last: Some(last),
        });
        *response.status_mut() = begun.status;
        *response.headers_mut() = begun.headers;
        framing.label(response.headers_mut());
        Ok(Answered::Stream(response))
    }
}

impl StreamBody {
    /// The last frame, after the function has ended like this.
    fn finish(&mut self, outcome: Outcome) -> Option<Result<Frame<Bytes>, BrokenOff>> {
        let last = self.last.take();
        let text = match (self.framing, outcome) {
            (Framing::Bytes, Err(error)) => return Some(Err(BrokenOff(error.message))),
            (Framing::Bytes | Framing::Lines, Ok(_)) => return None,
            (Framing::Lines, Err(error)) => format!("{}\n", error_of(&error)),
            (Framing::Events, Err(error)) => format!("event: error\ndata: {}\n\n", error_of(&error)),
            (Framing::Events, Ok(_)) => last?.event(),
        };
        Some(Ok(Frame::data(text.into())))
    }
}

fn error_of(error: &RequestError) -> String {
    let mut shown = json!({ "code": error.code, "message": error.message });
    if let Some(details) = &error.details {
        shown["details"] = details.clone();
    }
    json!({ "error": shown }).to_string()
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let body = &mut *self;
        if body.reader.is_none() {
            return Poll::Ready(None);
        }
        if let Some(piece) = std::task::ready!(body.pieces.poll_recv(cx)) {
            return Poll::Ready(Some(Ok(Frame::data(body.framing.framed(piece)))));
        }
        let outcome = if body.complete.load(Ordering::Acquire) {
            Ok(String::new())
        } else {
            let ended = std::task::ready!(body.outcome.poll_unpin(cx));
            ended.unwrap_or_else(|gone| Err(RequestError::internal(&gone)))
        };
        if let Some(reader) = body.reader.take() {
            let _ = reader.send(());
        }
        Poll::Ready(body.finish(outcome))
    }
}

/// Lets the call of an answer that has begun go on, until its end or its deadline; not for long once its reader has left.
fn go_on(mut call: BoxFuture<'static, Outcome>, ended: oneshot::Sender<Outcome>, left: oneshot::Receiver<()>) {
    #[expect(clippy::disallowed_methods, reason = "it outlives its answer's head; the answer's body bounds it")]
    tokio::spawn(async move {
        let outcome = tokio::select! {
            biased;
            outcome = &mut call => outcome,
            complete = left => {
                // What goes on after a complete answer has its deadline only.
                let most = if complete.is_ok() { limits::MAX_TIMEOUT } else { limits::CLOSE_GRACE };
                let Ok(outcome) = tokio::time::timeout(most, call).await else { return };
                outcome
            }
        };
        let _ = ended.send(outcome);
    });
}
