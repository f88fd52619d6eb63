//! Stacks that guests run on, kept for the next guest.
//!
//! They are not zeroed in between: a guest cannot read the host's stack, and what runs on it is the code of our
//! interpreters.

use super::pages::{PAGE, small_pages};
use crate::cpu::ByCpu;
use crate::limits;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use std::ops::Range;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use wasmtime::{StackCreator, StackMemory};

/// The stacks of the interpreters' engines.
#[derive(Clone, Default)]
pub(super) struct Stacks(Arc<ByCpu<Stack>>);

/// A stack, with a page below it that nobody may touch.
struct Stack {
    start: NonNull<u8>,
    length: usize,
}

/// A stack in use.
struct Lent {
    stack: Option<Stack>,
    home: Stacks,
}

// SAFETY: a stack is owned by one guest or one list at a time.
unsafe impl Send for Stack {}
// SAFETY: nothing is done through a shared reference.
unsafe impl Sync for Stack {}

impl Stacks {
    /// Gives back the memory of stacks that wait to be used again.
    pub(super) fn trim(&self) {
        self.0.clear();
    }
}

// SAFETY: each stack is a mapping of its own, page aligned, with a guard page below it, and lent to one guest at a time.
unsafe impl StackCreator for Stacks {
    fn new_stack(&self, size: usize, _zeroed: bool) -> wasmtime::Result<Box<dyn StackMemory>> {
        let kept = self.0.take().filter(|stack| stack.length == size + *PAGE);
        let stack = match kept {
            Some(stack) => stack,
            None => Stack::map(size)?,
        };
        Ok(Box::new(Lent { stack: Some(stack), home: self.clone() }))
    }
}

// SAFETY: see `Stacks`.
unsafe impl StackMemory for Lent {
    fn top(&self) -> *mut u8 {
        self.range().end as *mut u8
    }

    fn range(&self) -> Range<usize> {
        self.stack.as_ref().map_or(0..0, Stack::range)
    }

    fn guard_range(&self) -> Range<*mut u8> {
        let start = self.range().start;
        (start - *PAGE) as *mut u8..start as *mut u8
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(stack) = self.stack.take() else { return };
        stack.shrink();
        let mut list = self.home.0.own();
        if list.len() < limits::FREE_STACKS {
            list.push(stack);
        }
    }
}

impl Stack {
    fn map(size: usize) -> wasmtime::Result<Self> {
        let length = size + *PAGE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::STACK;
        // SAFETY: a new mapping, where nothing was.
        let start = unsafe { rustix::mm::mmap_anonymous(null_mut(), length, ProtFlags::empty(), flags)? };
        let start = NonNull::new(start.cast::<u8>()).ok_or_else(|| wasmtime::Error::msg("no room for a stack"))?;
        let stack = Self { start, length };
        // SAFETY: it is within the mapping.
        unsafe {
            let above = start.as_ptr().add(*PAGE).cast();
            rustix::mm::mprotect(above, size, MprotectFlags::READ | MprotectFlags::WRITE)?;
        }
        small_pages(start.as_ptr().cast(), length)?;
        Ok(stack)
    }

    fn range(&self) -> Range<usize> {
        let start = self.start.as_ptr() as usize;
        start + *PAGE..start + self.length
    }

    /// Gives back what lies deep, where a guest has recursed.
    fn shrink(&self) {
        let range = self.range();
        let deep = range.end - limits::KEPT_STACK;
        let probe = (deep - *PAGE) as *const u64;
        // SAFETY: the page is within the stack, on which nobody runs.
        let touched = (0..*PAGE / 8).any(|word| unsafe { probe.add(word).read() } != 0);
        if touched {
            // SAFETY: the same.
            let _ = unsafe { rustix::mm::madvise(range.start as *mut _, deep - range.start, Advice::LinuxDontNeed) };
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody runs on it.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
