//! Who is calling: a bearer token, known by its SHA-256, gives a name, workspaces and rights.
//!
//! Without any token in the settings everyone is the anonymous caller, who may do everything: the default on a
//! developer's machine, and why the server listens on loopback by default.

use http::{HeaderMap, header};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Read, write and remove functions, settings and secrets.
    Deploy,
    /// Run functions.
    Invoke,
}

/// A token of the settings.
#[derive(Clone, Debug)]
pub struct Token {
    name: Arc<str>,
    hash: [u8; 32],
    workspaces: Vec<String>,
    rights: Vec<Right>,
}

impl Token {
    /// None where `sha256` is not 64 hexadecimal digits.
    pub fn new(name: String, sha256: &str, workspaces: Vec<String>, rights: Vec<Right>) -> Option<Self> {
        let sha256 = sha256.as_bytes();
        if sha256.len() != 64 {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, digits) in hash.iter_mut().zip(sha256.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self { name: name.into(), hash, workspaces, rights })
    }
}

/// Who calls. Made by [`Tokens::identify`] only.
#[derive(Clone, Debug)]
pub struct Identity(Option<Arc<Token>>);

/// The caller is not known, or not allowed to.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("this server asks for a token: send `Authorization: Bearer …`")]
    Missing,
    #[error("the token is not known")]
    Unknown,
    #[error("the token `{name}` does not allow this")]
    Forbidden { name: Arc<str> },
}

/// All tokens of the settings.
#[derive(Debug)]
pub struct Tokens(Vec<Arc<Token>>);

impl Tokens {
    pub fn new(tokens: Vec<Token>) -> Self {
        Self(tokens.into_iter().map(Arc::new).collect())
    }

    /// Whether everyone may do everything.
    pub fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// The caller of a request.
    pub fn identify(&self, headers: &HeaderMap) -> Result<Identity, AuthError> {
        if self.is_open() {
            return Ok(Identity(None));
        }
        let sent = headers.get(header::AUTHORIZATION).ok_or(AuthError::Missing)?;
        let sent = sent.as_bytes().strip_prefix(b"Bearer ").ok_or(AuthError::Missing)?;
        let hash: [u8; 32] = Sha256::digest(sent).into();
        // Comparing hashes of what was sent tells a stranger nothing about the tokens that are there.
        let token = self.0.iter().find(|token| token.hash == hash).ok_or(AuthError::Unknown)?;
        Ok(Identity(Some(token.clone())))
    }
}

impl Identity {
    /// The token's name; none for the anonymous caller.
    pub fn name(&self) -> Option<Arc<str>> {
        self.0.as_ref().map(|token| token.name.clone())
    }

    /// Whether the caller may do that in that workspace.
    pub fn allow(&self, right: Right, workspace: &str) -> Result<(), AuthError> {
        match &self.0 {
            None => Ok(()),
            Some(token) if token.rights.contains(&right) && self.sees(workspace) => Ok(()),
            Some(token) => Err(AuthError::Forbidden { name: token.name.clone() }),
        }
    }

    /// Whether the workspace is one of the caller's.
    pub fn sees(&self, workspace: &str) -> bool {
        match &self.0 {
            None => true,
            Some(token) => token.workspaces.iter().any(|name| name == "*" || name == workspace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        let hash: String = Sha256::digest(b"open sesame").iter().map(|byte| format!("{byte:02x}")).collect();
        Tokens::new(vec![Token::new("ci".into(), &hash, vec!["shop".into()], vec![Right::Invoke]).unwrap()])
    }

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn a_token_gives_its_rights_in_its_workspaces_and_no_more() {
        let caller = tokens().identify(&headers("Bearer open sesame")).unwrap();
        assert_eq!(caller.name().as_deref(), Some("ci"));
        assert!(caller.allow(Right::Invoke, "shop").is_ok());
        assert!(caller.allow(Right::Deploy, "shop").is_err());
        assert!(caller.allow(Right::Invoke, "bank").is_err());
    }

    #[test]
    fn without_the_token_nobody_is_let_in() {
        for wrong in ["Bearer open", "Bearer ", "Basic open sesame", "open sesame"] {
            assert!(tokens().identify(&headers(wrong)).is_err(), "{wrong}");
        }
        assert!(tokens().identify(&HeaderMap::new()).is_err());
        assert!(Tokens::new(vec![]).identify(&HeaderMap::new()).unwrap().allow(Right::Deploy, "any").is_ok());
    }

    #[test]
    fn a_hash_that_is_none_is_refused() {
        for wrong in ["", "abc", &"g".repeat(64), &"é".repeat(32)] {
            assert!(Token::new("x".into(), wrong, vec![], vec![]).is_none(), "{wrong}");
        }
    }
}
