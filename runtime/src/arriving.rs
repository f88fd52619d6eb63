//! The body of a request, as its client sends it.

use crate::limits;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Handle;

/// A body that is read to its end even where nobody wants it, within bounds: only then does its connection serve another request.
#[derive(Debug)]
pub struct Arriving {
    /// None once it has ended.
    incoming: Option<Incoming>,
    /// The client sends nothing before it is told to, which hyper does when the body is first read.
    waits: bool,
}

impl Arriving {
    pub fn of(request: Request<Incoming>) -> Request<Self> {
        let waits = request.headers().contains_key(header::EXPECT);
        request.map(|incoming| Self { incoming: Some(incoming), waits })
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.waits = false;
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let polled = Pin::new(incoming).poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.incoming = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let left = self.incoming.take().filter(|incoming| !self.waits && !incoming.is_end_stream());
        let Some(left) = left.filter(|left| left.size_hint().lower() <= limits::UNREAD_BODY.0) else { return };
        // The answer goes out meanwhile, and the connection waits for the end of this.
        if let Ok(executor) = Handle::try_current() {
            executor.spawn(read_out(left));
        }
    }
}

async fn read_out(mut body: Incoming) {
    let reading = async {
        let mut size = 0;
        while let Ok(Some(Ok(frame))) = tokio::time::timeout(limits::LINGER_QUIET, body.frame()).await {
            size += frame.data_ref().map_or(0, |data| data.len() as u64);
            if size > limits::UNREAD_BODY.0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(limits::LINGER, reading).await;
}
