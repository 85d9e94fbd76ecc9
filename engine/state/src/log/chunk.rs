//! A piece of a log on its way from the shard to its writer.

use std::fmt;

use yeoul_frame::{Epoch, TableId};

use super::address::SegmentId;
use super::header::{BlockHeader, HEADER_BYTES, MAX_RECORD_BYTES};

/// A piece of the log on its way to the writer. Its checksums are filled in by [`Chunk::finish`].
#[derive(Debug, Default)]
pub struct Chunk {
    /// The segment that it belongs to.
    pub segment: SegmentId,
    /// Where in the segment it begins.
    pub offset: u32,
    /// Whole blocks.
    pub bytes: Vec<u8>,
    /// If this is the last piece of an epoch: which.
    pub sealed: Option<Seal>,
    /// Why the log must not be continued.
    pub fault: Option<LogFault>,
}

/// The end of an epoch in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The epoch.
    pub epoch: Epoch,
    /// The segments that this epoch, and those after it, no longer need.
    pub dropped: Vec<SegmentId>,
}

/// Why a log cannot hold what was put into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFault {
    /// A record is larger than the log can hold.
    RecordTooLarge {
        /// Its table.
        table: TableId,
        /// Its encoded bytes.
        bytes: usize,
    },
    /// All segment ids are used up.
    OutOfSegments,
}

impl fmt::Display for LogFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RecordTooLarge { table, bytes } => write!(
                f,
                "a record of {table} takes {bytes} bytes, more than the {MAX_RECORD_BYTES} that the state log can hold; \
                 split the value, for example into a list or map state"
            ),
            Self::OutOfSegments => f.write_str(
                "the state log has used all segment ids; take a savepoint and restore from it, which starts them anew",
            ),
        }
    }
}

impl std::error::Error for LogFault {}

impl Chunk {
    /// Fills in the checksum of every block. Idempotent.
    pub fn finish(&mut self) {
        let mut rest = self.bytes.as_mut_slice();
        while let Some(head) = rest.first_chunk::<HEADER_BYTES>() {
            let payload = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
            let (block, after) = rest.split_at_mut(BlockHeader::block_bytes(payload));
            let crc = crc32c::crc32c(&block[8..]);
            block[4..8].copy_from_slice(&crc.to_le_bytes());
            rest = after;
        }
        assert!(rest.is_empty(), "a chunk holds whole blocks");
    }
}
