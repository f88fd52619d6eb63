//! AES in its modes, piece by piece, and AES key wrap.
//!
//! What a cipher has seen so far is 32 bytes and at most a block that is not complete; key and IV come with each call.

use super::wit::{Direction, Mode};
use super::{Answer, Bytes, Cipher, bad_key, failed, invalid};
use aes::cipher::array::Array;
use aes::cipher::block_padding::{Padding, Pkcs7};
use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser, InnerIvInit, KeyInit,
    StreamCipher, StreamCipherCoreWrapper, StreamCipherSeek,
};
use digest::InnerInit;
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use subtle::ConstantTimeEq;

type Block = Array<u8, U16>;
type Ctr32<A> = ctr::CtrCore<A, ctr::flavors::Ctr32BE>;
type Ctr128<A> = ctr::CtrCore<A, ctr::flavors::Ctr128BE>;

const BLOCK: usize = 16;

/// AES with a key of any of its sizes.
trait Aes: BlockCipherEncrypt + BlockCipherDecrypt + BlockSizeUser<BlockSize = U16> + KeyInit + Clone {}
impl<A: BlockCipherEncrypt + BlockCipherDecrypt + BlockSizeUser<BlockSize = U16> + KeyInit + Clone> Aes for A {}

/// Names the type of the AES for a key in an expression, and makes it.
macro_rules! with_aes {
    ($key:expr, $aes:ident => $then:expr) => {
        match $key.len() {
            16 => {
                let $aes = make::<aes::Aes128>($key)?;
                $then
            }
            24 => {
                let $aes = make::<aes::Aes192>($key)?;
                $then
            }
            32 => {
                let $aes = make::<aes::Aes256>($key)?;
                $then
            }
            length => Err(bad_key(format!("an AES key has 16, 24 or 32 bytes, not {length}"))),
        }
    };
}

fn make<A: Aes>(key: &[u8]) -> Answer<A> {
    A::new_from_slice(key).map_err(|error| bad_key(error.to_string()))
}

/// What a cipher has seen so far.
struct Progress {
    /// CBC: the last block of ciphertext; CTR: the next counter; GCM: the GHASH.
    chain: [u8; BLOCK],
    /// CTR: bytes of the next counter's block that are used up; GCM: bytes that are authenticated only.
    extra: u64,
    /// GCM: bytes of data.
    length: u64,
    /// The beginning of a block.
    pending: Bytes,
}

impl Progress {
    fn resume(cipher: &Cipher, state: &[u8]) -> Answer<Self> {
        let whole = |iv: &[u8]| {
            iv.try_into().map_err(|_| invalid(format!("the IV has {} bytes; this mode takes {BLOCK}", iv.len())))
        };
        let (iv, longest) = match cipher.mode {
            Mode::Ecb if cipher.iv.is_empty() => ([0; BLOCK], BLOCK),
            Mode::Ecb => return Err(invalid("ECB takes no IV")),
            Mode::Cbc => (whole(&cipher.iv)?, BLOCK),
            Mode::Ctr if (1..=128).contains(&cipher.counter_bits) => (whole(&cipher.iv)?, 0),
            Mode::Ctr => return Err(invalid("a counter has 1 to 128 bits")),
            Mode::Gcm if cipher.iv.is_empty() => return Err(invalid("GCM takes an IV of at least one byte")),
            Mode::Gcm => ([0; BLOCK], BLOCK - 1),
        };
        if state.is_empty() {
            return Ok(Self { chain: iv, extra: 0, length: 0, pending: Bytes::new() });
        }
        let unknown = || invalid("this is no state of a cipher");
        let (chain, rest) = state.split_first_chunk().ok_or_else(unknown)?;
        let (extra, rest) = rest.split_first_chunk().ok_or_else(unknown)?;
        let (length, pending) = rest.split_first_chunk().ok_or_else(unknown)?;
        if pending.len() > longest {
            return Err(unknown());
        }
        let (extra, length) = (u64::from_be_bytes(*extra), u64::from_be_bytes(*length));
        Ok(Self { chain: *chain, extra, length, pending: pending.to_vec() })
    }

    fn save(&self) -> Bytes {
        let mut state = Bytes::with_capacity(3 * BLOCK);
        state.extend_from_slice(&self.chain);
        state.extend_from_slice(&self.extra.to_be_bytes());
        state.extend_from_slice(&self.length.to_be_bytes());
        state.extend_from_slice(&self.pending);
        state
    }
}

pub(super) fn authenticate(cipher: &Cipher, state: &[u8], data: &[u8]) -> Answer<Bytes> {
    let mut progress = Progress::resume(cipher, state)?;
    if cipher.mode != Mode::Gcm || progress.length > 0 {
        return Err(invalid("only GCM authenticates more than its data, and what it does comes before the data"));
    }
    with_aes!(&cipher.key, aes => {
        absorb(&hash_key(&aes), &mut progress, data);
        progress.extra = progress.extra.saturating_add(data.len() as u64);
        Ok(progress.save())
    })
}

pub(super) fn update(cipher: &Cipher, state: &[u8], data: Bytes) -> Answer<(Bytes, Bytes)> {
    let mut progress = Progress::resume(cipher, state)?;
    let output = with_aes!(&cipher.key, aes => match cipher.mode {
        Mode::Ecb | Mode::Cbc => {
            let mut data = joined(&mut progress, data);
            // The last block of padded data is to be looked at when it is known to be the last.
            let held = cipher.padding && cipher.direction == Direction::Decrypt;
            let usable = if held { data.len().saturating_sub(1) } else { data.len() } / BLOCK * BLOCK;
            progress.pending = data.split_off(usable);
            run_blocks(&aes, cipher, &mut progress, &mut data)?;
            Ok(data)
        }
        Mode::Ctr => count(aes, cipher, &mut progress, data),
        Mode::Gcm => seal(&aes, cipher, &mut progress, data),
    })?;
    Ok((progress.save(), output))
}

pub(super) fn finish(cipher: &Cipher, state: &[u8], data: Bytes, tag: &[u8]) -> Answer<(Bytes, Bytes)> {
    let mut progress = Progress::resume(cipher, state)?;
    with_aes!(&cipher.key, aes => match cipher.mode {
        Mode::Ecb | Mode::Cbc => {
            let mut data = joined(&mut progress, data);
            let decrypts = cipher.direction == Direction::Decrypt;
            if cipher.padding && !decrypts {
                let padding = BLOCK - data.len() % BLOCK;
                data.resize(data.len() + padding, padding as u8);
            }
            if !data.len().is_multiple_of(BLOCK) || (cipher.padding && data.is_empty()) {
                return Err(failed("wrong final block length"));
            }
            run_blocks(&aes, cipher, &mut progress, &mut data)?;
            if cipher.padding && decrypts {
                let (blocks, _) = Block::slice_as_chunks(&data);
                let plain = Pkcs7::unpad_blocks(blocks).map_err(|_| failed("bad decrypt"))?.len();
                data.truncate(plain);
            }
            Ok((data, Bytes::new()))
        }
        Mode::Ctr => Ok((count(aes, cipher, &mut progress, data)?, Bytes::new())),
        Mode::Gcm => {
            let data = seal(&aes, cipher, &mut progress, data)?;
            let computed = gcm_tag(&aes, cipher, &mut progress);
            if cipher.direction == Direction::Decrypt {
                if !matches!(tag.len(), 4 | 8 | 12..=16) {
                    return Err(invalid("a GCM tag has 4, 8 or 12 to 16 bytes"));
                }
                if !bool::from(computed[..tag.len()].ct_eq(tag)) {
                    return Err(failed("the data is not what was encrypted with this key, IV and tag"));
                }
            }
            Ok((data, computed.to_vec()))
        }
    })
}

fn joined(progress: &mut Progress, data: Bytes) -> Bytes {
    if progress.pending.is_empty() {
        return data;
    }
    let mut joined = std::mem::take(&mut progress.pending);
    joined.extend_from_slice(&data);
    joined
}

/// Whole blocks through ECB or CBC.
fn run_blocks<A: Aes>(aes: &A, cipher: &Cipher, progress: &mut Progress, data: &mut [u8]) -> Answer<()> {
    let ending = data.last_chunk::<BLOCK>().copied();
    let (blocks, _) = Block::slice_as_chunks_mut(data);
    let chain = Block::from(progress.chain);
    match (cipher.mode, cipher.direction) {
        (Mode::Cbc, Direction::Encrypt) => cbc::Encryptor::inner_iv_init(aes.clone(), &chain).encrypt_blocks(blocks),
        (Mode::Cbc, Direction::Decrypt) => cbc::Decryptor::inner_iv_init(aes.clone(), &chain).decrypt_blocks(blocks),
        (_, Direction::Encrypt) => aes.encrypt_blocks(blocks),
        (_, Direction::Decrypt) => aes.decrypt_blocks(blocks),
    }
    let ciphertext = match cipher.direction {
        Direction::Encrypt => data.last_chunk::<BLOCK>().copied(),
        Direction::Decrypt => ending,
    };
    progress.chain = ciphertext.unwrap_or(progress.chain);
    Ok(())
}

/// CTR in the last bits of the IV.
fn count<A: Aes>(aes: A, cipher: &Cipher, progress: &mut Progress, mut data: Bytes) -> Answer<Bytes> {
    let mask = u128::MAX >> (128 - u32::from(cipher.counter_bits));
    let mut at = 0;
    while at < data.len() {
        let counter = u128::from_be_bytes(progress.chain);
        let used = (progress.extra as usize).min(BLOCK - 1);
        // Up to where the counter begins anew.
        let blocks = usize::try_from((mask - (counter & mask)).saturating_add(1)).unwrap_or(usize::MAX);
        let length = (data.len() - at).min(blocks.saturating_mul(BLOCK) - used);
        let mut stream = StreamCipherCoreWrapper::from_core(Ctr128::inner_iv_init(aes.clone(), &progress.chain.into()));
        stream.seek(used);
        stream.apply_keystream(&mut data[at..at + length]);
        let seen = used + length;
        let next = (counter & !mask) | (counter.wrapping_add((seen / BLOCK) as u128) & mask);
        progress.chain = next.to_be_bytes();
        progress.extra = (seen % BLOCK) as u64;
        at += length;
    }
    Ok(data)
}

fn hash_key<A: Aes>(aes: &A) -> Block {
    let mut key = Block::default();
    aes.encrypt_block(&mut key);
    key
}

/// Takes data into the GHASH, all but a block that is not complete.
fn absorb(hash_key: &Block, progress: &mut Progress, mut data: &[u8]) {
    if !progress.pending.is_empty() {
        let (head, rest) = data.split_at(data.len().min(BLOCK - progress.pending.len()));
        progress.pending.extend_from_slice(head);
        data = rest;
        if progress.pending.len() < BLOCK {
            return;
        }
        let whole = std::mem::take(&mut progress.pending);
        hash_blocks(hash_key, progress, &whole);
    }
    let (whole, rest) = data.split_at(data.len() / BLOCK * BLOCK);
    hash_blocks(hash_key, progress, whole);
    progress.pending.extend_from_slice(rest);
}

/// GHASH goes on from a value by adding it to the next block.
fn hash_blocks(hash_key: &Block, progress: &mut Progress, data: &[u8]) {
    let (blocks, _) = Block::slice_as_chunks(data);
    let Some((first, rest)) = blocks.split_first() else { return };
    let mut first = *first;
    first.iter_mut().zip(progress.chain).for_each(|(byte, chain)| *byte ^= chain);
    let mut hash = GHash::new(hash_key);
    hash.update(&[first]);
    hash.update(rest);
    progress.chain = hash.finalize().into();
}

/// Fills the last block of a part with zeros.
fn close(hash_key: &Block, progress: &mut Progress) {
    if !progress.pending.is_empty() {
        let mut last = std::mem::take(&mut progress.pending);
        last.resize(BLOCK, 0);
        hash_blocks(hash_key, progress, &last);
    }
}

/// GCM's first counter.
fn first_counter(hash_key: &Block, iv: &[u8]) -> Block {
    let mut counter = Block::default();
    if iv.len() == 12 {
        counter[..12].copy_from_slice(iv);
        counter[15] = 1;
        return counter;
    }
    let mut lengths = [0; BLOCK];
    lengths[8..].copy_from_slice(&(iv.len() as u64 * 8).to_be_bytes());
    let mut hash = GHash::new(hash_key);
    hash.update_padded(iv);
    hash.update(&[lengths.into()]);
    hash.finalize()
}

/// GCM's data: counted, and the ciphertext hashed.
fn seal<A: Aes>(aes: &A, cipher: &Cipher, progress: &mut Progress, mut data: Bytes) -> Answer<Bytes> {
    if data.is_empty() {
        return Ok(data);
    }
    let key = hash_key(aes);
    if progress.length == 0 {
        close(&key, progress);
    }
    if cipher.direction == Direction::Decrypt {
        absorb(&key, progress, &data);
    }
    let counter = first_counter(&key, &cipher.iv);
    let mut stream = StreamCipherCoreWrapper::from_core(Ctr32::inner_iv_init(aes.clone(), &counter));
    let long = || invalid("GCM encrypts at most 64 GiB with one IV");
    let position = progress.length.checked_add(BLOCK as u64).ok_or_else(long)?;
    stream.try_seek(position).map_err(|_| long())?;
    stream.try_apply_keystream(&mut data).map_err(|_| long())?;
    if cipher.direction == Direction::Encrypt {
        absorb(&key, progress, &data);
    }
    progress.length = progress.length.saturating_add(data.len() as u64);
    Ok(data)
}

fn gcm_tag<A: Aes>(aes: &A, cipher: &Cipher, progress: &mut Progress) -> Block {
    let key = hash_key(aes);
    close(&key, progress);
    let mut lengths = [0; BLOCK];
    lengths[..8].copy_from_slice(&progress.extra.wrapping_mul(8).to_be_bytes());
    lengths[8..].copy_from_slice(&progress.length.wrapping_mul(8).to_be_bytes());
    hash_blocks(&key, progress, &lengths);
    let mut tag = first_counter(&key, &cipher.iv);
    aes.encrypt_block(&mut tag);
    tag.iter_mut().zip(progress.chain).for_each(|(byte, hash)| *byte ^= hash);
    tag
}

pub(super) fn wrap(key: &[u8], data: &[u8]) -> Answer<Bytes> {
    if data.len() < BLOCK || !data.len().is_multiple_of(8) {
        return Err(invalid("AES-KW wraps 16 bytes or more, in multiples of 8"));
    }
    let mut wrapped = vec![0; data.len() + 8];
    with_aes!(key, aes => {
        let done = aes_kw::AesKw::inner_init(aes).wrap_key(data, &mut wrapped).map(drop);
        done.map_err(|error| failed(error.to_string()))
    })?;
    Ok(wrapped)
}

pub(super) fn unwrap(key: &[u8], data: &[u8]) -> Answer<Bytes> {
    if data.len() < 24 || !data.len().is_multiple_of(8) {
        return Err(failed("what AES-KW unwraps has 24 bytes or more, in multiples of 8"));
    }
    let mut unwrapped = vec![0; data.len() - 8];
    with_aes!(key, aes => {
        let done = aes_kw::AesKw::inner_init(aes).unwrap_key(data, &mut unwrapped).map(drop);
        done.map_err(|error| failed(error.to_string()))
    })?;
    Ok(unwrapped)
}
