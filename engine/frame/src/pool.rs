//! Recycles the memory of row frames, so that a running job allocates no frame memory.
//!
//! A batch's last drop, on whichever thread, sends its memory back to the pool that it came from. Sending and taking
//! are lock free, and a pool keeps at most [`CLASS_BYTES`] of each size: what comes back beyond that is freed.
//!
//! Invariants:
//! 1. A slab in class `c` has exactly `LEAST_SLAB << c` bytes.
//! 2. Memory in the pool names no pool, so a pool is freed once its last handle and its last frame are gone.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::RowKind;
use crate::Timestamp;
use crate::memory::Memory;

/// The smallest slab, in bytes.
pub const LEAST_SLAB: usize = 64 << 10;
/// The largest slab that is recycled, in bytes. Larger ones are for single large records, and are freed.
pub const LARGEST_SLAB: usize = LEAST_SLAB << (CLASSES - 1);
/// How many bytes of free slabs of one size a pool keeps.
pub const CLASS_BYTES: usize = 8 << 20;

const CLASSES: usize = 5;
const _: () = assert!(CLASS_BYTES >= LARGEST_SLAB, "a pool keeps at least one slab of each size");

/// Event times and row kinds by row number. No kinds: every row is an insert.
#[derive(Default)]
pub(crate) struct Marks {
    pub(crate) times: Vec<Timestamp>,
    pub(crate) kinds: Vec<RowKind>,
}

/// What is recycled together: a slab and the vectors beside it.
pub(crate) struct Buffers {
    pub(crate) memory: Memory,
    pub(crate) marks: Arc<Marks>,
}

/// A source of frame memory, usually one per shard. Cloning gives another handle to the same pool.
///
/// ```
/// use yeoul_frame::{Pool, RowBuilder, RowKind, Timestamp};
///
/// let pool = Pool::new();
/// let mut rows = RowBuilder::<u64>::new(&pool, 1024);
/// rows.push(&7, Timestamp(0), RowKind::Insert).unwrap();
/// let frame = rows.finish();
/// drop(frame);
/// assert_eq!(pool.idle_bytes(), 64 << 10);
/// ```
#[derive(Clone)]
pub struct Pool {
    classes: Arc<[Class; CLASSES]>,
    frame_rows: usize,
}

struct Class {
    put: Sender<Buffers>,
    take: Receiver<Buffers>,
}

impl Pool {
    /// An empty pool that keeps at most [`CLASS_BYTES`] of each slab size.
    #[must_use]
    pub fn new() -> Self {
        Self::keeping(CLASS_BYTES)
    }

    /// An empty pool that keeps at most `bytes` of each slab size, and no slab at all of sizes above that.
    #[must_use]
    pub fn keeping(bytes: usize) -> Self {
        let classes = std::array::from_fn(|class| {
            // A channel of capacity 0 hands over only to a waiting taker, and takers never wait: it keeps nothing.
            let (put, take) = bounded(bytes / (LEAST_SLAB << class));
            Class { put, take }
        });
        Self { classes: Arc::new(classes), frame_rows: usize::MAX }
    }

    /// The same pool, for frames of at most `rows` rows: builders with memory from this handle do not take more, whatever
    /// capacity they are made with. 0 counts as 1.
    #[must_use]
    pub fn with_frame_rows(self, rows: usize) -> Self {
        Self { frame_rows: rows.max(1), ..self }
    }

    pub(crate) fn frame_rows(&self) -> usize {
        self.frame_rows
    }

    /// The bytes of the free slabs that wait here.
    #[must_use]
    pub fn idle_bytes(&self) -> usize {
        self.classes.iter().enumerate().map(|(class, slabs)| slabs.take.len() * (LEAST_SLAB << class)).sum()
    }

    /// Memory of at least `bytes`; its content is arbitrary (but initialised).
    pub(crate) fn get(&self, bytes: usize) -> Buffers {
        let size = bytes.next_power_of_two().max(LEAST_SLAB);
        let recycled = class_of(size).and_then(|class| self.classes[class].take.try_recv().ok());
        recycled.unwrap_or_else(|| Buffers { memory: Memory::zeroed(size), marks: Arc::default() })
    }

    /// Takes memory back, if there is room.
    pub(crate) fn put(&self, mut buffers: Buffers) {
        let Some(class) = class_of(buffers.memory.len()) else { return };
        match Arc::get_mut(&mut buffers.marks) {
            Some(marks) => {
                marks.times.clear();
                marks.kinds.clear();
            }
            // A frame made from this one's times still reads them.
            None => buffers.marks = Arc::default(),
        }
        // Full: freed here.
        let _ = self.classes[class].put.try_send(buffers);
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("idle_bytes", &self.idle_bytes()).finish_non_exhaustive()
    }
}

/// The class of slabs of exactly this size.
fn class_of(size: usize) -> Option<usize> {
    ((LEAST_SLAB..=LARGEST_SLAB).contains(&size) && size.is_power_of_two())
        .then(|| (size / LEAST_SLAB).trailing_zeros() as usize)
}
