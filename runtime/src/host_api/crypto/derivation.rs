//! Keys from passwords and from other keys.

use super::hashes::{Keyed, with_hash};
use super::{Answer, Bytes, Failure, FailureCode, Hash, fail, invalid};
use crate::host_api::labour::Step;
use crate::limits;
use digest::common::BlockSizeUser;
use digest::{Digest, Output};
use std::time::Instant;

/// A derivation under way: goes on until the given moment.
pub(super) type Derivation = Box<dyn FnMut(Instant) -> Step<Bytes> + Send>;

/// Iterations between two looks at the clock.
const STRIDE: u32 = 256;

pub(super) fn check_length(length: u32) -> Result<(), Failure> {
    if length as usize <= limits::MAX_DERIVED_KEY {
        return Ok(());
    }
    let message = format!("a derived key has at most {} bytes", limits::MAX_DERIVED_KEY);
    Err(fail(FailureCode::LimitExceeded, message))
}

pub(super) fn pbkdf2(hash: Hash, password: &[u8], salt: &[u8], iterations: u32, length: usize) -> Answer<Derivation> {
    if iterations == 0 {
        return Err(invalid("PBKDF2 needs at least one iteration"));
    }
    with_hash!(hash, D => Ok(stepwise::<D>(password, salt, iterations, length)))
}

/// RFC 8018's PBKDF2 with a state between iterations: the crate `pbkdf2` runs to its end.
fn stepwise<D>(password: &[u8], salt: &[u8], iterations: u32, length: usize) -> Derivation
where
    D: Digest + BlockSizeUser + Clone + Send + 'static,
{
    let keyed = Keyed::<D>::new(password);
    let (salt, mut derived) = (salt.to_vec(), Bytes::with_capacity(length));
    let (mut block, mut left) = (0u32, 0);
    let (mut last, mut sum) = (Output::<D>::default(), Bytes::new());
    Box::new(move |until| {
        loop {
            if left == 0 {
                derived.extend_from_slice(&sum);
                if derived.len() >= length {
                    derived.truncate(length);
                    return Step::Done(std::mem::take(&mut derived));
                }
                block += 1;
                last = keyed.code(&[&salt, &block.to_be_bytes()]);
                sum = last.to_vec();
                left = iterations - 1;
            }
            for _ in 0..left.min(STRIDE) {
                last = keyed.code(&[&last]);
                sum.iter_mut().zip(&last).for_each(|(sum, byte)| *sum ^= byte);
            }
            left = left.saturating_sub(STRIDE);
            if Instant::now() >= until {
                return Step::More;
            }
        }
    })
}

pub(super) fn hkdf(hash: Hash, key: &[u8], salt: &[u8], info: &[u8], length: usize) -> Answer<Bytes> {
    with_hash!(hash, D => {
        let most = 255 * <D as digest::Digest>::output_size();
        if length > most {
            return Err(invalid(format!("HKDF gives at most {most} bytes with this hash")));
        }
        let mut derived = vec![0; length];
        let expanded = hkdf::SimpleHkdf::<D>::new(Some(salt), key).expand(info, &mut derived);
        expanded.map(|()| derived).map_err(|error| invalid(error.to_string()))
    })
}

/// scrypt, whose parameters are within the bounds.
pub(super) struct Scrypt {
    parameters: scrypt::Params,
    memory: usize,
}

impl Scrypt {
    pub(super) fn new(cost: u64, block_size: u32, parallelism: u32) -> Answer<Self> {
        if !cost.is_power_of_two() || cost < 2 || block_size == 0 || parallelism == 0 {
            return Err(invalid(
                "scrypt takes a cost that is a power of two above 1, a block size and a parallelism above 0",
            ));
        }
        let work = cost.saturating_mul(block_size.into()).saturating_mul(parallelism.into());
        if work > limits::MAX_SCRYPT_WORK {
            let message = format!(
                "scrypt's cost times block size times parallelism is {work}; it may be up to {}",
                limits::MAX_SCRYPT_WORK
            );
            return Err(fail(FailureCode::LimitExceeded, message));
        }
        let parameters = scrypt::Params::new(cost.trailing_zeros() as u8, block_size, parallelism);
        let parameters = parameters.map_err(|error| invalid(error.to_string()))?;
        // The bound on the work keeps both products far from overflowing.
        let memory = 128 * block_size as usize * (cost as usize + parallelism as usize);
        Ok(Self { parameters, memory })
    }

    /// What it takes, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    pub(super) fn derive(&self, password: &[u8], salt: &[u8], length: usize) -> Answer<Bytes> {
        let mut derived = vec![0; length];
        if length > 0 {
            scrypt::scrypt(password, salt, &self.parameters, &mut derived)
                .map_err(|error| invalid(error.to_string()))?;
        }
        Ok(derived)
    }
}
