//! The sending end of one edge of one task: decides which shard gets which records, and waits for room without blocking.
//!
//! Invariants:
//! 1. Order per destination is the order of `send`; signals go to every destination and never overtake.
//! 2. What does not fit into a ring waits here; a task with something waiting is not given more work. That is backpressure.

use std::collections::VecDeque;
use std::sync::Arc;

use yeoul_frame::{Frame, KeyGroups, KeyHash, Scatter, Signal};
use yeoul_operator::Router;
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
    /// To all lanes.
    Broadcast,
    /// A frame at a time, in turn.
    Rebalance {
        /// The lane whose turn it is.
        next: usize,
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
