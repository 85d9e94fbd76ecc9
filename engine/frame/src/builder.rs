//! Archives records into a frame, in place.
//!
//! One slab holds the rows, dense from offset 0 at a stride of the archived size, room for `room` of them, and from
//! there on what they own out of line. Relative pointers stay within the slab, so it can go anywhere as it is.
//!
//! Invariants:
//! 1. `len ≤ room`, and `room × stride ≤ tail ≤ memory.len()`.
//! 2. The first `len` rows are valid archived values, with times beside them.
//! 3. An empty builder never says that it is full: a record larger than a slab gets memory of its own.
//! 4. Bytes below `len × stride`, and from `room × stride` to `tail`, hold archived data or zeros, never what an
//!    earlier frame left.

use std::any::{TypeId, type_name};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use rkyv::{Archive, Place, Serialize};

use crate::batch::{Batch, Data, RowData};
use crate::memory::{ALIGN, Memory};
use crate::pool::{Buffers, LARGEST_SLAB, LEAST_SLAB, Marks, Pool};
use crate::serializer::{RowError, RowSerializer};
use crate::{FieldType, Frame, Record, RowKind, Timestamp};

/// The usual number of rows in a full frame.
pub const FRAME_ROWS: usize = 1024;
/// The usual number of rows in a full frame of columns: what a frame costs by itself is a small part of what so many rows cost.
pub const COLUMN_ROWS: usize = 4096;
/// The largest slab that a builder asks for to hold several records, in bytes: a few fit in a core's second-level cache.
pub const FRAME_BYTES: usize = 256 << 10;
/// The largest record, in bytes with all that it owns. (Relative pointers would reach 2 GiB, archived text 1 GiB.)
pub const RECORD_BYTES: usize = 256 << 20;

const _: () = assert!(LEAST_SLAB <= FRAME_BYTES && FRAME_BYTES <= LARGEST_SLAB, "frames are recycled");
const _: () = assert!(RECORD_BYTES.is_power_of_two() && RECORD_BYTES <= i32::MAX as usize, "relative pointers reach");

/// Builds row frames, one after another.
///
/// ```
/// use yeoul_frame::{Pool, PushError, RowBuilder, RowKind, Timestamp};
///
/// let mut rows = RowBuilder::<u64>::new(&Pool::new(), 2);
/// let mut frames = vec![];
/// for n in 0..5 {
///     if rows.is_full() {
///         frames.push(rows.finish());
///     }
///     rows.push(&n, Timestamp(0), RowKind::Insert)?;
/// }
/// frames.push(rows.finish());
/// assert_eq!(frames.iter().map(|frame| frame.len()).collect::<Vec<_>>(), [2, 2, 1]);
/// # Ok::<_, PushError>(())
/// ```
pub struct RowBuilder<T: Record> {
    pool: Pool,
    serializer: RowSerializer,
    marks: Marks,
    /// The allocation that `marks` goes into; none while there is no memory.
    shell: Option<Arc<Marks>>,
    len: usize,
    room: usize,
    capacity: usize,
    /// The bytes out of line that a record is expected to need, from those before.
    heap_per_row: usize,
    makes: PhantomData<fn() -> T>,
}

/// Why a record was not taken. It is unchanged, and so is the builder.
#[derive(Debug)]
pub enum PushError {
    /// The frame is full: finish it, and push again. An empty builder never says so.
    Full,
    /// The record is larger than [`RECORD_BYTES`].
    TooLarge {
        /// At least how many bytes it has.
        bytes: usize,
    },
    /// The record's type refused to be archived.
    Refused {
        /// The type.
        record: &'static str,
        /// Why.
        reason: Box<str>,
    },
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the frame is full; finish it and push again"),
            Self::TooLarge { bytes } => {
                write!(f, "a record of at least {bytes} bytes is larger than the limit of {RECORD_BYTES}; split it")
            }
            Self::Refused { record, reason } => write!(f, "a record of type {record} cannot be archived: {reason}"),
        }
    }
}

impl std::error::Error for PushError {}

impl<T: Record> RowBuilder<T> {
    const STRIDE: usize = size_of::<T::Archived>();
    const FITS: () = {
        assert!(align_of::<T::Archived>() <= ALIGN, "records are aligned to at most 64 bytes");
        assert!(size_of::<T::Archived>() <= RECORD_BYTES, "a record within the limit");
    };

    /// A builder of frames of at most `capacity` rows (fewer if the pool says so), with memory from `pool`. Takes no memory
    /// before the first push.
    ///
    /// # Panics
    /// If `capacity` is 0 or above 2³¹.
    #[must_use]
    pub fn new(pool: &Pool, capacity: usize) -> Self {
        const { Self::FITS };
        assert!((1..=1 << 31).contains(&capacity), "a frame of {capacity} rows");
        Self {
            pool: pool.clone(),
            serializer: RowSerializer::new(),
            marks: Marks::default(),
            shell: None,
            len: 0,
            room: 0,
            capacity: capacity.min(pool.frame_rows()),
            heap_per_row: if T::COPY_OPTIMIZATION.is_enabled() { 0 } else { Self::STRIDE },
            makes: PhantomData,
        }
    }

    /// How many rows have been pushed since the last frame.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Nothing was pushed since the last frame.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The next push would say [`PushError::Full`]. If not, it still may, for a record with much out of line.
    #[must_use]
    #[inline]
    pub const fn is_full(&self) -> bool {
        self.len == self.room && self.len != 0
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`PushError::Full`]: finish the frame and push again. The others are the record's own fault.
    #[inline]
    pub fn push(&mut self, record: &T, time: Timestamp, kind: RowKind) -> Result<(), PushError> {
        self.push_as(record, time, kind)
    }

    /// Adds a record that is given as another type with the same archived form, such as its borrowed twin.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    #[inline]
    pub fn push_as<U>(&mut self, record: &U, time: Timestamp, kind: RowKind) -> Result<(), PushError>
    where
        U: Archive<Archived = T::Archived> + Serialize<RowSerializer>,
    {
        if self.len == self.room {
            self.open()?;
        }
        if const { U::COPY_OPTIMIZATION.is_enabled() } {
            // SAFETY: the copy optimisation promises that the bytes of a `U` are those of its archived form.
            unsafe { self.copy_row(std::ptr::from_ref(record).cast()) };
        } else {
            let resolver = loop {
                let tail = self.serializer.tail;
                match record.serialize(&mut self.serializer) {
                    Ok(resolver) => break resolver,
                    Err(error) => self.recover(tail, error)?,
                }
            };
            let position = self.len * Self::STRIDE;
            // SAFETY: row `len` is below `room`, so it lies within the memory and below the bytes out of line
            // (invariant 1); it is aligned, since the memory is to 64 bytes and the stride is a multiple of the
            // type's alignment. All memory is initialised; zeroing makes padding zero.
            let place = unsafe {
                let at = self.serializer.memory.as_mut_ptr().add(position).cast::<T::Archived>();
                at.write_bytes(0, 1);
                Place::new_unchecked(position, at)
            };
            record.resolve(resolver, place);
        }
        self.mark(time, kind);
        Ok(())
    }

    /// Adds a record that is already archived: copies its bytes if it is all numbers without padding between, and archives
    /// what it borrows otherwise. Allocates nothing.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    #[inline]
    pub fn push_archived(&mut self, record: &T::Archived, time: Timestamp, kind: RowKind) -> Result<(), PushError>
    where
        T: FieldType,
    {
        if const { !T::COPY_OPTIMIZATION.is_enabled() } {
            return self.push_as(&T::borrow(record), time, kind);
        }
        if self.len == self.room {
            self.open()?;
        }
        // SAFETY: the copy optimisation promises that the archived form has the layout of `T`, without padding, and that
        // its bytes are all that there is to it.
        unsafe { self.copy_row(std::ptr::from_ref(record).cast()) };
        self.mark(time, kind);
        Ok(())
    }

    /// The frame of all that was pushed; the builder is empty again. An empty builder gives an empty frame.
    #[must_use]
    pub fn finish(&mut self) -> Frame {
        let heap = self.room * Self::STRIDE..self.serializer.tail;
        // A record with memory of its own says nothing of those to come.
        if self.len != 0 && self.serializer.memory.len() <= FRAME_BYTES {
            let used = heap.len().div_ceil(self.len);
            // Rises at once, falls slowly: a frame that closes early costs more than one with room to spare.
            self.heap_per_row = (used + used / 8).max((3 * self.heap_per_row + used) / 4);
        }
        let mut marks = self.shell.take().unwrap_or_default();
        *Arc::get_mut(&mut marks).expect("the shell is not shared") = std::mem::take(&mut self.marks);
        let data = RowData {
            memory: std::mem::replace(&mut self.serializer.memory, Memory::empty()),
            home: self.pool.clone(),
            stride: Self::STRIDE,
            heap,
            archived: TypeId::of::<T::Archived>(),
            name: type_name::<T>(),
        };
        let batch = Batch::new(self.len as u32, marks, Data::Rows(data));
        self.serializer.tail = 0;
        (self.len, self.room) = (0, 0);
        Frame::whole(batch)
    }

    /// Copies the bytes of an archived row to the next place.
    ///
    /// # Safety
    /// `len < room`, and `from` is the start of a valid archived value without padding that refers to nothing outside
    /// itself.
    #[inline]
    unsafe fn copy_row(&mut self, from: *const u8) {
        // SAFETY: row `len` is below `room`, so it lies within the memory (invariant 1), which is ours alone and so
        // cannot overlap `from`.
        unsafe {
            let to = self.serializer.memory.as_mut_ptr().add(self.len * Self::STRIDE);
            std::ptr::copy_nonoverlapping(from, to, Self::STRIDE);
        }
    }

    /// Counts the row that was just written.
    #[inline]
    fn mark(&mut self, time: Timestamp, kind: RowKind) {
        self.marks.times.push(time);
        if kind != RowKind::Insert || !self.marks.kinds.is_empty() {
            self.mark_kind(kind);
        }
        self.len += 1;
    }

    #[inline(never)]
    fn mark_kind(&mut self, kind: RowKind) {
        // At the first row that is no insert: all before it were.
        self.marks.kinds.resize(self.len, RowKind::Insert);
        self.marks.kinds.push(kind);
    }

    /// Takes memory for the next frame, if there is none.
    #[cold]
    fn open(&mut self) -> Result<(), PushError> {
        if self.len != 0 {
            return Err(PushError::Full);
        }
        let row = (Self::STRIDE + self.heap_per_row).max(1);
        let room = self.capacity.min((FRAME_BYTES / row).max(1));
        self.take_memory(room * row, room);
        Ok(())
    }

    fn take_memory(&mut self, bytes: usize, room: usize) {
        let Buffers { memory, mut marks } = self.pool.get(bytes.max(room * Self::STRIDE));
        self.marks = std::mem::take(Arc::get_mut(&mut marks).expect("a pool's marks are not shared"));
        self.marks.times.reserve(room);
        self.shell = Some(marks);
        self.serializer.memory = memory;
        self.serializer.tail = room * Self::STRIDE;
        self.room = room;
    }

    /// After a failed push: makes room if the frame is empty, otherwise says why not.
    #[cold]
    fn recover(&mut self, tail: usize, error: RowError) -> Result<(), PushError> {
        self.serializer.tail = tail;
        match error {
            RowError::Refused(reason) => Err(PushError::Refused { record: type_name::<T>(), reason }),
            RowError::NoRoom if self.len != 0 => Err(PushError::Full),
            RowError::NoRoom => {
                let bytes = self.serializer.wanted.max(self.serializer.memory.len() * 2);
                if self.serializer.wanted > RECORD_BYTES {
                    return Err(PushError::TooLarge { bytes: self.serializer.wanted });
                }
                // The slab that was too small is as good as new.
                let memory = std::mem::replace(&mut self.serializer.memory, Memory::empty());
                self.pool.put(Buffers { memory, marks: self.shell.take().unwrap_or_default() });
                self.take_memory(bytes, 1);
                Ok(())
            }
        }
    }
}

impl<T: Record> fmt::Debug for RowBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowBuilder({} of {} rows of {})", self.len, self.room, type_name::<T>())
    }
}
