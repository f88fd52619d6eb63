//! What a client sees of an answer that breaks off: what was made before, as far as its connection takes it.

use hyper::body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A body whose error comes one turn late: hyper closes the connection at an error, and drops what it has not written yet. What a
/// client that does not read leaves in there is lost; it sees that the answer is not whole all the same.
pub struct Flushed<B: Body> {
    inner: B,
    failed: Option<B::Error>,
}

impl<B: Body> Flushed<B> {
    pub fn new(inner: B) -> Self {
        Self { inner, failed: None }
    }
}

impl<B: Body + Unpin> Body for Flushed<B>
where
    B::Error: Unpin,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Err(error)) => {
                self.failed = Some(error);
                // hyper writes what it holds when a body has nothing more for now.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            other => Poll::Ready(other),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.failed.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::stream;
    use http::Response;
    use http_body_util::StreamBody;
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use std::convert::Infallible;
    use std::io::Error;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_was_made_before_an_error_arrives() {
        let service = service_fn(|_| async {
            let pieces = [Ok(Frame::data(Bytes::from("made"))), Err(Error::other("broken"))];
            Ok::<_, Infallible>(Response::new(Flushed::new(StreamBody::new(stream::iter(pieces)))))
        });
        let (mut client, server) = tokio::io::duplex(4096);
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(http1::Builder::new().serve_connection(TokioIo::new(server), service).await.is_err());
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("4\r\nmade\r\n"), "{answer}");
    }
}
