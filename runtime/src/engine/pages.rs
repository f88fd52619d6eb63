//! Pages of the host's memory: files mapped for reading, and which pages of a mapping were written.

use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};
use rustix::mm::{Advice, MapFlags, ProtFlags};
use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::ptr::{NonNull, null_mut};
use std::sync::LazyLock;

/// The size of a page.
pub(super) static PAGE: LazyLock<usize> = LazyLock::new(rustix::param::page_size);

/// A file that nobody changes any more, mapped for reading.
pub(super) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the memory is only ever read.
unsafe impl Send for Mapping {}
// SAFETY: the same.
unsafe impl Sync for Mapping {}

impl Mapping {
    pub fn of(file: impl AsFd, length: usize) -> io::Result<Self> {
        if length == 0 {
            return Ok(Self { start: NonNull::dangling(), length });
        }
        // SAFETY: a new mapping, where nothing was.
        let start = unsafe { rustix::mm::mmap(null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE, file, 0)? };
        Ok(Self { start: NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?, length })
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: it is mapped for as long as `self` lives, and the file behind it is sealed, or is the server's own.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.length > 0 {
            // SAFETY: the mapping is ours, and no borrow of it is left.
            let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.length) };
        }
    }
}

/// Has the kernel give a mapping's memory page by page: where it hands out 2 MiB unasked, a guest that writes one byte
/// would take them all.
pub(super) fn small_pages(start: *mut c_void, length: usize) -> io::Result<()> {
    // SAFETY: it changes how the memory is backed, and not what it holds.
    match unsafe { rustix::mm::madvise(start, length, Advice::LinuxNoHugepage) } {
        // A kernel without huge pages does not know the advice.
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// `struct page_region` of linux/fs.h: pages in a row.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct Region {
    pub start: u64,
    pub end: u64,
    categories: u64,
}

/// `struct pm_scan_arg` of linux/fs.h.
#[repr(C)]
struct ScanArgument {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

const PAGE_IS_FILE: u64 = 1 << 2;
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_SWAPPED: u64 = 1 << 4;
const PAGE_IS_PFNZERO: u64 = 1 << 5;

// SAFETY: this is the request `PAGEMAP_SCAN` of linux/fs.h, since Linux 6.7: it reads and writes the argument, writes as
// many regions as `vec_len` says, and answers how many.
unsafe impl Ioctl for &mut ScanArgument {
    type Output = usize;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        opcode::read_write::<ScanArgument>(b'f', 16)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::from_mut::<ScanArgument>(self).cast()
    }

    // SAFETY: nothing is read through the pointer.
    unsafe fn output_from_ptr(count: IoctlOutput, _: *mut std::ffi::c_void) -> rustix::io::Result<usize> {
        Ok(count as usize)
    }
}

#[expect(clippy::disallowed_methods, reason = "the process's own page table, which has no folder")]
static PAGEMAP: LazyLock<Option<File>> = LazyLock::new(|| File::open("/proc/self/pagemap").ok());

#[cfg(test)]
thread_local! {
    /// Has this thread see a kernel that cannot tell which pages were written.
    pub(super) static BLIND: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Calls `found` for each row of private pages between two addresses: those that were written since they were mapped.
/// False where the kernel cannot tell (before Linux 6.7); then any page may have been written.
pub(super) fn written(start: usize, end: usize, mut found: impl FnMut(usize, usize)) -> bool {
    #[cfg(test)]
    if BLIND.get() {
        return false;
    }
    let Some(pagemap) = &*PAGEMAP else { return false };
    let mut regions = [Region::default(); 128];
    let mut at = start as u64;
    while at < end as u64 {
        let mut argument = ScanArgument {
            size: size_of::<ScanArgument>() as u64,
            flags: 0,
            start: at,
            end: end as u64,
            walk_end: 0,
            vec: regions.as_mut_ptr() as u64,
            vec_len: regions.len() as u64,
            max_pages: 0,
            // A page of the file was only read, the page of zeros too; what else is there, or swapped out, is a private copy.
            category_inverted: PAGE_IS_FILE | PAGE_IS_PFNZERO,
            category_mask: PAGE_IS_FILE | PAGE_IS_PFNZERO,
            category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
            return_mask: 0,
        };
        // SAFETY: `regions` has room for as many as the argument says.
        let count = unsafe { ioctl(pagemap, &mut argument) };
        let Some(regions) = count.ok().and_then(|count| regions.get(..count)) else { return false };
        if argument.walk_end <= at {
            return false;
        }
        for region in regions {
            found(region.start as usize, region.end as usize);
        }
        at = argument.walk_end;
    }
    true
}
