//! RSA: keys by their numbers, signatures and encryption.

use super::hashes::with_hash;
use super::{
    Answer, Bytes, Failure, FailureCode, RsaGenerated, RsaKey, RsaPadding, RsaScheme, bad_key, fail, failed, invalid,
};
use crate::limits;
use rsa::hazmat::{rsa_decrypt_and_check, rsa_encrypt};
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rsa::{BoxedUint, Oaep, Pkcs1v15Encrypt, Pkcs1v15Sign, Pss, RsaPrivateKey, RsaPublicKey};

/// Exponents of new keys: each is prime, so that hardly any prime of the key is refused.
const EXPONENTS: [u64; 5] = [3, 5, 17, 257, 65537];

pub(super) fn generate(bits: u32, exponent: u64) -> Answer<RsaGenerated> {
    if !(1024..=limits::MAX_GENERATED_RSA).contains(&bits) {
        let message =
            format!("an RSA key of {bits} bits cannot be made here; it may have 1024 to {}", limits::MAX_GENERATED_RSA);
        return Err(fail(FailureCode::LimitExceeded, message));
    }
    if !EXPONENTS.contains(&exponent) {
        return Err(invalid(format!("{exponent} cannot be the public exponent of a new key; take 65537")));
    }
    let key = RsaPrivateKey::new_with_exp(&mut rand::rng(), bits as usize, exponent.into()).map_err(of_key)?;
    let missing = || failed("the key has no numbers for faster use");
    let [p, q] = key.primes() else { return Err(missing()) };
    let number = |number: Option<&BoxedUint>| number.map(trimmed).ok_or_else(missing);
    Ok(RsaGenerated {
        key: RsaKey { n: trimmed(key.n()), e: trimmed(key.e()), d: trimmed(key.d()), p: trimmed(p), q: trimmed(q) },
        dp: number(key.dp())?,
        dq: number(key.dq())?,
        qi: number(key.crt_coefficient().as_ref())?,
    })
}

/// Big-endian, without zeros before.
fn trimmed(number: &BoxedUint) -> Bytes {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes[zeros..].to_vec()
}

fn uint(bytes: &[u8]) -> Answer<BoxedUint> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = &bytes[zeros..];
    if bytes.len() > limits::MAX_RSA {
        let most = limits::MAX_RSA * 8;
        return Err(fail(FailureCode::LimitExceeded, format!("an RSA key has at most {most} bits here")));
    }
    let bits = (bytes.len() * 8).max(8) as u32;
    BoxedUint::from_be_slice(bytes, bits).map_err(|error| bad_key(error.to_string()))
}

fn public(key: &RsaKey) -> Answer<RsaPublicKey> {
    RsaPublicKey::new(uint(&key.n)?, uint(&key.e)?).map_err(of_key)
}

fn private(key: &RsaKey) -> Answer<RsaPrivateKey> {
    if key.d.is_empty() || key.p.is_empty() || key.q.is_empty() {
        return Err(bad_key("this takes a private key with its primes"));
    }
    // So many bits are checked before there is arithmetic with them.
    public(key)?;
    let primes = vec![uint(&key.p)?, uint(&key.q)?];
    RsaPrivateKey::from_components(uint(&key.n)?, uint(&key.e)?, uint(&key.d)?, primes).map_err(of_key)
}

fn of_key(error: rsa::Error) -> Failure {
    bad_key(format!("this is no RSA key that can be used: {error}"))
}

fn of_use(error: rsa::Error) -> Failure {
    failed(error.to_string())
}

fn pkcs1_scheme(hash: Option<super::Hash>) -> Pkcs1v15Sign {
    match hash {
        Some(hash) => with_hash!(hash, D => Pkcs1v15Sign::new::<D>()),
        None => Pkcs1v15Sign::new_unprefixed(),
    }
}

pub(super) fn sign(key: &RsaKey, scheme: RsaScheme, digest: &[u8]) -> Answer<Bytes> {
    let key = private(key)?;
    let rng = &mut rand::rng();
    match scheme {
        RsaScheme::Pkcs1(hash) => key.sign_with_rng(rng, pkcs1_scheme(hash), digest),
        RsaScheme::Pss((hash, salt)) => {
            let salt = salt.ok_or_else(|| invalid("a signature by PSS needs the length of its salt"))? as usize;
            with_hash!(hash, D => {
                // The crate asks for nothing of the kind, and would answer that the key is too small.
                if salt > key.size() {
                    return Err(invalid("the salt is longer than the key"));
                }
                key.sign_with_rng(rng, Pss::<D>::new_with_salt(salt), digest)
            })
        }
    }
    .map_err(of_use)
}

pub(super) fn verify(key: &RsaKey, scheme: RsaScheme, digest: &[u8], signature: &[u8]) -> Answer<bool> {
    let key = public(key)?;
    let verified = match scheme {
        RsaScheme::Pkcs1(hash) => key.verify(pkcs1_scheme(hash), digest, signature),
        RsaScheme::Pss((hash, salt)) => with_hash!(hash, D => {
            let mut scheme = Pss::<D>::new();
            scheme.salt_len = salt.map(|length| length as usize);
            key.verify(scheme, digest, signature)
        }),
    };
    Ok(verified.is_ok())
}

pub(super) fn encrypt(key: &RsaKey, padding: RsaPadding, data: &[u8]) -> Answer<Bytes> {
    let key = public(key)?;
    let rng = &mut rand::rng();
    match padding {
        RsaPadding::None => {
            let number = whole(&key, data)?;
            rsa_encrypt(&key, &number).map(|number| filled(&number, key.size()))
        }
        RsaPadding::Pkcs1 => key.encrypt(rng, Pkcs1v15Encrypt, data),
        RsaPadding::Oaep((hash, label)) => {
            with_hash!(hash, D => key.encrypt(rng, Oaep::<D>::new_with_label(label), data))
        }
    }
    .map_err(of_use)
}

pub(super) fn decrypt(key: &RsaKey, padding: RsaPadding, data: &[u8]) -> Answer<Bytes> {
    let key = private(key)?;
    let rng = &mut rand::rng();
    match padding {
        RsaPadding::None => {
            let number = whole(key.as_public_key(), data)?;
            rsa_decrypt_and_check(&key, Some(rng), &number).map(|number| filled(&number, key.size()))
        }
        RsaPadding::Pkcs1 => key.decrypt_blinded(rng, Pkcs1v15Encrypt, data),
        RsaPadding::Oaep((hash, label)) => {
            with_hash!(hash, D => key.decrypt_blinded(rng, Oaep::<D>::new_with_label(label), data))
        }
    }
    .map_err(of_use)
}

/// A number as long as the modulus, and below it.
fn whole(key: &RsaPublicKey, data: &[u8]) -> Answer<BoxedUint> {
    if data.len() != key.size() {
        return Err(failed(format!("without padding, the data must have the key's {} bytes", key.size())));
    }
    let number = BoxedUint::from_be_slice(data, key.n_bits_precision()).map_err(|error| failed(error.to_string()))?;
    if number >= *key.n().as_ref() {
        return Err(failed("data too large for modulus"));
    }
    Ok(number)
}

fn filled(number: &BoxedUint, length: usize) -> Bytes {
    let bytes = trimmed(number);
    let mut filled = vec![0; length.saturating_sub(bytes.len())];
    filled.extend(bytes);
    filled
}
