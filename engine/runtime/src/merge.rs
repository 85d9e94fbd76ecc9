//! Merges the watermarks of a task's inputs to their minimum.
//!
//! Pure: takes what a channel said and returns what the task is to say.
//!
//! Invariants:
//! 1. The merged watermark never goes back, across restarts included.
//! 2. Idle and ended channels do not hold it back; a channel that speaks again is active again.
//! 3. If all channels are idle, so is the task; idleness alone never raises the watermark past what an active channel allowed.

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
        self.idle = false;
        self.rise()
    }

    /// `channel` is idle. Returns what the task is to say now.
    pub fn idle(&mut self, channel: usize) -> Option<Signal> {
        if self.channels[channel].1 == Activity::Active {
            self.channels[channel].1 = Activity::Idle;
        }
        self.rise()
    }

    /// `channel` has ended. Returns what the task is to say now.
    pub fn end(&mut self, channel: usize) -> Option<Signal> {
        self.channels[channel].1 = Activity::Ended;
        self.rise()
    }

    fn rise(&mut self) -> Option<Signal> {
        let active = self.channels.iter().filter(|(_, activity)| *activity == Activity::Active);
        match active.map(|(at, _)| *at).min() {
            Some(least) if least > self.merged => {
                self.merged = least;
                Some(Signal::Watermark(least))
            }
            Some(_) => None,
            None => {
                // Nobody is active. An ended channel has said its last word and takes no part; among idle ones only what all
                // of them had reached is certain.
                let idle = self.channels.iter().filter(|(_, activity)| *activity == Activity::Idle);
                let ended = self.channels.iter().all(|(_, activity)| *activity == Activity::Ended);
                let certain = if ended { None } else { idle.map(|(at, _)| *at).min() };
                match certain {
                    Some(at) if at > self.merged => {
                        self.merged = at;
                        Some(Signal::Watermark(at))
                    }
                    _ if !self.idle && !ended => {
                        self.idle = true;
                        Some(Signal::Idle)
                    }
                    _ => None,
                }
            }
        }
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
        assert_eq!(merge.end(1), Some(Signal::Watermark(at(30))));
        assert_eq!(merge.end(0), None);
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
