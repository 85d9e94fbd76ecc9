//! Drains the frozen records of a shard's tables into its log, in slices, while its tasks go on.

use std::collections::VecDeque;

use yeoul_state::Drained;
use yeoul_state::log::LogBuffer;
use yeoul_sys::Clock;

use crate::config::{DRAIN_RECORDS, DRAIN_SLICE};
use crate::task::Task;

/// The operators whose tables are frozen and not yet drained, as (task, slot).
#[derive(Debug, Default)]
pub struct Drain {
    waiting: VecDeque<(usize, usize)>,
}

impl Drain {
    /// The barrier has passed all operators of a task: their tables are frozen.
    pub fn task_passed(&mut self, number: usize, task: &Task) {
        self.waiting.extend((0..task.chain.slots.len()).map(|slot| (number, slot)));
    }

    /// Drains for at most [`DRAIN_SLICE`]. Returns whether anything was done.
    pub fn slice(&mut self, tasks: &mut [Task], log: &mut LogBuffer, clock: &dyn Clock) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        let deadline = clock.monotonic_nanos() + DRAIN_SLICE.as_nanos() as u64;
        while let Some((task, slot)) = self.waiting.front().copied() {
            let mut more = false;
            tasks[task].chain.slots[slot].operator.tables(&mut |table| {
                // Later tables wait until the earlier ones are done, so that a slice stays a slice.
                if !more {
                    more = table.drain(DRAIN_RECORDS, log) == Drained::More;
                }
            });
            if !more {
                self.waiting.pop_front();
            }
            if clock.monotonic_nanos() >= deadline {
                break;
            }
        }
        true
    }
}
