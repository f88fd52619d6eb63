//! The interface `http`: outgoing requests of a guest, as operations of its reactor.

mod feed;

use super::State;
use super::bindings::thimble::runtime::http as wit;
use super::egress::{BodyError, EgressError, Fetched, Payload, Redirect, tls};
use super::output::CONNECTION_HEADERS;
use super::reactor::{Completion, TooMany, fetch_turns};
use crate::arriving::Arriving;
use crate::limits;
use bytes::Bytes;
use feed::FedBody;
pub(crate) use feed::Feed;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use rustls::ClientConfig;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;
use wit::{Failure, FailureCode};

/// The exchanges of one invocation.
#[derive(Default)]
pub(crate) struct Exchanges {
    bodies: HashMap<u64, Body>,
    /// Where streamed bodies of requests are handed over, by the request.
    feeds: HashMap<u64, Feed>,
    sent: u32,
    turns: Option<Arc<Semaphore>>,
}

/// A body between two reads.
pub(crate) enum Body {
    /// The turn of its exchange is held until it ends or is closed.
    Response { incoming: Incoming, _turn: OwnedSemaphorePermit },
    /// That of the request that is being answered.
    Request(Arriving),
}

/// What `send` came to.
pub(crate) struct Responded {
    outcome: Result<(Fetched, OwnedSemaphorePermit), EgressError>,
    charged: usize,
}

/// What `read` came to.
pub(crate) struct ChunkRead {
    number: u64,
    /// With the error, whether it is the request's own body.
    outcome: Result<Option<(Bytes, Body)>, (hyper::Error, bool)>,
}

/// What an exchange costs the host besides its request: buffers of the connection.
const EXCHANGE: usize = 2 * limits::FETCH_CHUNK;

/// Headers that are the host's to set, besides those of the connection; a guest's are left out, as `fetch` has it.
const OWN_HEADERS: [HeaderName; 3] = [header::HOST, header::EXPECT, header::PROXY_AUTHORIZATION];

impl Body {
    async fn frame(&mut self) -> Option<hyper::Result<Frame<Bytes>>> {
        match self {
            Self::Response { incoming, .. } => incoming.frame().await,
            Self::Request(arriving) => arriving.frame().await,
        }
    }
}

impl Exchanges {
    pub(super) fn in_use(&self) -> bool {
        !self.bodies.is_empty() || !self.feeds.is_empty()
    }

    pub(super) fn reset(&mut self) {
        self.sent = 0;
        self.turns = None;
    }

    /// The guest gives up a request: what it fed breaks off.
    pub(super) fn forget(&mut self, request: u64) {
        self.feeds.remove(&request);
    }

    fn turns(&mut self) -> Arc<Semaphore> {
        self.turns.get_or_insert_with(fetch_turns).clone()
    }
}

fn fail(code: FailureCode, message: impl Into<String>) -> Failure {
    Failure { code, message: message.into() }
}

fn unknown() -> Failure {
    fail(FailureCode::UnknownOperation, "this operation or body is not known, or not finished")
}

fn too_many() -> Failure {
    fail(FailureCode::LimitExceeded, format!("{} operations are under way already", limits::MAX_OPERATIONS))
}

impl From<EgressError> for Failure {
    fn from(error: EgressError) -> Self {
        let code = match &error {
            EgressError::InvalidUrl { .. } => FailureCode::InvalidRequest,
            EgressError::HostProhibited { .. }
            | EgressError::SocketProhibited { .. }
            | EgressError::AddressProhibited { .. } => FailureCode::DestinationProhibited,
            EgressError::NotResolved { .. } => FailureCode::NameNotResolved,
            EgressError::Connection { .. } => FailureCode::ConnectionFailed,
            EgressError::Tls { .. } => FailureCode::TlsFailed,
            EgressError::Protocol { .. } => FailureCode::InvalidResponse,
            EgressError::TooManyRedirects
            | EgressError::RedirectScheme { .. }
            | EgressError::RedirectRefused { .. }
            | EgressError::RedirectWithoutBody { .. } => FailureCode::RedirectRefused,
        };
        fail(code, error.to_string())
    }
}

/// A request, checked.
struct Checked {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    redirect: Redirect,
    /// What the header content-length says: the host writes it by itself, unless the body is still to come.
    length: Option<u64>,
}

/// What a guest's request is secured by.
fn secured(asked: &wit::Security) -> Result<ClientConfig, Failure> {
    let refuse = |message: String| fail(FailureCode::TlsFailed, message);
    if asked.authorities.as_ref().is_some_and(|pem| pem.len() as u64 > limits::MAX_AUTHORITIES.0) {
        return Err(refuse(format!("the certificates to trust are more than {}", limits::MAX_AUTHORITIES)));
    }
    let config = tls::configured(asked.authorities.as_deref(), asked.verify, &[]);
    let mut config = config.map_err(|error| refuse(error.to_string()))?;
    if let Some(identity) = &asked.identity {
        tls::identify(&mut config, &identity.chain, &identity.key).map_err(|error| refuse(error.to_string()))?;
    }
    Ok(config)
}

fn check(request: wit::Request) -> Result<Checked, Failure> {
    let refuse = |message: String| fail(FailureCode::InvalidRequest, message);
    if request.url.len() > limits::MAX_URL {
        return Err(refuse(format!("the URL is longer than {} bytes", limits::MAX_URL)));
    }
    let url = Url::parse(&request.url).map_err(|error| refuse(format!("`{}` is no URL: {error}", request.url)))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse(format!("the scheme `{}` is not http or https", url.scheme())));
    }
    let method = Method::from_bytes(request.method.as_bytes())
        .ok()
        .filter(|method| *method != Method::CONNECT && *method != Method::TRACE)
        .ok_or_else(|| refuse(format!("the method `{}` cannot be sent", request.method.escape_debug())))?;
    let size: usize = request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size as u64 > limits::MAX_FETCH_HEADERS.0 || request.headers.len() > limits::MAX_HEADERS {
        return Err(fail(
            FailureCode::LimitExceeded,
            format!("the headers are more than {} or {} fields", limits::MAX_FETCH_HEADERS, limits::MAX_HEADERS),
        ));
    }
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 1);
    let mut length = None;
    for (name, value) in &request.headers {
        let wrong = || refuse(format!("the header `{}` is not well formed", name.escape_debug()));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        if name == header::CONTENT_LENGTH {
            length = value.trim().parse().ok();
        }
        let value = HeaderValue::from_bytes(&latin1(value).ok_or_else(wrong)?).map_err(|_| wrong())?;
        if !CONNECTION_HEADERS.contains(&name) && !OWN_HEADERS.contains(&name) {
            headers.append(name, value);
        }
    }
    let agent = HeaderValue::from_static(concat!("Thimble/", env!("CARGO_PKG_VERSION")));
    headers.entry(header::USER_AGENT).or_insert(agent);
    let redirect = match request.redirect {
        wit::Redirect::Follow => Redirect::Follow,
        wit::Redirect::Manual => Redirect::Manual,
        wit::Redirect::Error => Redirect::Error,
    };
    Ok(Checked { method, url, headers, body: request.body.into(), redirect, length })
}

fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

impl State {
    fn send_request(&mut self, request: wit::Request, manner: &wit::Manner) -> Result<u64, Failure> {
        let request = check(request)?;
        if self.reactor.http.sent >= limits::MAX_FETCHES {
            let message = format!("one invocation may send {} requests", limits::MAX_FETCHES);
            return Err(fail(FailureCode::LimitExceeded, message));
        }
        let charged = EXCHANGE + request.body.len();
        if !self.memory.charge(charged) {
            return Err(fail(FailureCode::LimitExceeded, "there is no memory left to send this request"));
        }
        let security = manner.security.as_ref();
        let secured = security.map(secured).transpose().inspect_err(|_| self.memory.release(charged))?;
        let egress = self.grants.egress.clone();
        let turns = self.reactor.http.turns();
        let Checked { method, url, headers, body, redirect, length } = request;
        let (feed, payload) = if manner.streamed {
            let (feed, fed) = FedBody::new(body, length);
            (Some(feed), Payload::Once(Some(fed.map_err(BodyError::from).boxed_unsync())))
        } else {
            (None, Payload::Whole(body))
        };
        let started = self.reactor.start(async move {
            let exchange = async {
                let turn = turns.acquire_owned().await.expect("these turns are never closed");
                Ok((egress.fetch(method, url, headers, payload, redirect, secured).await?, turn))
            };
            Completion::Response(Responded { outcome: exchange.await, charged })
        });
        match started {
            Ok(operation) => {
                self.reactor.http.sent += 1;
                if let Some(feed) = feed {
                    self.reactor.http.feeds.insert(operation, feed);
                }
                Ok(operation)
            }
            Err(TooMany) => {
                self.memory.release(charged);
                Err(too_many())
            }
        }
    }

    fn take_response(&mut self, operation: u64) -> Result<wit::Response, Failure> {
        let Some(Completion::Response(responded)) = self.reactor.take(operation) else { return Err(unknown()) };
        self.memory.release(responded.charged);
        let (fetched, turn) = responded.outcome?;
        let (head, incoming) = fetched.response.into_parts();
        let headers = head.headers.iter();
        let headers = headers.map(|(name, value)| {
            (name.as_str().to_string(), value.as_bytes().iter().map(|byte| char::from(*byte)).collect())
        });
        let response = wit::Response {
            status: head.status.as_u16(),
            url: fetched.url.into(),
            redirected: fetched.redirected,
            headers: headers.collect(),
            body: self.reactor.number(),
        };
        self.reactor.http.bodies.insert(response.body, Body::Response { incoming, _turn: turn });
        Ok(response)
    }

    /// Gives a number to the body of the request that is being answered.
    pub(super) fn read_request(&mut self, arriving: Arriving) -> u64 {
        let number = self.reactor.number();
        self.reactor.http.bodies.insert(number, Body::Request(arriving));
        number
    }

    fn start_read(&mut self, number: u64) -> Result<u64, Failure> {
        let mut body = self.reactor.http.bodies.remove(&number).ok_or_else(unknown)?;
        let started = self.reactor.start(async move {
            let outcome = loop {
                match body.frame().await {
                    None => break Ok(None),
                    Some(Err(error)) => break Err((error, matches!(body, Body::Request(_)))),
                    // Trailers are left out, as `fetch` has it.
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) if !data.is_empty() => break Ok(Some((data, body))),
                        _ => {}
                    },
                }
            };
            Completion::Chunk(ChunkRead { number, outcome })
        });
        started.map_err(|TooMany| too_many())
    }

    fn take_chunk(&mut self, operation: u64) -> Result<Option<Vec<u8>>, Failure> {
        let Some(Completion::Chunk(read)) = self.reactor.take(operation) else { return Err(unknown()) };
        match read.outcome {
            Ok(None) => Ok(None),
            Ok(Some((data, body))) => {
                self.reactor.http.bodies.insert(read.number, body);
                Ok(Some(data.into()))
            }
            Err((error, of_request)) => {
                let what = if of_request { "the request's body" } else { "the response" };
                Err(fail(FailureCode::ConnectionFailed, format!("{what} broke off: {error}")))
            }
        }
    }
}

impl wit::Host for State {
    fn send(&mut self, request: wit::Request) -> wasmtime::Result<Result<u64, Failure>> {
        Ok(self.send_request(request, &wit::Manner { streamed: false, security: None }))
    }

    fn send_as(&mut self, request: wit::Request, manner: wit::Manner) -> wasmtime::Result<Result<u64, Failure>> {
        Ok(self.send_request(request, &manner))
    }

    fn feed(&mut self, request: u64, piece: Option<Vec<u8>>) -> wasmtime::Result<Result<u64, Failure>> {
        Ok(self.feed_request(request, piece))
    }

    fn fed(&mut self, operation: u64) -> wasmtime::Result<bool> {
        Ok(self.take_fed(operation))
    }

    fn receive(&mut self, operation: u64) -> wasmtime::Result<Result<wit::Response, Failure>> {
        Ok(self.take_response(operation))
    }

    fn read(&mut self, body: u64) -> wasmtime::Result<Result<u64, Failure>> {
        Ok(self.start_read(body))
    }

    fn chunk(&mut self, operation: u64) -> wasmtime::Result<Result<Option<Vec<u8>>, Failure>> {
        Ok(self.take_chunk(operation))
    }

    fn close(&mut self, body: u64) -> wasmtime::Result<()> {
        self.reactor.http.bodies.remove(&body);
        Ok(())
    }
}
