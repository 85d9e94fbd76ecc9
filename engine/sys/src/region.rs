//! Immutable bytes that many may hold: a mapped file, or memory of the heap.
//!
//! Invariants:
//! 1. The bytes do not change and do not move while any handle to them lives.
//! 2. A whole region starts at a multiple of [`Region::ALIGNMENT`]; a part of one starts where it is cut.
//! 3. A mapping is known to [`sigbus`] from before its first read until after its last.

use std::alloc::{self, Layout};
use std::fmt;
use std::fs;
use std::io;
use std::ops::{Deref, Range};
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::sigbus;

/// A reference-counted run of immutable bytes. A clone is another handle to the same bytes.
///
/// ```
/// use yeoul_sys::Region;
///
/// let region = Region::from_vec(b"a block of the log".to_vec());
/// let block = region.slice(2..7);
/// drop(region); // The part keeps the whole alive.
/// assert_eq!(&block[..], b"block");
/// ```
#[derive(Clone)]
pub struct Region {
    start: NonNull<u8>,
    len: usize,
    /// What keeps the bytes: `None` for a region without any.
    owner: Option<Owner>,
}

#[derive(Clone)]
enum Owner {
    Mapped(Arc<Mapping>),
    Heap(#[expect(dead_code, reason = "held for its drop")] Arc<Heap>),
}

// SAFETY: by invariant 1 the bytes are immutable while a handle lives, and the owners are atomically counted; so handles
// and the reads through them may go to any thread.
unsafe impl Send for Region {}
// SAFETY: as for Send; `&Region` gives out nothing but shared bytes.
unsafe impl Sync for Region {}

impl Region {
    /// What the first byte's address is a multiple of.
    pub const ALIGNMENT: usize = 64;

    /// A region without bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self { start: NonNull::<Aligned>::dangling().cast(), len: 0, owner: None }
    }

    /// A region of the heap with these bytes. They are copied unless the vector happens to be aligned.
    #[must_use]
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() {
            return Self::empty();
        }
        let len = bytes.len();
        let heap = if bytes.as_ptr().addr().is_multiple_of(Self::ALIGNMENT) {
            Heap::Vector(bytes)
        } else {
            Heap::Aligned(AlignedBytes::copy_of(&bytes))
        };
        Self { start: heap.start(), len, owner: Some(Owner::Heap(Arc::new(heap))) }
    }

    /// A read-only mapping of a file's first `len` bytes; `path` is what a bus error on it will name.
    ///
    /// The promise of [`File::map`](crate::File::map) is the caller's: nobody changes or cuts these bytes.
    pub(crate) fn map(file: &fs::File, len: usize, path: &Path) -> io::Result<Self> {
        if len == 0 {
            return Ok(Self::empty());
        }
        // SAFETY: the bytes stay as they are by the promise of `File::map` (invariant 1): sealed segments lie in a locked
        // folder of mode 0700 and are never written or cut again. Should the file be cut or its disk fail all the same, the
        // read faults and the process ends (sigbus.rs) before the missing bytes are used.
        let bytes = unsafe { memmap2::MmapOptions::new().len(len).map(file)? };
        let start = NonNull::new(bytes.as_ptr().cast_mut()).expect("a mapping is never at address zero");
        let registration = sigbus::register(start.as_ptr().addr()..start.as_ptr().addr() + len, path);
        Ok(Self { start, len, owner: Some(Owner::Mapped(Arc::new(Mapping { _registration: registration, bytes }))) })
    }

    /// A part of the region, sharing its bytes and keeping all of them alive.
    ///
    /// Panics if the range is not inside the region.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let part = &self[range];
        let start = NonNull::from(part).cast();
        Self { start, len: part.len(), owner: self.owner.clone() }
    }

    /// Tells the kernel that the bytes will be read once, in order: it reads ahead further and keeps less.
    pub fn advise_sequential(&self) {
        self.advise(memmap2::Advice::Sequential);
    }

    /// Tells the kernel that the bytes will be read here and there: it does not read ahead.
    pub fn advise_random(&self) {
        self.advise(memmap2::Advice::Random);
    }

    /// Asks the kernel to start reading all the bytes now.
    pub fn advise_will_need(&self) {
        self.advise(memmap2::Advice::WillNeed);
    }

    fn advise(&self, advice: memmap2::Advice) {
        if let Some(Owner::Mapped(mapping)) = &self.owner {
            let offset = self.start.as_ptr().addr() - mapping.bytes.as_ptr().addr();
            // Advice that is not taken costs speed only, so a refusal (an old kernel) is not an error.
            let _ = mapping.bytes.advise_range(advice, offset, self.len);
        }
    }

    /// Whether the bytes are a file's, rather than memory of the heap.
    #[must_use]
    pub fn is_mapped(&self) -> bool {
        matches!(self.owner, Some(Owner::Mapped(_)))
    }
}

impl Deref for Region {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `start` and `len` name bytes inside the owner, which lives as long as `self` and never changes or moves
        // them (invariant 1); for an empty region the pointer is dangling but aligned, which a slice of no bytes allows.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for Region {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Default for Region {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Vec<u8>> for Region {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from_vec(bytes)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_mapped() { "mapped" } else { "heap" };
        write!(f, "Region({kind}, {} bytes at {:p})", self.len, self.start)
    }
}

#[repr(align(64))]
struct Aligned;

const _: () = assert!(align_of::<Aligned>() == Region::ALIGNMENT);

/// Fields drop in this order: the range leaves the registry while it is still mapped (invariant 3).
struct Mapping {
    _registration: sigbus::Registration,
    bytes: memmap2::Mmap,
}

enum Heap {
    Vector(Vec<u8>),
    Aligned(AlignedBytes),
}

impl Heap {
    fn start(&self) -> NonNull<u8> {
        match self {
            Self::Vector(bytes) => NonNull::from(bytes.as_slice()).cast(),
            Self::Aligned(bytes) => bytes.start,
        }
    }
}

/// One allocation of at least one byte, aligned to [`Region::ALIGNMENT`].
struct AlignedBytes {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the allocation is owned by this value alone and not written after `copy_of`.
unsafe impl Send for AlignedBytes {}
// SAFETY: as for Send.
unsafe impl Sync for AlignedBytes {}

impl AlignedBytes {
    fn copy_of(bytes: &[u8]) -> Self {
        assert!(!bytes.is_empty(), "an empty region has no allocation");
        let layout = Layout::from_size_align(bytes.len(), Region::ALIGNMENT).expect("a vector's length is in range");
        // SAFETY: the layout's size is not zero, asserted above.
        let start = NonNull::new(unsafe { alloc::alloc(layout) }).unwrap_or_else(|| alloc::handle_alloc_error(layout));
        // SAFETY: both runs are `bytes.len()` bytes, and a fresh allocation overlaps nothing.
        unsafe { start.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Self { start, layout }
    }
}

impl Drop for AlignedBytes {
    fn drop(&mut self) {
        // SAFETY: `start` came from `alloc` with this layout and is freed here only.
        unsafe { alloc::dealloc(self.start.as_ptr(), self.layout) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heap_regions_are_aligned_and_shared_by_their_parts() {
        for len in [0usize, 1, 63, 64, 65, if cfg!(miri) { 300 } else { 100_001 }] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let region = Region::from_vec(bytes.clone());
            assert_eq!(&region[..], &bytes[..]);
            assert_eq!(region.as_ptr().addr() % Region::ALIGNMENT, 0, "{len} bytes");
            assert!(!region.is_mapped());
            let part = region.slice(len / 3..len);
            assert_eq!(part.as_ptr(), region[len / 3..].as_ptr());
            let other = std::thread::spawn(move || part.iter().map(|&b| u64::from(b)).sum::<u64>());
            assert_eq!(other.join().unwrap(), bytes[len / 3..].iter().map(|&b| u64::from(b)).sum::<u64>());
        }
    }

    #[test]
    #[should_panic(expected = "out of range")]
    fn a_part_must_lie_inside() {
        let _ = Region::from_vec(vec![1, 2, 3]).slice(1..4);
    }
}
