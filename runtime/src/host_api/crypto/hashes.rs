//! Digests and HMACs, whose state goes to the guest and comes back with the next piece.

use super::{Answer, Bytes, Hash, bounded, invalid};
use digest::common::BlockSizeUser;
use digest::common::hazmat::SerializableState;
use digest::{Digest, Output};

/// Names the type of a hash in an expression.
macro_rules! with_hash {
    ($hash:expr, $D:ident => $then:expr) => {
        with_hash!($hash, $D => $then,
            Md5: md5::Md5, Ripemd160: ripemd::Ripemd160, Sha1: sha1::Sha1,
            Sha224: sha2::Sha224, Sha256: sha2::Sha256, Sha384: sha2::Sha384, Sha512: sha2::Sha512,
            Sha512T224: sha2::Sha512_224, Sha512T256: sha2::Sha512_256,
            Sha3T224: sha3::Sha3_224, Sha3T256: sha3::Sha3_256, Sha3T384: sha3::Sha3_384, Sha3T512: sha3::Sha3_512)
    };
    ($hash:expr, $D:ident => $then:expr, $($name:ident: $type:ty),*) => {
        match $hash {
            $(super::Hash::$name => {
                type $D = $type;
                $then
            })*
        }
    };
}
pub(super) use with_hash;

pub(super) fn update(hash: Hash, state: &[u8], data: &[u8]) -> Answer<Bytes> {
    bounded(&[data])?;
    with_hash!(hash, D => {
        let mut hasher = resume::<D>(state)?;
        hasher.update(data);
        Ok(hasher.serialize().to_vec())
    })
}

pub(super) fn finish(hash: Hash, state: &[u8], data: &[u8]) -> Answer<Bytes> {
    bounded(&[data])?;
    with_hash!(hash, D => Ok(resume::<D>(state)?.chain_update(data).finalize().to_vec()))
}

/// The state is the inner hash's, which has taken in the key already.
pub(super) fn hmac_update(hash: Hash, key: &[u8], state: &[u8], data: &[u8]) -> Answer<Bytes> {
    bounded(&[key, data])?;
    with_hash!(hash, D => {
        let inner = if state.is_empty() { Keyed::<D>::new(key).inner } else { resume(state)? };
        Ok(inner.chain_update(data).serialize().to_vec())
    })
}

pub(super) fn hmac_finish(hash: Hash, key: &[u8], state: &[u8], data: &[u8]) -> Answer<Bytes> {
    bounded(&[key, data])?;
    with_hash!(hash, D => {
        let Keyed { inner, outer } = Keyed::<D>::new(key);
        let inner = if state.is_empty() { inner } else { resume(state)? };
        Ok(outer.chain_update(inner.chain_update(data).finalize()).finalize().to_vec())
    })
}

/// RFC 2104's two hashes that have taken in the key. The crate `hmac` has no state that could be handed out.
pub(super) struct Keyed<D> {
    inner: D,
    outer: D,
}

impl<D: Digest + BlockSizeUser + Clone> Keyed<D> {
    pub(super) fn new(key: &[u8]) -> Self {
        let mut block = if key.len() > D::block_size() { D::digest(key).to_vec() } else { key.to_vec() };
        block.resize(D::block_size(), 0);
        let masked = |mask: u8| D::new_with_prefix(block.iter().map(|byte| byte ^ mask).collect::<Bytes>());
        Self { inner: masked(0x36), outer: masked(0x5c) }
    }

    pub(super) fn code(&self, parts: &[&[u8]]) -> Output<D> {
        let inner = parts.iter().fold(self.inner.clone(), |inner, part| inner.chain_update(part));
        self.outer.clone().chain_update(inner.finalize()).finalize()
    }
}

fn resume<D: Digest + SerializableState>(state: &[u8]) -> Answer<D> {
    if state.is_empty() {
        return Ok(D::new());
    }
    let unknown = || invalid("this is no state of this hash");
    let state = state.try_into().map_err(|_| unknown())?;
    D::deserialize(state).map_err(|_| unknown())
}
