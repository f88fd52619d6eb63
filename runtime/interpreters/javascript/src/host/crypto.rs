//! Natives over the host's cryptography: bytes in, bytes out, in the pieces that the host takes.
//!
//! States of hashes and ciphers are bytes that JavaScript keeps, so they stand in an image as everything does.

use subtle::ConstantTimeEq;

use crate::bindings::thimble::runtime::crypto::{
    self, Cipher, Curve, Direction, Failure, FailureCode, Hash, Mode, RsaKey, RsaPadding, RsaScheme,
};
use crate::js::{Result, Thrown, Value};
use crate::natives::{self, Arguments, Native};

/// What the host takes in one call.
const PIECE: usize = 256 * 1024;

const NATIVES: [(&str, Native); 25] = [
    ("hashUpdate", hash_update),
    ("hashFinish", hash_finish),
    ("hmacUpdate", hmac_update),
    ("hmacFinish", hmac_finish),
    ("pbkdf2", pbkdf2),
    ("hkdf", hkdf),
    ("scrypt", scrypt),
    ("cipherAuthenticate", cipher_authenticate),
    ("cipherUpdate", cipher_update),
    ("cipherFinish", cipher_finish),
    ("keyWrap", |a| answer(crypto::key_wrap(&bytes(a, 0)?, &bytes(a, 1)?))),
    ("keyUnwrap", |a| answer(crypto::key_unwrap(&bytes(a, 0)?, &bytes(a, 1)?))),
    ("rsaGenerate", rsa_generate),
    ("rsaSign", |a| answer(crypto::rsa_sign(&rsa_key(a, 0)?, scheme(a, 1)?, &bytes(a, 2)?))),
    ("rsaVerify", |a| truth(crypto::rsa_verify(&rsa_key(a, 0)?, scheme(a, 1)?, &bytes(a, 2)?, &bytes(a, 3)?))),
    ("rsaEncrypt", |a| answer(crypto::rsa_encrypt(&rsa_key(a, 0)?, &padding(a, 1)?, &bytes(a, 2)?))),
    ("rsaDecrypt", |a| answer(crypto::rsa_decrypt(&rsa_key(a, 0)?, &padding(a, 1)?, &bytes(a, 2)?))),
    ("ecGenerate", |a| Value::bytes(&crypto::ec_generate(curve(a)?))),
    ("ecPublic", |a| answer(crypto::ec_public(curve(a)?, &bytes(a, 1)?))),
    ("ecPoint", |a| answer(crypto::ec_point(curve(a)?, &bytes(a, 1)?))),
    ("ecSign", |a| answer(crypto::ec_sign(curve(a)?, &bytes(a, 1)?, &bytes(a, 2)?))),
    ("ecVerify", |a| truth(crypto::ec_verify(curve(a)?, &bytes(a, 1)?, &bytes(a, 2)?, &bytes(a, 3)?))),
    ("ecAgree", |a| answer(crypto::ec_agree(curve(a)?, &bytes(a, 1)?, &bytes(a, 2)?))),
    ("random", random),
    ("equal", equal),
];

/// The natives, made for the module that asks for them.
pub fn table(_: &Arguments) -> Result<Value> {
    let table = Value::object();
    for (name, native) in NATIVES {
        table.set(name, natives::function(name, native))?;
    }
    Ok(table)
}

/// What the host refuses, as an error whose `code` says how.
fn refused(failure: Failure) -> Thrown {
    let code = match failure.code {
        FailureCode::InvalidParameter => "invalid-parameter",
        FailureCode::InvalidKey => "invalid-key",
        FailureCode::OperationFailed => "operation-failed",
        FailureCode::LimitExceeded => "limit-exceeded",
    };
    Thrown::new("Error", &failure.message).with("code", code)
}

fn answer(answer: std::result::Result<Vec<u8>, Failure>) -> Result<Value> {
    Value::bytes(&answer.map_err(refused)?)
}

fn truth(answer: std::result::Result<bool, Failure>) -> Result<Value> {
    answer.map(Value::bool).map_err(refused)
}

/// A copy of an argument's bytes; undefined has none.
fn bytes(arguments: &Arguments, index: usize) -> Result<Vec<u8>> {
    bytes_of(&arguments.value(index))
}

fn bytes_of(value: &Value) -> Result<Vec<u8>> {
    if value.is_nullish() { Ok(Vec::new()) } else { value.with_bytes(|bytes| bytes.to_vec()) }
}

/// A number that stands for a case; the library gives no other.
fn case<T: Copy, const N: usize>(cases: [T; N], number: f64) -> Result<T> {
    let found = cases.get(number as usize).filter(|_| number >= 0.0);
    found.copied().ok_or_else(|| Thrown::new("TypeError", "there is no such algorithm"))
}

fn hash_of(number: f64) -> Result<Hash> {
    use Hash::*;
    case(
        [
            Md5, Ripemd160, Sha1, Sha224, Sha256, Sha384, Sha512, Sha512T224, Sha512T256, Sha3T224, Sha3T256, Sha3T384,
            Sha3T512,
        ],
        number,
    )
}

fn hash(arguments: &Arguments) -> Result<Hash> {
    hash_of(arguments.number(0)?)
}

fn curve(arguments: &Arguments) -> Result<Curve> {
    use Curve::*;
    case([P256, P384, P521, Secp256k1, Ed25519, X25519], arguments.number(0)?)
}

/// Feeds the pieces of `data` but the last to `update`, and the last to `finish`.
fn in_pieces<T>(
    data: &Value,
    state: Vec<u8>,
    mut update: impl FnMut(&[u8], &[u8]) -> std::result::Result<Vec<u8>, Failure>,
    finish: impl FnOnce(&[u8], &[u8]) -> std::result::Result<T, Failure>,
) -> Result<T> {
    let fed = |data: &[u8]| {
        let (mut state, mut rest) = (state, data);
        while let Some((piece, after)) = rest.split_at_checked(PIECE).filter(|(_, after)| !after.is_empty()) {
            state = update(&state, piece)?;
            rest = after;
        }
        finish(&state, rest)
    };
    let fed = if data.is_nullish() { fed(&[]) } else { data.with_bytes(|data| fed(data))? };
    fed.map_err(refused)
}

/// Hash, state, data → state.
fn hash_update(arguments: &Arguments) -> Result<Value> {
    let hash = hash(arguments)?;
    let update = |state: &[u8], data: &[u8]| crypto::hash_update(hash, state, data);
    Value::bytes(&in_pieces(&arguments.value(2), bytes(arguments, 1)?, update, update)?)
}

/// Hash, state, data → digest.
fn hash_finish(arguments: &Arguments) -> Result<Value> {
    let hash = hash(arguments)?;
    let update = |state: &[u8], data: &[u8]| crypto::hash_update(hash, state, data);
    let finish = |state: &[u8], data: &[u8]| crypto::hash_finish(hash, state, data);
    Value::bytes(&in_pieces(&arguments.value(2), bytes(arguments, 1)?, update, finish)?)
}

/// Hash, key, state, data → state.
fn hmac_update(arguments: &Arguments) -> Result<Value> {
    let (hash, key) = (hash(arguments)?, bytes(arguments, 1)?);
    let update = |state: &[u8], data: &[u8]| crypto::hmac_update(hash, &key, state, data);
    Value::bytes(&in_pieces(&arguments.value(3), bytes(arguments, 2)?, update, update)?)
}

/// Hash, key, state, data → code.
fn hmac_finish(arguments: &Arguments) -> Result<Value> {
    let (hash, key) = (hash(arguments)?, bytes(arguments, 1)?);
    let update = |state: &[u8], data: &[u8]| crypto::hmac_update(hash, &key, state, data);
    let finish = |state: &[u8], data: &[u8]| crypto::hmac_finish(hash, &key, state, data);
    Value::bytes(&in_pieces(&arguments.value(3), bytes(arguments, 2)?, update, finish)?)
}

/// Hash, password, salt, iterations, length.
fn pbkdf2(arguments: &Arguments) -> Result<Value> {
    let (iterations, length) = (arguments.number(3)? as u32, arguments.number(4)? as u32);
    answer(crypto::pbkdf2(hash(arguments)?, &bytes(arguments, 1)?, &bytes(arguments, 2)?, iterations, length))
}

/// Hash, key, salt, info, length.
fn hkdf(arguments: &Arguments) -> Result<Value> {
    let [key, salt, info] = [bytes(arguments, 1)?, bytes(arguments, 2)?, bytes(arguments, 3)?];
    answer(crypto::hkdf(hash(arguments)?, &key, &salt, &info, arguments.number(4)? as u32))
}

/// Password, salt, N, r, p, length.
fn scrypt(arguments: &Arguments) -> Result<Value> {
    let (cost, block_size) = (arguments.number(2)? as u64, arguments.number(3)? as u32);
    let (parallelism, length) = (arguments.number(4)? as u32, arguments.number(5)? as u32);
    answer(crypto::scrypt(&bytes(arguments, 0)?, &bytes(arguments, 1)?, cost, block_size, parallelism, length))
}

/// The array [mode, decrypts, key, IV, padding, bits of the counter].
fn cipher(arguments: &Arguments) -> Result<Cipher> {
    let array = arguments.value(0);
    Ok(Cipher {
        mode: case([Mode::Ecb, Mode::Cbc, Mode::Ctr, Mode::Gcm], array.get("0")?.to_f64()?)?,
        direction: if array.get("1")?.is_true() { Direction::Decrypt } else { Direction::Encrypt },
        key: bytes_of(&array.get("2")?)?,
        iv: bytes_of(&array.get("3")?)?,
        padding: array.get("4")?.is_true(),
        counter_bits: array.get("5")?.to_f64()? as u8,
    })
}

/// Cipher, state, data → state.
fn cipher_authenticate(arguments: &Arguments) -> Result<Value> {
    let cipher = cipher(arguments)?;
    let update = |state: &[u8], data: &[u8]| crypto::cipher_authenticate(&cipher, state, data);
    Value::bytes(&in_pieces(&arguments.value(2), bytes(arguments, 1)?, update, update)?)
}

/// Cipher, state, data → state, output.
fn cipher_update(arguments: &Arguments) -> Result<Value> {
    let cipher = cipher(arguments)?;
    let mut output = Output::default();
    let state = {
        let update = |state: &[u8], data: &[u8]| output.update(&cipher, state, data);
        let (state, data) = (bytes(arguments, 1)?, arguments.value(2));
        // The last piece is one as the others are.
        let last = std::cell::RefCell::new(update);
        let step = |state: &[u8], data: &[u8]| (last.borrow_mut())(state, data);
        in_pieces(&data, state, step, step)?
    };
    Ok(Value::array([Value::bytes(&state)?, output.value()?]))
}

/// Cipher, state, data, tag → output, tag.
fn cipher_finish(arguments: &Arguments) -> Result<Value> {
    let (cipher, tag) = (cipher(arguments)?, bytes(arguments, 3)?);
    let mut output = Output::default();
    let update = |state: &[u8], data: &[u8]| output.update(&cipher, state, data);
    let finish = |state: &[u8], data: &[u8]| crypto::cipher_finish(&cipher, state, data, &tag);
    let (last, tag) = in_pieces(&arguments.value(2), bytes(arguments, 1)?, update, finish)?;
    output.0.push(last);
    Ok(Value::array([output.value()?, Value::bytes(&tag)?]))
}

/// What came out, piece by piece.
#[derive(Default)]
struct Output(Vec<Vec<u8>>);

impl Output {
    fn update(&mut self, cipher: &Cipher, state: &[u8], data: &[u8]) -> std::result::Result<Vec<u8>, Failure> {
        let (state, output) = crypto::cipher_update(cipher, state, data)?;
        self.0.push(output);
        Ok(state)
    }

    /// All of it, copied once.
    fn value(self) -> Result<Value> {
        super::joined(&self.0)
    }
}

/// Bits, exponent → n, e, d, p, q, dp, dq, qi.
fn rsa_generate(arguments: &Arguments) -> Result<Value> {
    let (bits, exponent) = (arguments.number(0)? as u32, arguments.number(1)? as u64);
    let made = crypto::rsa_generate(bits, exponent).map_err(refused)?;
    let key = made.key;
    let numbers = [key.n, key.e, key.d, key.p, key.q, made.dp, made.dq, made.qi];
    let numbers: Result<Vec<Value>> = numbers.iter().map(|number| Value::bytes(number)).collect();
    Ok(Value::array(numbers?))
}

/// The array [n, e, d, p, q]; a public key's ends early.
fn rsa_key(arguments: &Arguments, index: usize) -> Result<RsaKey> {
    let array = arguments.value(index);
    let number = |index: &str| bytes_of(&array.get(index)?);
    Ok(RsaKey { n: number("0")?, e: number("1")?, d: number("2")?, p: number("3")?, q: number("4")? })
}

/// The array ["pkcs1", hash or undefined] or ["pss", hash, length of the salt or undefined].
fn scheme(arguments: &Arguments, index: usize) -> Result<RsaScheme> {
    let array = arguments.value(index);
    let hash = array.get("1")?;
    if array.get("0")?.text()? == "pss" {
        let salt = array.get("2")?;
        let salt = if salt.is_nullish() { None } else { Some(salt.to_f64()? as u32) };
        return Ok(RsaScheme::Pss((hash_of(hash.to_f64()?)?, salt)));
    }
    Ok(RsaScheme::Pkcs1(if hash.is_nullish() { None } else { Some(hash_of(hash.to_f64()?)?) }))
}

/// The array ["none"], ["pkcs1"] or ["oaep", hash, label].
fn padding(arguments: &Arguments, index: usize) -> Result<RsaPadding> {
    let array = arguments.value(index);
    Ok(match array.get("0")?.text()?.as_str() {
        "none" => RsaPadding::None,
        "pkcs1" => RsaPadding::Pkcs1,
        _ => {
            let hash = hash_of(array.get("1")?.to_f64()?)?;
            RsaPadding::Oaep((hash, bytes_of(&array.get("2")?)?))
        }
    })
}

/// Fills bytes in place, however many there are.
fn random(arguments: &Arguments) -> Result<Value> {
    arguments.value(0).with_bytes(|bytes| {
        for piece in bytes.chunks_mut(PIECE) {
            let drawn = crate::bindings::wasi::random::random::get_random_bytes(piece.len() as u64);
            let length = piece.len().min(drawn.len());
            piece[..length].copy_from_slice(&drawn[..length]);
        }
    })?;
    Ok(arguments.value(0))
}

/// Whether two runs of bytes of one length are the same, in a time that does not tell where they part.
fn equal(arguments: &Arguments) -> Result<Value> {
    let (one, other) = (bytes(arguments, 0)?, bytes(arguments, 1)?);
    Ok(Value::bool(one.ct_eq(&other).into()))
}
