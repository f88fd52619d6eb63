//! The interface `tls-sessions`: TLS of which the guest carries the bytes itself.
//!
//! A session computes and never waits. It lives as long as its instance, as the connection that it secures does. Every call takes
//! pieces of bounded size and gives out all that came of them, so that little is kept here between two calls.

use super::State;
use super::bindings::thimble::runtime::tcp::FailureCode;
use super::bindings::thimble::runtime::tls_sessions as wit;
use super::egress::tls::{self, Issuers, Names};
use super::tcp::{Handshake, fail, insecure};
use crate::limits;
use rustls::ClientConnection;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::Arc;
use wit::{Checks, Failure, Peer, Progress, Tls};

/// The sessions of one instance.
#[derive(Default)]
pub(crate) struct Sessions {
    open: HashMap<u64, ClientConnection>,
}

/// What a session takes of the host's memory: a message of a handshake at most, or a record that has not arrived whole.
const CHARGE: usize = 2 * limits::FETCH_CHUNK;

impl Sessions {
    pub(super) fn in_use(&self) -> bool {
        !self.open.is_empty()
    }

    /// What they take of the host's memory.
    pub(super) fn charged(&self) -> usize {
        self.open.len() * CHARGE
    }
}

fn session_of(asked: &Tls, checks: Checks) -> Result<ClientConnection, Failure> {
    let Handshake { mut config, name } = Handshake::new(asked)?;
    if asked.verify && checks != Checks::empty() {
        let only = checks.contains(Checks::ONLY_AUTHORITIES);
        let issuers = if only { Issuers::Given } else { Issuers::GivenAndSystem };
        let names = if checks.contains(Checks::ANY_NAME) { Names::Any } else { Names::Exact };
        tls::trust(&mut config, asked.authorities.as_deref(), issuers, names)
            .map_err(|error| fail(FailureCode::CertificateUntrusted, error.to_string()))?;
    }
    if let Some(identity) = &asked.identity {
        tls::identify(&mut config, &identity.chain, &identity.key)
            .map_err(|error| fail(FailureCode::InvalidArgument, error.to_string()))?;
    }
    ClientConnection::new(Arc::new(config), name).map_err(|error| insecure(&error))
}

/// Takes in what came from the peer, and answers what it has said.
fn hear(session: &mut ClientConnection, mut incoming: &[u8]) -> Result<(Vec<u8>, bool), Failure> {
    let (mut heard, mut ended) = (Vec::new(), false);
    while !incoming.is_empty() {
        let broken = |error: std::io::Error| fail(FailureCode::TlsFailed, format!("no secure connection: {error}"));
        let taken = session.read_tls(&mut incoming).map_err(broken)?;
        let state = session.process_new_packets().map_err(|error| insecure(&error))?;
        let start = heard.len();
        heard.resize(start + state.plaintext_bytes_to_read(), 0);
        session.reader().read_exact(&mut heard[start..]).map_err(broken)?;
        ended = state.peer_has_closed();
        if taken == 0 || ended {
            break;
        }
    }
    Ok((heard, ended))
}

fn exchange(session: &mut ClientConnection, incoming: &[u8], saying: &[u8]) -> Result<Progress, Failure> {
    let (heard, ended) = hear(session, incoming)?;
    if !saying.is_empty() {
        if session.is_handshaking() {
            return Err(fail(FailureCode::UnknownOperation, "nothing can be said before the end of the handshake"));
        }
        let broken = |error: std::io::Error| fail(FailureCode::TlsFailed, format!("no secure connection: {error}"));
        session.writer().write_all(saying).map_err(broken)?;
    }
    let mut outgoing = Vec::new();
    while session.wants_write() {
        // A Vec takes everything.
        if session.write_tls(&mut outgoing).is_err() {
            break;
        }
    }
    Ok(Progress { outgoing, heard, handshaking: session.is_handshaking(), ended })
}

fn describe(session: &ClientConnection) -> Option<Peer> {
    if session.is_handshaking() {
        return None;
    }
    let version = session.protocol_version()?.as_str()?.replace('_', ".");
    let cipher = session.negotiated_cipher_suite()?.suite().as_str()?.to_string();
    let protocol = session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    let certificates = session.peer_certificates().unwrap_or_default();
    Some(Peer { version, cipher, protocol, certificates: certificates.iter().map(|each| each.to_vec()).collect() })
}

impl State {
    fn begin_session(&mut self, asked: &Tls, checks: Checks) -> Result<u64, Failure> {
        if self.tls_sessions.open.len() >= limits::MAX_TLS_SESSIONS {
            let message = format!("one instance may have {} TLS sessions", limits::MAX_TLS_SESSIONS);
            return Err(fail(FailureCode::LimitExceeded, message));
        }
        let mut session = session_of(asked, checks)?;
        // All of it is taken out at the end of each call.
        session.set_buffer_limit(None);
        if !self.memory.charge(CHARGE) {
            return Err(fail(FailureCode::LimitExceeded, "there is no memory left for another TLS session"));
        }
        let number = self.reactor.number();
        self.tls_sessions.open.insert(number, session);
        Ok(number)
    }

    fn exchange_in_session(&mut self, number: u64, incoming: &[u8], saying: &[u8]) -> Result<Progress, Failure> {
        let unknown = || fail(FailureCode::UnknownOperation, "this TLS session is closed");
        let session = self.tls_sessions.open.get_mut(&number).ok_or_else(unknown)?;
        if incoming.len().max(saying.len()) > limits::FETCH_CHUNK {
            let message = format!("one call takes pieces of up to {} bytes", limits::FETCH_CHUNK);
            return Err(fail(FailureCode::LimitExceeded, message));
        }
        exchange(session, incoming, saying)
    }
}

impl wit::Host for State {
    fn begin(&mut self, tls: Tls, checks: Checks) -> wasmtime::Result<Result<u64, Failure>> {
        Ok(self.begin_session(&tls, checks))
    }

    fn exchange(
        &mut self,
        session: u64,
        incoming: Vec<u8>,
        saying: Vec<u8>,
    ) -> wasmtime::Result<Result<Progress, Failure>> {
        Ok(self.exchange_in_session(session, &incoming, &saying))
    }

    fn finish(&mut self, session: u64) -> wasmtime::Result<()> {
        if let Some(session) = self.tls_sessions.open.get_mut(&session) {
            session.send_close_notify();
        }
        Ok(())
    }

    fn describe(&mut self, session: u64) -> wasmtime::Result<Option<Peer>> {
        Ok(self.tls_sessions.open.get(&session).and_then(describe))
    }

    fn close(&mut self, session: u64) -> wasmtime::Result<()> {
        if self.tls_sessions.open.remove(&session).is_some() {
            self.memory.release(CHARGE);
        }
        Ok(())
    }
}
