//! What belongs to this one instance and must not be shared by all that were forked from the same image: the seed of
//! `Math.random`, the zero of the monotonic clock, the age of what was cached from the host.

use std::cell::Cell;

use crate::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use crate::bindings::wasi::random::random;

thread_local! {
    static INITIALISING: Cell<bool> = const { Cell::new(false) };
    static INVOKED: Cell<bool> = const { Cell::new(false) };
    static EPOCH: Cell<u32> = const { Cell::new(0) };
    static RANDOM: Cell<u64> = const { Cell::new(0) };
    static CLOCK_BASE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Runs the build's part of the start-up, in which no import may be called.
pub fn while_initialising(start: impl FnOnce()) {
    INITIALISING.set(true);
    start();
    INITIALISING.set(false);
}

/// Forgets at the first invocation what the load, and so perhaps an image, has seen of the host.
#[inline]
pub fn begin_invocation() {
    if !INVOKED.replace(true) {
        EPOCH.set(EPOCH.get() + 1);
        RANDOM.set(0);
        CLOCK_BASE.set(None);
    }
}

/// Whether the function's top level runs, and no invocation has begun yet.
pub fn is_loading() -> bool {
    !INVOKED.get()
}

/// Changes when what was read from the host must be read again.
pub fn epoch() -> u32 {
    EPOCH.get()
}

/// The next value of `Math.random`: xorshift64*, seeded by the host on first use.
pub fn next_random() -> f64 {
    let mut state = RANDOM.get();
    while state == 0 {
        state = random::get_random_u64();
    }
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    RANDOM.set(state);
    let bits = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
    bits as f64 / (1u64 << 53) as f64
}

/// Milliseconds since the first look at the clock in this instance, which is a nanosecond after the zero: a time is positive.
pub fn elapsed_ms() -> f64 {
    let now = monotonic_clock::now();
    let base = CLOCK_BASE.get().unwrap_or_else(|| {
        let base = now.saturating_sub(1);
        CLOCK_BASE.set(Some(base));
        base
    });
    now.saturating_sub(base) as f64 / 1e6
}

/// Microseconds since 1970: the clock behind `Date`, which QuickJS asks for by this name.
#[unsafe(no_mangle)]
extern "C" fn __rquickjs_host_now_us() -> f64 {
    if INITIALISING.get() {
        return 0.0;
    }
    let now = wall_clock::now();
    now.seconds as f64 * 1e6 + f64::from(now.nanoseconds / 1000)
}
