//! Aligns barriers across the inputs of one task.
//!
//! Pure: takes `(channel, event)` and returns an [`Action`]; owns no ring and no clock.
//!
//! Invariants:
//! 1. An input that delivered barrier `e` is not read again until every live input has (but for [`CheckpointingMode::AtLeastOnce`]).
//! 2. Epochs leave in increasing order, each once.
//! 3. An ended input counts as having delivered every barrier.
//!
//! Not here: what a snapshot contains (`yeoul-state`), who starts one (`coordinator.rs`).

use yeoul_frame::signal::Barrier;

/// What a checkpoint promises (Flink's `CheckpointingMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckpointingMode {
    /// After a restore each record counts once: inputs that have delivered a barrier wait for the others.
    #[default]
    ExactlyOnce,
    /// No input waits; records that came past others' barriers count again after a restore.
    AtLeastOnce,
}

/// What the task is to do after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Go on; the channel may be [held](Align::is_held).
    Continue,
    /// All live inputs have delivered this barrier: snapshot and forward it. All channels are released.
    Complete(Barrier),
    /// All inputs have ended.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Open,
    /// Delivered the pending barrier; in exactly-once mode not read until it completes.
    Held,
    Ended,
}

/// The state of alignment of one task.
#[derive(Debug)]
pub struct Align {
    mode: CheckpointingMode,
    channels: Vec<Channel>,
    pending: Option<Barrier>,
    last: u64,
}

impl Align {
    /// For a task with this many input channels, after epoch `restored` (0 for a fresh start).
    #[must_use]
    pub fn new(channels: usize, restored: yeoul_frame::Epoch, mode: CheckpointingMode) -> Self {
        Self { mode, channels: vec![Channel::Open; channels], pending: None, last: restored.0 }
    }

    /// A barrier came by `channel`.
    ///
    /// # Panics
    /// If invariant 1 or 2 is broken: the barrier came by a held or ended channel, or for another epoch than the pending one.
    pub fn barrier(&mut self, channel: usize, barrier: Barrier) -> Action {
        assert_eq!(
            self.channels[channel],
            Channel::Open,
            "an input that delivered barrier e is not read again until every live input has"
        );
        assert!(barrier.epoch.0 > self.last, "epochs leave in increasing order, each once");
        let pending = *self.pending.get_or_insert(barrier);
        assert_eq!(pending.epoch, barrier.epoch, "one epoch is in flight at a time");
        self.channels[channel] = Channel::Held;
        self.complete()
    }

    /// `channel` has ended.
    pub fn end(&mut self, channel: usize) -> Action {
        assert_ne!(self.channels[channel], Channel::Ended, "a channel ends once");
        self.channels[channel] = Channel::Ended;
        if self.channels.iter().all(|state| *state == Channel::Ended) {
            return Action::Ended;
        }
        self.complete()
    }

    /// Whether this channel must not be read now.
    #[must_use]
    pub fn is_held(&self, channel: usize) -> bool {
        match self.channels[channel] {
            Channel::Open => false,
            Channel::Held => self.mode == CheckpointingMode::ExactlyOnce,
            Channel::Ended => true,
        }
    }

    fn complete(&mut self) -> Action {
        let Some(barrier) = self.pending else { return Action::Continue };
        if self.channels.contains(&Channel::Open) {
            return Action::Continue;
        }
        for channel in &mut self.channels {
            if *channel == Channel::Held {
                *channel = Channel::Open;
            }
        }
        self.pending = None;
        self.last = barrier.epoch.0;
        Action::Complete(barrier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yeoul_frame::Epoch;
    use yeoul_frame::signal::Purpose;

    fn barrier(epoch: u64) -> Barrier {
        Barrier { epoch: Epoch(epoch), purpose: Purpose::Checkpoint }
    }

    #[test]
    fn a_barrier_completes_when_every_live_input_has_delivered_it() {
        let mut align = Align::new(3, Epoch(0), CheckpointingMode::ExactlyOnce);
        assert_eq!(align.barrier(0, barrier(1)), Action::Continue);
        assert!(align.is_held(0) && !align.is_held(1));
        assert_eq!(align.end(1), Action::Continue);
        assert_eq!(align.barrier(2, barrier(1)), Action::Complete(barrier(1)));
        assert!(!align.is_held(0) && !align.is_held(2) && align.is_held(1));
        assert_eq!(align.barrier(2, barrier(2)), Action::Continue);
        // An ended input counts as having delivered every barrier, also one that is pending.
        assert_eq!(align.end(0), Action::Complete(barrier(2)));
        assert_eq!(align.end(2), Action::Ended);
    }

    #[test]
    fn at_least_once_no_input_waits() {
        let mut align = Align::new(2, Epoch(0), CheckpointingMode::AtLeastOnce);
        assert_eq!(align.barrier(0, barrier(1)), Action::Continue);
        assert!(!align.is_held(0));
        assert_eq!(align.barrier(1, barrier(1)), Action::Complete(barrier(1)));
        assert_eq!((align.end(0), align.is_held(0)), (Action::Continue, true));
    }

    #[test]
    #[should_panic(expected = "not read again")]
    fn a_held_channel_must_not_be_read() {
        let mut align = Align::new(2, Epoch(0), CheckpointingMode::ExactlyOnce);
        align.barrier(0, barrier(1));
        align.barrier(0, barrier(1));
    }

    #[test]
    #[should_panic(expected = "increasing order")]
    fn an_epoch_leaves_once() {
        let mut align = Align::new(1, Epoch(4), CheckpointingMode::ExactlyOnce);
        align.barrier(0, barrier(4));
    }
}
