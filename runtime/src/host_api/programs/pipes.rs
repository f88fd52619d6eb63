//! The standard streams of a program, between its sandbox and its caller: what is written waits in a pipe of 64 KiB until it is
//! received, what is to be read counts as the function's memory until it was.

use super::wit;
use crate::host_api::memory::Household;
use crate::limits;
use bytes::Bytes;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// A guest may have several handles of a stream, each of which was told of the same room.
const MOST_WRITTEN: usize = 2 * limits::PROGRAM_PIPE;

/// The pipes of one program.
pub(crate) struct Pipes {
    held: Mutex<Held>,
    household: Arc<Household>,
    /// What they count for besides the input, in bytes.
    charged: usize,
    /// Told of every change that one of the two sides may wait for.
    changed: Notify,
}

#[derive(Default)]
struct Held {
    input: VecDeque<Bytes>,
    input_ended: bool,
    /// Standard output and standard error.
    written: [Vec<u8>; 2],
    end: Option<Result<wit::End, wit::Failure>>,
}

/// What was written, and how the program ended, if it has.
pub(super) struct Received {
    pub output: Vec<u8>,
    pub error: Vec<u8>,
    pub end: Option<Result<wit::End, wit::Failure>>,
}

impl Pipes {
    /// None where there is no room for them, and for `extra` bytes that the program takes besides.
    pub(super) fn new(household: Arc<Household>, input: Vec<u8>, open: bool, extra: usize) -> Option<Arc<Self>> {
        let charged = extra + 2 * MOST_WRITTEN;
        if !household.take(charged + input.len()) {
            return None;
        }
        let input = if input.is_empty() { VecDeque::new() } else { VecDeque::from([Bytes::from(input)]) };
        let held = Mutex::new(Held { input, input_ended: !open, ..Held::default() });
        Some(Arc::new(Self { held, household, charged, changed: Notify::new() }))
    }

    /// Adds input, or ends it; false where there is no room for more.
    pub(super) fn feed(&self, input: Option<Vec<u8>>) -> bool {
        let mut held = self.held();
        match input {
            None => held.input_ended = true,
            // Nobody reads it any more.
            Some(_) if held.input_ended || held.end.is_some() => {}
            Some(input) if input.is_empty() => {}
            Some(input) => {
                if !self.household.take(input.len()) {
                    return false;
                }
                held.input.push_back(input.into());
            }
        }
        drop(held);
        self.changed.notify_waiters();
        true
    }

    /// Takes what was written to these streams; to both, once the program has ended.
    pub(super) fn receive(&self, streams: wit::Streams) -> Received {
        let mut held = self.held();
        let end = held.end.clone();
        let mut take = |stream: usize, wanted: bool| match wanted || end.is_some() {
            true => std::mem::take(&mut held.written[stream]),
            false => Vec::new(),
        };
        let output = take(0, streams.contains(wit::Streams::OUTPUT));
        let error = take(1, streams.contains(wit::Streams::ERROR));
        drop(held);
        self.changed.notify_waiters();
        Received { output, error, end }
    }

    /// The program has ended.
    pub(super) fn end(&self, end: Result<wit::End, wit::Failure>) {
        self.held().end = Some(end);
        self.changed.notify_waiters();
    }

    /// Waits until there is something to receive from these streams, or the program has ended.
    pub(super) async fn news(&self, streams: wit::Streams) {
        let has = |held: &Held, stream: usize, flag| streams.contains(flag) && !held.written[stream].is_empty();
        self.until(|held| {
            let written = has(held, 0, wit::Streams::OUTPUT) || has(held, 1, wit::Streams::ERROR);
            held.end.is_some() || written
        })
        .await;
    }

    /// Waits until the program cannot write any more, or has ended.
    pub(super) async fn standstill(&self) {
        self.until(|held| held.end.is_some() || held.written.iter().any(|pipe| pipe.len() >= limits::PROGRAM_PIPE))
            .await;
    }

    async fn until(&self, reached: impl Fn(&Held) -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if reached(&self.held()) {
                return;
            }
            changed.await;
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        let unread: usize = self.held().input.iter().map(Bytes::len).sum();
        self.household.give_back(self.charged + unread);
    }
}

/// A program's standard input.
#[derive(Clone)]
pub(crate) struct Input(pub Arc<Pipes>);

/// A program's standard output (0) or standard error (1).
#[derive(Clone)]
pub(crate) struct Output(pub Arc<Pipes>, pub usize);

impl IsTerminal for Input {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Input {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        // Only WASI 0.3 asks for this one, and it is not linked.
        Box::new(tokio::io::empty())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // See `Input::async_stream`.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Input {
    async fn ready(&mut self) {
        self.0.until(|held| held.input_ended || !held.input.is_empty()).await;
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Input {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let mut held = self.0.held();
        let Some(first) = held.input.front_mut() else {
            return if held.input_ended { Err(StreamError::Closed) } else { Ok(Bytes::new()) };
        };
        let piece = first.split_to(size.min(first.len()));
        if first.is_empty() {
            held.input.pop_front();
        }
        self.0.household.give_back(piece.len());
        Ok(piece)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {
        self.0.until(|held| held.written[self.1].len() < limits::PROGRAM_PIPE).await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut held = self.0.held();
        if held.written[self.1].len() + bytes.len() > MOST_WRITTEN {
            return Err(StreamError::trap("more was written than there is room for"));
        }
        held.written[self.1].extend_from_slice(&bytes);
        drop(held);
        self.0.changed.notify_waiters();
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(limits::PROGRAM_PIPE.saturating_sub(self.0.held().written[self.1].len()))
    }
}
