//! A `wasi:http` component: the request goes in as it is, the answer comes out as it is produced.
//!
//! The guest runs in a task of its own, since it may go on producing its body after it has set the head. The task ends
//! with the guest, with the deadline, or with the client.

use crate::arriving::Arriving;
use crate::deployment::Function;
use crate::deployment::upload::{Upload, UploadKind};
use crate::host_api::Invocation;
use crate::instance::StartError;
use crate::instance::failure::{Failure, FailureKind};
use crate::instance::pool::Pools;
use crate::task::Owned;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::{Error, WasiHttpView};

/// The body of a request to a component: as it arrives, or whole.
pub type RequestBody = UnsyncBoxBody<Bytes, Error>;

/// A body that is there.
pub fn whole(bytes: Bytes) -> RequestBody {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// A body that arrives.
pub fn arriving(body: Arriving) -> RequestBody {
    body.map_err(Error::Hyper).boxed_unsync()
}

/// The body of a component's answer, while the component still runs.
pub struct ProxyBody {
    inner: HyperOutgoingBody,
    /// None once the body has ended: what the component does afterwards is not the client's.
    guest: Option<Owned<Option<StartError>>>,
    /// Whether the component has failed: then the end of its body is not one that it meant.
    broken: Arc<AtomicBool>,
}

/// Runs a component on a request until its answer's head is there. `guard` is kept until the component has ended.
pub async fn call(
    pools: &Arc<Pools>,
    function: &Arc<Function>,
    upload: &Arc<Upload>,
    request: Request<RequestBody>,
    invocation: Invocation,
    guard: impl Send + 'static,
) -> Result<Result<Response<ProxyBody>, Failure>, StartError> {
    let slot = pools.slot()?;
    let (sender, receiver) = oneshot::channel();
    let (pools, function, upload) = (pools.clone(), function.clone(), upload.clone());
    let mut store = pools.factory().upload_store(&function, &upload)?;
    let broken = Arc::new(AtomicBool::new(false));
    let breaks = broken.clone();
    // The component outlives its answer's head; the answer's body owns it.
    let mut guest = Owned::spawn(async move {
        let _held = (slot, guard);
        let UploadKind::Http(pre) = &upload.kind else {
            return Some(StartError::Host(wasmtime::Error::msg("this component is no HTTP handler")));
        };
        let deadline = invocation.deadline;
        store.data_mut().begin(invocation);
        let running = async {
            let proxy = pre.instantiate_async(&mut store).await?;
            let request = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
            let answer = store.data_mut().http().new_response_outparam(sender)?;
            proxy.wasi_http_incoming_handler().call_handle(&mut store, request, answer).await
        };
        let failure = match tokio::time::timeout_at(deadline.into(), running).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(StartError::of(error, store.data())),
            Err(_) => Some(StartError::Function(Failure::timeout(&function.grants.limits))),
        };
        // Before the store goes, and with it what the body is written through.
        breaks.store(failure.is_some(), Ordering::Release);
        failure
    });
    let answered = receiver.await;
    let failed = |message: String| Ok(Err(Failure::new(FailureKind::Thrown, message)));
    match answered {
        Ok(Ok(response)) => Ok(Ok(response.map(|inner| ProxyBody { inner, guest: Some(guest), broken }))),
        Ok(Err(code)) => failed(format!("the component answered with an error: {code}")),
        // The guest is gone without an answer: its end says why.
        Err(_) => match (&mut guest).await {
            Ok(Some(error)) => error.outcome(),
            Ok(None) => failed("the component ended without an answer".into()),
            Err(_) => failed("the component was ended".into()),
        },
    }
}

impl Body for ProxyBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) && self.broken.load(Ordering::Acquire) {
            // The client must see that the answer broke off.
            return Poll::Ready(Some(Err(Error::HttpResponseIncomplete)));
        }
        if matches!(polled, Poll::Ready(None)) || self.inner.is_end_stream() {
            self.detach();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream() && !self.broken.load(Ordering::Acquire)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl ProxyBody {
    /// Lets the component go on by itself, until its deadline.
    fn detach(&mut self) {
        if let Some(guest) = self.guest.take() {
            guest.let_go();
        }
    }
}
