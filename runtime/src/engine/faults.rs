//! How many pages a fault maps.
//!
//! A fault in a file's mapping also maps the pages around it, 64 KiB on most kernels, which makes a first run cheaper. But what is
//! mapped is what [`written`](super::pages::written) has to walk after each run of a fork. A kernel maps a single page where a
//! `userfaultfd` watches the mapping for writes; so one is asked to, and then given nothing to watch for.

use rustix::fd::OwnedFd;
use rustix::ioctl::{Updater, ioctl, opcode};
use rustix::mm::UserfaultfdFlags;
use std::sync::LazyLock;

/// `struct uffdio_api` of linux/userfaultfd.h.
#[repr(C)]
struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

/// `struct uffdio_register` of linux/userfaultfd.h.
#[repr(C)]
struct Register {
    start: u64,
    length: u64,
    mode: u64,
    ioctls: u64,
}

const API: u64 = 0xaa;
/// `UFFD_USER_MODE_ONLY`: what no privilege is needed for.
const USER_MODE_ONLY: u32 = 1;
/// `UFFD_FEATURE_WP_ASYNC`, since Linux 6.7: a mapping of any kind may be watched, and the kernel resolves the faults by itself.
const WATCH_WITHOUT_A_HANDLER: u64 = 1 << 15;
/// `UFFDIO_REGISTER_MODE_WP`.
const WATCH_WRITES: u64 = 1 << 1;

static WATCH: LazyLock<Option<OwnedFd>> = LazyLock::new(|| {
    let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::from_bits_retain(USER_MODE_ONLY);
    // SAFETY: the descriptor stays in here, and no page is ever protected or filled through it.
    let watch = unsafe { rustix::mm::userfaultfd(flags).ok()? };
    let mut api = Api { api: API, features: WATCH_WITHOUT_A_HANDLER, ioctls: 0 };
    // SAFETY: the request `UFFDIO_API` reads and writes such a struct.
    unsafe { ioctl(&watch, Updater::<{ opcode::read_write::<Api>(0xaa, 0x3f) }, _>::new(&mut api)).ok()? };
    Some(watch)
});

/// Has each fault between two addresses map one page. Where the kernel does not do that (before Linux 6.7, or where a filter of
/// system calls forbids it, as containers have by default), faults go on to map those around it, and forks are slower.
pub(super) fn one_page_each(start: usize, length: usize) {
    let Some(watch) = &*WATCH else { return };
    let mut register = Register { start: start as u64, length: length as u64, mode: WATCH_WRITES, ioctls: 0 };
    // SAFETY: the request `UFFDIO_REGISTER` reads and writes such a struct; what is mapped stays as it is.
    let asked = unsafe { ioctl(watch, Updater::<{ opcode::read_write::<Register>(0xaa, 0) }, _>::new(&mut register)) };
    if let Err(error) = asked {
        tracing::debug!(%error, "faults map the pages around them");
    }
}

#[cfg(test)]
mod tests {
    use super::super::pages::{Mapping, PAGE, written};
    use super::*;
    use std::fs::File;
    use std::io::{Read, Seek, SeekFrom, Write};

    const COUNT: usize = 64;

    /// Which pages of a mapping the process has in its page table.
    #[expect(clippy::disallowed_methods, reason = "the process's own page table, which has no folder")]
    fn mapped(start: usize) -> Vec<usize> {
        let mut pagemap = File::open("/proc/self/pagemap").unwrap();
        pagemap.seek(SeekFrom::Start((start / *PAGE * 8) as u64)).unwrap();
        let mut entries = [0; COUNT * 8];
        pagemap.read_exact(&mut entries).unwrap();
        (0..COUNT).filter(|page| entries[page * 8 + 7] & 0x80 != 0).collect()
    }

    #[test]
    fn a_page_that_is_read_comes_alone() {
        if WATCH.is_none() {
            eprintln!("skipped: this kernel maps what lies around");
            return;
        }
        let file = rustix::fs::memfd_create("base", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let mut file = File::from(file);
        file.write_all(&vec![7; COUNT * *PAGE]).unwrap();
        let mapping = Mapping::of(&file, COUNT * *PAGE).unwrap();
        let start = mapping.bytes().as_ptr() as usize;
        one_page_each(start, COUNT * *PAGE);
        assert_eq!(mapping.bytes()[20 * *PAGE], 7);
        assert_eq!(mapped(start), [20]);
        assert!(written(start, start + COUNT * *PAGE, |from, to| panic!("{from}-{to} was only read")));
    }
}
