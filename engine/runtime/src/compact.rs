//! Keeps a shard's log and memory within bounds: relocates the oldest segment when the log is mostly dead, evicts clean values when
//! state has outgrown its memory.
//!
//! Runs in slices between frames, never while an epoch is in flight.
//!
//! Invariant: a segment is told to be relocated only after every live record in it is on a dirty list, so that the epoch which drops it
//! writes them anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use yeoul_frame::Epoch;
use yeoul_state::compaction::Relocation;
use yeoul_state::log::{LogAddress, LogBuffer, Segment, SegmentId, SegmentRef};
use yeoul_state::state_table::Segments;
use yeoul_sys::{Region, Storage};

use crate::error::JobError;
use crate::task::Task;

/// Looks after one shard's log and memory.
pub struct Compactor {
    storage: Option<Arc<dyn Storage>>,
    mapped: Mapped,
    relocation: Option<Relocation>,
    /// The last epoch of which the log need not keep sealed output.
    delivered: Epoch,
    state_memory: usize,
    /// An epoch has been committed since the last look at memory.
    look: bool,
    eviction: Option<Eviction>,
}

/// State has outgrown its memory, and is being evicted.
struct Eviction {
    /// Bytes to free.
    surplus: usize,
    /// Slices of work until the next commit at most: what can be evicted may be less than the surplus.
    slices: usize,
}

/// Slices of eviction after one commit, each some tens of microseconds a table.
const EVICTION_SLICES: usize = 1024;

#[derive(Default)]
struct Mapped(BTreeMap<SegmentId, Segment>);

impl Segments for Mapped {
    fn region(&self, at: LogAddress) -> Option<Region> {
        self.0.get(&at.segment()).map(|segment| segment.bytes().clone())
    }
}

impl Compactor {
    /// For a shard whose restored segments are mapped already. Without storage there is nothing to compact.
    #[must_use]
    pub fn new(storage: Option<Arc<dyn Storage>>, segments: Vec<Segment>, state_memory: usize) -> Self {
        // Without a log of its own nothing is evicted: what is in the segments of a savepoint stays where it is.
        let segments = if storage.is_some() { segments } else { Vec::new() };
        let mapped = Mapped(segments.into_iter().map(|segment| (segment.reference().segment, segment)).collect());
        Self { storage, mapped, relocation: None, delivered: Epoch(0), state_memory, look: false, eviction: None }
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
        self.look = true;
        let Some(storage) = &self.storage else { return Ok(()) };
        for reference in complete {
            let segment = Segment::open(&**storage, "", reference)
                .map_err(|cause| JobError::reading("mapping a segment of the state log", cause))?;
            self.mapped.0.insert(reference.segment, segment);
        }
        // Regions of dropped segments that tables still read stay mapped by their own handles.
        // A log's list is in the order of ids.
        self.mapped.0.retain(|id, _| live.binary_search_by_key(id, |of| of.segment).is_ok());
        Ok(())
    }

    /// A slice of work. Returns whether there was any.
    ///
    /// # Errors
    /// A block of the log is not as it was written.
    pub fn step(&mut self, tasks: &mut [Task], log: &mut LogBuffer) -> Result<bool, JobError> {
        if self.relocation.is_none() {
            let due = log.liveness().due(self.delivered).and_then(|id| self.mapped.0.get(&id));
            self.relocation = due.map(|segment| Relocation::new(segment.clone()));
        }
        if let Some(relocation) = &mut self.relocation {
            let mut failed = None;
            let more = relocation
                .step(&mut |block| {
                    each_table(tasks, &mut |table| {
                        if table.id() == block.table()
                            && let Err(error) = table.relocate(block)
                        {
                            failed = Some(error);
                        }
                    });
                })
                .map_err(|error| JobError::Corrupt(error.to_string()))?;
            if let Some(error) = failed {
                return Err(JobError::Corrupt(error.to_string()));
            }
            if !more {
                log.relocated(relocation.segment());
                self.relocation = None;
            }
            return Ok(true);
        }
        if std::mem::take(&mut self.look) {
            let mut held = 0;
            each_table(tasks, &mut |table| held += table.memory_bytes());
            let surplus = held.saturating_sub(self.state_memory);
            self.eviction = (surplus > 0).then_some(Eviction { surplus, slices: EVICTION_SLICES });
        }
        if let Some(eviction) = &mut self.eviction {
            each_table(tasks, &mut |table| {
                if eviction.surplus > 0 {
                    eviction.surplus = eviction.surplus.saturating_sub(table.evict(eviction.surplus, &self.mapped));
                }
            });
            eviction.slices -= 1;
            if eviction.surplus == 0 || eviction.slices == 0 {
                self.eviction = None;
            }
            return Ok(true);
        }
        Ok(false)
    }
}

fn each_table(tasks: &mut [Task], visit: &mut dyn FnMut(&mut dyn yeoul_state::StateTable)) {
    for task in tasks {
        for slot in &mut task.chain.slots {
            slot.operator.tables(visit);
        }
    }
}
