//! Work that goes on while nobody polls who asked for it, and that ends with who asked.

use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::task::{JoinError, JoinHandle};

/// A task that ends when it is dropped, unless it is let go.
pub struct Owned<T>(Option<JoinHandle<T>>);

impl<T: Send + 'static> Owned<T> {
    pub fn spawn(work: impl Future<Output = T> + Send + 'static) -> Self {
        #[expect(clippy::disallowed_methods, reason = "it belongs to what it is returned to, and ends with it")]
        Self(Some(tokio::spawn(work)))
    }

    /// Lets it go on by itself.
    pub fn let_go(mut self) {
        drop(self.0.take());
    }
}

impl<T> Future for Owned<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // It is only taken by who lets it go.
        self.0.as_mut().map_or(Poll::Pending, |task| Pin::new(task).poll(context))
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
