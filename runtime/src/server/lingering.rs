//! The end of a connection: what a client still sends is read into nothing for a while, as nginx's `lingering_close` does.
//!
//! A socket that is closed with bytes nobody read makes the kernel reset the connection, and a client that is still sending its
//! body then loses an answer that it has not read yet.

use crate::limits;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// A stream whose shutdown waits for the client's end of it, within [`limits::LINGER`].
pub(super) struct Lingering {
    stream: TcpStream,
    /// Set once our own end is closed.
    ending: Option<Ending>,
}

struct Ending {
    latest: Instant,
    quiet: Pin<Box<Sleep>>,
}

impl Lingering {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, ending: None }
    }

    fn stream(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(&mut self.stream)
    }
}

impl AsyncRead for Lingering {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ending.is_none() {
            ready!(self.stream().poll_shutdown(cx))?;
        }
        let Self { stream, ending } = &mut *self;
        let ending = ending.get_or_insert_with(|| Ending {
            latest: Instant::now() + limits::LINGER,
            quiet: Box::pin(tokio::time::sleep(limits::LINGER_QUIET)),
        });
        let mut nothing = [MaybeUninit::uninit(); 16 << 10];
        loop {
            let mut read = ReadBuf::uninit(&mut nothing);
            match Pin::new(&mut *stream).poll_read(cx, &mut read) {
                Poll::Pending => return ending.quiet.as_mut().poll(cx).map(Ok),
                Poll::Ready(Ok(())) if !read.filled().is_empty() && Instant::now() < ending.latest => {
                    ending.quiet.as_mut().reset(Instant::now() + limits::LINGER_QUIET);
                }
                // What the client thinks of the end is no matter of ours.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}
