//! The memory of one instance: linear memories, tables and the host's buffers for it, against one limit; and what an instance and
//! the programs that it has started use together, against the same limit.

use crate::engine::is_out_of_memory;
use crate::limits::ByteSize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wasmtime::ResourceLimiter;

/// Refuses growth past the limit, and remembers that it did: a guest that ends badly afterwards ran out of memory.
#[derive(Debug)]
pub struct MemoryMeter {
    limit: usize,
    linear: usize,
    tables: usize,
    host: usize,
    refused: bool,
    starved: bool,
    sharing: Sharing,
}

/// With whom an instance shares its limit.
#[derive(Debug, Default)]
enum Sharing {
    #[default]
    Alone,
    Caller(Arc<Household>),
    Program(Arc<Household>),
}

/// What a caller and the programs that it has started use together. They never run at the same moment.
#[derive(Debug)]
pub(crate) struct Household {
    limit: usize,
    caller: AtomicUsize,
    programs: AtomicUsize,
}

impl Household {
    /// Takes memory for a program; false where there is no room.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let room = self.limit.saturating_sub(self.caller.load(Ordering::Relaxed));
        let add = |used: usize| used.checked_add(bytes).filter(|total| *total <= room);
        self.programs.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.programs.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What a table's element costs the host.
const TABLE_ELEMENT: usize = 16;

impl MemoryMeter {
    pub fn new(limit: ByteSize) -> Self {
        let limit = limit.as_usize();
        Self { limit, linear: 0, tables: 0, host: 0, refused: false, starved: false, sharing: Sharing::Alone }
    }

    /// That of a program, which shares its caller's limit.
    pub(crate) fn of_program(household: Arc<Household>) -> Self {
        Self { sharing: Sharing::Program(household.clone()), ..Self::new(ByteSize(household.limit as u64)) }
    }

    /// What this instance and its programs use together, from now on.
    pub(crate) fn household(&mut self) -> Arc<Household> {
        if let Sharing::Caller(household) = &self.sharing {
            return household.clone();
        }
        let (caller, programs) = (AtomicUsize::new(self.used()), AtomicUsize::new(0));
        let household = Arc::new(Household { limit: self.limit, caller, programs });
        self.sharing = Sharing::Caller(household.clone());
        household
    }

    /// Whether growth was refused since the invocation began.
    pub fn refused(&self) -> bool {
        self.refused
    }

    /// Whether the kernel refused growth that the limit allows.
    pub fn starved(&self) -> bool {
        self.starved
    }

    /// What the instance uses now.
    pub fn used(&self) -> usize {
        self.linear + self.tables + self.host
    }

    /// The instance was forked from an image of that size, rather than grown to it.
    pub(crate) fn forked(&mut self, size: usize) {
        self.linear = self.linear.max(size);
    }

    pub(crate) fn begin(&mut self) {
        self.refused = false;
    }

    /// The invocation is over; so much of the host's stays with the instance.
    pub(crate) fn end(&mut self, kept: usize) {
        self.host = kept;
        self.sharing = Sharing::Alone;
    }

    /// Takes a buffer of the host into account; false where there is no room for it.
    pub(crate) fn charge(&mut self, bytes: usize) -> bool {
        let fits = self.take(bytes);
        if fits {
            self.host += bytes;
        }
        fits
    }

    pub(crate) fn release(&mut self, bytes: usize) {
        let bytes = bytes.min(self.host);
        self.host -= bytes;
        match &self.sharing {
            Sharing::Alone => {}
            Sharing::Caller(household) => household.caller.store(self.used(), Ordering::Relaxed),
            Sharing::Program(household) => household.give_back(bytes),
        }
    }

    fn grow(&mut self, now: usize, by: usize) -> Option<usize> {
        self.take(by).then(|| now + by)
    }

    /// Whether there is room for so much more. It is the caller's to count what was taken.
    fn take(&mut self, bytes: usize) -> bool {
        let total = self.used().checked_add(bytes);
        let fits = match &self.sharing {
            Sharing::Alone => total.is_some_and(|total| total <= self.limit),
            Sharing::Caller(household) => {
                let others = household.programs.load(Ordering::Relaxed);
                let total = total.filter(|total| total.saturating_add(others) <= self.limit);
                household.caller.store(total.unwrap_or(self.used()), Ordering::Relaxed);
                total.is_some()
            }
            Sharing::Program(household) => household.take(bytes),
        };
        self.refused |= !fits;
        fits
    }
}

impl Drop for MemoryMeter {
    fn drop(&mut self) {
        if let Sharing::Program(household) = &self.sharing {
            household.give_back(self.used());
        }
    }
}

impl ResourceLimiter for MemoryMeter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let grown = self.grow(self.linear, desired.saturating_sub(current));
        self.linear = grown.unwrap_or(self.linear);
        Ok(grown.is_some())
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.starved |= is_out_of_memory(&error);
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let grown = self.grow(self.tables, desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT));
        self.tables = grown.unwrap_or(self.tables);
        Ok(grown.is_some())
    }

    fn instances(&self) -> usize {
        100
    }

    fn tables(&self) -> usize {
        100
    }

    fn memories(&self) -> usize {
        20
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_tables_and_buffers_share_one_limit() {
        let mut meter = MemoryMeter::new(ByteSize(1000));
        assert!(meter.memory_growing(0, 500, None).unwrap());
        assert!(meter.table_growing(0, 10, None).unwrap());
        assert!(meter.charge(340));
        assert!(!meter.refused());
        assert!(!meter.charge(1));
        assert!(meter.refused());
        meter.release(340);
        assert!(meter.memory_growing(500, 840, None).unwrap());
        assert!(!meter.memory_growing(840, usize::MAX, None).unwrap());
    }

    #[test]
    fn a_caller_and_its_programs_share_one_limit() {
        let mut caller = MemoryMeter::new(ByteSize(1000));
        assert!(caller.memory_growing(0, 400, None).unwrap());
        let household = caller.household();
        let mut program = MemoryMeter::of_program(household.clone());
        assert!(program.memory_growing(0, 500, None).unwrap() && caller.charge(100));
        assert!(!program.charge(1) && !caller.charge(1) && !household.take(1));
        caller.release(60);
        assert!(household.take(50) && program.charge(10));
        assert!(!caller.memory_growing(400, 401, None).unwrap());
        drop(program);
        assert!(caller.memory_growing(400, 910, None).unwrap());
    }

    #[test]
    fn a_refusal_of_the_kernels_is_known_from_others() {
        let mut meter = MemoryMeter::new(ByteSize(1000));
        meter.memory_grow_failed(wasmtime::Error::msg("the memory's own maximum")).unwrap();
        assert!(!meter.starved());
        meter.memory_grow_failed(std::io::Error::from(rustix::io::Errno::NOMEM).into()).unwrap();
        assert!(meter.starved() && !meter.refused());
    }
}
