//! Drains the frozen records of a shard's tables into its log, in slices, while its tasks go on.

use std::collections::VecDeque;

use yeoul_state::Drained;
use yeoul_state::log::{LogBuffer, LogFault, MAX_RECORD_BYTES};
use yeoul_sys::Clock;

use crate::config::{DRAIN_RECORDS, DRAIN_SLICE};
use crate::error::JobError;
use crate::memory::each_table;
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

/// Whether all that was drained fits into the log.
///
/// # Errors
/// What a state keeps for one key is too large, named with its operator. Not to be retried: the same records would come to the same.
pub fn check_records(tasks: &mut [Task], log: &LogBuffer) -> Result<(), JobError> {
    let Some(LogFault::RecordTooLarge { table: of, bytes }) = log.fault() else { return Ok(()) };
    let mut named = of.to_string();
    each_table(tasks, &mut |operator, table| {
        if table.id() == of {
            named = format!("operator '{operator}', state '{}'", table.describe().name);
        }
    });
    let mib = |bytes: usize| bytes.div_ceil(1 << 20);
    Err(JobError::Settings(format!(
        "{named}: what is kept for one key takes {} MiB, more than the {} MiB that the state log can hold in one record\n  hint: keep it as a list or \
         map state, whose elements are records of their own; for a window function that is given all records of a window (`process`), \
         fold them as they come (`aggregate`, `reduce`), make windows shorter or keys more, or set a trigger (EventTimeTrigger::create() fires \
         as windows do): with one a window's elements are kept one by one",
        mib(bytes),
        mib(MAX_RECORD_BYTES)
    )))
}
