//! The interface `crypto`: pure functions over bytes, so that a guest's hashes, ciphers and keys live in its memory alone.
//!
//! All arithmetic is that of the RustCrypto crates. What takes longer than about a millisecond is [`Labour`](super::labour).

mod ciphers;
mod curves;
mod derivation;
mod hashes;
mod rsa;

use super::State;
use super::bindings::thimble::runtime::crypto as wit;
use crate::limits;
use wasmtime::component::{Linker, WasmList};
use wit::{Cipher, Curve, Failure, FailureCode, Hash, RsaGenerated, RsaKey, RsaPadding, RsaScheme};

type Bytes = Vec<u8>;
type Answer<T> = Result<T, Failure>;

fn fail(code: FailureCode, message: impl Into<String>) -> Failure {
    Failure { code, message: message.into() }
}

fn invalid(message: impl Into<String>) -> Failure {
    fail(FailureCode::InvalidParameter, message)
}

fn bad_key(message: impl Into<String>) -> Failure {
    fail(FailureCode::InvalidKey, message)
}

fn failed(message: impl Into<String>) -> Failure {
    fail(FailureCode::OperationFailed, message)
}

/// Data of one call, which is worked on right away.
fn bounded(parts: &[&[u8]]) -> Answer<()> {
    if parts.iter().all(|part| part.len() <= limits::CRYPTO_PIECE) {
        return Ok(());
    }
    let message = format!("one call takes pieces of up to {} bytes", limits::CRYPTO_PIECE);
    Err(fail(FailureCode::LimitExceeded, message))
}

impl State {
    /// Runs long work in its turn, while the guest waits and computes nothing.
    async fn labour<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> Answer<T> + Send + 'static,
    ) -> wasmtime::Result<Answer<T>> {
        self.turn.release();
        self.labour.run(work).await
    }
}

/// Puts these in the place of the interface's own, which must be linked already: they read what is hashed where it lies in the guest's
/// memory. A copy of it would cost as much as its hash: 9.4 ms instead of 5.1 for 10 MB of SHA-256.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Piece = WasmList<u8>;
    let mut crypto = linker.instance("thimble:runtime/crypto@0.1.0")?;
    crypto.func_wrap("hash-update", |store, (hash, state, data): (Hash, Bytes, Piece)| {
        Ok((hashes::update(hash, &state, data.as_le_slice(&store)),))
    })?;
    crypto.func_wrap("hash-finish", |store, (hash, state, data): (Hash, Bytes, Piece)| {
        Ok((hashes::finish(hash, &state, data.as_le_slice(&store)),))
    })?;
    crypto.func_wrap("hmac-update", |store, (hash, key, state, data): (Hash, Bytes, Bytes, Piece)| {
        Ok((hashes::hmac_update(hash, &key, &state, data.as_le_slice(&store)),))
    })?;
    crypto.func_wrap("hmac-finish", |store, (hash, key, state, data): (Hash, Bytes, Bytes, Piece)| {
        Ok((hashes::hmac_finish(hash, &key, &state, data.as_le_slice(&store)),))
    })
}

impl wit::Host for State {
    fn hash_update(&mut self, hash: Hash, state: Bytes, data: Bytes) -> wasmtime::Result<Answer<Bytes>> {
        Ok(hashes::update(hash, &state, &data))
    }

    fn hash_finish(&mut self, hash: Hash, state: Bytes, data: Bytes) -> wasmtime::Result<Answer<Bytes>> {
        Ok(hashes::finish(hash, &state, &data))
    }

    fn hmac_update(&mut self, hash: Hash, key: Bytes, state: Bytes, data: Bytes) -> wasmtime::Result<Answer<Bytes>> {
        Ok(hashes::hmac_update(hash, &key, &state, &data))
    }

    fn hmac_finish(&mut self, hash: Hash, key: Bytes, state: Bytes, data: Bytes) -> wasmtime::Result<Answer<Bytes>> {
        Ok(hashes::hmac_finish(hash, &key, &state, &data))
    }

    async fn pbkdf2(
        &mut self,
        hash: Hash,
        password: Bytes,
        salt: Bytes,
        iterations: u32,
        length: u32,
    ) -> wasmtime::Result<Answer<Bytes>> {
        if let Err(failure) = bounded(&[&password, &salt]).and_then(|()| derivation::check_length(length)) {
            return Ok(Err(failure));
        }
        let work = match derivation::pbkdf2(hash, &password, &salt, iterations, length as usize) {
            Ok(work) => work,
            Err(failure) => return Ok(Err(failure)),
        };
        self.turn.release();
        self.labour.run_in_steps(work, |work, until| work(until)).await.map(Ok)
    }

    fn hkdf(
        &mut self,
        hash: Hash,
        key: Bytes,
        salt: Bytes,
        info: Bytes,
        length: u32,
    ) -> wasmtime::Result<Answer<Bytes>> {
        Ok(bounded(&[&key, &salt, &info]).and_then(|()| derivation::hkdf(hash, &key, &salt, &info, length as usize)))
    }

    async fn scrypt(
        &mut self,
        password: Bytes,
        salt: Bytes,
        cost: u64,
        block_size: u32,
        parallelism: u32,
        length: u32,
    ) -> wasmtime::Result<Answer<Bytes>> {
        let checked = bounded(&[&password, &salt])
            .and_then(|()| derivation::check_length(length))
            .and_then(|()| derivation::Scrypt::new(cost, block_size, parallelism));
        let scrypt = match checked {
            Ok(scrypt) => scrypt,
            Err(failure) => return Ok(Err(failure)),
        };
        let memory = scrypt.memory();
        if !self.memory.charge(memory) {
            let message =
                format!("scrypt with these parameters takes {memory} bytes, more than the function's memory has");
            return Ok(Err(fail(FailureCode::LimitExceeded, message)));
        }
        let derived = self.labour(move || scrypt.derive(&password, &salt, length as usize)).await;
        self.memory.release(memory);
        derived
    }

    fn cipher_authenticate(&mut self, cipher: Cipher, state: Bytes, data: Bytes) -> wasmtime::Result<Answer<Bytes>> {
        Ok(bounded(&[&cipher.iv, &data]).and_then(|()| ciphers::authenticate(&cipher, &state, &data)))
    }

    fn cipher_update(&mut self, cipher: Cipher, state: Bytes, data: Bytes) -> wasmtime::Result<Answer<(Bytes, Bytes)>> {
        Ok(bounded(&[&cipher.iv, &data]).and_then(|()| ciphers::update(&cipher, &state, data)))
    }

    fn cipher_finish(
        &mut self,
        cipher: Cipher,
        state: Bytes,
        data: Bytes,
        tag: Bytes,
    ) -> wasmtime::Result<Answer<(Bytes, Bytes)>> {
        Ok(bounded(&[&cipher.iv, &data]).and_then(|()| ciphers::finish(&cipher, &state, data, &tag)))
    }

    fn key_wrap(&mut self, key: Bytes, data: Bytes) -> wasmtime::Result<Answer<Bytes>> {
        Ok(bounded(&[&data]).and_then(|()| ciphers::wrap(&key, &data)))
    }

    fn key_unwrap(&mut self, key: Bytes, data: Bytes) -> wasmtime::Result<Answer<Bytes>> {
        Ok(bounded(&[&data]).and_then(|()| ciphers::unwrap(&key, &data)))
    }

    async fn rsa_generate(&mut self, bits: u32, exponent: u64) -> wasmtime::Result<Answer<RsaGenerated>> {
        self.labour(move || rsa::generate(bits, exponent)).await
    }

    async fn rsa_sign(&mut self, key: RsaKey, scheme: RsaScheme, digest: Bytes) -> wasmtime::Result<Answer<Bytes>> {
        self.labour(move || rsa::sign(&key, scheme, &digest)).await
    }

    async fn rsa_verify(
        &mut self,
        key: RsaKey,
        scheme: RsaScheme,
        digest: Bytes,
        signature: Bytes,
    ) -> wasmtime::Result<Answer<bool>> {
        if key.n.len() > limits::RSA_INLINE {
            return self.labour(move || rsa::verify(&key, scheme, &digest, &signature)).await;
        }
        Ok(rsa::verify(&key, scheme, &digest, &signature))
    }

    async fn rsa_encrypt(&mut self, key: RsaKey, padding: RsaPadding, data: Bytes) -> wasmtime::Result<Answer<Bytes>> {
        self.labour(move || rsa::encrypt(&key, padding, &data)).await
    }

    async fn rsa_decrypt(&mut self, key: RsaKey, padding: RsaPadding, data: Bytes) -> wasmtime::Result<Answer<Bytes>> {
        self.labour(move || rsa::decrypt(&key, padding, &data)).await
    }

    fn ec_generate(&mut self, curve: Curve) -> wasmtime::Result<Bytes> {
        Ok(curves::generate(curve))
    }

    fn ec_public(&mut self, curve: Curve, private: Bytes) -> wasmtime::Result<Answer<Bytes>> {
        Ok(curves::public(curve, &private))
    }

    fn ec_point(&mut self, curve: Curve, public: Bytes) -> wasmtime::Result<Answer<Bytes>> {
        Ok(curves::point(curve, &public))
    }

    async fn ec_sign(&mut self, curve: Curve, private: Bytes, data: Bytes) -> wasmtime::Result<Answer<Bytes>> {
        if data.len() > limits::CRYPTO_PIECE {
            return self.labour(move || curves::sign(curve, &private, &data)).await;
        }
        Ok(curves::sign(curve, &private, &data))
    }

    async fn ec_verify(
        &mut self,
        curve: Curve,
        public: Bytes,
        data: Bytes,
        signature: Bytes,
    ) -> wasmtime::Result<Answer<bool>> {
        if data.len() > limits::CRYPTO_PIECE {
            return self.labour(move || curves::verify(curve, &public, &data, &signature)).await;
        }
        Ok(curves::verify(curve, &public, &data, &signature))
    }

    fn ec_agree(&mut self, curve: Curve, private: Bytes, public: Bytes) -> wasmtime::Result<Answer<Bytes>> {
        Ok(curves::agree(curve, &private, &public))
    }
}
