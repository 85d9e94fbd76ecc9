//! The places of a ring: memory for a power of two of items, at positions that wrap around.
//!
//! It does not know which places hold an item, nor who may touch them: that is the ring's bookkeeping, and the promise of
//! every call here. Under loom each place is a cell of its own, so that the model sees a touch that is not ordered.
//!
//! Invariants:
//! 1. The memory is one allocation of `mask + 1` items, owned by this value alone, at one address for life.
//! 2. No reference to the memory is made except through `get`, so both ends may touch different places at once.

#[cfg(not(loom))]
pub(crate) use machine::Slots;

#[cfg(loom)]
pub(crate) use model::Slots;

#[cfg(not(loom))]
mod machine {
    use std::alloc::{self, Layout};
    use std::marker::PhantomData;
    use std::ptr::NonNull;

    use yeoul_sys::{prefetch_read_at, prefetch_write_at};

    /// Batches that fill whole cache lines then share no line with their neighbours.
    const ALIGNMENT: usize = 128;
    /// What moves between cores at once.
    const LINE: usize = 64;
    /// Lines asked for ahead of one batch: about as many as a core has under way at once. Asking for more makes it wait.
    const LINES_AHEAD: usize = 8;

    pub(crate) struct Slots<T> {
        start: NonNull<T>,
        mask: usize,
        _items: PhantomData<T>,
    }

    impl<T> Slots<T> {
        /// `capacity` is a power of two.
        pub(crate) fn new(capacity: usize) -> Self {
            assert!(capacity.is_power_of_two(), "a ring's capacity must be a power of two, not {capacity}");
            let layout = Self::layout(capacity);
            let start = if layout.size() == 0 {
                NonNull::dangling()
            } else {
                // SAFETY: the layout's size is not zero.
                NonNull::new(unsafe { alloc::alloc(layout) }.cast())
                    .unwrap_or_else(|| alloc::handle_alloc_error(layout))
            };
            Self { start, mask: capacity - 1, _items: PhantomData }
        }

        fn layout(capacity: usize) -> Layout {
            let layout = Layout::array::<T>(capacity).expect("a ring's bytes fit the address space");
            layout.align_to(ALIGNMENT).expect("a ring's bytes fit the address space")
        }

        pub(crate) fn capacity(&self) -> usize {
            self.mask + 1
        }

        #[inline]
        fn place(&self, position: usize) -> *mut T {
            // SAFETY: the masked position is less than the capacity, so the place is inside the allocation (invariant 1).
            unsafe { self.start.as_ptr().add(position & self.mask) }
        }

        /// Asks for the places of `count` items, as far as is worth it, to be written soon: takes them from the other core.
        #[inline]
        pub(crate) fn expect_writes(&self, position: usize, count: usize) {
            self.each_line(position, count, |place| prefetch_write_at(place));
        }

        /// Asks for the places of `count` items, as far as is worth it, to be read soon.
        #[inline]
        pub(crate) fn expect_reads(&self, position: usize, count: usize) {
            self.each_line(position, count, |place| prefetch_read_at(place));
        }

        #[inline]
        fn each_line(&self, position: usize, count: usize, ask: impl Fn(*const T)) {
            let lines = (count * size_of::<T>()).div_ceil(LINE).min(LINES_AHEAD);
            let items_a_line =
                const { if size_of::<T>() == 0 || size_of::<T>() > LINE { 1 } else { LINE / size_of::<T>() } };
            for line in 0..lines {
                ask(self.place(position.wrapping_add(line * items_a_line)));
            }
        }

        /// Puts an item at a position.
        ///
        /// # Safety
        /// The place holds no item, and no other thread touches it until this write is published.
        #[inline]
        pub(crate) unsafe fn write(&self, position: usize, item: T) {
            // SAFETY: the caller's promise makes the place free and ours; it is inside the allocation and aligned.
            unsafe { self.place(position).write(item) };
        }

        /// Takes the item at a position.
        ///
        /// # Safety
        /// The place holds an item whose write was made visible to this thread; it counts as empty afterwards.
        #[inline]
        pub(crate) unsafe fn read(&self, position: usize) -> T {
            // SAFETY: the caller's promise: the item is there, and nobody reads it again.
            unsafe { self.place(position).read() }
        }

        /// The item at a position, in place.
        ///
        /// # Safety
        /// As for `read`, and nobody takes the item while the reference lives.
        #[inline]
        pub(crate) unsafe fn get(&self, position: usize) -> &T {
            // SAFETY: the caller's promise: the item is there for as long as the borrow.
            unsafe { &*self.place(position) }
        }

        /// Puts `count` items, moved from `from`, at a position and those after it.
        ///
        /// # Safety
        /// As for `write`, for all these places, of which there are at most the capacity; `from` is valid for `count` items,
        /// which the caller gives up.
        #[inline]
        pub(crate) unsafe fn write_all(&self, position: usize, from: *const T, count: usize) {
            let first = count.min(self.capacity() - (position & self.mask));
            // SAFETY: the first part ends at or before the end of the allocation; the rest starts at its begin and is shorter
            // than it. The caller's promise makes the places free and ours, so `from` cannot overlap them.
            unsafe {
                self.place(position).copy_from_nonoverlapping(from, first);
                self.start.as_ptr().copy_from_nonoverlapping(from.add(first), count - first);
            }
        }

        /// Takes `count` items from a position and those after it, moving them to `to`.
        ///
        /// # Safety
        /// As for `read`, for all these places, of which there are at most the capacity; `to` is valid for `count` items.
        #[inline]
        pub(crate) unsafe fn read_all(&self, position: usize, to: *mut T, count: usize) {
            let first = count.min(self.capacity() - (position & self.mask));
            // SAFETY: as in `write_all`, in the other direction.
            unsafe {
                to.copy_from_nonoverlapping(self.place(position), first);
                to.add(first).copy_from_nonoverlapping(self.start.as_ptr(), count - first);
            }
        }
    }

    impl<T> Drop for Slots<T> {
        fn drop(&mut self) {
            let layout = Self::layout(self.capacity());
            if layout.size() != 0 {
                // SAFETY: allocated in `new` with this layout, freed here only (invariant 1).
                unsafe { alloc::dealloc(self.start.as_ptr().cast(), layout) };
            }
        }
    }
}

#[cfg(loom)]
mod model {
    use std::mem::MaybeUninit;

    use loom::cell::UnsafeCell;

    pub(crate) struct Slots<T> {
        cells: Box<[UnsafeCell<MaybeUninit<T>>]>,
    }

    /// The contracts are those of the machine's; loom checks them.
    impl<T> Slots<T> {
        pub(crate) fn new(capacity: usize) -> Self {
            assert!(capacity.is_power_of_two(), "a ring's capacity must be a power of two, not {capacity}");
            Self { cells: (0..capacity).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect() }
        }

        pub(crate) fn capacity(&self) -> usize {
            self.cells.len()
        }

        fn cell(&self, position: usize) -> &UnsafeCell<MaybeUninit<T>> {
            &self.cells[position & (self.cells.len() - 1)]
        }

        pub(crate) fn expect_writes(&self, _: usize, _: usize) {}

        pub(crate) fn expect_reads(&self, _: usize, _: usize) {}

        pub(crate) unsafe fn write(&self, position: usize, item: T) {
            // SAFETY: the place is free and ours by the caller's promise, which loom checks.
            self.cell(position).with_mut(|place| unsafe { (*place).write(item) });
        }

        pub(crate) unsafe fn read(&self, position: usize) -> T {
            // SAFETY: the place holds an item by the caller's promise. Taking it is a write to loom: the place may be reused.
            self.cell(position).with_mut(|place| unsafe { (*place).assume_init_read() })
        }

        pub(crate) unsafe fn get(&self, position: usize) -> &T {
            // SAFETY: the place holds an item, and nobody takes it while the borrow lives, by the caller's promise.
            self.cell(position).with(|place| unsafe { (*place).assume_init_ref() })
        }

        pub(crate) unsafe fn write_all(&self, position: usize, from: *const T, count: usize) {
            for i in 0..count {
                // SAFETY: the caller's promise, place by place.
                unsafe { self.write(position.wrapping_add(i), from.add(i).read()) };
            }
        }

        pub(crate) unsafe fn read_all(&self, position: usize, to: *mut T, count: usize) {
            for i in 0..count {
                // SAFETY: the caller's promise, place by place.
                unsafe { to.add(i).write(self.read(position.wrapping_add(i))) };
            }
        }
    }
}
