//! Outgoing HTTP and HTTPS, to the hosts that the workspace's `egress` setting names.

use crate::bindings::thimble::runtime::http as host;
use crate::waiting;
use serde::de::DeserializeOwned;
use std::fmt;

pub use host::{FailureCode, Redirect};

/// A request, built up and sent.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request(host::Request);

/// The head of a response, and the body to be read.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// Where the response came from, after redirects.
    pub url: String,
    pub redirected: bool,
    /// Names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    body: Body,
}

/// Given back to the host when it is dropped.
#[derive(Debug)]
struct Body(host::Body);

/// A request has no response, or a body no end.
#[derive(Debug)]
pub enum Error {
    /// What the host says: a code for programs, a message for people.
    Failed { code: FailureCode, message: String },
    /// The body is not UTF-8.
    NotText(std::string::FromUtf8Error),
    /// The body is not the JSON that is expected.
    Json(serde_json::Error),
}

impl Request {
    /// A request without headers and body, which follows redirects. The URL is absolute.
    pub fn new(method: &str, url: &str) -> Self {
        Self(host::Request {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            redirect: Redirect::Follow,
        })
    }

    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    pub fn post(url: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", url).body(body)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.0.headers.push((name.into(), value.into()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.0.body = body.into();
        self
    }

    pub fn redirect(mut self, redirect: Redirect) -> Self {
        self.0.redirect = redirect;
        self
    }

    /// Sends it, and waits for the head of the response. Any status is a response.
    pub fn send(self) -> Result<Response, Error> {
        let operation = host::send(&self.0)?;
        waiting::until_finished(operation);
        let host::Response { status, url, redirected, headers, body } = host::receive(operation)?;
        Ok(Response { status, url, redirected, headers, body: Body(body) })
    }
}

impl Response {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The next piece of the body; none at its end.
    pub fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        let operation = host::read(self.body.0)?;
        waiting::until_finished(operation);
        Ok(host::chunk(operation)?)
    }

    /// The rest of the body.
    pub fn bytes(mut self) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk()? {
            all.extend(chunk);
        }
        Ok(all)
    }

    /// The rest of the body, as text.
    pub fn text(self) -> Result<String, Error> {
        String::from_utf8(self.bytes()?).map_err(Error::NotText)
    }

    /// The rest of the body, from JSON.
    pub fn json<Value: DeserializeOwned>(self) -> Result<Value, Error> {
        serde_json::from_slice(&self.bytes()?).map_err(Error::Json)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        host::close(self.0);
    }
}

impl From<host::Failure> for Error {
    fn from(host::Failure { code, message }: host::Failure) -> Self {
        Self::Failed { code, message }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { message, .. } => f.write_str(message),
            Self::NotText(_) => f.write_str("the response's body is not UTF-8"),
            Self::Json(_) => f.write_str("the response's body is not the JSON that is expected"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed { .. } => None,
            Self::NotText(error) => Some(error),
            Self::Json(error) => Some(error),
        }
    }
}
