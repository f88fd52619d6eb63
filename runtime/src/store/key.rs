//! The key of a data folder: seals secrets, so that a copy of the database alone shows none.

use super::StoreError;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use std::io::{self, Write};

/// 32 random bytes in `key`, made at the first start, readable by the server's user only.
pub struct MasterKey([u8; 32]);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

const NONCE: usize = 12;

impl MasterKey {
    /// Reads the key, or makes one.
    pub fn open(folder: &Dir) -> io::Result<Self> {
        match folder.read("key") {
            Ok(bytes) => {
                bytes.try_into().map(Self).map_err(|_| io::Error::other("the file `key` is not 32 bytes long"))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut key = [0; 32];
                getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
                let mut file = folder
                    .open_with("key.new", OpenOptions::new().write(true).create(true).truncate(true).mode(0o600))?;
                file.write_all(&key)?;
                file.sync_all()?;
                folder.rename("key.new", folder, "key")?;
                Ok(Self(key))
            }
            Err(error) => Err(error),
        }
    }

    /// Seals a secret. What it belongs to is sealed in: it cannot be moved to another workspace or name.
    pub fn seal(&self, workspace: &str, name: &str, value: &str) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| StoreError::Unseal)?;
        let owner = format!("{workspace}/{name}");
        let payload = Payload { msg: value.as_bytes(), aad: owner.as_bytes() };
        let sealed = self.cipher().encrypt(Nonce::from_slice(&nonce), payload).map_err(|_| StoreError::Unseal)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// The secret again.
    pub fn unseal(&self, workspace: &str, name: &str, sealed: &[u8]) -> Result<String, StoreError> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE).ok_or(StoreError::Unseal)?;
        let owner = format!("{workspace}/{name}");
        let payload = Payload { msg: sealed, aad: owner.as_bytes() };
        let value = self.cipher().decrypt(Nonce::from_slice(nonce), payload).map_err(|_| StoreError::Unseal)?;
        String::from_utf8(value).map_err(|_| StoreError::Unseal)
    }

    /// The keyed hash of some parts, each of them told apart from the next.
    pub fn mark(&self, parts: &[&[u8]]) -> blake3::Hash {
        let key = blake3::derive_key("thimble 2026-11 marks of images", &self.0);
        let mut hasher = blake3::Hasher::new_keyed(&key);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        hasher.finalize()
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&blake3::derive_key("thimble 2026-11 sealing of secrets", &self.0).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_opens_only_where_it_belongs() {
        let key = MasterKey([7; 32]);
        let sealed = key.seal("shop", "token", "s3cret").unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"s3cret"));
        assert_eq!(key.unseal("shop", "token", &sealed).unwrap(), "s3cret");
        assert!(key.unseal("bank", "token", &sealed).is_err());
        assert!(MasterKey([8; 32]).unseal("shop", "token", &sealed).is_err());
        assert!(key.unseal("shop", "token", &[]).is_err());
    }
}
