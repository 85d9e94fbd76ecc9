//! The receiving ends of one task: takes messages from its rings, in turn, and merges what their signals say.
//!
//! Invariants:
//! 1. A channel that is held by the alignment is not read.
//! 2. Nothing leaves before every channel has started: so which records are late does not depend on which source is up first.
//! 3. What leaves is in the order of each channel; a signal leaves after all that its channel delivered before it.
//! 4. What an earlier run had said of event time is said again behind the start: whoever reads this task and others waits for its word.
//! 5. While the task has no room, records stay in their rings; signals that stand before them leave.

use std::collections::VecDeque;

use yeoul_frame::{Epoch, Frame, Signal, Timestamp};
use yeoul_operator::InputId;
use yeoul_ring::{Bell, Consumer};
use yeoul_sys::planted::{Bug, is_planted};

use crate::align::{Action, Align, CheckpointingMode};
use crate::bells::ring;
use crate::merge::Merge;
use crate::message::Message;

/// One ring that a task reads.
pub struct Channel {
    /// Which input of the operator it feeds.
    pub input: InputId,
    /// The ring's end.
    pub consumer: Consumer<Message>,
    /// Wakes the sender, which may wait for room. None if it is this very shard.
    pub bell: Option<Bell>,
}

impl Channel {
    /// Takes a message, and wakes the sender if it may wait for room.
    fn pop(&mut self) -> Option<Message> {
        // Both sides fence (the bell does) between moving their index and looking at the other's, so it is enough to ring while the ring is
        // seen to be half full or more: if this sees it emptier than it is, a later look sees it as it is.
        let crowded = self.consumer.len() >= self.consumer.capacity() / 2;
        let message = self.consumer.try_pop()?;
        if crowded && let Some(bell) = &self.bell {
            ring(bell);
        }
        Some(message)
    }
}

/// What a task has to work on next.
#[derive(Debug)]
pub enum Arrival {
    /// Records, by this input.
    Frame(InputId, Frame),
    /// A signal that holds for the whole task.
    Signal(Signal),
}

/// The receiving ends of one task.
pub struct Inbox {
    channels: Vec<Channel>,
    align: Align,
    merge: Merge,
    next: usize,
    /// The channels that have not started yet.
    silent: Vec<usize>,
    /// Whether the task's own start has left.
    started: bool,
    /// What leaves behind the start: the watermark of an earlier run, and what channels said before they started, as far as it means something
    /// for the task.
    owed: VecDeque<Signal>,
}

impl Inbox {
    /// Over these channels; after `epoch`, with a watermark that had come to `watermark`.
    #[must_use]
    pub fn new(channels: Vec<Channel>, epoch: Epoch, mode: CheckpointingMode, watermark: Timestamp) -> Self {
        let count = channels.len();
        let mut inbox = Self {
            channels,
            align: Align::new(count, epoch, mode),
            merge: Merge::new(count, Timestamp::MIN),
            next: 0,
            silent: (0..count).collect(),
            started: false,
            owed: VecDeque::new(),
        };
        inbox.restore_watermark(watermark);
        inbox
    }

    /// The task's watermark.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.merge.watermark()
    }

    /// Sets the watermark to which an earlier run had come. Called before anything is taken.
    pub fn restore_watermark(&mut self, watermark: Timestamp) {
        self.merge = Merge::new(self.channels.len(), watermark);
        self.owed.clear();
        if watermark > Timestamp::MIN {
            self.owed.push_back(Signal::Watermark(watermark));
        }
    }

    /// The next thing to work on, if any channel that may be read holds one; no records unless there is `room`. Channels take turns.
    pub fn take(&mut self, room: bool) -> Option<Arrival> {
        if !self.started {
            return self.take_start();
        }
        if let Some(signal) = self.owed.pop_front() {
            return Some(Arrival::Signal(signal));
        }
        let count = self.channels.len();
        let mut looked = 0;
        while looked < count {
            let at = self.next;
            self.next = if at + 1 == count { 0 } else { at + 1 };
            if self.align.is_held(at) && !is_planted(Bug::BarrierOvertaken) {
                looked += 1;
                continue;
            }
            if !room && matches!(self.channels[at].consumer.peek(), Some(Message::Frame(_))) {
                looked += 1;
                continue;
            }
            let Some(message) = self.channels[at].pop() else {
                looked += 1;
                continue;
            };
            match message {
                Message::Frame(frame) => {
                    self.merge.frame(at);
                    return Some(Arrival::Frame(self.channels[at].input, frame));
                }
                Message::Signal(signal) => {
                    if let Some(signal) = self.signal(at, signal) {
                        return Some(Arrival::Signal(signal));
                    }
                    // It meant nothing for the task as a whole (yet); look on, this channel included.
                    looked = 0;
                }
            }
        }
        None
    }

    /// Listens to the channels that have not started, and to no other; then starts.
    fn take_start(&mut self) -> Option<Arrival> {
        while let Some(at) = self.silent.last().copied() {
            match self.channels[at].pop() {
                None => {
                    // Let the others speak meanwhile.
                    let heard = (0..self.silent.len())
                        .rev()
                        .find(|place| !self.channels[self.silent[*place]].consumer.is_empty())?;
                    let last = self.silent.len() - 1;
                    self.silent.swap(heard, last);
                }
                Some(Message::Signal(Signal::Start)) => drop(self.silent.pop()),
                Some(Message::Signal(signal)) => {
                    // What it means for the task waits for the start: what it sets free must not leave before that.
                    let meant = self.signal(at, signal);
                    self.owed.extend(meant);
                }
                Some(Message::Frame(_)) => panic!("no record leaves a channel before its start"),
            }
        }
        self.started = true;
        Some(Arrival::Signal(Signal::Start))
    }

    fn signal(&mut self, at: usize, signal: Signal) -> Option<Signal> {
        match signal {
            Signal::Start => panic!("a channel starts once"),
            Signal::Watermark(watermark) => self.merge.watermark_from(at, watermark),
            Signal::Idle => self.merge.idle(at),
            Signal::Barrier(barrier) => match self.align.barrier(at, barrier) {
                Action::Complete(barrier) => Some(Signal::Barrier(barrier)),
                Action::Continue | Action::Ended => None,
            },
            Signal::End => {
                self.merge.end(at);
                match self.align.end(at) {
                    Action::Ended => Some(Signal::End),
                    Action::Continue => None,
                    Action::Complete(_) => {
                        panic!("an end follows the last barrier, which is complete before anything after it is read")
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yeoul_ring::ring;

    #[test]
    fn what_channels_say_before_they_start_is_heard_after_the_task_has_started() {
        let (mut producers, mut channels) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let (producer, consumer) = ring(4);
            producers.push(producer);
            channels.push(Channel { input: InputId(0), consumer, bell: None });
        }
        let mut inbox = Inbox::new(channels, Epoch(0), CheckpointingMode::default(), Timestamp(5));
        for producer in &mut producers {
            for signal in [Signal::Watermark(Timestamp::MAX), Signal::Start] {
                assert!(producer.try_push(Message::Signal(signal)).is_ok());
            }
        }
        let mut taken = Vec::new();
        while let Some(Arrival::Signal(signal)) = inbox.take(true) {
            taken.push(signal);
        }
        let restored = Signal::Watermark(Timestamp(5));
        assert_eq!(taken, [Signal::Start, restored, Signal::Watermark(Timestamp::MAX)]);
    }

    #[test]
    fn without_room_records_stay_and_signals_before_them_leave() {
        use yeoul_frame::signal::{Barrier, Purpose};
        use yeoul_frame::{Pool, RowBuilder, RowKind};
        let barrier = Signal::Barrier(Barrier { epoch: Epoch(1), purpose: Purpose::Checkpoint });
        let mut rows = RowBuilder::<u64>::new(&Pool::new(), 1);
        let mut record = || {
            rows.push(&7, Timestamp(0), RowKind::Insert).unwrap();
            Message::Frame(rows.finish())
        };
        let (mut producers, mut channels) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let (producer, consumer) = ring(8);
            producers.push(producer);
            channels.push(Channel { input: InputId(0), consumer, bell: None });
        }
        let mut inbox = Inbox::new(channels, Epoch(0), CheckpointingMode::default(), Timestamp::MIN);
        // One channel has its barrier before records, the other one behind.
        let first = [Message::Signal(Signal::Start), Message::Signal(barrier), record()];
        let second = [Message::Signal(Signal::Start), record(), Message::Signal(barrier)];
        for (producer, messages) in producers.iter_mut().zip([first, second]) {
            messages.into_iter().for_each(|message| assert!(producer.try_push(message).is_ok()));
        }
        let mut taken = Vec::new();
        for room in [false, false, true, false, true, true] {
            taken.push(inbox.take(room).map(|of| match of {
                Arrival::Frame(..) => "record",
                Arrival::Signal(Signal::Start) => "start",
                Arrival::Signal(Signal::Barrier(_)) => "barrier",
                Arrival::Signal(_) => "another signal",
            }));
        }
        assert_eq!(taken, [Some("start"), None, Some("record"), Some("barrier"), Some("record"), None]);
    }
}
