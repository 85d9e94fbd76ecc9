//! Merges the watermarks of a task's inputs to their minimum.
//!
//! Pure: takes what a channel said and returns what the task is to say.
//!
//! Invariants:
//! 1. The merged watermark never goes back, across restarts included.
//! 2. Idle and ended channels do not hold it back; a channel that speaks again is active again.
//! 3. If no channel that has more to say is active, and one is idle, so is the task; idleness and an end alone never raise the watermark.
//! 4. Event time has come to its end only when no channel is idle: an idle one may speak again, and then its records are not late.

use yeoul_frame::{Signal, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    Active,
    Idle,
    Ended,
}

/// The merged watermark of one task.
#[derive(Debug)]
pub struct Merge {
    channels: Vec<(Timestamp, Activity)>,
    merged: Timestamp,
    idle: bool,
}

impl Merge {
    /// For a task with this many channels that had come to `restored` (`Timestamp::MIN` for a fresh start).
    #[must_use]
    pub fn new(channels: usize, restored: Timestamp) -> Self {
        Self { channels: vec![(Timestamp::MIN, Activity::Active); channels], merged: restored, idle: false }
    }

    /// The task's watermark.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.merged
    }

    /// Records came by `channel`: if it was idle, it is active again.
    pub fn frame(&mut self, channel: usize) {
        if self.channels[channel].1 == Activity::Idle {
            self.channels[channel].1 = Activity::Active;
            self.idle = false;
        }
    }

    /// A watermark came by `channel`. Returns what the task is to say now.
    pub fn watermark_from(&mut self, channel: usize, watermark: Timestamp) -> Option<Signal> {
        let (at, activity) = &mut self.channels[channel];
        *at = (*at).max(watermark);
        *activity = Activity::Active;
        let was_idle = self.idle;
        let said = self.rise();
        // Whoever was told that this task is idle must hear that it is not.
        let again = was_idle && !self.idle && said.is_none() && self.merged > Timestamp::MIN;
        if again { Some(Signal::Watermark(self.merged)) } else { said }
    }

    /// `channel` is idle. Returns what the task is to say now.
    pub fn idle(&mut self, channel: usize) -> Option<Signal> {
        if self.channels[channel].1 == Activity::Active {
            self.channels[channel].1 = Activity::Idle;
        }
        self.rise()
    }

    /// `channel` has ended: it has said its last word. That alone says nothing about event time.
    pub fn end(&mut self, channel: usize) {
        self.channels[channel].1 = Activity::Ended;
    }

    fn rise(&mut self) -> Option<Signal> {
        let with = |wanted| self.channels.iter().filter(move |(_, activity)| *activity == wanted).map(|(at, _)| *at);
        // A channel at the end of event time has no more to say, so it holds nothing back, and speaks for nobody else.
        let reading = with(Activity::Active).filter(|at| *at < Timestamp::MAX).min();
        let least = match reading {
            Some(least) => least,
            None if with(Activity::Idle).next().is_some() => {
                let said_before = std::mem::replace(&mut self.idle, true);
                return (!said_before).then_some(Signal::Idle);
            }
            None => with(Activity::Active).next()?,
        };
        self.idle = false;
        (least > self.merged).then(|| {
            self.merged = least;
            Signal::Watermark(least)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp(millis)
    }

    #[test]
    fn the_minimum_of_active_inputs_counts() {
        let mut merge = Merge::new(2, Timestamp::MIN);
        assert_eq!(merge.watermark_from(0, at(10)), None);
        assert_eq!(merge.watermark_from(1, at(5)), Some(Signal::Watermark(at(5))));
        assert_eq!(merge.watermark_from(1, at(20)), Some(Signal::Watermark(at(10))));
        assert_eq!(merge.idle(0), Some(Signal::Watermark(at(20))));
        // The idle channel speaks again, behind: the merged watermark does not go back.
        merge.frame(0);
        assert_eq!(merge.watermark_from(0, at(12)), None);
        assert_eq!(merge.watermark(), at(20));
        assert_eq!(merge.watermark_from(0, at(30)), None);
        assert_eq!(merge.watermark_from(1, at(25)), Some(Signal::Watermark(at(25))));
        merge.end(1);
        assert_eq!(merge.watermark(), at(25), "an end raises nothing");
    }

    #[test]
    fn an_idle_channel_is_waited_for_although_all_others_have_read_all() {
        let mut merge = Merge::new(2, Timestamp::MIN);
        assert_eq!(merge.watermark_from(0, at(10)), None);
        assert_eq!(merge.watermark_from(1, at(7)), Some(Signal::Watermark(at(7))));
        assert_eq!(merge.watermark_from(0, Timestamp::MAX), None);
        assert_eq!(merge.idle(1), Some(Signal::Idle));
        assert_eq!(merge.watermark(), at(7));
        // It speaks again: its records are not late.
        merge.frame(1);
        assert_eq!(merge.watermark_from(1, at(9)), Some(Signal::Watermark(at(9))));
        assert_eq!(merge.idle(1), Some(Signal::Idle));
        assert_eq!(merge.watermark_from(1, Timestamp::MAX), Some(Signal::Watermark(Timestamp::MAX)));

        let mut merge = Merge::new(2, at(3));
        assert_eq!(merge.idle(0), None);
        assert_eq!(merge.watermark_from(1, Timestamp::MAX), Some(Signal::Idle));
        assert_eq!(merge.watermark(), at(3));
    }

    #[test]
    fn who_was_told_of_idleness_is_told_of_its_end() {
        let mut merge = Merge::new(2, at(3));
        merge.idle(0);
        assert_eq!(merge.idle(1), Some(Signal::Idle));
        assert_eq!(merge.watermark_from(0, at(2)), Some(Signal::Watermark(at(3))));
        assert_eq!(merge.watermark_from(0, at(2)), None);
    }

    #[test]
    fn all_idle_is_said_once() {
        let mut merge = Merge::new(2, at(3));
        assert_eq!(merge.idle(0), None);
        assert_eq!(merge.idle(1), Some(Signal::Idle));
        assert_eq!(merge.idle(1), None);
        assert_eq!(merge.watermark(), at(3));
        assert_eq!(merge.watermark_from(1, at(4)), Some(Signal::Watermark(at(4))));
    }
}
