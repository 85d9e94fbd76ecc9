//! Up to when time has passed for a key: what decides which windows have fired, and whether a record is late.
//!
//! Event time passes by watermarks, and subtasks may be at different ones when a snapshot is taken. So keys that a subtask has after a
//! restore may be further than others: until the others have caught up, a key is judged by what had passed where it was.
//!
//! Invariants:
//! 1. For no key does it go back, however many restores there are before all have caught up: what is ahead is part of every snapshot.

use std::ops::Range;

use yeoul_frame::{KeyGroups, KeyHash};

use crate::context::{OpenContext, Subtask};
use crate::error::OperatorError;
use crate::snapshot::Snapshot;

/// Up to when time has passed: for all keys of a subtask, and for those that are ahead.
///
/// In a snapshot it is an `i64` for all keys, then for each range of key groups that is ahead its first group and the one after its last
/// as `u16` and its time as `i64`; all little-endian.
///
/// ```
/// use yeoul_frame::hash_u64;
/// use yeoul_operator::{Passed, Subtask};
///
/// let mut fired = Passed::new("fired");
/// fired.restore("fired", Subtask { index: 0, parallelism: 2 }, &100_i64.to_le_bytes()).unwrap();
/// fired.restore("fired", Subtask { index: 1, parallelism: 2 }, &90_i64.to_le_bytes()).unwrap();
/// assert_eq!((fired.all(), fired.furthest()), (90, 100));
///
/// fired.advance(100);
/// assert_eq!(fired.of(hash_u64(7)), 100);
/// ```
#[derive(Debug)]
pub struct Passed {
    name: &'static str,
    all: i64,
    /// Key groups that are further than all, and how far.
    ahead: Vec<(Range<u16>, i64)>,
    groups: KeyGroups,
    /// This subtask's own.
    own: Range<u16>,
    is_restored: bool,
}

impl Passed {
    /// Nothing has passed yet; `name` is what it is called in a snapshot.
    pub fn new(name: &'static str) -> Self {
        let groups = KeyGroups::DEFAULT;
        Self { name, all: i64::MIN, ahead: Vec::new(), groups, own: 0..groups.count(), is_restored: false }
    }

    /// Tells which key groups are this subtask's, before anything is restored.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use yeoul_frame::{KeyGroups, OperatorId, Pool};
    /// # use yeoul_operator::{Counters, OpenContext, Services, Waker};
    /// use yeoul_operator::{Passed, Subtask};
    ///
    /// let second = Subtask { index: 1, parallelism: 2 };
    /// # let (services, pool) = (Services::default(), Pool::new());
    /// # let cx = OpenContext {
    /// #     operator: OperatorId::of("windows"), name: "Windows", subtask: second, key_groups: KeyGroups::DEFAULT,
    /// #     services: &services, pool: &pool, counters: Arc::new(Counters::default()), waker: Waker::default(),
    /// # };
    /// let mut fired = Passed::new("fired");
    /// fired.open(&cx);
    /// // What the first subtask had is not its concern.
    /// fired.restore("fired", Subtask { index: 0, parallelism: 2 }, &900_i64.to_le_bytes())?;
    /// fired.restore("fired", second, &700_i64.to_le_bytes())?;
    /// assert_eq!((fired.all(), fired.furthest()), (700, 700));
    /// # Ok::<_, yeoul_operator::OperatorError>(())
    /// ```
    pub fn open(&mut self, cx: &OpenContext<'_>) {
        self.groups = cx.key_groups;
        self.own = cx.key_groups.range(cx.subtask.index, cx.subtask.parallelism);
    }

    /// For all keys.
    #[inline]
    pub fn all(&self) -> i64 {
        self.all
    }

    /// For whichever key is furthest.
    pub fn furthest(&self) -> i64 {
        self.ahead.iter().map(|(_, passed)| *passed).fold(self.all, i64::max)
    }

    /// Whether some keys are further than others.
    #[inline]
    pub fn any_ahead(&self) -> bool {
        self.ahead.iter().any(|(_, passed)| *passed > self.all)
    }

    /// For keys of this hash.
    #[inline]
    pub fn of(&self, hash: KeyHash) -> i64 {
        if self.ahead.is_empty() {
            return self.all;
        }
        let group = self.groups.of(hash).0;
        let of_group = self.ahead.iter().filter(|(range, _)| range.contains(&group));
        of_group.map(|(_, passed)| *passed).fold(self.all, i64::max)
    }

    /// Time has passed up to `time`; it does not go back.
    pub fn advance(&mut self, time: i64) {
        self.all = self.all.max(time);
        self.ahead.retain(|(_, passed)| *passed > self.all);
    }

    /// Makes it part of a snapshot.
    ///
    /// ```
    /// use yeoul_frame::{Epoch, OperatorId};
    /// use yeoul_operator::{Passed, Snapshot, Subtask};
    ///
    /// let (mut states, mut sealed) = (Vec::new(), Vec::new());
    /// let mut fired = Passed::new("fired");
    /// fired.advance(700);
    /// fired.snapshot(&mut Snapshot::new(Epoch(1), OperatorId::of("windows"), &mut states, &mut sealed));
    ///
    /// let (mut restored, (_, name, bytes)) = (Passed::new("fired"), &states[0]);
    /// restored.restore(name, Subtask { index: 0, parallelism: 1 }, bytes)?;
    /// assert!(restored.all() == 700 && !restored.any_ahead());
    /// # Ok::<_, yeoul_operator::OperatorError>(())
    /// ```
    pub fn snapshot(&self, snapshot: &mut Snapshot<'_>) {
        let mut bytes = self.all.to_le_bytes().to_vec();
        for (groups, passed) in self.ahead.iter().filter(|(_, passed)| *passed > self.all) {
            bytes.extend(groups.start.to_le_bytes().into_iter().chain(groups.end.to_le_bytes()));
            bytes.extend(passed.to_le_bytes());
        }
        snapshot.state(self.name, bytes);
    }

    /// Takes what `from` had in a snapshot, as far as its keys are now this subtask's.
    ///
    /// # Errors
    /// If the state has another name or form.
    pub fn restore(&mut self, name: &str, from: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        let (passed, ahead) = Some(bytes).filter(|_| name == self.name).and_then(read).ok_or_else(|| {
            OperatorError::new(format!(
                "{} bytes of state '{name}' are not this operator's '{}'",
                bytes.len(),
                self.name
            ))
            .hint("give the operator that wrote it its old uid, or start from a savepoint of the same job")
            .permanent()
        })?;
        let own = |groups: &Range<u16>| groups.start.max(self.own.start)..groups.end.min(self.own.end);
        let all = self.groups.range(from.index, from.parallelism);
        // Keys that it does not have hold it back as little as they are its concern.
        if own(&all).is_empty() {
            return Ok(());
        }
        let restored = std::iter::once((all, passed)).chain(ahead).map(|(groups, passed)| (own(&groups), passed));
        self.ahead.extend(restored.filter(|(groups, _)| !groups.is_empty()));
        self.all = if self.is_restored { self.all.min(passed) } else { passed };
        self.is_restored = true;
        Ok(())
    }
}

type Ahead = Vec<(Range<u16>, i64)>;

fn read(bytes: &[u8]) -> Option<(i64, Ahead)> {
    let (all, ahead) = bytes.split_first_chunk::<8>()?;
    let (ahead, rest) = ahead.as_chunks::<12>();
    let range = |[a, b, c, d, passed @ ..]: &[u8; 12]| {
        (u16::from_le_bytes([*a, *b])..u16::from_le_bytes([*c, *d]), i64::from_le_bytes(*passed))
    };
    rest.is_empty().then(|| (i64::from_le_bytes(*all), ahead.iter().map(range).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use yeoul_frame::hash_u64;

    fn of_two(times: [i64; 2]) -> Passed {
        let mut passed = Passed::new("passed");
        for (index, time) in (0..).zip(times) {
            passed.restore("passed", Subtask { index, parallelism: 2 }, &time.to_le_bytes()).unwrap();
        }
        passed
    }

    fn of_keys(passed: &Passed) -> Vec<i64> {
        let mut times: Vec<_> = (0..64).map(|key| passed.of(hash_u64(key))).collect();
        times.sort_unstable();
        times.dedup();
        times
    }

    #[test]
    fn keys_are_judged_by_where_they_were_until_all_have_caught_up() {
        let mut passed = of_two([100, 90]);
        assert_eq!((passed.all(), of_keys(&passed)), (90, vec![90, 100]));
        passed.advance(95);
        assert_eq!(of_keys(&passed), [95, 100]);
        passed.advance(100);
        assert_eq!(of_keys(&passed), [100]);
        assert!(!passed.any_ahead());
        passed.advance(7);
        assert_eq!(passed.all(), 100);
    }

    #[test]
    fn keys_of_others_do_not_hold_it_back() {
        let own = KeyGroups::DEFAULT.range(0, 2);
        let mut passed = Passed { own, ..Passed::new("passed") };
        for (index, time) in [(0, 100_i64), (1, 90)] {
            passed.restore("passed", Subtask { index, parallelism: 2 }, &time.to_le_bytes()).unwrap();
        }
        assert_eq!(passed.all(), 100);
    }

    #[test]
    fn what_is_not_its_own_is_refused() {
        let mut passed = Passed::new("passed");
        let of = Subtask { index: 0, parallelism: 1 };
        for (name, bytes) in [("other", &[0; 8][..]), ("passed", &[]), ("passed", &[0; 9])] {
            assert!(passed.restore(name, of, bytes).is_err(), "{name} {bytes:?}");
        }
    }
}
