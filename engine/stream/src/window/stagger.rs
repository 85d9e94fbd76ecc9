//! Where tumbling windows begin, so that not all of them fire at once (Flink's `WindowStagger`).
//!
//! Invariants:
//! 1. A key's offset does not change, across restarts and changes of the parallelism.

use std::ops::Range;

use yeoul_frame::{KeyGroups, KeyHash, OperatorId, hash_u64};
use yeoul_operator::{OpenContext, OperatorError, Snapshot, Subtask};

/// The name in a snapshot.
pub(crate) const STAGGER: &str = "stagger";

/// How the beginnings of tumbling windows are spread.
///
/// ```
/// use std::time::Duration;
/// use yeoul_stream::{Count, DataStream, OperatorHarness, TumblingEventTimeWindows, WindowStagger};
///
/// let mut harness = OperatorHarness::of(|readings: DataStream<u64>| {
///     let hours = TumblingEventTimeWindows::of(Duration::from_secs(3_600)).stagger(WindowStagger::Random);
///     readings.key_by(|id| id.to_native()).window(hours).aggregate_with(Count::new(), |id, window, count, out| {
///         out.collect((*id, window.end.0 - window.start.0, count));
///     })
/// })?;
/// harness.push([(7, 1_000), (8, 1_000)])?;
/// harness.finish()?;
/// let mut counts: Vec<(u64, i64, u64)> = harness.take_output().into_iter().map(|(count, _)| count).collect();
/// counts.sort();
/// assert_eq!(counts, [(7, 3_600_000, 1), (8, 3_600_000, 1)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WindowStagger {
    /// All windows begin at the same times.
    #[default]
    Aligned,
    /// Each key group has an offset of its own, which follows from the operator's uid and the group's number. (In Flink each subtask
    /// has one, which changes with each start.)
    Random,
    /// A subtask's windows are shifted by as much as its clock was past the beginning of a window when its first record came.
    Natural,
}

/// The offsets of one subtask's keys.
pub(crate) struct Stagger {
    kind: WindowStagger,
    size: i64,
    operator: OperatorId,
    groups: KeyGroups,
    own: Range<u16>,
    /// Offsets that were taken from the clock, by key groups.
    taken: Vec<(Range<u16>, i64)>,
}

impl Stagger {
    pub(crate) fn new(kind: WindowStagger, size: i64) -> Self {
        let groups = KeyGroups::DEFAULT;
        Self { kind, size, operator: OperatorId(0), groups, own: 0..groups.count(), taken: Vec::new() }
    }

    pub(crate) fn open(&mut self, cx: &OpenContext<'_>) {
        self.operator = cx.operator;
        self.groups = cx.key_groups;
        self.own = cx.key_groups.range(cx.subtask.index, cx.subtask.parallelism);
    }

    /// By how many milliseconds the windows of this key are shifted.
    pub(crate) fn of(&mut self, hash: KeyHash, now: i64) -> i64 {
        let group = self.groups.of(hash).0;
        match self.kind {
            WindowStagger::Aligned => 0,
            WindowStagger::Random => {
                let drawn = hash_u64(self.operator.0).then(hash_u64(u64::from(group))).0;
                (drawn % self.size.unsigned_abs()) as i64
            }
            WindowStagger::Natural => {
                if let Some((_, offset)) = self.taken.iter().find(|(groups, _)| groups.contains(&group)) {
                    return *offset;
                }
                let offset = now.rem_euclid(self.size);
                self.taken.push((self.own.clone(), offset));
                offset
            }
        }
    }

    pub(crate) fn snapshot(&self, snapshot: &mut Snapshot<'_>) {
        if self.kind != WindowStagger::Natural {
            return;
        }
        let mut bytes = Vec::new();
        for (groups, offset) in &self.taken {
            bytes.extend(groups.start.to_le_bytes().into_iter().chain(groups.end.to_le_bytes()));
            bytes.extend(offset.to_le_bytes());
        }
        snapshot.state(STAGGER, bytes);
    }

    /// Takes what `from` had, as far as its keys are now this subtask's.
    pub(crate) fn restore(&mut self, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let (taken, rest) = bytes.as_chunks::<12>();
        if !rest.is_empty() {
            return Err(OperatorError::new(format!("{} bytes of state '{STAGGER}' are not offsets", bytes.len()))
                .hint("start from another savepoint")
                .permanent());
        }
        let theirs = self.groups.range(from.index, from.parallelism);
        for [a, b, c, d, offset @ ..] in taken {
            let (start, end) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
            // What it was given back once may reach beyond what it had.
            let groups = start.max(theirs.start).max(self.own.start)..end.min(theirs.end).min(self.own.end);
            if !groups.is_empty() {
                self.taken.push((groups, i64::from_le_bytes(*offset)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yeoul_frame::Epoch;

    fn subtask(index: u16, parallelism: u16) -> Stagger {
        Stagger { own: KeyGroups::DEFAULT.range(index, parallelism), ..Stagger::new(WindowStagger::Natural, 100) }
    }

    fn states(of: &Stagger) -> Vec<u8> {
        let (mut states, mut sealed) = (Vec::new(), Vec::new());
        of.snapshot(&mut Snapshot::new(Epoch(1), OperatorId(1), &mut states, &mut sealed));
        states.pop().unwrap().2
    }

    #[test]
    fn natural_offsets_stay_with_their_keys_over_rescaling() {
        let owner = |key: u64| KeyGroups::DEFAULT.shard(KeyGroups::DEFAULT.of(hash_u64(key)), 2);
        let mut two = [subtask(0, 2), subtask(1, 2)];
        let before: Vec<i64> =
            (0..64).map(|key| two[usize::from(owner(key))].of(hash_u64(key), 1_230 + key as i64)).collect();
        let mut one = subtask(0, 1);
        for (index, stagger) in (0..).zip(&two) {
            one.restore(Subtask { index, parallelism: 2 }, &states(stagger)).unwrap();
        }
        let mut again = [subtask(0, 2), subtask(1, 2)];
        for stagger in &mut again {
            stagger.restore(Subtask { index: 0, parallelism: 1 }, &states(&one)).unwrap();
        }
        for key in 0..64_u64 {
            assert_eq!(one.of(hash_u64(key), 9_999), before[key as usize]);
            assert_eq!(again[usize::from(owner(key))].of(hash_u64(key), 9_999), before[key as usize]);
        }
        assert!(subtask(0, 1).restore(Subtask { index: 0, parallelism: 1 }, &[0; 11]).is_err());
    }
}
