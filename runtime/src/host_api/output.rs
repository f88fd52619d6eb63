//! The interface `output`: an answer that a function gives piece by piece, or before it ends.
//!
//! Whoever reads it holds [`Answer`]. A guest that hands over a piece waits until there is room for the next one: so it runs
//! no faster than its client reads, and the host holds one piece at most.

use super::State;
use super::bindings::thimble::runtime::output as wit;
use super::reactor::{Completion, TooMany};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use wit::Error;

pub use wit::Delivery;

/// The guest's end of an answer.
pub struct Output {
    delivery: Delivery,
    open: Mutex<Open>,
    complete: Arc<AtomicBool>,
    /// Closed once the reader's end is gone.
    reader: watch::Receiver<()>,
}

struct Open {
    /// Gone once the answer has begun.
    head: Option<oneshot::Sender<Head>>,
    /// Gone once the answer is complete.
    pieces: Option<mpsc::Sender<Bytes>>,
    /// Held while a piece waits for room: two at once would be memory that nobody counts.
    turn: Arc<Semaphore>,
}

/// The reader's end.
pub struct Answer {
    /// Comes when the answer begins; fails where the invocation ends without having begun one.
    pub head: oneshot::Receiver<Head>,
    pub pieces: mpsc::Receiver<Bytes>,
    /// Whether the guest said that this is all; otherwise the end of the pieces may be that of a guest that failed.
    pub complete: Arc<AtomicBool>,
    /// To be kept for as long as somebody reads. Nothing is ever sent.
    pub reader: watch::Sender<()>,
}

/// Status and headers of an HTTP answer; the default where there are only elements.
#[derive(Debug, Default)]
pub struct Head {
    pub status: StatusCode,
    pub headers: HeaderMap,
}

/// Headers that belong to a connection, not to a request or an answer: a function's are left out.
pub const CONNECTION_HEADERS: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

impl Output {
    /// Both ends of an answer.
    pub fn new(delivery: Delivery) -> (Arc<Self>, Answer) {
        let (head, begun) = oneshot::channel();
        let (pieces, received) = mpsc::channel(1);
        let open = Mutex::new(Open { head: Some(head), pieces: Some(pieces), turn: Arc::new(Semaphore::new(1)) });
        let complete = Arc::new(AtomicBool::new(false));
        let (present, reader) = watch::channel(());
        (
            Arc::new(Self { delivery, open, complete: complete.clone(), reader }),
            Answer { head: begun, pieces: received, complete, reader: present },
        )
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Open {
    fn begin(&mut self, head: Head) -> Result<(), Error> {
        let sender = self.head.take().ok_or(Error::OutOfTurn)?;
        // Nobody reads any more: the first piece will say so.
        let _ = sender.send(head);
        Ok(())
    }

    /// Elements begin with the first of them, or with their end.
    fn begin_elements(&mut self, delivery: Delivery) -> Result<(), Error> {
        match (delivery, &self.head) {
            (Delivery::Elements, Some(_)) => self.begin(Head::default()),
            (_, Some(_)) => Err(Error::OutOfTurn),
            (_, None) => Ok(()),
        }
    }
}

fn checked(head: wit::Head) -> Result<Head, Error> {
    let status = StatusCode::from_u16(head.status)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or_else(|| Error::Head(format!("the status is {}; it must be between 200 and 599", head.status)))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &head.headers {
        let wrong = || Error::Head(format!("the header `{}` is not well formed", name.escape_debug()));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| wrong())?;
        if !CONNECTION_HEADERS.contains(&name) {
            headers.append(name, value);
        }
    }
    Ok(Head { status, headers })
}

impl wit::Host for State {
    fn wanted(&mut self) -> wasmtime::Result<Delivery> {
        let output = self.invocation.as_ref().and_then(|invocation| invocation.output.as_ref());
        Ok(output.map_or(Delivery::Whole, |output| output.delivery))
    }

    fn begin(&mut self, head: wit::Head) -> wasmtime::Result<Result<(), Error>> {
        let Some(output) = self.running()?.output.clone().filter(|output| output.delivery == Delivery::Http) else {
            return Ok(Err(Error::OutOfTurn));
        };
        Ok(checked(head).and_then(|head| output.open().begin(head)))
    }

    fn write(&mut self, piece: Vec<u8>) -> wasmtime::Result<Result<u64, Error>> {
        let Some(output) = self.running()?.output.clone() else { return Ok(Err(Error::OutOfTurn)) };
        let mut open = output.open();
        if let Err(error) = open.begin_elements(output.delivery) {
            return Ok(Err(error));
        }
        let most = self.grants.limits.response_size.0;
        if piece.len() as u64 > most {
            return Ok(Err(Error::TooLarge(most)));
        }
        let (Some(pieces), Ok(turn)) = (open.pieces.clone(), open.turn.clone().try_acquire_owned()) else {
            return Ok(Err(Error::OutOfTurn));
        };
        let write = async move {
            let _turn = turn;
            Completion::Write(pieces.send(piece.into()).await.is_ok())
        };
        Ok(self.reactor.start(write).map_err(|TooMany| Error::TooManyOperations))
    }

    fn written(&mut self, operation: u64) -> wasmtime::Result<bool> {
        Ok(matches!(self.reactor.take(operation), Some(Completion::Write(true))))
    }

    fn left(&mut self) -> wasmtime::Result<Result<u64, Error>> {
        let Some(output) = self.running()?.output.clone() else { return Ok(Err(Error::OutOfTurn)) };
        let mut reader = output.reader.clone();
        let left = async move {
            while reader.changed().await.is_ok() {}
            Completion::Left
        };
        Ok(self.reactor.start(left).map_err(|TooMany| Error::TooManyOperations))
    }

    fn end(&mut self) -> wasmtime::Result<Result<(), Error>> {
        let Some(output) = self.running()?.output.clone() else { return Ok(Err(Error::OutOfTurn)) };
        let mut open = output.open();
        if let Err(error) = open.begin_elements(output.delivery) {
            return Ok(Err(error));
        }
        output.complete.store(true, Ordering::Release);
        open.pieces = None;
        Ok(Ok(()))
    }
}
