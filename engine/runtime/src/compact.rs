//! Keeps a shard's log and memory within bounds: relocates the oldest segment when the log is mostly dead, and has values evicted.
//!
//! Runs in slices between frames, never while an epoch is in flight.
//!
//! Invariants:
//! 1. A segment is told to be relocated only after every live record in it is on a dirty list, so that the epoch which drops it
//!    writes them anew.
//! 2. Memory is bounded by named limits; past a limit there is backpressure or a clear error (`memory.rs` has the rule).

use std::collections::BTreeMap;
use std::sync::Arc;

use yeoul_frame::{Epoch, Timestamp};
use yeoul_state::compaction::Walk;
use yeoul_state::log::{LogBuffer, Segment, SegmentId, SegmentRef};
use yeoul_sys::{Storage, failpoint};

use crate::error::JobError;
use crate::memory::{StateMemory, each_table};
use crate::task::Task;

/// Looks after one shard's log and memory.
pub struct Compactor {
    storage: Option<Arc<dyn Storage>>,
    /// Segments to which nothing more will be written.
    mapped: BTreeMap<SegmentId, Segment>,
    relocation: Option<Walk>,
    /// The last epoch of which the log need not keep sealed output.
    delivered: Epoch,
    memory: StateMemory,
}

impl Compactor {
    /// For a shard whose restored segments are mapped already. Without storage there is nothing to compact.
    #[must_use]
    pub fn new(storage: Option<Arc<dyn Storage>>, segments: Vec<Segment>, memory: StateMemory) -> Self {
        // Without a log of its own nothing more is evicted: what is in the segments of a savepoint stays where it is.
        let segments = if storage.is_some() { segments } else { Vec::new() };
        let mapped = segments.into_iter().map(|segment| (segment.reference().segment, segment)).collect();
        Self { storage, mapped, relocation: None, delivered: Epoch(0), memory }
    }

    /// An epoch is committed; output sealed before `retained_from` is where it belongs, and these segments take no more writes.
    ///
    /// # Errors
    /// A segment cannot be mapped.
    pub fn committed(
        &mut self,
        retained_from: Epoch,
        complete: &[SegmentRef],
        live: &[SegmentRef],
    ) -> Result<(), JobError> {
        self.delivered = Epoch(retained_from.0.saturating_sub(1));
        self.memory.committed();
        let Some(storage) = &self.storage else { return Ok(()) };
        for reference in complete {
            let segment = Segment::open(&**storage, "", reference)
                .map_err(|cause| JobError::reading("mapping a segment of the state log", cause))?;
            self.mapped.insert(reference.segment, segment);
        }
        // Regions of dropped segments that tables still read stay mapped by their own handles.
        // A log's list is in the order of ids.
        self.mapped.retain(|id, _| live.binary_search_by_key(id, |of| of.segment).is_ok());
        Ok(())
    }

    /// Looks now and then at what state holds, also while an epoch is in flight.
    ///
    /// # Errors
    /// State is far over its limit.
    pub fn watch(&mut self, now: Timestamp, tasks: &mut [Task]) -> Result<(), JobError> {
        self.memory.watch(now, tasks)
    }

    /// A slice of work. Returns whether there was any.
    ///
    /// # Errors
    /// A block of the log is not as it was written, or state is over its limit for good.
    pub fn step(&mut self, tasks: &mut [Task], log: &mut LogBuffer) -> Result<bool, JobError> {
        let failed = |cause| JobError::Storage { doing: "compacting the state log", cause };
        if self.relocation.is_none()
            && let Some(segment) = log.liveness().due(self.delivered).and_then(|id| self.mapped.get(&id))
        {
            failpoint!("compact.before-relocation").map_err(failed)?;
            self.relocation = Some(Walk::new(segment.clone()));
        }
        let Some(relocation) = &mut self.relocation else { return self.memory.step(tasks, &self.mapped) };
        let more = relocation
            .step(&mut |block, _| {
                let mut result = Ok(());
                each_table(tasks, &mut |_, table| {
                    if table.id() == block.table()
                        && let Err(error) = table.relocate(block)
                    {
                        result = Err(error);
                    }
                });
                result
            })
            .map_err(|error| JobError::Corrupt(error.to_string()))?;
        if !more {
            log.relocated(relocation.segment());
            self.relocation = None;
            failpoint!("compact.after-relocation").map_err(failed)?;
        }
        Ok(true)
    }
}
