//! The interface `tcp`: connections of a guest, plain or with TLS, as operations of its reactor.
//!
//! A connection lives as long as its instance, so that a pool of a database client serves many invocations. Waiting for what
//! arrives takes nothing out of the connection's buffer: what an invocation did not wait for is there for the next one. An
//! invocation that ends while it was sending has sent half of something: that connection is closed.

use super::State;
use super::bindings::thimble::runtime::tcp as wit;
use super::egress::{EgressError, Socket, tls};
use super::reactor::{Completion, TooMany};
use crate::limits;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, OwnedSemaphorePermit};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wit::{Established, Failure, FailureCode, Tls};

/// The connections of one instance.
#[derive(Default)]
pub(crate) struct Sockets {
    open: HashMap<u64, Connection>,
    /// Connections that are being made.
    making: usize,
}

/// One connection. Each half has one user at a time: whoever holds its lock. Both are empty while TLS begins, and after that has
/// failed.
pub(crate) struct Connection {
    reader: Arc<Mutex<Option<Reader>>>,
    writer: Arc<Mutex<Option<Writer>>>,
    _place: OwnedSemaphorePermit,
}

type Reader = BufReader<ReadHalf<Stream>>;

/// The half that sends.
struct Writer {
    half: WriteHalf<Stream>,
    /// Whether sending began and did not end.
    interrupted: bool,
}

/// What connections are made of.
enum Stream {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// What an operation of a connection came to.
pub(crate) enum Event {
    Connected(Result<(Connection, Ends), Failure>),
    Secured(Result<Option<String>, Failure>),
    Readable,
    /// With what its bytes were charged.
    Sent(usize, Result<(), Failure>),
}

/// The two addresses of a connection: local, then remote.
pub(crate) type Ends = ((String, u16), (String, u16));

/// What a connection takes of the host's memory: one buffer here, one in TLS, one in the kernel.
const CHARGE: usize = 3 * limits::FETCH_CHUNK;

impl Sockets {
    pub(super) fn in_use(&self) -> bool {
        !self.open.is_empty()
    }

    /// What they take of the host's memory.
    pub(super) fn charged(&self) -> usize {
        self.open.len() * CHARGE
    }

    /// Closes connections on which the invocation was still sending when it ended: the peer has half of something. Called
    /// when its operations are gone.
    pub(super) fn close_interrupted(&mut self) {
        self.making = 0;
        if !self.open.is_empty() {
            let usable = |writer: &Option<Writer>| writer.as_ref().is_some_and(|writer| !writer.interrupted);
            self.open.retain(|_, connection| connection.writer.try_lock().is_ok_and(|writer| usable(&writer)));
        }
    }

    fn get(&self, number: u64) -> Result<&Connection, Failure> {
        self.open.get(&number).ok_or_else(unknown)
    }
}

pub(super) fn fail(code: FailureCode, message: impl Into<String>) -> Failure {
    Failure { code, message: message.into() }
}

fn unknown() -> Failure {
    fail(FailureCode::UnknownOperation, "this connection is closed, or something is under way on it already")
}

fn too_many() -> Failure {
    fail(FailureCode::LimitExceeded, format!("{} operations are under way already", limits::MAX_OPERATIONS))
}

fn broken(error: &io::Error) -> Failure {
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return insecure(error);
    }
    let code = if error.kind() == io::ErrorKind::TimedOut { FailureCode::TimedOut } else { FailureCode::Reset };
    fail(code, format!("the connection broke: {error}"))
}

pub(super) fn insecure(error: &rustls::Error) -> Failure {
    use rustls::CertificateError as Certificate;
    let code = match error {
        rustls::Error::InvalidCertificate(Certificate::UnknownIssuer) => FailureCode::CertificateUntrusted,
        rustls::Error::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            FailureCode::CertificateExpired
        }
        rustls::Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => FailureCode::CertificateName,
        rustls::Error::InvalidCertificate(_) => FailureCode::CertificateUntrusted,
        _ => FailureCode::TlsFailed,
    };
    fail(code, format!("no secure connection: {error}"))
}

impl From<EgressError> for Failure {
    fn from(error: EgressError) -> Self {
        let code = match &error {
            EgressError::NotResolved { .. } => FailureCode::NameNotResolved,
            EgressError::Connection { kind: io::ErrorKind::ConnectionRefused, .. } => FailureCode::Refused,
            EgressError::Connection { kind: io::ErrorKind::TimedOut, .. } => FailureCode::TimedOut,
            EgressError::Connection { kind: io::ErrorKind::Other, .. } => FailureCode::LimitExceeded,
            EgressError::Connection { .. } => FailureCode::Reset,
            _ => FailureCode::DestinationProhibited,
        };
        fail(code, error.to_string())
    }
}

/// TLS as a guest asked for it, checked.
pub(super) struct Handshake {
    pub(super) config: ClientConfig,
    pub(super) name: ServerName<'static>,
}

impl Handshake {
    pub(super) fn new(asked: &Tls) -> Result<Self, Failure> {
        let refuse = |message: String| fail(FailureCode::InvalidArgument, message);
        if asked.authorities.as_ref().is_some_and(|pem| pem.len() as u64 > limits::MAX_AUTHORITIES.0) {
            return Err(refuse(format!("the certificates to trust are more than {}", limits::MAX_AUTHORITIES)));
        }
        let config = tls::configured(asked.authorities.as_deref(), asked.verify, &asked.protocols);
        let mut config = config.map_err(|error| refuse(error.to_string()))?;
        if let Some(identity) = &asked.identity {
            tls::identify(&mut config, &identity.chain, &identity.key).map_err(|error| refuse(error.to_string()))?;
        }
        let name = ServerName::try_from(asked.server_name.clone())
            .map_err(|_| refuse(format!("`{}` is no name of a server", asked.server_name.escape_debug())))?;
        Ok(Self { config, name })
    }

    async fn begin(self, stream: TcpStream) -> Result<(Stream, Option<String>), Failure> {
        let connector = TlsConnector::from(Arc::new(self.config));
        let handshake = tokio::time::timeout(limits::CONNECT_TIMEOUT, connector.connect(self.name, stream)).await;
        let Ok(secured) = handshake else {
            return Err(fail(FailureCode::TimedOut, "the TLS handshake took too long"));
        };
        let secured = secured.map_err(|error| broken(&error))?;
        let protocol = secured.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        Ok((Stream::Secure(Box::new(secured)), protocol))
    }
}

impl Connection {
    fn new(stream: Stream, place: OwnedSemaphorePermit) -> Self {
        let (reader, writer) = halves(stream);
        Self { reader: Arc::new(Mutex::new(Some(reader))), writer: Arc::new(Mutex::new(Some(writer))), _place: place }
    }
}

fn halves(stream: Stream) -> (Reader, Writer) {
    let (reader, half) = tokio::io::split(stream);
    (BufReader::with_capacity(limits::FETCH_CHUNK, reader), Writer { half, interrupted: false })
}

/// Puts halves of a plain connection together, if nothing of it waits to be received.
fn whole(reader: Option<Reader>, writer: Option<Writer>) -> Result<TcpStream, Failure> {
    let (Some(reader), Some(writer)) = (reader, writer) else { return Err(unknown()) };
    if !reader.buffer().is_empty() {
        return Err(fail(FailureCode::TlsFailed, "the peer sent something before the handshake"));
    }
    match reader.into_inner().unsplit(writer.half) {
        Stream::Plain(stream) => Ok(stream),
        Stream::Secure(_) => Err(fail(FailureCode::UnknownOperation, "this connection has TLS already")),
    }
}

fn end_of(address: io::Result<std::net::SocketAddr>) -> (String, u16) {
    address.map_or((String::new(), 0), |address| (address.ip().to_canonical().to_string(), address.port()))
}

/// Keeps a half of a connection that an operation uses.
fn turn<T>(half: &Arc<Mutex<Option<T>>>) -> Result<OwnedMappedMutexGuard<Option<T>, T>, Failure> {
    let guard = half.clone().try_lock_owned().map_err(|_| unknown())?;
    OwnedMutexGuard::try_map(guard, Option::as_mut).map_err(|_| unknown())
}

impl State {
    fn start_connect(&mut self, host: String, port: u16, tls: Option<Tls>) -> Result<u64, Failure> {
        let handshake = tls.as_ref().map(Handshake::new).transpose()?;
        if self.sockets.open.len() + self.sockets.making >= limits::MAX_SOCKETS {
            let message = format!("one instance may have {} connections open", limits::MAX_SOCKETS);
            return Err(fail(FailureCode::LimitExceeded, message));
        }
        if !self.memory.charge(CHARGE) {
            return Err(fail(FailureCode::LimitExceeded, "there is no memory left for another connection"));
        }
        let egress = self.grants.egress.clone();
        let connect = async move {
            let Socket { stream, place } = egress.connect(&host, port).await?;
            let ends = (end_of(stream.local_addr()), end_of(stream.peer_addr()));
            let stream = match handshake {
                None => Stream::Plain(stream),
                Some(handshake) => handshake.begin(stream).await?.0,
            };
            Ok((Connection::new(stream, place), ends))
        };
        let started = self.reactor.start(async move { Completion::Socket(Event::Connected(connect.await)) });
        match started {
            Ok(operation) => {
                self.sockets.making += 1;
                Ok(operation)
            }
            Err(TooMany) => {
                self.memory.release(CHARGE);
                Err(too_many())
            }
        }
    }

    fn take_connected(&mut self, operation: u64) -> Result<Established, Failure> {
        let Some(Completion::Socket(Event::Connected(outcome))) = self.reactor.take(operation) else {
            return Err(unknown());
        };
        self.sockets.making = self.sockets.making.saturating_sub(1);
        match outcome {
            Ok((connection, (local, remote))) => {
                let number = self.reactor.number();
                self.sockets.open.insert(number, connection);
                Ok(Established { connection: number, local, remote })
            }
            Err(failure) => {
                self.memory.release(CHARGE);
                Err(failure)
            }
        }
    }

    fn start_secure(&mut self, number: u64, tls: &Tls) -> Result<u64, Failure> {
        let handshake = Handshake::new(tls)?;
        let connection = self.sockets.get(number)?;
        let (reader, writer) = (connection.reader.clone(), connection.writer.clone());
        let secure = async move {
            // A wait that was cancelled lets go of its half when it is next looked at.
            let (mut reader, mut writer) = (reader.lock_owned().await, writer.lock_owned().await);
            let (stream, protocol) = handshake.begin(whole(reader.take(), writer.take())?).await?;
            let (reading, writing) = halves(stream);
            (*reader, *writer) = (Some(reading), Some(writing));
            Ok(protocol)
        };
        let started = self.reactor.start(async move { Completion::Socket(Event::Secured(secure.await)) });
        started.map_err(|TooMany| too_many())
    }

    fn take_secured(&mut self, operation: u64) -> Result<Option<String>, Failure> {
        match self.reactor.take(operation) {
            Some(Completion::Socket(Event::Secured(outcome))) => outcome,
            _ => Err(unknown()),
        }
    }

    fn start_readable(&mut self, number: u64) -> Result<u64, Failure> {
        let mut reader = turn(&self.sockets.get(number)?.reader)?;
        let readable = async move {
            // An error shows again in `receive`.
            let _ = reader.fill_buf().await;
            Completion::Socket(Event::Readable)
        };
        self.reactor.start(readable).map_err(|TooMany| too_many())
    }

    fn take_received(&mut self, number: u64) -> Result<Option<Vec<u8>>, Failure> {
        let mut reader = turn(&self.sockets.get(number)?.reader)?;
        if !reader.buffer().is_empty() {
            let bytes = reader.buffer().to_vec();
            reader.consume(bytes.len());
            return Ok(Some(bytes));
        }
        // The buffer is empty after a wait: the end, or an error, which a stream repeats. It does not wait for either.
        match futures_util::FutureExt::now_or_never(reader.fill_buf()) {
            Some(Ok([])) => Ok(None),
            Some(Err(error)) => Err(broken(&error)),
            Some(Ok(_)) | None => Ok(Some(Vec::new())),
        }
    }

    fn start_send(&mut self, number: u64, bytes: Vec<u8>, last: bool) -> Result<u64, Failure> {
        let mut writer = turn(&self.sockets.get(number)?.writer)?;
        let charged = bytes.len();
        if !self.memory.charge(charged) {
            return Err(fail(FailureCode::LimitExceeded, "there is no memory left to send this"));
        }
        let send = async move {
            writer.interrupted = true;
            let sent = async {
                writer.half.write_all(&bytes).await?;
                if last { writer.half.shutdown().await } else { writer.half.flush().await }
            };
            let outcome = sent.await.map_err(|error| broken(&error));
            writer.interrupted = false;
            Completion::Socket(Event::Sent(charged, outcome))
        };
        self.reactor.start(send).map_err(|TooMany| {
            self.memory.release(charged);
            too_many()
        })
    }

    fn take_sent(&mut self, operation: u64) -> Result<(), Failure> {
        let Some(Completion::Socket(Event::Sent(charged, outcome))) = self.reactor.take(operation) else {
            return Err(unknown());
        };
        self.memory.release(charged);
        outcome
    }
}

impl wit::Host for State {
    fn connect(&mut self, host: String, port: u16, tls: Option<Tls>) -> wasmtime::Result<Result<u64, Failure>> {
        Ok(self.start_connect(host, port, tls))
    }

    fn connected(&mut self, operation: u64) -> wasmtime::Result<Result<Established, Failure>> {
        Ok(self.take_connected(operation))
    }

    fn secure(&mut self, connection: u64, tls: Tls) -> wasmtime::Result<Result<u64, Failure>> {
        Ok(self.start_secure(connection, &tls))
    }

    fn secured(&mut self, operation: u64) -> wasmtime::Result<Result<Option<String>, Failure>> {
        Ok(self.take_secured(operation))
    }

    fn readable(&mut self, connection: u64) -> wasmtime::Result<Result<u64, Failure>> {
        Ok(self.start_readable(connection))
    }

    fn receive(&mut self, connection: u64) -> wasmtime::Result<Result<Option<Vec<u8>>, Failure>> {
        Ok(self.take_received(connection))
    }

    fn send(&mut self, connection: u64, bytes: Vec<u8>) -> wasmtime::Result<Result<u64, Failure>> {
        Ok(self.start_send(connection, bytes, false))
    }

    fn sent(&mut self, operation: u64) -> wasmtime::Result<Result<(), Failure>> {
        Ok(self.take_sent(operation))
    }

    fn finish(&mut self, connection: u64) -> wasmtime::Result<Result<u64, Failure>> {
        Ok(self.start_send(connection, Vec::new(), true))
    }

    fn close(&mut self, connection: u64) -> wasmtime::Result<()> {
        if self.sockets.open.remove(&connection).is_some() {
            self.memory.release(CHARGE);
        }
        Ok(())
    }
}

impl Stream {
    fn project(self: Pin<&mut Self>) -> Pin<&mut dyn Both> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream),
            Self::Secure(stream) => Pin::new(stream.as_mut()),
        }
    }
}

/// A stream in both directions.
trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.project().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.project().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().poll_shutdown(cx)
    }
}
