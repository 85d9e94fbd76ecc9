//! Where rkyv writes what a row owns out of line: strings, lists, boxes.
//!
//! Invariants:
//! 1. `tail` never passes the end of `memory`.
//! 2. What lies below `tail` at the start of a push is not written again: a failed push only resets `tail`.
//!
//! Not here: the rows themselves, which `builder.rs` writes in place.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::ptr::NonNull;

use rkyv::rancor::{Fallible, Source, Trace};
use rkyv::ser::sharing::SharingState;
use rkyv::ser::{Allocator, Positional, Sharing, Writer};

use crate::memory::Memory;

/// The serializer that rows are archived with. Bounds on [`Record`](crate::Record) name it; only builders make one.
pub struct RowSerializer {
    pub(crate) memory: Memory,
    /// Where the next byte out of line goes.
    pub(crate) tail: usize,
    /// How many bytes would have been needed when the last write failed.
    pub(crate) wanted: usize,
    scratch: Scratch,
}

impl RowSerializer {
    pub(crate) fn new() -> Self {
        Self { memory: Memory::empty(), tail: 0, wanted: 0, scratch: Scratch::default() }
    }
}

/// Why a record could not be archived.
#[derive(Debug)]
pub enum RowError {
    /// The slab has no room for what the record owns out of line.
    NoRoom,
    /// The record's type refused: the reason in its words.
    Refused(Box<str>),
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom => f.write_str("no room left in the frame"),
            Self::Refused(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for RowError {}

impl Trace for RowError {
    fn trace<R: fmt::Debug + fmt::Display + Send + Sync + 'static>(self, trace: R) -> Self {
        match self {
            Self::NoRoom => Self::NoRoom,
            Self::Refused(reason) => Self::Refused(format!("{reason} ({trace})").into()),
        }
    }
}

impl Source for RowError {
    #[cold]
    fn new<T: std::error::Error + Send + Sync + 'static>(source: T) -> Self {
        Self::Refused(source.to_string().into())
    }
}

impl Fallible for RowSerializer {
    type Error = RowError;
}

impl Positional for RowSerializer {
    #[inline]
    fn pos(&self) -> usize {
        self.tail
    }
}

impl Writer for RowSerializer {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), RowError> {
        if bytes.len() > self.memory.len() - self.tail {
            self.wanted = self.tail.saturating_add(bytes.len());
            return Err(RowError::NoRoom);
        }
        // SAFETY: `tail + bytes.len()` is within `memory`, as just checked; it is borrowed mutably, so it cannot
        // overlap `bytes`.
        unsafe {
            let to = self.memory.as_mut_ptr().add(self.tail);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
        self.tail += bytes.len();
        Ok(())
    }
}

/// Shared pointers are archived once per pointer: finding equal ones would cost a map, and a row is small.
impl Sharing for RowSerializer {
    fn start_sharing(&mut self, _: usize) -> SharingState {
        SharingState::Started
    }

    fn finish_sharing(&mut self, _: usize, _: usize) -> Result<(), RowError> {
        Ok(())
    }
}

// SAFETY: `Scratch` gives out unaliased memory that fits the layout: see there.
unsafe impl Allocator for RowSerializer {
    #[inline]
    unsafe fn push_alloc(&mut self, layout: Layout) -> Result<NonNull<[u8]>, RowError> {
        let start = self.scratch.push(layout);
        Ok(NonNull::slice_from_raw_parts(start, layout.size()))
    }

    #[inline]
    unsafe fn pop_alloc(&mut self, start: NonNull<u8>, layout: Layout) -> Result<(), RowError> {
        // SAFETY: the caller gives back what `push_alloc` gave for this layout, innermost first.
        unsafe { self.scratch.pop(start, layout) };
        Ok(())
    }
}

/// The bytes kept for rkyv's resolvers of nested lists. More than this is allocated anew.
const SCRATCH_BYTES: usize = 4096;

/// A stack of scratch allocations, as rkyv asks for when it archives lists of things that own things.
struct Scratch {
    /// Made on first use; most records never need it.
    memory: Memory,
    /// Bytes of `memory` in use: every allocation from it lies below.
    used: usize,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { memory: Memory::empty(), used: 0 }
    }
}

impl Scratch {
    fn push(&mut self, layout: Layout) -> NonNull<u8> {
        if self.memory.len() == 0 {
            self.memory = Memory::zeroed(SCRATCH_BYTES);
        }
        let at = self.used.next_multiple_of(layout.align());
        if layout.align() <= crate::memory::ALIGN && at + layout.size() <= SCRATCH_BYTES {
            self.used = at + layout.size();
            // SAFETY: `at` is within `memory`; what lies above the old `used` is given to nobody, and is aligned
            // because `memory` is.
            return unsafe { NonNull::new_unchecked(self.memory.as_mut_ptr().add(at)) };
        }
        // SAFETY: rkyv asks for sizes other than 0 (contract of `push_alloc`).
        let start = unsafe { alloc(layout) };
        NonNull::new(start).unwrap_or_else(|| handle_alloc_error(layout))
    }

    /// # Safety
    /// `start` came from `push` with this layout, and everything pushed after it is popped.
    unsafe fn pop(&mut self, start: NonNull<u8>, layout: Layout) {
        let offset = (start.as_ptr() as usize).wrapping_sub(self.memory.as_ptr() as usize);
        if offset < self.memory.len() {
            self.used = offset;
        } else {
            // SAFETY: not from `memory`, so it was allocated in `push` with this layout.
            unsafe { dealloc(start.as_ptr(), layout) }
        }
    }
}
