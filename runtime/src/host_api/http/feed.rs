//! The body of an outgoing request that its guest brings piece by piece.
//!
//! One piece waits in the host at most, and another for its room: a guest runs no faster than the peer reads.

use super::{fail, too_many, unknown};
use crate::host_api::State;
use crate::host_api::bindings::thimble::runtime::http::{Failure, FailureCode};
use crate::host_api::reactor::{Completion, TooMany};
use crate::limits;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;

/// Takes pieces, then none for the end. Where it breaks off without an end, the peer must see that it is not whole.
pub(crate) type Feed = mpsc::Sender<Option<Bytes>>;

/// What the guest feeds, as hyper sends it.
pub(super) struct FedBody {
    first: Option<Bytes>,
    pieces: mpsc::Receiver<Option<Bytes>>,
    /// What is still to come, where the guest said how much in advance.
    left: Option<u64>,
    ended: bool,
}

/// Why a body cannot be sent as it was announced.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    #[error("the function gave up its request before the end of the body")]
    GivenUp,
    #[error("the body is longer or shorter than its header content-length says")]
    Length,
}

impl FedBody {
    pub(super) fn new(first: Bytes, length: Option<u64>) -> (Feed, Self) {
        let (feed, pieces) = mpsc::channel(1);
        let first = (!first.is_empty()).then_some(first);
        (feed, Self { first, pieces, left: length, ended: false })
    }
}

impl Body for FedBody {
    type Data = Bytes;
    type Error = FeedError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, FeedError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let piece = match self.first.take() {
            Some(first) => Some(Some(first)),
            None => ready!(self.pieces.poll_recv(cx)),
        };
        let Some(piece) = piece else {
            self.ended = true;
            return Poll::Ready(Some(Err(FeedError::GivenUp)));
        };
        let size = piece.as_ref().map_or(0, |piece| piece.len() as u64);
        match self.left.map(|left| left.checked_sub(size)) {
            Some(None) => self.ended = true,
            Some(left) => self.left = left,
            None => {}
        }
        match piece {
            _ if self.ended => Poll::Ready(Some(Err(FeedError::Length))),
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            None => {
                self.ended = true;
                Poll::Ready(self.left.is_some_and(|left| left > 0).then_some(Err(FeedError::Length)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl State {
    pub(super) fn feed_request(&mut self, request: u64, piece: Option<Vec<u8>>) -> Result<u64, Failure> {
        if piece.as_ref().is_some_and(|piece| piece.len() > limits::FETCH_CHUNK) {
            let message = format!("a piece of a body is {} bytes at most", limits::FETCH_CHUNK);
            return Err(fail(FailureCode::InvalidRequest, message));
        }
        // It is taken out while a piece waits: two at once would be memory that nobody counts.
        let feed = self.reactor.http.feeds.remove(&request).ok_or_else(unknown)?;
        let goes_on = piece.is_some();
        let started = self.reactor.start(async move {
            let taken = feed.send(piece.map(Bytes::from)).await.is_ok();
            Completion::Fed { request, feed: (taken && goes_on).then_some(feed), taken }
        });
        started.map_err(|TooMany| too_many())
    }

    pub(super) fn take_fed(&mut self, operation: u64) -> bool {
        let Some(Completion::Fed { request, feed, taken }) = self.reactor.take(operation) else { return false };
        if let Some(feed) = feed {
            self.reactor.http.feeds.insert(request, feed);
        }
        taken
    }
}
