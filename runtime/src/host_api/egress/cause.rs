//! What a connection failed of. The client says only that a connection is gone where it learns of that before it has sent its
//! request; a server that wants a certificate refuses that early.

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Error;
use hyper_util::client::legacy::connect::{Connected, Connection};
use std::error::Error as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

/// The first error of a connection's reads.
#[derive(Clone, Debug, Default)]
struct Cause(Arc<OnceLock<io::Error>>);

/// Makes connections that remember it.
#[derive(Clone, Debug)]
pub(super) struct Remembering<C>(pub C);

/// Such a connection.
pub(super) struct Remembered<S> {
    stream: S,
    cause: Cause,
}

/// Why a connection was gone before its request was sent; none for every other error.
pub(super) fn of(error: &Error) -> Option<Arc<OnceLock<io::Error>>> {
    error.source()?.downcast_ref::<hyper::Error>().filter(|error| error.is_canceled())?;
    let mut extras = http::Extensions::new();
    error.connect_info()?.get_extras(&mut extras);
    extras.remove::<Cause>().map(|cause| cause.0)
}

/// An error as it is: rustls' own one may be looked for in it.
fn copied(error: &io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => io::Error::new(error.kind(), tls.clone()),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl<C> tower_service::Service<Uri> for Remembering<C>
where
    C: tower_service::Service<Uri, Future: Send + 'static>,
{
    type Response = Remembered<C::Response>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, C::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async move { Ok(Remembered { stream: connecting.await?, cause: Cause::default() }) })
    }
}

impl<S: Connection> Connection for Remembered<S> {
    fn connected(&self) -> Connected {
        self.stream.connected().extra(self.cause.clone())
    }
}

impl<S: Read + Unpin> Read for Remembered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Poll::Ready(Err(error)) = &polled {
            self.cause.0.get_or_init(|| copied(error));
        }
        polled
    }
}

impl<S: Write + Unpin> Write for Remembered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::Request;
    use http_body_util::Empty;
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;

    /// A stream that is broken as soon as something is read from it for the second time.
    #[derive(Default)]
    struct Breaking {
        read: bool,
    }

    #[derive(Clone)]
    struct ToBreaking;

    impl tower_service::Service<Uri> for ToBreaking {
        type Response = Breaking;
        type Error = io::Error;
        type Future = std::future::Ready<io::Result<Breaking>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Uri) -> Self::Future {
            std::future::ready(Ok(Breaking::default()))
        }
    }

    impl Connection for Breaking {
        fn connected(&self) -> Connected {
            Connected::new()
        }
    }

    impl Read for Breaking {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, _: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
            if std::mem::replace(&mut self.read, true) {
                return Poll::Ready(Err(io::Error::other("the reason")));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }

    impl Write for Breaking {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// One of a few thousand requests comes between the connection's two reads.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_connection_that_is_gone_says_why() {
        let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(Remembering(ToBreaking));
        for _ in 0..20_000 {
            let request = Request::builder().uri("http://somewhere/").body(Empty::new()).expect("a request");
            let error = client.request(request).await.expect_err("it is broken");
            let reason = super::super::explain("somewhere", &error).to_string();
            assert!(reason.ends_with("the reason"), "{reason}");
        }
    }
}
