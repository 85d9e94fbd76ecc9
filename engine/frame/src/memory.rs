//! The bytes of one row frame: aligned, on the heap, and initialised from the first to the last.
//!
//! Invariants:
//! 1. `start` is the beginning of an allocation of `len` bytes aligned to [`ALIGN`], owned by this value alone
//!    (or dangling, if `len` is 0).
//! 2. Every byte is initialised at all times: the allocation is zeroed, and only initialised bytes are written.
//! 3. Bytes are written through `&mut Memory` alone, so shared ones never change.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// The alignment of a frame's bytes: a cache line, and more than any archived type asks for.
pub(crate) const ALIGN: usize = 64;

pub(crate) struct Memory {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: plain bytes without thread affinity, owned by this value alone (invariant 1).
unsafe impl Send for Memory {}
// SAFETY: through `&Memory` bytes can only be read (invariant 3).
unsafe impl Sync for Memory {}

impl Memory {
    pub(crate) const fn empty() -> Self {
        Self { start: NonNull::without_provenance(std::num::NonZero::new(ALIGN).expect("not zero")), len: 0 }
    }

    pub(crate) fn zeroed(len: usize) -> Self {
        if len == 0 {
            return Self::empty();
        }
        let layout = layout(len);
        // SAFETY: the layout's size is not 0.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        Self { start, len }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn as_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }

    pub(crate) const fn as_mut_ptr(&mut self) -> *mut u8 {
        self.start.as_ptr()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: an allocation of `len` initialised bytes (invariants 1 and 2) that cannot change while borrowed (3).
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.len != 0 {
            // SAFETY: allocated in `zeroed` with this very layout, and owned (invariant 1).
            unsafe { dealloc(self.start.as_ptr(), layout(self.len)) }
        }
    }
}

fn layout(len: usize) -> Layout {
    Layout::from_size_align(len, ALIGN).expect("frames are far smaller than the address space")
}
