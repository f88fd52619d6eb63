//! Address space for one linear memory, with an image mapped in it, copy on write.
//!
//! A slot is used again for its image once the pages that were written are copied back. Nothing is unmapped and nothing
//! faulted in for that: a kernel that does neither lets threads fork side by side.

use crate::engine::faults::one_page_each;
use crate::engine::image::Image;
use crate::engine::pages::{PAGE, small_pages, written};
use crate::limits;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use std::ffi::c_void;
use std::io;
use std::ptr::{NonNull, null_mut};

/// Address space for one linear memory, with an image in it.
pub(in crate::engine) struct Slot {
    start: NonNull<u8>,
    /// Address space, with its guard.
    reserved: usize,
    /// Bytes that are mapped from its start.
    mapped: usize,
}

// SAFETY: a slot is owned by one memory, or by one list, at a time; what writes to it holds it exclusively.
unsafe impl Send for Slot {}
// SAFETY: nothing is done through a shared reference.
unsafe impl Sync for Slot {}

impl Slot {
    /// Address space with an image in it.
    pub(super) fn map(image: &Image, size: usize, reserved: usize) -> io::Result<Self> {
        let (nothing, fresh) = (ProtFlags::empty(), MapFlags::PRIVATE | MapFlags::NORESERVE);
        // SAFETY: a new mapping, where nothing was.
        let start = unsafe { rustix::mm::mmap_anonymous(null_mut(), reserved, nothing, fresh)? };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        // From here on, dropping it unmaps it all.
        let slot = Self { start, reserved, mapped: size };
        let base = &image.base;
        let from_base = base.content.bytes().len().min(size);
        slot.map_file(0, from_base, &base.file, 0)?;
        slot.open(from_base, size)?;
        if let Some(delta) = &image.delta {
            for run in &delta.runs {
                let (at, length, offset) = (run.page * *PAGE, run.count * *PAGE, run.at * *PAGE);
                if run.mapped {
                    slot.map_file(at, length, &delta.file, offset as u64)?;
                }
            }
        }
        // Each mapping began anew with what the kernel does by itself, and none of them is written to yet.
        small_pages(slot.at(0), reserved)?;
        if from_base >= limits::LARGE_BASE {
            one_page_each(slot.at(0) as usize, from_base);
        }
        slot.copy_scattered(image);
        Ok(slot)
    }

    /// Copies what lies too scattered to be mapped.
    fn copy_scattered(&self, image: &Image) {
        let Some(delta) = &image.delta else { return };
        for run in delta.runs.iter().filter(|run| !run.mapped) {
            let (length, offset) = (run.count * *PAGE, run.at * *PAGE);
            // SAFETY: it is within the slot, to which nobody holds a reference.
            let there = unsafe { std::slice::from_raw_parts_mut(self.at(run.page * *PAGE).cast::<u8>(), length) };
            there.copy_from_slice(&delta.content.bytes()[offset..offset + length]);
        }
    }

    fn map_file(&self, at: usize, length: usize, file: impl rustix::fd::AsFd, offset: u64) -> io::Result<()> {
        if length == 0 {
            return Ok(());
        }
        let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        // SAFETY: it is within the slot, to which nobody holds a reference.
        unsafe { rustix::mm::mmap(self.at(at), length, ProtFlags::READ | ProtFlags::WRITE, flags, file, offset)? };
        Ok(())
    }

    /// Makes what lies between two sizes accessible; it is zero.
    pub(super) fn open(&self, from: usize, to: usize) -> io::Result<()> {
        if to > from {
            // SAFETY: it is within the slot, and was not accessible.
            unsafe { rustix::mm::mprotect(self.at(from), to - from, MprotectFlags::READ | MprotectFlags::WRITE)? };
        }
        Ok(())
    }

    /// Puts the image back, of a memory that had grown to `size`.
    pub(super) fn reset(&mut self, image: &Image, size: usize) -> io::Result<()> {
        if size > self.mapped {
            let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
            let (grown, length) = (self.at(self.mapped), size - self.mapped);
            // SAFETY: it is within the slot, to which nobody holds a reference any more.
            unsafe { rustix::mm::mmap_anonymous(grown, length, ProtFlags::empty(), flags)? };
            small_pages(grown, length)?;
        }
        let start = self.start.as_ptr() as usize;
        let mut copied = 0;
        let known = written(start, start + self.mapped, |from, to| {
            copied += to - from;
            if copied > limits::KEPT_MEMORY {
                return;
            }
            for address in (from..to).step_by(*PAGE) {
                // SAFETY: the page is within the slot, which is exclusively ours.
                let page = unsafe { std::slice::from_raw_parts_mut(address as *mut u8, *PAGE) };
                match image.page((address - start) / *PAGE) {
                    Some(before) => page.copy_from_slice(before),
                    None => page.fill(0),
                }
            }
        });
        if !known || copied > limits::KEPT_MEMORY {
            // SAFETY: the same; what is mapped privately from a file reads as the file again.
            unsafe { rustix::mm::madvise(self.at(0), self.mapped, Advice::LinuxDontNeed)? };
            self.copy_scattered(image);
        }
        Ok(())
    }

    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    fn at(&self, offset: usize) -> *mut c_void {
        // SAFETY: callers stay within the reservation.
        unsafe { self.start.as_ptr().add(offset).cast() }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // SAFETY: the reservation is ours, and no reference into it is left.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.reserved) };
    }
}
