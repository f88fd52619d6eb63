//! Outgoing HTTP: what a workspace may reach, and the client that keeps to it.
//!
//! Two checks, both always: the host and port of every hop against the workspace's list, and every address that a name
//! resolves to against the private ranges. A name is resolved once, and the address that was checked is connected to.

pub mod addresses;
mod cause;
pub mod rules;
pub mod tls;

use crate::limits;
use bytes::Bytes;
use cause::Remembering;
use http::uri::Scheme;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rules::Rules;
use rustls::ClientConfig;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

/// Any error of a request's body.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// The body of an outgoing request.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// One deployment's way out. Connections are pooled here, so no two workspaces ever share one.
#[derive(Debug)]
pub struct Egress {
    rules: Arc<Rules>,
    client: OnceLock<Client<Remembering<HttpsConnector<Connector>>, Body>>,
    sockets: Arc<Semaphore>,
}

/// A TCP connection of a guest, and its place among those of its deployment.
pub struct Socket {
    pub stream: TcpStream,
    pub place: OwnedSemaphorePermit,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    #[error("`{url}` is not a valid http or https URL: {reason}")]
    InvalidUrl { url: String, reason: String },
    #[error(
        "{host}:{port} is not on this workspace's egress list; add \"{host}\" or \"{host}:{port}\" to `egress` to allow it"
    )]
    HostProhibited { host: String, port: u16 },
    #[error(
        "TCP connections to {host}:{port} are not on this workspace's egress list; add \"{host}:{port}\" to `egress`, with \
         the port, to allow them"
    )]
    SocketProhibited { host: String, port: u16 },
    #[error("{host} resolves to {address}, which is private; add the address or its range to `egress` to allow it")]
    AddressProhibited { host: String, address: std::net::IpAddr },
    #[error("the name {host} does not resolve")]
    NotResolved { host: String },
    #[error("no connection to {host}: {reason}")]
    Connection { host: String, kind: io::ErrorKind, reason: String },
    #[error("no secure connection to {host}: {reason}")]
    Tls { host: String, reason: String },
    #[error("{host} does not answer in HTTP: {reason}")]
    Protocol { host: String, reason: String },
    #[error("more than {} redirects", limits::MAX_REDIRECTS)]
    TooManyRedirects,
    #[error("{url} redirects to a `{scheme}:` URL, which is neither http nor https")]
    RedirectScheme { url: String, scheme: String },
    #[error("{url} redirects, and redirects were asked to be errors")]
    RedirectRefused { url: String },
    #[error("{url} redirects, and the request's body was a stream that cannot be sent a second time")]
    RedirectWithoutBody { url: String },
}

/// What to do with a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect {
    Follow,
    Manual,
    Error,
}

/// What a request carries.
pub enum Payload {
    Whole(Bytes),
    /// A stream, until it is sent.
    Once(Option<Body>),
}

impl Payload {
    /// The body for the next hop; none where it is gone.
    fn body(&mut self) -> Option<Body> {
        match self {
            Self::Whole(bytes) => Some(Full::new(bytes.clone()).map_err(|never| match never {}).boxed_unsync()),
            Self::Once(body) => body.take(),
        }
    }
}

/// A response's head, with its body still to be read.
#[derive(Debug)]
pub struct Fetched {
    pub url: Url,
    pub redirected: bool,
    pub response: Response<Incoming>,
}

impl Egress {
    pub fn new(rules: Rules) -> Self {
        let sockets = Arc::new(Semaphore::new(limits::MAX_DEPLOYMENT_SOCKETS));
        Self { rules: Arc::new(rules), client: OnceLock::new(), sockets }
    }

    /// Connects without HTTP, to an entry that names the port.
    pub async fn connect(&self, host: &str, port: u16) -> Result<Socket, EgressError> {
        let host = plain(host);
        self.rules.allow_socket(&host, port)?;
        let broken =
            |reason: String| EgressError::Connection { host: host.clone(), kind: io::ErrorKind::Other, reason };
        let place = self.sockets.clone().try_acquire_owned().map_err(|_| {
            broken(format!("this workspace has {} connections open already", limits::MAX_DEPLOYMENT_SOCKETS))
        })?;
        match tokio::time::timeout(limits::CONNECT_TIMEOUT, dial(&self.rules, &host, port)).await {
            Ok(Ok(stream)) => Ok(Socket { stream, place }),
            Ok(Err(error)) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Refused>()) {
                Some(own) => Err(own.0()),
                None => Err(EgressError::Connection { host, kind: error.kind(), reason: error.to_string() }),
            },
            Err(_) => {
                let reason = format!("nothing answered within {} s", limits::CONNECT_TIMEOUT.as_secs());
                Err(EgressError::Connection { host, kind: io::ErrorKind::TimedOut, reason })
            }
        }
    }

    /// Sends a request and follows redirects, each hop checked as the first one was. What it is to be secured by, if that is not
    /// what all are, is for the first origin only.
    pub async fn fetch(
        &self,
        mut method: Method,
        mut url: Url,
        mut headers: HeaderMap,
        mut payload: Payload,
        redirect: Redirect,
        mut secured: Option<ClientConfig>,
    ) -> Result<Fetched, EgressError> {
        for hop in 0..=limits::MAX_REDIRECTS {
            let mut request = Request::builder().method(method.clone()).uri(uri(&url)?);
            if let Some(sent) = request.headers_mut() {
                sent.clone_from(&headers);
            }
            let body = payload.body().ok_or_else(|| EgressError::RedirectWithoutBody { url: url.to_string() })?;
            let request = request.body(body).map_err(|error| invalid(&url, error))?;
            let response = self.send_secured(request, secured.as_ref()).await?;
            let Some(next) = location(&url, &response) else {
                return Ok(Fetched { url, redirected: hop > 0, response });
            };
            match redirect {
                Redirect::Follow => {}
                Redirect::Manual => return Ok(Fetched { url, redirected: false, response }),
                Redirect::Error => return Err(EgressError::RedirectRefused { url: url.into() }),
            }
            if !matches!(next.scheme(), "http" | "https") {
                return Err(EgressError::RedirectScheme { url: url.into(), scheme: next.scheme().into() });
            }
            let status = response.status();
            let becomes_get = status == StatusCode::SEE_OTHER && method != Method::HEAD
                || matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND) && method == Method::POST;
            if becomes_get {
                method = Method::GET;
                payload = Payload::Whole(Bytes::new());
                for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE] {
                    headers.remove(name);
                }
            }
            if next.origin() != url.origin() {
                secured = None;
                for name in [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION] {
                    headers.remove(name);
                }
            }
            url = next;
        }
        Err(EgressError::TooManyRedirects)
    }

    /// Sends one request, without following anything.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, EgressError> {
        self.send_secured(request, None).await
    }

    async fn send_secured(
        &self,
        request: Request<Body>,
        secured: Option<&ClientConfig>,
    ) -> Result<Response<Incoming>, EgressError> {
        let (host, port) = target(request.uri())?;
        self.rules.allow_host(&host, port)?;
        let sent = match secured {
            None => self.client.get_or_init(|| self.client(tls::config(), limits::IDLE_CONNECTIONS)).request(request),
            // Its connection says who the guest is, and is nobody else's.
            Some(config) => self.client(config.clone(), 0).request(request),
        };
        sent.await.map_err(|error| explain(&host, &error))
    }

    fn client(&self, config: ClientConfig, idle: usize) -> Client<Remembering<HttpsConnector<Connector>>, Body> {
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connector { rules: self.rules.clone() });
        Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(limits::IDLE_CONNECTION_AGE)
            .pool_max_idle_per_host(idle)
            .http1_max_buf_size(limits::FETCH_CHUNK)
            .build(Remembering(https))
    }
}

fn uri(url: &Url) -> Result<Uri, EgressError> {
    let mut url = url.clone();
    url.set_fragment(None);
    // Credentials in a URL belong into a header, where the guest has put them if it wanted them sent.
    if url.set_username("").is_err() || url.set_password(None).is_err() {
        return Err(invalid(&url, "it has no host"));
    }
    Uri::try_from(url.as_str()).map_err(|error| invalid(&url, error))
}

fn invalid(url: &Url, reason: impl std::fmt::Display) -> EgressError {
    EgressError::InvalidUrl { url: url.to_string(), reason: reason.to_string() }
}

/// Host and port of a request, the host in lower case and without the dot of the root.
fn target(uri: &Uri) -> Result<(String, u16), EgressError> {
    let refuse = |reason: &str| EgressError::InvalidUrl { url: uri.to_string(), reason: reason.into() };
    let default = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => 80,
        Some(scheme) if *scheme == Scheme::HTTPS => 443,
        _ => return Err(refuse("the scheme must be http or https")),
    };
    let host = uri.host().ok_or_else(|| refuse("it has no host"))?;
    let host = plain(host);
    if host.is_empty() { Err(refuse("it has no host")) } else { Ok((host, uri.port_u16().unwrap_or(default))) }
}

/// A host as rules know it.
fn plain(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase()
}

/// Where a redirect leads; none where the response is none.
fn location(url: &Url, response: &Response<Incoming>) -> Option<Url> {
    let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(header::LOCATION).filter(|_| redirects)?.to_str().ok()?;
    url.join(location).ok()
}

/// A connection ended before a request could be sent.
#[derive(Debug, thiserror::Error)]
#[error("it closed the connection at once")]
struct Closed;

/// Finds the cause in an error of the client: our own refusal, the resolver's, the connection's, or the protocol's.
fn explain(host: &str, error: &hyper_util::client::legacy::Error) -> EgressError {
    let cause = cause::of(error);
    let mut deepest: &(dyn std::error::Error + 'static) = match cause.as_ref().map(|cause| cause.get()) {
        None => error,
        Some(Some(cause)) => cause,
        Some(None) => &Closed,
    };
    let mut tls = None;
    loop {
        if let Some(own) = deepest.downcast_ref::<Refused>() {
            return own.0();
        }
        if let Some(failed) = deepest.downcast_ref::<io::Error>() {
            if let Some(own) = failed.get_ref().and_then(|inner| inner.downcast_ref::<Refused>()) {
                return own.0();
            }
            if let Some(inner) = failed.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                tls = Some(inner.to_string());
            }
        }
        match deepest.source() {
            Some(source) => deepest = source,
            None => break,
        }
    }
    let (host, reason) = (host.to_string(), deepest.to_string());
    match tls {
        Some(reason) => EgressError::Tls { host, reason },
        None if error.is_connect() => EgressError::Connection { host, kind: io::ErrorKind::Other, reason },
        None => EgressError::Protocol { host, reason },
    }
}

/// Connects to the addresses that the rules allow, and to no other.
#[derive(Clone, Debug)]
struct Connector {
    rules: Arc<Rules>,
}

/// Carries our own error through the client's.
struct Refused(Box<dyn Fn() -> EgressError + Send + Sync>);

impl std::fmt::Debug for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0())
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0())
    }
}

impl std::error::Error for Refused {}

fn refused(make: impl Fn() -> EgressError + Send + Sync + 'static) -> io::Error {
    io::Error::other(Refused(Box::new(make)))
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let rules = self.rules.clone();
        Box::pin(async move {
            match tokio::time::timeout(limits::CONNECT_TIMEOUT, connect(&rules, &uri)).await {
                Ok(connected) => connected.map(TokioIo::new),
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "it took too long")),
            }
        })
    }
}

async fn connect(rules: &Rules, uri: &Uri) -> io::Result<TcpStream> {
    let (host, port) = target(uri).map_err(|error| io::Error::other(error.to_string()))?;
    dial(rules, &host, port).await
}

#[expect(clippy::disallowed_methods, reason = "the one way out of guests, behind the rules")]
async fn dial(rules: &Rules, host: &str, port: u16) -> io::Result<TcpStream> {
    let found: Vec<_> = match tokio::net::lookup_host((host, port)).await {
        Ok(found) => found.collect(),
        Err(_) => Vec::new(),
    };
    let mut last = refused({
        let host = host.to_string();
        move || EgressError::NotResolved { host: host.clone() }
    });
    for address in found {
        if !rules.allow_address(host, address) {
            let (host, address) = (host.to_string(), address.ip());
            last = refused(move || EgressError::AddressProhibited { host: host.clone(), address });
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
