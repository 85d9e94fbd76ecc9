//! A shard's end of the log: encodes records and knows at once where each will stand on disk.
//!
//! Pure: does no I/O and takes no lock. Full chunks are moved out to the writer, never copied; checksums are the writer's
//! work, so that the shard's slice of time goes into encoding.
//!
//! Not here: how blocks are placed in chunks and segments (`tail`).

use yeoul_frame::{Epoch, OperatorId, ShardId, TableId};

use super::address::{LogAddress, MAX_SEGMENT_BYTES, SegmentId};
use super::chunk::{Chunk, LogFault, Seal};
use super::header::{ALIGN, BLOCK_BYTES, BlockHeader, BlockKind, Layout, MAX_RECORD_BYTES, MORE_PARTS};
use super::options::LogOptions;
use super::tail::{Group, Tail};
use crate::compaction::Liveness;

/// Bytes of one part of an operator's state or of sealed output; longer ones are split.
const PART_BYTES: usize = 1024 * 1024;

const _: () = assert!(PART_BYTES + BLOCK_BYTES <= MAX_RECORD_BYTES);

/// Encodes a shard's records into the blocks of its log.
///
/// ```
/// use yeoul_frame::{Epoch, TableId};
/// use yeoul_state::log::{BlockView, Layout, LogBuffer, LogOptions, Origin, RunId};
///
/// let options = LogOptions::single(RunId(7));
/// let mut log = LogBuffer::new(options);
/// let layout = Layout::of(Some(8), Some(8));
/// let at = log.put(
///     TableId(5), 0, layout,
///     |key| key.extend_from_slice(&1u64.to_le_bytes()),
///     |value| value.extend_from_slice(&2u64.to_le_bytes()),
/// );
/// let mut chunk = log.seal(Epoch(1));
/// chunk.finish();
/// let origin = Origin { segment: chunk.segment, run: options.run };
/// let (block, _) = BlockView::parse(&chunk.bytes, 0, origin).unwrap();
/// let record = block.records().next().unwrap();
/// assert_eq!((record.address, record.key[0], record.value[0]), (at, 1, 2));
/// ```
#[derive(Debug)]
pub struct LogBuffer {
    tail: Tail,
    scratch: Vec<u8>,
    liveness: Liveness,
    dropping: Vec<SegmentId>,
}

impl LogBuffer {
    /// The buffer of a shard whose run begins.
    #[must_use]
    pub fn new(options: LogOptions) -> Self {
        assert!(options.shard.0 < options.shards, "{} is not one of {} shards", options.shard, options.shards);
        assert!(options.first_segment.0 > 0 && options.segment_bytes <= MAX_SEGMENT_BYTES);
        let liveness = Liveness::new(options.segment_bytes);
        Self { tail: Tail::new(options), scratch: Vec::new(), liveness, dropping: Vec::new() }
    }

    /// Starts an epoch: call it at the barrier, when the tables freeze. What was [relocated](Self::relocated) before it
    /// is dropped with this epoch. Without a call the epoch after the sealed one follows, and drops nothing.
    pub fn begin(&mut self, epoch: Epoch) {
        assert!(epoch >= self.tail.epoch, "{epoch} begins after {} did", self.tail.epoch);
        assert!(self.pending() == 0, "{epoch} begins inside an epoch");
        self.tail.epoch = epoch;
        self.dropping.extend(self.liveness.take_relocated());
    }

    /// Sets a key's value. `key` and `value` append exactly their encoding; for [`Layout::Fixed`], exactly its widths.
    /// Returns where the record will stand.
    #[inline]
    pub fn put(
        &mut self,
        table: TableId,
        namespace: i64,
        layout: Layout,
        key: impl FnOnce(&mut Vec<u8>),
        value: impl FnOnce(&mut Vec<u8>),
    ) -> LogAddress {
        self.record(Group { kind: BlockKind::Put, owner: table.0, namespace, layout }, key, value)
    }

    /// Removes a key: writes its tombstone.
    #[inline]
    pub fn delete(&mut self, table: TableId, namespace: i64, layout: Layout, key: impl FnOnce(&mut Vec<u8>)) {
        let layout = match layout {
            Layout::Fixed { key, .. } => Layout::Fixed { key, value: 0 },
            Layout::Variable => layout,
        };
        self.record(Group { kind: BlockKind::Delete, owner: table.0, namespace, layout }, key, |_| ());
    }

    /// Removes all keys of a namespace of a table.
    pub fn drop_namespace(&mut self, table: TableId, namespace: i64) {
        let group = Group { kind: BlockKind::DropNamespace, owner: table.0, namespace, layout: Layout::Variable };
        self.tail.open_block(group, 0, &mut self.liveness);
        self.tail.close_block();
    }

    /// The record at `address` is superseded: `bytes` (as [`Layout::record_bytes`] tells) of its segment are dead.
    #[inline]
    pub fn retire(&mut self, address: LogAddress, bytes: usize) {
        if !address.is_none() {
            self.liveness.retire(address.segment(), bytes as u64);
        }
    }

    /// A named piece of an operator's own state as of this epoch. Each epoch holds all of an operator's pieces.
    pub fn operator_state(&mut self, operator: OperatorId, name: &str, bytes: &[u8]) {
        assert!(name.len() < BLOCK_BYTES, "the name of an operator's state is {} bytes long", name.len());
        let header = self.tail.header(BlockKind::OperatorState, operator.0, 0);
        self.parts(BlockHeader { first: name.len() as u32, ..header }, name.as_bytes(), bytes);
    }

    /// Output that a sink's subtask sealed at the barrier of the present epoch.
    pub fn sealed_output(&mut self, sink: OperatorId, subtask: ShardId, epoch: Epoch, sequence: u64, bytes: &[u8]) {
        assert_eq!(epoch, self.tail.epoch, "output is sealed in the epoch that it belongs to");
        let header = self.tail.header(BlockKind::SealedOutput, sink.0, sequence as i64);
        let of = u32::from(self.tail.options.shards);
        self.parts(BlockHeader { first: of << 16 | u32::from(subtask.0), ..header }, &[], bytes);
    }

    /// The next full chunk, if any. Take them between slices of draining; it bounds the memory held.
    pub fn take_chunk(&mut self) -> Option<Chunk> {
        self.tail.take_chunk()
    }

    /// Ends the epoch: returns its last chunk (which may be empty). All full chunks must have been taken.
    pub fn seal(&mut self, epoch: Epoch) -> Chunk {
        assert_eq!(epoch, self.tail.epoch, "the epoch that is sealed is the one that began");
        let mut chunk = self.tail.take_rest();
        let dropped = std::mem::take(&mut self.dropping);
        chunk.sealed = Some(Seal { epoch, dropped });
        self.tail.epoch = epoch.next();
        chunk
    }

    /// Bytes that wait to be taken or sealed.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.tail.pending()
    }

    /// The epoch that records now belong to.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.tail.epoch
    }

    /// The shard whose log this is.
    #[must_use]
    pub fn shard(&self) -> ShardId {
        self.tail.options.shard
    }

    /// Why the log cannot be continued, once it cannot. It also goes with every chunk, and the writer refuses those.
    #[must_use]
    pub fn fault(&self) -> Option<LogFault> {
        self.tail.fault
    }

    /// How much of each segment is still in use, and which to compact.
    #[must_use]
    pub fn liveness(&self) -> &Liveness {
        &self.liveness
    }

    /// For recovery, which tells what the restored segments hold.
    pub fn liveness_mut(&mut self) -> &mut Liveness {
        &mut self.liveness
    }

    /// All live records of the oldest segment are on the tables' dirty lists: the segment is dropped with the epoch
    /// that [begins](Self::begin) next.
    pub fn relocated(&mut self, segment: SegmentId) {
        self.liveness.relocated(segment);
    }

    /// Gives back a chunk's buffer for reuse.
    pub fn recycle(&mut self, bytes: Vec<u8>) {
        self.tail.recycle(bytes);
    }

    #[inline]
    fn record(&mut self, group: Group, key: impl FnOnce(&mut Vec<u8>), value: impl FnOnce(&mut Vec<u8>)) -> LogAddress {
        match group.layout {
            Layout::Fixed { key: key_width, value: value_width } => {
                let width = (key_width + value_width) as usize;
                let bytes = self.tail.make_room(group, width, &mut self.liveness);
                let at = bytes.len();
                key(bytes);
                assert_eq!(bytes.len() - at, key_width as usize, "a key of fixed width encodes to that width");
                value(bytes);
                assert_eq!(bytes.len() - at, width, "a value of fixed width encodes to that width");
                self.note(group.kind, at, width)
            }
            Layout::Variable => {
                let mut scratch = std::mem::take(&mut self.scratch);
                scratch.clear();
                key(&mut scratch);
                let key_len = scratch.len();
                value(&mut scratch);
                let address = self.variable(group, &scratch[..key_len], &scratch[key_len..]);
                if scratch.capacity() <= BLOCK_BYTES {
                    self.scratch = scratch;
                }
                address
            }
        }
    }

    fn variable(&mut self, group: Group, key: &[u8], value: &[u8]) -> LogAddress {
        let most = 8 + key.len() + value.len() + ALIGN - 1;
        if most > MAX_RECORD_BYTES {
            self.tail.fault.get_or_insert(LogFault::RecordTooLarge { table: TableId(group.owner), bytes: most });
            return LogAddress::NONE;
        }
        let bytes = self.tail.make_room(group, most, &mut self.liveness);
        let at = bytes.len();
        bytes.extend_from_slice(&(key.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(key);
        // A chunk begins at an aligned offset, so alignment in the chunk is alignment in the segment.
        bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
        bytes.extend_from_slice(value);
        let written = bytes.len() - at;
        self.note(group.kind, at, written)
    }

    #[inline]
    fn note(&mut self, kind: BlockKind, at: usize, bytes: usize) -> LogAddress {
        let live = if kind == BlockKind::Put { bytes as u64 } else { 0 };
        self.liveness.wrote(self.tail.segment(), bytes as u64, live);
        self.tail.address_of(at)
    }

    /// Writes bytes as one or more blocks of their own, each beginning with `name`.
    fn parts(&mut self, header: BlockHeader, name: &[u8], bytes: &[u8]) {
        let count = bytes.len().div_ceil(PART_BYTES).max(1);
        for index in 0..count {
            let part = &bytes[index * PART_BYTES..bytes.len().min((index + 1) * PART_BYTES)];
            let more = if index + 1 < count { MORE_PARTS } else { 0 };
            let header = BlockHeader { second: index as u32 | more, ..header };
            self.tail.whole_block(header, name, part, &mut self.liveness);
            // Each part holds back the segment in which it stands, not only the last one's.
            if header.kind == BlockKind::SealedOutput {
                self.liveness.holds_output(self.tail.segment(), header.epoch);
            }
        }
    }
}
