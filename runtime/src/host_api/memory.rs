//! The memory of one instance: linear memories, tables and the host's buffers for it, against one limit.

use crate::engine::is_out_of_memory;
use crate::limits::ByteSize;
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
}

/// What a table's element costs the host.
const TABLE_ELEMENT: usize = 16;

impl MemoryMeter {
    pub fn new(limit: ByteSize) -> Self {
        Self { limit: limit.as_usize(), linear: 0, tables: 0, host: 0, refused: false, starved: false }
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
    }

    /// Takes a buffer of the host into account; false where there is no room for it.
    pub(crate) fn charge(&mut self, bytes: usize) -> bool {
        let fits = self.used().checked_add(bytes).is_some_and(|total| total <= self.limit);
        if fits {
            self.host += bytes;
        } else {
            self.refused = true;
        }
        fits
    }

    pub(crate) fn release(&mut self, bytes: usize) {
        self.host = self.host.saturating_sub(bytes);
    }

    fn grow(&mut self, now: usize, by: usize) -> Option<usize> {
        match self.used().checked_add(by) {
            Some(total) if total <= self.limit => Some(now + by),
            _ => {
                self.refused = true;
                None
            }
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
    fn a_refusal_of_the_kernels_is_known_from_others() {
        let mut meter = MemoryMeter::new(ByteSize(1000));
        meter.memory_grow_failed(wasmtime::Error::msg("the memory's own maximum")).unwrap();
        assert!(!meter.starved());
        meter.memory_grow_failed(std::io::Error::from(rustix::io::Errno::NOMEM).into()).unwrap();
        assert!(meter.starved() && !meter.refused());
    }
}
