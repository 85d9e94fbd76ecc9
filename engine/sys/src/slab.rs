//! A growable array without the pause of growing: past a megabyte, what it holds is neither moved nor copied.
//!
//! A vector that doubles copies all it holds, so one push in a shard's loop would pause it in proportion to its state. A
//! slab reserves address space instead and lets the kernel back it with memory as it is first touched, in huge pages where
//! there are any, so that random access over gigabytes does not miss the TLB at every step.
//!
//! What remains is the first touch of a huge page, which the kernel clears: 260 µs for each 2 MiB of growth on the machine
//! of bench/results (5 ms where a virtual machine's host had yet to find the memory), for reads at random that take 9.5 ns
//! in place of 16. Small pages would spread that cost, not save it.
//!
//! Invariants:
//! 1. Items `0..len` are initialised, at `start`; there is room for `capacity` items, and `len <= capacity`.
//! 2. `capacity` items of `T` at `start` are one allocation of the heap, or lie in one mapping, which this slab alone owns.
//! 3. While the bytes held are at most [`HEAP_BYTES`], they are on the heap: a small slab costs what it holds.
//!
//! Under Miri, and where there is no `mremap` (anywhere but Linux), the heap serves at every size, with the pause.

use std::alloc::{self, Layout};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};
use std::ptr::NonNull;

/// Up to here a slab grows by doubling on the heap; copying this much takes less than 50 µs.
pub const HEAP_BYTES: usize = 1 << 20;
/// Address space, not memory: 128 TiB hold 8,192 of these. A slab that outgrows it moves page tables, never bytes.
pub const RESERVED_BYTES: usize = if cfg!(test) { 8 << 20 } else { 16 << 30 };
/// The size of a huge page: x86-64, and aarch64 with pages of 4 KiB.
const HUGE_PAGE: usize = 2 << 20;
/// The first allocation, in bytes (but at least one item).
const FIRST_BYTES: usize = 256;

const _: () = assert!(FIRST_BYTES < HEAP_BYTES && HEAP_BYTES < RESERVED_BYTES);

/// A growable array, indexed by `u32`, that does not copy what it holds once it is large.
///
/// ```
/// use yeoul_sys::Slab;
///
/// let mut slab = Slab::new();
/// let first = slab.push("one");
/// let second = slab.push("two");
/// slab[first] = "three";
/// assert_eq!((slab[first], slab[second], slab.len()), ("three", "two", 2));
/// ```
pub struct Slab<T> {
    start: NonNull<T>,
    len: usize,
    capacity: usize,
    backing: Backing,
    _items: PhantomData<T>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Backing {
    /// `capacity` items of the heap; no allocation if that is zero bytes.
    Heap,
    /// A mapping of this many bytes.
    #[cfg_attr(any(miri, not(target_os = "linux")), expect(dead_code))]
    Mapped { bytes: usize },
}

// SAFETY: a slab owns its items as a vector does (invariant 2): it may go where they may.
unsafe impl<T: Send> Send for Slab<T> {}
// SAFETY: `&Slab<T>` gives out `&T` only.
unsafe impl<T: Sync> Sync for Slab<T> {}

impl<T> Slab<T> {
    /// The most items that a slab holds: `u32::MAX` itself is never an index, so it can stand for none.
    pub const MOST: usize = u32::MAX as usize;

    /// An empty slab; it holds no memory.
    #[must_use]
    pub const fn new() -> Self {
        let capacity = if size_of::<T>() == 0 { Self::MOST } else { 0 };
        Self { start: NonNull::dangling(), len: 0, capacity, backing: Backing::Heap, _items: PhantomData }
    }

    /// Adds an item at the end; returns its index.
    ///
    /// Panics at [`MOST`](Self::MOST) items. Stops the process if there is no memory, as a vector does.
    #[inline]
    pub fn push(&mut self, item: T) -> u32 {
        if self.len == self.capacity {
            self.grow();
        }
        let index = self.len;
        // SAFETY: `len < capacity` now, so the place is inside the allocation and holds no item (invariants 1 and 2).
        unsafe { self.start.as_ptr().add(index).write(item) };
        self.len = index + 1;
        index as u32
    }

    /// Takes away the last item.
    pub fn pop(&mut self) -> Option<T> {
        self.len = self.len.checked_sub(1)?;
        // SAFETY: the item was initialised (invariant 1) and, being past `len` now, is nobody else's.
        Some(unsafe { self.start.as_ptr().add(self.len).read() })
    }

    /// The item at an index.
    #[must_use]
    #[inline]
    pub fn get(&self, index: u32) -> Option<&T> {
        self.as_slice().get(index as usize)
    }

    /// The item at an index, to change.
    #[must_use]
    #[inline]
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.as_mut_slice().get_mut(index as usize)
    }

    /// Starts to bring the first line of an item into the cache, for writing. Nothing for an index out of range.
    #[inline]
    pub fn prefetch(&self, index: u32) {
        if let Some(item) = self.get(index) {
            crate::prefetch_write(item);
        }
    }

    /// How many items there are.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All items, by index.
    #[must_use]
    #[inline]
    pub const fn as_slice(&self) -> &[T] {
        // SAFETY: `len` items at `start` are initialised (invariant 1) and borrowed with `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// All items, by index, to change.
    #[must_use]
    #[inline]
    pub const fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: as in `as_slice`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }

    /// The items in order of their indices.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.as_slice().iter()
    }

    /// Drops all items and gives the memory back.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Bytes of memory held: what was allocated or, past [`HEAP_BYTES`], the huge pages that were touched.
    #[must_use]
    pub const fn memory_bytes(&self) -> usize {
        match self.backing {
            Backing::Heap => self.capacity * size_of::<T>(),
            Backing::Mapped { .. } => (self.len * size_of::<T>()).next_multiple_of(HUGE_PAGE),
        }
    }

    #[cold]
    fn grow(&mut self) {
        assert!(self.len < Self::MOST, "a slab holds at most {} items; spread the keys over more shards", Self::MOST);
        let wanted = (self.capacity * 2).max(FIRST_BYTES / size_of::<T>()).clamp(1, Self::MOST);
        let bytes = wanted.checked_mul(size_of::<T>()).expect("a slab's bytes fit the address space");
        if bytes <= HEAP_BYTES || !cfg!(all(target_os = "linux", not(miri))) {
            self.grow_heap(wanted);
        } else {
            self.grow_mapped(bytes);
        }
    }

    fn grow_heap(&mut self, capacity: usize) {
        let new = Layout::array::<T>(capacity).expect("a slab's bytes fit the address space");
        let moved = if self.capacity == 0 {
            // SAFETY: `grow` is reached with items of more than zero bytes only, and `capacity` is at least one.
            unsafe { alloc::alloc(new) }
        } else {
            // SAFETY: the backing is the heap at the layout of the present capacity (invariant 2); the new size is not zero.
            unsafe { alloc::realloc(self.start.as_ptr().cast(), self.heap_layout(), new.size()) }
        };
        self.start = NonNull::new(moved.cast()).unwrap_or_else(|| alloc::handle_alloc_error(new));
        self.capacity = capacity;
    }

    fn heap_layout(&self) -> Layout {
        Layout::array::<T>(self.capacity).expect("it was allocated")
    }

    #[cfg(all(target_os = "linux", not(miri)))]
    fn grow_mapped(&mut self, least: usize) {
        const { assert!(align_of::<T>() <= 4096, "a mapping is aligned to a page only") };
        let (start, bytes) = match self.backing {
            Backing::Mapped { bytes } => mapping::double(self.start.cast(), bytes),
            Backing::Heap => {
                let (start, bytes) = mapping::reserve(least.next_multiple_of(HUGE_PAGE), RESERVED_BYTES);
                // SAFETY: the items are initialised (invariant 1), the mapping is new and larger. The old places are freed next
                // and not read again, so the items have moved.
                unsafe { start.cast::<T>().copy_from_nonoverlapping(self.start, self.len) };
                self.free();
                (start, bytes)
            }
        };
        self.start = start.cast();
        self.capacity = (bytes / size_of::<T>()).min(Self::MOST);
        self.backing = Backing::Mapped { bytes };
    }

    #[cfg(not(all(target_os = "linux", not(miri))))]
    fn grow_mapped(&mut self, _: usize) {
        unreachable!("the heap serves at every size here");
    }

    /// Gives the memory back; the items are no concern of it.
    fn free(&mut self) {
        match self.backing {
            Backing::Heap if self.capacity * size_of::<T>() == 0 => {}
            // SAFETY: allocated with this layout (invariant 2), and not used again: the callers replace or drop `self`.
            Backing::Heap => unsafe { alloc::dealloc(self.start.as_ptr().cast(), self.heap_layout()) },
            #[cfg(all(target_os = "linux", not(miri)))]
            Backing::Mapped { bytes } => mapping::release(self.start.cast(), bytes),
            #[cfg(not(all(target_os = "linux", not(miri))))]
            Backing::Mapped { .. } => unreachable!("the heap serves at every size here"),
        }
    }
}

impl<T> Drop for Slab<T> {
    fn drop(&mut self) {
        let items = std::ptr::slice_from_raw_parts_mut(self.start.as_ptr(), self.len);
        // A panic in an item's drop leaks the memory, which is the safe end of a panic there.
        self.len = 0;
        // SAFETY: the items are initialised (invariant 1) and, `len` being zero now, dropped once.
        unsafe { items.drop_in_place() };
        self.free();
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.as_slice()[index as usize]
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.as_mut_slice()[index as usize]
    }
}

impl<'a, T> IntoIterator for &'a Slab<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: fmt::Debug> fmt::Debug for Slab<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// Asks the kernel to back this memory with huge pages, as far as it covers whole ones.
///
/// For large arrays that are read at random, such as an index; best before the memory is first touched (a vector made by
/// `vec![0; n]`). Advice only: nothing changes but speed.
pub fn advise_huge_pages<T>(memory: &[T]) {
    #[cfg(all(target_os = "linux", not(miri)))]
    {
        let start = memory.as_ptr().addr().next_multiple_of(HUGE_PAGE);
        let end = (memory.as_ptr().addr() + size_of_val(memory)) / HUGE_PAGE * HUGE_PAGE;
        if start < end {
            // SAFETY: this advice changes neither the contents nor the protection of the pages, all inside `memory`.
            unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
        }
    }
    #[cfg(not(all(target_os = "linux", not(miri))))]
    let _ = memory;
}

/// Anonymous mappings: address space that becomes memory where it is touched.
#[cfg(all(target_os = "linux", not(miri)))]
mod mapping {
    use super::{HUGE_PAGE, Layout, NonNull, alloc};

    /// Reserves `most` bytes or, where the system refuses that, half as many and so on down to `least`.
    /// Stops the process if even those are refused. Both are multiples of a page.
    pub(super) fn reserve(least: usize, most: usize) -> (NonNull<u8>, usize) {
        let mut bytes = most.max(least);
        loop {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no memory of ours.
            let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
            if start != libc::MAP_FAILED {
                // SAFETY: the advice changes neither contents nor protection; a refusal costs speed only.
                unsafe { libc::madvise(start, bytes, libc::MADV_HUGEPAGE) };
                return (NonNull::new(start.cast()).expect("a mapping is never at address zero"), bytes);
            }
            if bytes == least {
                no_memory(bytes);
            }
            bytes = (bytes / 2).next_multiple_of(HUGE_PAGE).max(least);
        }
    }

    /// Doubles a mapping, in place if there is room behind it, else by moving its page tables.
    pub(super) fn double(start: NonNull<u8>, bytes: usize) -> (NonNull<u8>, usize) {
        let wanted = bytes * 2;
        // SAFETY: the mapping is the caller's alone and whole; the caller gives up the old address.
        let moved = unsafe { libc::mremap(start.as_ptr().cast(), bytes, wanted, libc::MREMAP_MAYMOVE) };
        if moved == libc::MAP_FAILED {
            no_memory(wanted);
        }
        (NonNull::new(moved.cast()).expect("a mapping is never at address zero"), wanted)
    }

    /// Unmaps what `reserve` or `double` gave.
    pub(super) fn release(start: NonNull<u8>, bytes: usize) {
        // SAFETY: the caller owns this mapping alone and does not use it again.
        unsafe { libc::munmap(start.as_ptr().cast(), bytes) };
    }

    fn no_memory(bytes: usize) -> ! {
        alloc::handle_alloc_error(Layout::from_size_align(bytes, 4096).expect("a mapping's size is a valid layout"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    /// Miri runs at a thousandth of the speed, and on the heap only.
    const MANY: u32 = if cfg!(miri) { 500 } else { 3_000_000 };

    #[test]
    fn items_keep_their_indices_from_heap_to_mapping_and_past_the_reservation() {
        let mut slab = Slab::new();
        for i in 0..MANY {
            assert_eq!(slab.push(u64::from(i) * 3), i);
        }
        assert_eq!(slab.len(), MANY as usize);
        if cfg!(all(target_os = "linux", not(miri))) {
            assert!(slab.memory_bytes() > RESERVED_BYTES, "the reservation was outgrown");
        }
        assert!(slab.iter().enumerate().all(|(i, &item)| item == i as u64 * 3));
        slab[MANY / 2] = 1;
        *slab.get_mut(0).unwrap() = 2;
        assert_eq!((slab[MANY / 2], slab[0], slab.get(MANY)), (1, 2, None));
        assert_eq!(slab.pop(), Some(u64::from(MANY - 1) * 3));
        slab.clear();
        assert_eq!((slab.len(), slab.memory_bytes(), slab.pop()), (0, 0, None));
        assert_eq!(slab.push(9), 0);
    }

    #[cfg(all(target_os = "linux", not(miri)))]
    #[test]
    fn items_stay_where_they_are_while_a_mapped_slab_grows() {
        let mut slab = Slab::new();
        while !matches!(slab.backing, Backing::Mapped { .. }) {
            slab.push([0u64; 8]);
        }
        let first = slab.as_slice().as_ptr();
        while (slab.len() + 1) * 64 <= RESERVED_BYTES {
            slab.push([1; 8]);
        }
        assert_eq!(slab.as_slice().as_ptr(), first);
    }

    #[test]
    fn every_item_is_dropped_once() {
        let counted = Rc::new(());
        let mut slab = Slab::new();
        for _ in 0..MANY / 10 {
            slab.push((Rc::clone(&counted), [0u8; 40]));
        }
        assert_eq!(Rc::strong_count(&counted), 1 + MANY as usize / 10);
        drop(slab.pop());
        assert_eq!(Rc::strong_count(&counted), MANY as usize / 10);
        drop(slab);
        assert_eq!(Rc::strong_count(&counted), 1);
    }

    #[test]
    fn items_without_size_and_large_items_are_held() {
        const LARGE: usize = if cfg!(miri) { 500 } else { 300_000 };
        let mut units = Slab::new();
        for i in 0..1000 {
            assert_eq!(units.push(()), i);
        }
        assert_eq!((units.len(), units.memory_bytes()), (1000, 0));
        let mut large = Slab::new();
        for i in 0..20u8 {
            large.push([i; LARGE]);
        }
        assert!(large.iter().enumerate().all(|(i, item)| item[LARGE - 1] == i as u8));
    }

    #[test]
    #[should_panic(expected = "out of bounds")]
    fn an_index_past_the_end_panics() {
        let slab: Slab<u8> = Slab::new();
        let _ = slab[0];
    }

    #[test]
    fn advice_leaves_contents_alone() {
        let index = vec![7u64; if cfg!(miri) { 1 << 10 } else { 1 << 20 }];
        advise_huge_pages(&index);
        advise_huge_pages(&index[..3]);
        assert!(index.iter().all(|&x| x == 7));
    }
}
