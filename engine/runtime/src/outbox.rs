//! The sending end of one edge of one task: decides which shard gets which records, and waits for room without blocking.
//!
//! Invariants:
//! 1. Order per destination is the order of `send`; signals go to every destination and never overtake.
//! 2. What does not fit into a ring waits here; a task with something waiting is not given more work. That is backpressure.

use std::collections::VecDeque;
use std::sync::Arc;

use yeoul_frame::{Frame, KeyGroups, KeyHash, Scatter, Signal, hash_u64};
use yeoul_operator::{OperatorError, Partitioner, Router};
use yeoul_ring::{Bell, Producer};
use yeoul_sys::planted::{Bug, is_planted};

use crate::bells::ring;
use crate::chain::guard;
use crate::error::JobError;
use crate::message::Message;

/// One destination shard of an edge.
pub struct Lane {
    producer: Producer<Message>,
    waiting: VecDeque<Message>,
    /// Wakes the receiver. None if it is this very shard.
    bell: Option<Bell>,
}

impl Lane {
    /// To the consumer of this ring.
    #[must_use]
    pub fn new(producer: Producer<Message>, bell: Option<Bell>) -> Self {
        Self { producer, waiting: VecDeque::new(), bell }
    }

    fn send(&mut self, message: Message) {
        if self.waiting.is_empty() {
            match self.producer.try_push(message) {
                Ok(()) => self.ring(),
                Err(back) => self.waiting.push_back(back),
            }
        } else {
            self.waiting.push_back(message);
        }
    }

    fn flush(&mut self, acted: &mut bool) -> bool {
        if self.waiting.is_empty() {
            return true;
        }
        let mut moved = false;
        while let Some(message) = self.waiting.pop_front() {
            match self.producer.try_push(message) {
                Ok(()) => moved = true,
                Err(back) => {
                    self.waiting.push_front(back);
                    break;
                }
            }
        }
        if moved {
            *acted = true;
            self.ring();
        }
        self.waiting.is_empty()
    }

    fn ring(&self) {
        if let Some(bell) = &self.bell
            && !is_planted(Bug::BellNotRung)
        {
            ring(bell);
        }
    }
}

/// How records are spread over the lanes.
pub enum Spread {
    /// By the first lane, which may be the only one. Signals go by all: who is given no records still takes part in barriers.
    Single,
    /// By key group.
    Hash {
        /// Hashes keys.
        router: Arc<dyn Router>,
        /// Of the job.
        groups: KeyGroups,
    },
    /// A record at a time, to the lane that is chosen for it.
    Chosen {
        /// Who chooses.
        by: Choice,
        /// The lanes of the frame's records.
        chosen: Vec<u16>,
    },
    /// To all lanes.
    Broadcast,
    /// A frame at a time, in turn.
    Rebalance {
        /// The lane whose turn it is.
        next: usize,
    },
}

/// Who chooses the lane of a record.
pub enum Choice {
    /// The user's code.
    User(Arc<dyn Partitioner>),
    /// Chance. A sender chooses the same again for the same frames.
    Any {
        /// Where in the sequence it is.
        last: u64,
    },
}

/// The sending end of one edge.
pub struct Outbox {
    /// The operator that receives, whose keys are the user's code.
    receiver: String,
    spread: Spread,
    lanes: Vec<Lane>,
    hashes: Vec<KeyHash>,
    scatter: Scatter,
}

/// Whether the user's code has chosen a subtask that there is for each record.
fn check_choice(chosen: &[u16], records: usize, lanes: usize) -> Result<(), OperatorError> {
    if chosen.len() != records {
        return Err(OperatorError::new(format!("a partitioner chose {} subtasks for {records} records", chosen.len()))
            .permanent());
    }
    match chosen.iter().find(|&&lane| usize::from(lane) >= lanes) {
        None => Ok(()),
        Some(lane) => Err(OperatorError::new(format!("a partitioner chose subtask {lane} of {lanes}"))
            .hint("choose one below the number that the partitioner is given: key % subtasks")
            .permanent()),
    }
}

impl Outbox {
    /// Over these lanes, one for each subtask of the receiver, in order.
    #[must_use]
    pub fn new(receiver: String, spread: Spread, lanes: Vec<Lane>) -> Self {
        let scatter = Scatter::new(lanes.len());
        Self { receiver, spread, lanes, hashes: Vec::new(), scatter }
    }

    /// Sends a frame, or leaves it waiting.
    ///
    /// # Errors
    /// The user's key selector panicked.
    pub fn frame(&mut self, frame: Frame) -> Result<(), JobError> {
        match &mut self.spread {
            Spread::Single => self.lanes[0].send(Message::Frame(frame)),
            Spread::Broadcast => {
                for lane in &mut self.lanes {
                    lane.send(Message::Frame(frame.clone()));
                }
            }
            Spread::Rebalance { next } => {
                self.lanes[*next].send(Message::Frame(frame));
                *next = (*next + 1) % self.lanes.len();
            }
            Spread::Chosen { by, chosen } => {
                let lanes = &mut self.lanes;
                chosen.clear();
                match by {
                    Choice::Any { last } => chosen.extend((0..frame.len()).map(|_| {
                        *last += 1;
                        (hash_u64(*last).0 % lanes.len() as u64) as u16
                    })),
                    Choice::User(partitioner) => {
                        guard(&self.receiver, || {
                            partitioner.partition(&frame, lanes.len() as u16, chosen);
                            check_choice(chosen, frame.len(), lanes.len())
                        })?;
                    }
                }
                self.hashes.clear();
                self.hashes.extend(chosen.iter().map(|&lane| KeyHash(lane.into())));
                self.scatter.split(
                    &frame,
                    &self.hashes,
                    |lane| lane.0 as usize,
                    // What was taken for hashes is none.
                    |lane, part| lanes[lane].send(Message::Frame(part.without_hashes())),
                );
            }
            Spread::Hash { router, groups } => {
                self.hashes.clear();
                guard(&self.receiver, || {
                    router.hash(&frame, &mut self.hashes);
                    Ok(())
                })?;
                debug_assert_eq!(self.hashes.len(), frame.len());
                let shards = self.lanes.len() as u16;
                let lanes = &mut self.lanes;
                self.scatter.split(
                    &frame,
                    &self.hashes,
                    |hash| usize::from(groups.shard(groups.of(hash), shards)),
                    |lane, part| lanes[lane].send(Message::Frame(part)),
                );
            }
        }
        Ok(())
    }

    /// Sends a signal to every destination.
    pub fn signal(&mut self, signal: Signal) {
        for lane in &mut self.lanes {
            lane.send(Message::Signal(signal));
        }
    }

    /// Tries to send what waits. True if nothing waits any more. Sets `acted` if anything was sent.
    pub fn flush(&mut self, acted: &mut bool) -> bool {
        let mut clear = true;
        for lane in &mut self.lanes {
            clear &= lane.flush(acted);
        }
        clear
    }
}
