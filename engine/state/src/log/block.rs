//! A block: the unit of the log that is checksummed, written and read.
//!
//! One block holds records of one kind, table and namespace. Its header names the segment, offset, epoch and run for
//! which it was written, inside the checksum; so a block that was moved, left over or copied from elsewhere is refused.
//!
//! Invariants:
//! 1. A [`BlockView`] exists only over bytes whose checksum held and whose records tile the payload exactly.
//! 2. Reading never allocates by a length found in the bytes, and never panics on any bytes.

use yeoul_frame::{Epoch, OperatorId, ShardId, TableId};
use yeoul_sys::planted::{Bug, is_planted};

use super::address::{LogAddress, RunId, SegmentId};
use super::corrupt::Corrupt;
use super::header::{ALIGN, BlockHeader, BlockKind, HEADER_BYTES, Layout, MAGIC, MORE_PARTS, VARIABLE};

/// Where the reader believes that a block stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The segment.
    pub segment: SegmentId,
    /// The run that wrote the segment.
    pub run: RunId,
}

/// A block whose checksum held.
#[derive(Debug, Clone, Copy)]
pub struct BlockView<'a> {
    header: BlockHeader,
    payload: &'a [u8],
}

impl<'a> BlockView<'a> {
    /// Reads the block at `offset` of a segment's bytes. Returns it with the offset just past it.
    ///
    /// # Errors
    /// If anything in it is not as it was written for this place.
    pub fn parse(segment: &'a [u8], offset: usize, origin: Origin) -> Result<(Self, usize), Corrupt> {
        let bytes = segment.get(offset..).unwrap_or_default();
        let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(Corrupt::new(format!("{} bytes are left, fewer than a block's header has", bytes.len())));
        };
        if head[..4] != MAGIC.to_le_bytes() {
            return Err(Corrupt::new(format!(
                "a block should start here, but its first bytes are {:02x?}",
                &head[..4]
            )));
        }
        let payload = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
        let Some(block) = bytes.get(..BlockHeader::block_bytes(payload)) else {
            return Err(Corrupt::new(format!(
                "a block says that it has {payload} bytes, more than the segment has left"
            )));
        };
        let (stated, found) = (u32::from_le_bytes([head[4], head[5], head[6], head[7]]), crc32c::crc32c(&block[8..]));
        if stated != found && !is_planted(Bug::ChecksumIgnored) {
            return Err(Corrupt::new(format!("a block's checksum is {found:08x}, and it states {stated:08x}")));
        }
        let header = BlockHeader::decode(head)?;
        let here = (origin.segment, offset as u64, origin.run);
        let said = (header.address.segment(), u64::from(header.address.offset()), header.run);
        if here != said {
            return Err(Corrupt::new(format!(
                "a block was written for {}, offset {}, {}, but stands in {}, offset {}, {}",
                said.0, said.1, said.2, here.0, here.1, here.2
            )));
        }
        let view = Self { header, payload: &block[HEADER_BYTES..HEADER_BYTES + payload] };
        view.check_payload()?;
        Ok((view, offset + block.len()))
    }

    /// Holds invariant 1: after this, reading records cannot fail.
    fn check_payload(&self) -> Result<(), Corrupt> {
        let (len, header) = (self.payload.len(), &self.header);
        let fits = match header.kind {
            BlockKind::Put | BlockKind::Delete => match self.layout() {
                Layout::Fixed { key, value } => {
                    key > 0 && len > 0 && (len as u64).is_multiple_of(u64::from(key) + u64::from(value))
                }
                Layout::Variable => {
                    let mut records = self.records();
                    records.by_ref().for_each(drop);
                    records.at == len
                }
            },
            BlockKind::DropNamespace => len == 0,
            BlockKind::OperatorState => {
                self.payload.get(..header.first as usize).is_some_and(|name| std::str::from_utf8(name).is_ok())
            }
            BlockKind::SealedOutput => (header.first as u16) < (header.first >> 16) as u16,
        };
        if fits {
            Ok(())
        } else {
            Err(Corrupt::new(format!("a {:?} block's {len} bytes do not hold whole records", header.kind)))
        }
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &BlockHeader {
        &self.header
    }

    /// What the records do.
    #[must_use]
    pub fn kind(&self) -> BlockKind {
        self.header.kind
    }

    /// The table of a keyed block.
    #[must_use]
    pub fn table(&self) -> TableId {
        TableId(self.header.owner)
    }

    /// The namespace of a keyed block.
    #[must_use]
    pub fn namespace(&self) -> i64 {
        self.header.namespace
    }

    /// The epoch to whose snapshot it belongs.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.header.epoch
    }

    /// Where it stands in the log.
    #[must_use]
    pub fn address(&self) -> LogAddress {
        self.header.address
    }

    /// How the records of a keyed block are laid out. In a [`BlockKind::Delete`] block a fixed value width is zero.
    #[must_use]
    pub fn layout(&self) -> Layout {
        match self.header.first {
            VARIABLE => Layout::Variable,
            key => Layout::Fixed { key, value: self.header.second },
        }
    }

    /// The records of a [`BlockKind::Put`] or [`BlockKind::Delete`] block, in the order in which they were written.
    /// Records of a delete block have empty values.
    #[must_use]
    pub fn records(&self) -> Records<'a> {
        let keyed = matches!(self.header.kind, BlockKind::Put | BlockKind::Delete);
        let payload = if keyed { self.payload } else { &[] };
        Records { payload, at: 0, layout: self.layout(), start: self.header.address }
    }

    /// Tells `retired` of each record that puts something: none of them counts.
    pub fn retire(&self, retired: &mut dyn FnMut(LogAddress, usize)) {
        if self.kind() == BlockKind::Put {
            self.records().for_each(|record| retired(record.address, record.bytes as usize));
        }
    }

    /// The piece of operator state that a [`BlockKind::OperatorState`] block holds.
    #[must_use]
    pub fn operator_state(&self) -> Option<OperatorState<'a>> {
        if self.header.kind != BlockKind::OperatorState {
            return None;
        }
        let (name, bytes) = self.payload.split_at(self.header.first as usize);
        let name = std::str::from_utf8(name).unwrap_or_default();
        let (part, more) = (self.header.second & !MORE_PARTS, self.header.second & MORE_PARTS != 0);
        let operator = OperatorId(self.header.owner);
        Some(OperatorState { operator, shard: self.header.shard, name, bytes, part, more })
    }

    /// The output that a [`BlockKind::SealedOutput`] block holds.
    #[must_use]
    pub fn sealed_output(&self) -> Option<SealedOutput<'a>> {
        let header = &self.header;
        (header.kind == BlockKind::SealedOutput).then_some(SealedOutput {
            sink: OperatorId(header.owner),
            subtask: ShardId(header.first as u16),
            shards: (header.first >> 16) as u16,
            epoch: header.epoch,
            sequence: header.namespace as u64,
            bytes: self.payload,
            part: header.second & !MORE_PARTS,
            more: header.second & MORE_PARTS != 0,
        })
    }
}

/// One part of a named operator state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorState<'a> {
    /// The operator.
    pub operator: OperatorId,
    /// The shard whose operator it was.
    pub shard: ShardId,
    /// The state's name.
    pub name: &'a str,
    /// Its bytes, or a part of them.
    pub bytes: &'a [u8],
    /// Which part, from 0.
    pub part: u32,
    /// Whether the next block continues these bytes.
    pub more: bool,
}

/// One part of a sink's sealed output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedOutput<'a> {
    /// The sink.
    pub sink: OperatorId,
    /// Which of the sink's subtasks.
    pub subtask: ShardId,
    /// How many shards the job had then.
    pub shards: u16,
    /// The epoch that it belongs to.
    pub epoch: Epoch,
    /// Its place within the subtask's output of this epoch.
    pub sequence: u64,
    /// Its bytes, or a part of them.
    pub bytes: &'a [u8],
    /// Which part, from 0.
    pub part: u32,
    /// Whether the next block continues these bytes.
    pub more: bool,
}

/// One record as it stands in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where it stands: what [`LogBuffer::put`](super::LogBuffer::put) returned.
    pub address: LogAddress,
    /// The encoded key.
    pub key: &'a [u8],
    /// The encoded value; empty in a delete block.
    pub value: &'a [u8],
    /// Bytes that it takes in the log.
    pub bytes: u32,
}

/// Iterates over a block's records.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    payload: &'a [u8],
    at: usize,
    layout: Layout,
    start: LogAddress,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    #[inline]
    fn next(&mut self) -> Option<Record<'a>> {
        let offset = self.start.offset() as usize + HEADER_BYTES + self.at;
        let rest = &self.payload[self.at..];
        let (key, value, bytes) = match self.layout {
            Layout::Fixed { key, value } => {
                let (key, width) = (key as usize, (key as usize).saturating_add(value as usize));
                let record = rest.get(..width).filter(|record| !record.is_empty())?;
                (&record[..key], &record[key..], width)
            }
            Layout::Variable => variable_record(rest, offset)?,
        };
        self.at += bytes;
        Some(Record { address: LogAddress::new(self.start.segment(), offset as u32), key, value, bytes: bytes as u32 })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let rest = self.payload.len() - self.at;
        match self.layout {
            Layout::Fixed { key, value } => {
                let n = rest / (key as usize).saturating_add(value as usize).max(1);
                (n, Some(n))
            }
            Layout::Variable => (0, Some(rest / 8)),
        }
    }
}

/// Splits the record of variable layout at the start of `rest`, which lies `offset` bytes into its segment, into key,
/// value, and the bytes that it takes. `None` if `rest` is too short for what the record says.
#[must_use]
#[inline]
pub fn variable_record(rest: &[u8], offset: usize) -> Option<(&[u8], &[u8], usize)> {
    let lengths = rest.first_chunk::<8>()?;
    let key_len = u32::from_le_bytes([lengths[0], lengths[1], lengths[2], lengths[3]]) as usize;
    let value_len = u32::from_le_bytes([lengths[4], lengths[5], lengths[6], lengths[7]]) as usize;
    let key = rest.get(8..8usize.checked_add(key_len)?)?;
    let value_at = (offset + 8 + key_len).next_multiple_of(ALIGN) - offset;
    let value = rest.get(value_at..value_at.checked_add(value_len)?)?;
    Some((key, value, value_at + value_len))
}
