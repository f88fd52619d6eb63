//! An operation of an app as a function: its app is asked by HTTP, wherever the call comes from.

use super::Pipeline;
use super::call::collected;
use crate::deployment::Program;
use crate::deployment::operations::Operation;
use crate::deployment::upload::UploadKind;
use crate::host_api::Invocation;
use crate::host_api::output::{Answer, Delivery, Output};
use crate::instance::StartError;
use crate::instance::failure::{Failure, FailureKind};
use crate::instance::pool::{Lease, PoolKey};
use crate::invoke::{self, Outcome, event, operation, proxy};
use crate::workspace::admission::Admission;
use bytes::{Bytes, BytesMut};
use http::Response;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Pipeline {
    /// Calls an operation with the parameters in an event.
    pub(super) async fn operate(
        self: &Arc<Self>,
        admission: &Admission,
        called: &Operation,
        parameters: &str,
        invocation: Invocation,
    ) -> Result<Outcome, StartError> {
        let request = match operation::request(called, parameters) {
            Ok(request) => request,
            Err(failure) => return Ok(Err(failure)),
        };
        let function = &admission.function;
        let answer = match &function.program {
            Program::Upload(upload) if matches!(upload.kind, UploadKind::Http(_)) => {
                let (deadline, limits) = (invocation.deadline, &function.grants.limits);
                let request = request.map(proxy::whole);
                let invocation = Invocation { output: None, input: None, ..invocation };
                let answered = proxy::call(&self.pools, function, upload, request, invocation, ()).await?;
                collected(answered, deadline, limits).await
            }
            _ => {
                let (head, body) = request.into_parts();
                let event = event::of_request(&head, head.uri.path(), &body, invocation.id);
                let key = PoolKey::new(admission.live.deployment.version, function);
                let lease = self.pools.lease(key, function, &invocation).await?;
                answer(lease, &event, invocation).await
            }
        };
        Ok(answer.and_then(|answer| operation::result(called, &answer)))
    }
}

/// The whole answer of an app, whether it comes as one result or piece by piece.
async fn answer(mut lease: Lease, event: &str, invocation: Invocation) -> Result<Response<Bytes>, Failure> {
    let limit = lease.instance().store.data().grants.limits.response_size;
    let (output, Answer { mut head, mut pieces, complete, reader: _present }) = Output::new(Delivery::Http);
    let invocation = Invocation { output: Some(output), input: None, ..invocation };
    let mut call = std::pin::pin!(invoke::call(lease, None, event, invocation));
    let mut body = BytesMut::new();
    let outcome = loop {
        let piece = tokio::select! {
            biased;
            Some(piece) = pieces.recv() => piece,
            outcome = &mut call => break outcome,
        };
        body.extend_from_slice(&piece);
        if body.len() as u64 > limit.0 {
            return Err(Failure::result_too_large(limit));
        }
    };
    // What comes after a complete answer has no bearing on it.
    let result = if complete.load(Ordering::Acquire) { outcome.unwrap_or_default() } else { outcome? };
    while let Ok(piece) = pieces.try_recv() {
        body.extend_from_slice(&piece);
    }
    match head.try_recv() {
        Ok(begun) => {
            let mut response = Response::new(body.freeze());
            *response.status_mut() = begun.status;
            Ok(response)
        }
        Err(_) => event::answer(result).map_err(|error| Failure::new(FailureKind::Thrown, error.to_string())),
    }
}
