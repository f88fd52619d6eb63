//! `wasi:clocks` and `wasi:random` for the interpreters, without the WASI context that an instance may never need.

use super::State;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use wasmtime::component::Linker;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;

/// The largest number of random bytes in one call; the interpreters ask for less.
const MAX_RANDOM: u64 = 1 << 20;

/// Puts these three in the place of wasmtime-wasi's, which must be linked already.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance("wasi:clocks/wall-clock@0.2.12")?.func_wrap("now", |_, (): ()| {
        // A clock before 1970 reads as 1970.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok((Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() },))
    })?;
    linker.instance("wasi:clocks/monotonic-clock@0.2.12")?.func_wrap("now", |_, (): ()| Ok((monotonic_now(),)))?;
    let mut random = linker.instance("wasi:random/random@0.2.12")?;
    random.func_wrap("get-random-bytes", |_, (count,): (u64,)| {
        if count > MAX_RANDOM {
            return Err(wasmtime::Error::msg("more than 1 MiB of random bytes in one call"));
        }
        let mut bytes = vec![0; count as usize];
        fill(&mut bytes)?;
        Ok((bytes,))
    })?;
    random.func_wrap("get-random-u64", |_, (): ()| {
        let mut bytes = [0; 8];
        fill(&mut bytes)?;
        Ok((u64::from_le_bytes(bytes),))
    })
}

/// Nanoseconds since the server's first look at the clock: it tells a guest nothing about the machine.
fn monotonic_now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn fill(bytes: &mut [u8]) -> wasmtime::Result<()> {
    getrandom::fill(bytes).map_err(|error| wasmtime::Error::msg(error.to_string()))
}
