//! The interface `reactor`: all that an invocation waits for, as futures that only live while it does.
//!
//! Nothing is spawned: dropping the state, or clearing it at the end of the invocation, cancels everything under way.

use super::State;
use super::bindings::thimble::runtime::reactor as wit;
use super::{functions, http};
use crate::limits;
use futures_util::StreamExt;
use futures_util::future::{AbortHandle, Abortable, BoxFuture};
use futures_util::stream::FuturesUnordered;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// What an operation came to.
pub(crate) enum Completion {
    Timer,
    /// A program has ended, or has written something; what, its number tells.
    Program,
    Call(functions::Called),
    Response(http::Responded),
    Chunk(http::ChunkRead),
    /// Whether anybody still reads.
    Write(bool),
    /// A piece of a request's body was handed over, or its end.
    Fed {
        request: u64,
        feed: Option<http::Feed>,
        taken: bool,
    },
    /// Nobody reads any more.
    Left,
    Socket(super::tcp::Event),
}

type Pending = Abortable<BoxFuture<'static, (u64, Completion)>>;

/// The operations of one instance.
pub(crate) struct Reactor {
    /// Never used twice by one instance, so that a stale number means nothing rather than something else.
    last: u64,
    pending: FuturesUnordered<Pending>,
    handles: HashMap<u64, AbortHandle>,
    finished: HashMap<u64, Completion>,
    /// What finished while the guest waited for a program, in that order.
    unheard: VecDeque<u64>,
    pub(super) http: http::Exchanges,
    pub(super) calls: u32,
}

impl Default for Reactor {
    fn default() -> Self {
        Self {
            last: 0,
            pending: FuturesUnordered::new(),
            handles: HashMap::new(),
            finished: HashMap::new(),
            unheard: VecDeque::new(),
            http: http::Exchanges::default(),
            calls: 0,
        }
    }
}

/// There is no room for another operation.
#[derive(Debug)]
pub(crate) struct TooMany;

impl Reactor {
    /// A number that was not used before: an operation's, or a body's.
    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// The number that was given out last.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Goes on after a number that a guest may remember.
    pub(super) fn go_on_after(&mut self, number: u64) {
        self.last = number;
    }

    pub(super) fn start(&mut self, work: impl Future<Output = Completion> + Send + 'static) -> Result<u64, TooMany> {
        if self.handles.len() + self.finished.len() + self.unheard.len() >= limits::MAX_OPERATIONS {
            return Err(TooMany);
        }
        let number = self.number();
        let (handle, registration) = AbortHandle::new_pair();
        let work: BoxFuture<'static, _> = Box::pin(async move { (number, work.await) });
        self.pending.push(Abortable::new(work, registration));
        self.handles.insert(number, handle);
        Ok(number)
    }

    /// The outcome of a finished operation, once.
    pub(super) fn take(&mut self, number: u64) -> Option<Completion> {
        self.finished.remove(&number)
    }

    async fn wait(&mut self) -> Option<u64> {
        match self.unheard.pop_front() {
            Some(number) => Some(number),
            None => self.next().await,
        }
    }

    /// Goes on with all operations until this one has finished. What else finishes is kept for [`Self::wait`]. Nothing is lost when
    /// it is dropped before that.
    pub(super) async fn settle(&mut self, number: u64) {
        while self.handles.contains_key(&number) {
            if let Some(finished) = self.next().await {
                self.unheard.push_back(finished);
            }
        }
    }

    async fn next(&mut self) -> Option<u64> {
        while !self.handles.is_empty() {
            // An aborted operation ends here without an outcome.
            let Some(Ok((number, completion))) = self.pending.next().await else { continue };
            self.handles.remove(&number);
            if !matches!(completion, Completion::Timer | Completion::Program | Completion::Left) {
                self.finished.insert(number, completion);
            }
            return Some(number);
        }
        None
    }

    pub(super) fn cancel(&mut self, number: u64) {
        self.finished.remove(&number);
        if !self.unheard.is_empty() {
            self.unheard.retain(|unheard| *unheard != number);
        }
        if let Some(handle) = self.handles.remove(&number) {
            handle.abort();
        }
    }

    /// Cancels everything. Numbers go on from where they are.
    pub(super) fn clear(&mut self) {
        let unasked = !self.finished.is_empty() || !self.unheard.is_empty();
        if !self.handles.is_empty() || unasked || self.http.in_use() || !self.pending.is_empty() {
            *self = Self { last: self.last, ..Self::default() };
        }
        self.calls = 0;
        self.http.reset();
    }
}

/// As many outgoing requests of one invocation run at once.
pub(super) fn fetch_turns() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(limits::MAX_CONCURRENT_FETCHES))
}

impl wit::Host for State {
    fn timer(&mut self, milliseconds: u64) -> wasmtime::Result<Result<u64, wit::Error>> {
        // Longer than any deadline, and far from where the clock's arithmetic would overflow.
        let duration = Duration::from_millis(milliseconds).min(2 * limits::MAX_TIMEOUT);
        let timer = async move {
            tokio::time::sleep(duration).await;
            Completion::Timer
        };
        Ok(self.reactor.start(timer).map_err(|TooMany| wit::Error::TooManyOperations))
    }

    async fn wait(&mut self) -> wasmtime::Result<Option<u64>> {
        Ok(self.turn.wait(self.reactor.wait()).await)
    }

    fn cancel(&mut self, operation: u64) -> wasmtime::Result<()> {
        self.reactor.cancel(operation);
        self.reactor.http.forget(operation);
        self.programs.forget(operation);
        Ok(())
    }
}
