//! Where a record stands in the log.
//!
//! A segment's id is unique in its store for all time and all shards: a run starts above every id of the runs before
//! it, and shard `i` of `n` takes every `n`-th id. So an address means the same to every shard, also after a change of
//! the number of shards.

use std::fmt;

/// Bits of an address that hold the offset: a segment is at most 64 MiB long.
pub const OFFSET_BITS: u32 = 26;
/// Bits of an address that hold the segment's id: at 1 GB/s of checkpoints they last for two years, and an overflow is
/// a named fault, not a wrap.
pub const SEGMENT_BITS: u32 = 30;
/// No segment is longer, and so no block.
pub const MAX_SEGMENT_BYTES: u32 = 1 << OFFSET_BITS;

const _: () = assert!(OFFSET_BITS + SEGMENT_BITS == 56, "a table slot keeps flags in the other eight bits");

/// Names a segment file in its store. Ids start at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SegmentId(pub u32);

impl SegmentId {
    /// The greatest id that an address can hold.
    pub const MOST: Self = Self((1 << SEGMENT_BITS) - 1);

    /// The name of the segment's file in the store's folder.
    ///
    /// ```
    /// assert_eq!(yeoul_state::log::SegmentId(42).file_name(), "0000002a.log");
    /// ```
    #[must_use]
    pub fn file_name(self) -> String {
        format!("{:08x}.log", self.0)
    }

    /// The segment that a file of this name holds, if it is a segment's name.
    #[must_use]
    pub fn of_file_name(name: &str) -> Option<Self> {
        let digits = name.strip_suffix(".log")?;
        let id = Self(u32::from_str_radix(digits, 16).ok()?);
        (id.file_name() == name).then_some(id)
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {:08x}", self.0)
    }
}

/// Names one opening of one store, so that bytes left over from another run or store are told from this run's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {:016x}", self.0)
    }
}

/// A record's place in the log: segment and offset in 56 bits. The eight high bits are always zero.
///
/// ```
/// use yeoul_state::log::{LogAddress, SegmentId};
/// let at = LogAddress::new(SegmentId(3), 128);
/// assert_eq!((at.segment(), at.offset()), (SegmentId(3), 128));
/// assert_eq!(LogAddress::from_bits(at.bits()), at);
/// assert!(LogAddress::NONE.is_none() && !at.is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogAddress(u64);

impl LogAddress {
    /// No address: the record has not been in the log yet. (There is no segment 0.)
    pub const NONE: Self = Self(0);
    /// All the bits that an address may use.
    pub const MASK: u64 = (1 << (OFFSET_BITS + SEGMENT_BITS)) - 1;

    /// The place `offset` bytes into a segment.
    #[must_use]
    #[inline]
    pub const fn new(segment: SegmentId, offset: u32) -> Self {
        assert!(segment.0 <= SegmentId::MOST.0 && offset < MAX_SEGMENT_BYTES);
        Self(((segment.0 as u64) << OFFSET_BITS) | offset as u64)
    }

    /// The segment.
    #[must_use]
    #[inline]
    pub const fn segment(self) -> SegmentId {
        SegmentId((self.0 >> OFFSET_BITS) as u32)
    }

    /// Bytes from the start of the segment's file.
    #[must_use]
    #[inline]
    pub const fn offset(self) -> u32 {
        (self.0 & (MAX_SEGMENT_BYTES as u64 - 1)) as u32
    }

    /// Whether this is [`Self::NONE`].
    #[must_use]
    #[inline]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The address as an integer below 2⁵⁶.
    #[must_use]
    #[inline]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The address that [`Self::bits`] gave; higher bits are cut off.
    #[must_use]
    #[inline]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits & Self::MASK)
    }
}

impl fmt::Debug for LogAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() { f.write_str("nowhere") } else { write!(f, "{:08x}+{:#x}", self.segment().0, self.offset()) }
    }
}
