//! For tests: a log whose chunks stay in memory, and a replay of it.

use std::collections::BTreeMap;

use yeoul_frame::KeyHash;
use yeoul_sys::Region;

use crate::log::{BlockView, Corrupt, LogBuffer, LogOptions, Origin, RunId, SegmentId};
use crate::state_table::{Drained, StateTable};

const RUN: RunId = RunId(7);

/// A log buffer and what became of its chunks.
pub(crate) struct Disk {
    pub(crate) log: LogBuffer,
    segments: BTreeMap<SegmentId, Vec<u8>>,
}

impl Disk {
    /// A log of small segments, so that there are many.
    pub(crate) fn new() -> Self {
        let log = LogBuffer::new(LogOptions { segment_bytes: 16 << 10, ..LogOptions::single(RUN) });
        Self { log, segments: BTreeMap::new() }
    }

    pub(crate) fn take_chunks(&mut self) {
        while let Some(chunk) = self.log.take_chunk() {
            self.append(chunk);
        }
    }

    fn append(&mut self, mut chunk: crate::log::Chunk) {
        assert_eq!(chunk.fault, None);
        chunk.finish();
        let segment = self.segments.entry(chunk.segment).or_default();
        assert_eq!(segment.len(), chunk.offset as usize);
        segment.extend(chunk.bytes);
    }

    /// Drains a frozen table to the end, in slices, and seals.
    pub(crate) fn drain(&mut self, table: &mut dyn StateTable, slice: usize) {
        while table.drain(slice, &mut self.log) == Drained::More {
            self.take_chunks();
        }
        self.seal();
    }

    pub(crate) fn seal(&mut self) {
        self.take_chunks();
        let chunk = self.log.seal(self.log.epoch());
        self.append(chunk);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.segments.values().map(Vec::len).sum()
    }

    /// Calls `visit` for each block of some segments, in the order of the log.
    pub(crate) fn visit(
        &self,
        segments: impl Fn(SegmentId) -> bool,
        mut visit: impl FnMut(&BlockView<'_>) -> Result<(), Corrupt>,
    ) -> Result<(), Corrupt> {
        for (&segment, bytes) in self.segments.iter().filter(|(segment, _)| segments(**segment)) {
            let mut at = 0;
            while at < bytes.len() {
                let (block, next) = BlockView::parse(bytes, at, Origin { segment, run: RUN })?;
                visit(&block)?;
                at = next;
            }
        }
        Ok(())
    }

    /// Restores a table from the whole log, keys of every hash.
    pub(crate) fn restore(&self, table: &mut dyn StateTable) -> Result<(), Corrupt> {
        self.restore_owned(table, &|_| true)
    }

    pub(crate) fn restore_owned(
        &self,
        table: &mut dyn StateTable,
        owned: &dyn Fn(KeyHash) -> bool,
    ) -> Result<(), Corrupt> {
        let id = table.id();
        self.visit(
            |_| true,
            |block| if block.table() == id { table.restore(block, owned, &mut |_, _| ()) } else { Ok(()) },
        )
    }

    /// Rewrites what is live in the oldest segment: puts it on the dirty list of the table, as compaction does.
    pub(crate) fn relocate_oldest(&mut self, table: &mut dyn StateTable) -> Option<SegmentId> {
        let (&oldest, _) = self.segments.first_key_value()?;
        let id = table.id();
        let relocated = self.visit(
            |segment| segment == oldest,
            |block| if block.table() == id { table.relocate(block).map(drop) } else { Ok(()) },
        );
        relocated.expect("what was just written reads");
        Some(oldest)
    }

    pub(crate) fn remove(&mut self, segment: SegmentId) {
        self.segments.remove(&segment);
    }

    /// The newest segment, into which more may be written.
    pub(crate) fn newest(&self) -> Option<SegmentId> {
        self.segments.last_key_value().map(|(&segment, _)| segment)
    }

    /// Evicts what it can of a table, from every segment.
    pub(crate) fn evict(&self, table: &mut dyn StateTable, target: usize) -> usize {
        let (id, mut freed) = (table.id(), 0);
        for (&segment, bytes) in &self.segments {
            let region = Region::from_vec(bytes.clone());
            let evicted = self.visit(
                |of| of == segment,
                |block| {
                    if block.table() == id {
                        freed += table.evict(block, &region, target.saturating_sub(freed))?;
                    }
                    Ok(())
                },
            );
            evicted.expect("what was just written reads");
        }
        freed
    }
}
