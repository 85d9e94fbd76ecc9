//! When a part is complete. Decided by the instance that writes it, at a barrier, and sealed with the epoch: so the same
//! parts come about however often an epoch is delivered.

use std::time::Duration;

use yeoul_frame::Timestamp;

/// How old a part rolled by its bytes gets at most, as in Flink's rolling policy; [`Roll::BytesOrEvery`] sets another age.
pub const MAX_AGE: Duration = Duration::from_secs(15 * 60);

/// When a part is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Roll {
    /// With each epoch that has records: seen soonest.
    #[default]
    EveryEpoch,
    /// At the end of the epoch in which it has reached this many bytes, or in which its first record is [`MAX_AGE`] old. Until
    /// a part is complete, the state log keeps its text: the age bounds what an instance that gets few records pins there.
    Bytes(u64),
    /// At the end of the epoch in which its first record is this old, in processing time.
    Every(Duration),
    /// By whichever of the two comes first.
    BytesOrEvery(u64, Duration),
}

impl Roll {
    fn bytes(self) -> Option<u64> {
        match self {
            Self::EveryEpoch => Some(1),
            Self::Bytes(bytes) | Self::BytesOrEvery(bytes, _) => Some(bytes.max(1)),
            Self::Every(_) => None,
        }
    }

    fn age(self) -> Option<Duration> {
        match self {
            Self::Every(age) | Self::BytesOrEvery(_, age) => Some(age),
            Self::Bytes(_) => Some(MAX_AGE),
            Self::EveryEpoch => None,
        }
    }
}

/// A part that is being written, as far as rolling is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Growing {
    /// Its bytes.
    pub(crate) bytes: u64,
    /// When its first record came; none while it has none.
    pub(crate) since: Option<Timestamp>,
}

impl Growing {
    /// `bytes` more were written at `now`.
    pub(crate) fn add(&mut self, bytes: u64, now: Timestamp) {
        self.bytes += bytes;
        self.since.get_or_insert(now);
    }

    /// When it is to be rolled for its age.
    pub(crate) fn due(&self, roll: Roll) -> Option<Timestamp> {
        let millis = i64::try_from(roll.age()?.as_millis()).unwrap_or(i64::MAX);
        self.since.map(|since| since.plus(millis))
    }

    /// Whether it is complete at a barrier. `now` is the last time that the instance knew.
    pub(crate) fn is_complete(&self, roll: Roll, now: Timestamp) -> bool {
        let large = roll.bytes().is_some_and(|bytes| self.bytes >= bytes);
        self.since.is_some() && (large || self.due(roll).is_some_and(|due| due <= now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_complete_by_size_or_age() {
        let mut part = Growing::default();
        let age = Duration::from_secs(1);
        let all = [Roll::EveryEpoch, Roll::Bytes(10), Roll::Every(age), Roll::BytesOrEvery(10, age)];
        let complete = |part: &Growing, now| all.map(|roll| part.is_complete(roll, Timestamp(now)));
        assert_eq!(complete(&part, 5000), [false; 4]);
        part.add(9, Timestamp(100));
        assert_eq!(complete(&part, 1099), [true, false, false, false]);
        assert_eq!(complete(&part, 1100), [true, false, true, true]);
        part.add(1, Timestamp(900));
        assert_eq!(complete(&part, 1000), [true, true, false, true]);
        assert_eq!(part.due(Roll::Every(age)), Some(Timestamp(1100)));
        assert_eq!(part.due(Roll::EveryEpoch), None);
        // One that gets no more is complete at last.
        let quiet = Growing { bytes: 1, since: Some(Timestamp(100)) };
        assert!(!quiet.is_complete(Roll::Bytes(10), Timestamp(100 + 899_999)));
        assert!(quiet.is_complete(Roll::Bytes(10), Timestamp(100 + 900_000)));
    }
}
