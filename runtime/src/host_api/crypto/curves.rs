//! Elliptic curves: ECDSA and ECDH over those of NIST and secp256k1, Ed25519 and X25519.

use super::{Answer, Bytes, Curve, bad_key, failed};
use ecdsa::hazmat::{sign_prehashed_rfc6979, verify_prehashed};
use ecdsa::{EcdsaCurve, Signature};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, Generate, PublicKey, SecretKey};
use rand::Rng;
use x25519_dalek::{PublicKey as XPublic, StaticSecret};

/// Names the types of a curve of Weierstrass and of the hash that its nonces are drawn with.
macro_rules! weierstrass {
    ($curve:expr, $C:ident, $D:ident => $then:expr, else $other:expr) => {
        match $curve {
            Curve::P256 => {
                type $C = p256::NistP256;
                #[allow(dead_code)]
                type $D = sha2::Sha256;
                $then
            }
            Curve::P384 => {
                type $C = p384::NistP384;
                #[allow(dead_code)]
                type $D = sha2::Sha384;
                $then
            }
            Curve::P521 => {
                type $C = p521::NistP521;
                #[allow(dead_code)]
                type $D = sha2::Sha512;
                $then
            }
            Curve::Secp256k1 => {
                type $C = k256::Secp256k1;
                #[allow(dead_code)]
                type $D = sha2::Sha256;
                $then
            }
            Curve::Ed25519 | Curve::X25519 => $other,
        }
    };
}

fn secret<C: CurveArithmetic>(private: &[u8]) -> Answer<SecretKey<C>> {
    SecretKey::from_slice(private).map_err(|_| bad_key("this is no private key of this curve"))
}

fn on_curve<C>(public: &[u8]) -> Answer<PublicKey<C>>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    PublicKey::from_sec1_bytes(public).map_err(|_| bad_key("this is no point of this curve"))
}

fn uncompressed<C>(public: &PublicKey<C>) -> Bytes
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    public.to_sec1_point(false).as_bytes().to_vec()
}

fn of_32(key: &[u8]) -> Answer<[u8; 32]> {
    key.try_into().map_err(|_| bad_key(format!("a key of this curve has 32 bytes, not {}", key.len())))
}

pub(super) fn generate(curve: Curve) -> Bytes {
    weierstrass!(curve, C, D => SecretKey::<C>::generate_from_rng(&mut rand::rng()).to_bytes().to_vec(), else {
        let mut key = [0; 32];
        rand::rng().fill_bytes(&mut key);
        key.to_vec()
    })
}

pub(super) fn public(curve: Curve, private: &[u8]) -> Answer<Bytes> {
    weierstrass!(curve, C, D => Ok(uncompressed(&secret::<C>(private)?.public_key())), else {
        let private = of_32(private)?;
        Ok(match curve {
            Curve::Ed25519 => SigningKey::from_bytes(&private).verifying_key().to_bytes(),
            _ => XPublic::from(&StaticSecret::from(private)).to_bytes(),
        }
        .to_vec())
    })
}

pub(super) fn point(curve: Curve, public: &[u8]) -> Answer<Bytes> {
    weierstrass!(curve, C, D => Ok(uncompressed(&on_curve::<C>(public)?)), else Ok(of_32(public)?.to_vec()))
}

pub(super) fn sign(curve: Curve, private: &[u8], data: &[u8]) -> Answer<Bytes> {
    weierstrass!(curve, C, D => {
        let key = secret::<C>(private)?.to_nonzero_scalar();
        let mut entropy = [0; 32];
        rand::rng().fill_bytes(&mut entropy);
        let (signature, _) = sign_prehashed_rfc6979::<C, D>(&key, data, &entropy);
        Ok(signature.to_bytes().to_vec())
    }, else match curve {
        Curve::Ed25519 => Ok(SigningKey::from_bytes(&of_32(private)?).sign(data).to_bytes().to_vec()),
        _ => Err(bad_key("X25519 does not sign; Ed25519 does")),
    })
}

pub(super) fn verify(curve: Curve, public: &[u8], data: &[u8], signature: &[u8]) -> Answer<bool> {
    weierstrass!(curve, C, D => {
        let point = on_curve::<C>(public)?.to_projective();
        let Ok(signature) = Signature::<C>::from_slice(signature) else { return Ok(false) };
        let signature = if C::NORMALIZE_S { signature.normalize_s() } else { signature };
        Ok(verify_prehashed(&point, data, &signature).is_ok())
    }, else match curve {
        Curve::Ed25519 => {
            let Ok(key) = VerifyingKey::from_bytes(&of_32(public)?) else { return Ok(false) };
            let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else { return Ok(false) };
            Ok(key.verify_strict(data, &signature).is_ok())
        }
        _ => Err(bad_key("X25519 does not sign; Ed25519 does")),
    })
}

pub(super) fn agree(curve: Curve, private: &[u8], public: &[u8]) -> Answer<Bytes> {
    weierstrass!(curve, C, D => {
        let secret = secret::<C>(private)?.diffie_hellman(&on_curve::<C>(public)?);
        Ok(secret.raw_secret_bytes().to_vec())
    }, else match curve {
        Curve::X25519 => {
            let shared = StaticSecret::from(of_32(private)?).diffie_hellman(&XPublic::from(of_32(public)?));
            if !shared.was_contributory() {
                return Err(failed("the other side's key is of small order, which gives no secret"));
            }
            Ok(shared.to_bytes().to_vec())
        }
        _ => Err(bad_key("Ed25519 signs; X25519 agrees on secrets")),
    })
}
