//! Memory for QuickJS, taken from Rust's allocator so that the instance has one heap and not two.
//!
//! Each block is preceded by its size: QuickJS wants to know it to decide when to collect cycles, and Rust's `dealloc`
//! needs it. A refused `memory.grow` answers null, which QuickJS turns into `InternalError: out of memory`.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::null_mut;

use crate::js::sys;

/// Room for the size, and the alignment of every block.
const HEADER: usize = 8;

pub const FUNCTIONS: sys::JSMallocFunctions = sys::JSMallocFunctions {
    js_calloc: Some(js_calloc),
    js_malloc: Some(js_malloc),
    js_free: Some(js_free),
    js_realloc: Some(js_realloc),
    js_malloc_usable_size: Some(js_malloc_usable_size),
};

/// Takes up every hole that the boot left in the heap, for good, so that what an instance allocates lies together: pages
/// that it writes are pages that it must own, and scattered holes would make it own most of the heap.
///
/// Returns with nothing else changed; the blocks are never given back.
pub fn fill_holes() {
    const LARGEST: usize = 64 << 10;
    const SMALLEST: usize = 16;
    // SAFETY: layouts are not empty; a block that came from above the mark is given back at once, others are kept.
    unsafe {
        let layout = |size| Layout::from_size_align_unchecked(size, HEADER);
        // No hole is that large, so this block ends the heap that is in use.
        let mark = alloc(layout(4 * LARGEST));
        let mut size = LARGEST;
        while size >= SMALLEST {
            let block = alloc(layout(size));
            if block.is_null() || block >= mark {
                if !block.is_null() {
                    dealloc(block, layout(size));
                }
                size -= if size > 1024 { size / 8 & !7 } else { 8 };
            }
        }
        dealloc(mark, layout(4 * LARGEST));
    }
}

thread_local! {
    static REFUSED: Cell<bool> = const { Cell::new(false) };
}

/// Whether memory has been refused since this was last asked.
pub fn was_refused() -> bool {
    REFUSED.replace(false)
}

fn layout(size: usize) -> Option<Layout> {
    let rounded = size.checked_add(2 * HEADER - 1)? & !(HEADER - 1);
    Layout::from_size_align(rounded, HEADER).ok()
}

/// # Safety
/// `block` came from an allocation of this layout, or is null.
unsafe fn with_header(block: *mut u8, layout: Layout) -> *mut c_void {
    if block.is_null() {
        REFUSED.set(true);
        return null_mut();
    }
    // SAFETY: the layout has room for the header, and its alignment fits a usize.
    unsafe {
        block.cast::<usize>().write(layout.size() - HEADER);
        block.add(HEADER).cast()
    }
}

unsafe extern "C" fn js_malloc(_: *mut c_void, size: u32) -> *mut c_void {
    match layout(size as usize) {
        // SAFETY: the layout is not empty.
        Some(layout) => unsafe { with_header(alloc(layout), layout) },
        None => null_mut(),
    }
}

unsafe extern "C" fn js_calloc(_: *mut c_void, count: u32, size: u32) -> *mut c_void {
    match (count as usize).checked_mul(size as usize).and_then(layout) {
        // SAFETY: the layout is not empty.
        Some(layout) => unsafe { with_header(alloc_zeroed(layout), layout) },
        None => null_mut(),
    }
}

unsafe extern "C" fn js_free(_: *mut c_void, block: *mut c_void) {
    if block.is_null() {
        return;
    }
    // SAFETY: QuickJS gives back what one of these functions gave it, with its header in front.
    unsafe {
        let start = block.cast::<u8>().sub(HEADER);
        let size = start.cast::<usize>().read() + HEADER;
        dealloc(start, Layout::from_size_align_unchecked(size, HEADER));
    }
}

unsafe extern "C" fn js_realloc(opaque: *mut c_void, block: *mut c_void, size: u32) -> *mut c_void {
    // SAFETY: as for `js_free`; `realloc` keeps the old block where it answers null.
    unsafe {
        if block.is_null() {
            return js_malloc(opaque, size);
        }
        if size == 0 {
            js_free(opaque, block);
            return null_mut();
        }
        let Some(new) = layout(size as usize) else {
            return null_mut();
        };
        let start = block.cast::<u8>().sub(HEADER);
        let old = start.cast::<usize>().read() + HEADER;
        let old = Layout::from_size_align_unchecked(old, HEADER);
        with_header(realloc(start, old, new.size()), new)
    }
}

unsafe extern "C" fn js_malloc_usable_size(block: *const c_void) -> u32 {
    if block.is_null() {
        return 0;
    }
    // SAFETY: as for `js_free`.
    unsafe { block.cast::<u8>().sub(HEADER).cast::<usize>().read() as u32 }
}
