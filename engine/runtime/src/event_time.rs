//! Event times and watermarks of one source instance: per split, then merged to the minimum over its active splits.
//!
//! Watermarks are placed between records by the records alone: a frame is cut where its split's watermark rises by the strategy's
//! granularity. So the same split always gives the same sequence of records and watermarks. Only a source that has nothing to give, and so
//! may be silent for long, sends on what the granularity held back: when a split falls idle, and when the source has said for a second that
//! it has nothing. Later watermarks stand where they would have stood.
//!
//! Invariants:
//! 1. The watermark that leaves never goes back, across restarts included.
//! 2. A record leaves before the watermark that it caused.
//! 3. Only time in which the source was asked counts towards idleness: not backpressure, not waiting for other sources, not a machine that
//!    slept.

use std::collections::BTreeMap;

use yeoul_frame::{Frame, Signal, Timestamp};
use yeoul_operator::{OperatorError, SplitId, Strategy, WatermarkGenerator, WatermarkSpec};

use crate::message::Message;

struct Split {
    generator: Generator,
    /// The last one that its records placed, or that the source stated.
    watermark: Timestamp,
    /// What left beyond that when it fell silent.
    flushed: Timestamp,
    /// When its last record came, in counted time. None: it was restored, and its patience has not begun.
    last_record: Option<Counted>,
    idle: bool,
    /// Restored, and not read from yet: its turn may come after splits that were not begun.
    dormant: bool,
    /// It has said that it begins, and nothing since.
    silent: bool,
}

impl Split {
    fn new(strategy: &Strategy) -> Self {
        Self {
            generator: Generator::new(strategy),
            watermark: Timestamp::MIN,
            flushed: Timestamp::MIN,
            last_record: None,
            idle: false,
            dormant: false,
            silent: false,
        }
    }

    /// Its watermark.
    fn at(&self) -> Timestamp {
        self.watermark.max(self.flushed)
    }

    /// Its watermark if there were no granularity.
    fn reached(&self) -> Timestamp {
        let reached = match self.generator {
            Generator::Highest { bound, highest } if highest > i64::MIN => Timestamp(highest.saturating_sub(bound)),
            Generator::Custom(_, said) => said,
            Generator::None | Generator::Highest { .. } => Timestamp::MIN,
        };
        reached.max(self.at())
    }
}

/// Milliseconds in which the source was asked, since it began.
type Counted = i64;

/// A source that has had nothing to give for this long sends on what the granularity held back (milliseconds of the clock).
const SILENCE: i64 = 1_000;

/// From one look to the next at most this part of the patience counts: a split is idle only after its source was asked several times.
const LOOKS: i64 = 4;

enum Generator {
    None,
    Highest {
        bound: i64,
        highest: i64,
    },
    /// With the last watermark that it said.
    Custom(Box<dyn WatermarkGenerator>, Timestamp),
}

impl Generator {
    fn new(strategy: &Strategy) -> Self {
        match strategy {
            Strategy::None => Self::None,
            Strategy::Monotonous => Self::Highest { bound: 1, highest: i64::MIN },
            Strategy::BoundedOutOfOrderness(millis) => {
                Self::Highest { bound: millis.saturating_add(1), highest: i64::MIN }
            }
            Strategy::Custom(make) => Self::Custom(make(), Timestamp::MIN),
        }
    }
}

/// Makes event time for one source instance.
pub struct EventTime {
    spec: WatermarkSpec,
    splits: BTreeMap<SplitId, Split>,
    /// The last watermark that left in this run. It begins at the least although an earlier run was further: whoever merges
    /// watermarks begins anew too, and waits for a word from everyone.
    sent: Timestamp,
    /// To what an earlier run had come, if there was one: nothing lower leaves.
    floor: Option<Timestamp>,
    idle: bool,
    /// When the source was last asked, by the clock.
    seen: Option<Timestamp>,
    counted: Counted,
    /// Since when there has been no split at all.
    bare_since: Option<Counted>,
    /// Since when the source has had nothing to give.
    silent_since: Option<Counted>,
    /// To where the split had come that ended last, of those that had spoken.
    ended_at: Timestamp,
}

impl EventTime {
    /// By this specification.
    #[must_use]
    pub fn new(spec: WatermarkSpec) -> Self {
        Self {
            spec,
            splits: BTreeMap::new(),
            sent: Timestamp::MIN,
            floor: None,
            idle: false,
            seen: None,
            counted: 0,
            bare_since: None,
            silent_since: None,
            ended_at: Timestamp::MIN,
        }
    }

    /// What an earlier run had said is said again, right after the start: whoever merges watermarks begins anew, and what it waits for may
    /// not come again for long.
    pub fn resume(&mut self, out: &mut Vec<Message>) {
        self.send(Timestamp::MIN, out);
    }

    /// The source is about to be asked.
    pub fn tick(&mut self, now: Timestamp) {
        let passed = self.seen.map_or(0, |seen| now.0.saturating_sub(seen.0));
        self.counted += passed.clamp(0, self.look());
        self.seen = Some(now);
    }

    /// The source could not be asked since the last look.
    pub fn skip(&mut self, now: Timestamp) {
        self.seen = Some(now);
    }

    /// Whether it has said that it is idle, and nothing since.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.idle
    }

    /// The last watermark that left, in this run or the one before it.
    #[must_use]
    pub fn watermark(&self) -> Timestamp {
        self.above_floor(self.sent)
    }

    /// How far its records have come: the watermark, or the least of the splits that have spoken while one that has not holds it back.
    #[must_use]
    pub fn reached(&self) -> Timestamp {
        let spoken = self.splits.values().filter(|split| !split.idle).map(Split::at).filter(|at| *at > Timestamp::MIN);
        match self.watermark() {
            Timestamp::MIN => spoken.min().unwrap_or(Timestamp::MIN),
            watermark => watermark,
        }
    }

    /// Records of a split. Appends frames and watermarks to `out`, in order.
    pub fn records(&mut self, id: SplitId, frame: Frame, out: &mut Vec<Message>) {
        let frame = match &self.spec.assigner {
            Some(assigner) => frame.assign_times(|frame, times| assigner.assign(frame, times)),
            None => frame,
        };
        self.wake(out);
        let split = split_of(&mut self.splits, id, &self.spec.strategy, self.counted);

        // The generator is chosen once a frame; the loops run over plain times.
        let mut cut = 0;
        let mut position = 0;
        let times = frame.times();
        let mut rises: Vec<(usize, Timestamp)> = Vec::new();
        let granularity = self.spec.granularity.max(1);
        match &mut split.generator {
            Generator::None => {}
            Generator::Highest { bound, highest } => {
                // The next event time at which the watermark has risen by the granularity.
                let mut next = match split.watermark {
                    Timestamp::MIN => i64::MIN,
                    at => at.0.saturating_add(granularity).saturating_add(*bound),
                };
                for row in frame.indices() {
                    position += 1;
                    let time = times[row as usize].0;
                    *highest = (*highest).max(time);
                    if time >= next && time != i64::MIN {
                        let watermark = Timestamp(time.saturating_sub(*bound));
                        split.watermark = watermark;
                        rises.push((position, watermark));
                        next = time.saturating_add(granularity);
                    }
                }
            }
            Generator::Custom(generator, said) => {
                for row in frame.indices() {
                    position += 1;
                    let Some(watermark) = generator.on_event(times[row as usize]) else { continue };
                    *said = (*said).max(watermark);
                    if split.watermark == Timestamp::MIN || watermark >= split.watermark.plus(granularity) {
                        split.watermark = watermark;
                        rises.push((position, watermark));
                    }
                }
            }
        }
        let last = rises.last().copied();
        for (upto, watermark) in rises {
            // Only a rise of the merged watermark is worth a cut; it is the split's own at most.
            let merged = self.above_floor(self.merged_with(id, watermark));
            if merged > self.sent {
                out.push(Message::Frame(frame.slice(cut..upto)));
                cut = upto;
                self.sent = merged;
                out.push(Message::Signal(Signal::Watermark(merged)));
            }
        }
        debug_assert!(last.is_none_or(|(_, watermark)| self.splits[&id].watermark == watermark));
        if cut < frame.len() {
            out.push(Message::Frame(if cut == 0 { frame } else { frame.slice(cut..frame.len()) }));
        }
    }

    /// A split's watermark, as the source itself knows it. The least of all says that the split begins: from now on it holds the watermark
    /// back, or, in a source that is idle, from when any of its splits speaks.
    pub fn watermark_of(&mut self, id: SplitId, watermark: Timestamp, out: &mut Vec<Message>) {
        if watermark == Timestamp::MIN {
            let (idle, last_record) = (self.idle, Some(self.counted));
            let begun = || Split { idle, silent: true, last_record, ..Split::new(&self.spec.strategy) };
            self.splits.entry(id).or_insert_with(begun);
            return;
        }
        self.wake(out);
        let split = split_of(&mut self.splits, id, &self.spec.strategy, self.counted);
        split.watermark = split.watermark.max(watermark);
        self.rise(out);
    }

    /// A split has been read to its end.
    pub fn finished(&mut self, id: SplitId, out: &mut Vec<Message>) {
        let Some(split) = self.splits.remove(&id) else { return };
        if split.reached() > Timestamp::MIN {
            self.ended_at = split.reached();
        }
        // One that had nothing to say has held back what those that ended before it had.
        let own = self.ended_at;
        if self.idle {
            // A watermark would make those after it wait for this source again, and nobody would tell them that there is nothing to wait for.
            return;
        }
        if self.splits.values().any(|split| split.dormant) {
            // Between this split and those that wait for their turn may lie others that this instance has not begun.
            let active = self.splits.values().filter(|split| !split.idle).map(Split::at);
            self.send(active.min().map_or(own, |least| least.min(own)), out);
        } else if self.splits.values().all(|split| split.idle) {
            // The last split to end, or to speak, leaves the watermark where its records brought it.
            self.send(own, out);
        } else {
            self.rise(out);
        }
    }

    /// The source knows that a split is quiet: until it speaks again it does not hold the watermark back. Its generator stays.
    pub fn idle(&mut self, id: SplitId, out: &mut Vec<Message>) {
        if self.idle {
            // As at an end: those after it would wait for this source again.
            return;
        }
        let split = split_of(&mut self.splits, id, &self.spec.strategy, self.counted);
        split.flushed = split.reached();
        // Its own last word first, for which those after it would wait if nobody else speaks.
        self.rise(out);
        self.splits.entry(id).and_modify(|split| split.idle = true);
        self.rise_or_rest(out);
    }

    /// Looks for splits that have been silent for longer than the idleness allows, after all that the source said was taken. If nobody is
    /// left to speak, the source itself is idle. `gave` says whether the source gave anything, or may at once. Returns when to look again.
    pub fn check_idle(&mut self, gave: bool, now: Timestamp, out: &mut Vec<Message>) -> Option<Timestamp> {
        let (patience, counted) = (self.patience(), self.counted);
        let mut next: Option<Counted> = None;
        let mut silent = |since: Counted, patience: Option<i64>| {
            let Some(patience) = patience else { return false };
            let left = since.saturating_add(patience) - counted;
            if left > 0 {
                next = Some(next.map_or(left, |next: Counted| next.min(left)));
            }
            left <= 0
        };
        self.silent_since = if gave { None } else { self.silent_since.or(Some(counted)) };
        let (mut fallen, mut flushed) = (Vec::new(), false);
        for (id, split) in self.splits.iter_mut().filter(|(_, split)| !split.idle) {
            // Of a restored one that was not read from yet, the patience begins now.
            let falls = silent(*split.last_record.get_or_insert(counted), patience);
            if falls {
                fallen.push(*id);
            }
            if split.dormant || split.reached() == split.at() {
                continue;
            }
            if falls || self.silent_since.is_some_and(|since| silent(since, Some(SILENCE))) {
                split.flushed = split.reached();
                flushed = true;
            }
        }
        if flushed {
            self.rise(out);
        }
        if !fallen.is_empty() {
            for id in fallen {
                self.splits.entry(id).and_modify(|split| (split.idle, split.silent) = (true, false));
            }
            self.rise_or_rest(out);
        }
        // A source that watches for splits and has none is silent, too.
        let bare = self.splits.is_empty();
        self.bare_since = if bare { self.bare_since.or(Some(counted)) } else { None };
        let quiet = match self.bare_since {
            Some(since) => !self.idle && silent(since, patience),
            None => self.splits.values().all(|split| split.idle),
        };
        if quiet && !self.idle {
            self.idle = true;
            out.push(Message::Signal(Signal::Idle));
        }
        // No later than what may count until then.
        next.map(|left| now.plus(left.min(self.look())))
    }

    /// From one look to the next at most so much counts.
    fn look(&self) -> Counted {
        (self.patience().unwrap_or(SILENCE) / LOOKS).max(1)
    }

    fn patience(&self) -> Option<i64> {
        Some(i64::try_from(self.spec.idleness?.as_millis()).unwrap_or(i64::MAX))
    }

    /// Something was said: whoever was told that this source is idle must hear that it is not, before anything else.
    fn wake(&mut self, out: &mut Vec<Message>) {
        if !std::mem::take(&mut self.idle) {
            return;
        }
        for split in self.splits.values_mut().filter(|split| split.silent) {
            (split.idle, split.last_record) = (false, Some(self.counted));
        }
        if self.sent > Timestamp::MIN {
            out.push(Message::Signal(Signal::Watermark(self.sent)));
        }
    }

    /// Nothing more will be read: event time runs to its end.
    pub fn exhausted(&mut self, out: &mut Vec<Message>) {
        self.splits.clear();
        self.send(Timestamp::MAX, out);
    }

    /// What must survive a restart.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let mut bytes = self.watermark().0.to_le_bytes().to_vec();
        // Of one that has only said that it begins there is nothing to note: it will say so again.
        let spoken = || self.splits.iter().filter(|(_, split)| !split.silent);
        bytes.extend((spoken().count() as u32).to_le_bytes());
        for (id, split) in spoken() {
            let (highest, custom) = match &split.generator {
                Generator::None => (i64::MIN, Vec::new()),
                Generator::Highest { highest, .. } => (*highest, Vec::new()),
                Generator::Custom(generator, said) => (said.0, generator.save()),
            };
            bytes.extend(id.0.to_le_bytes());
            bytes.extend(split.watermark.0.to_le_bytes());
            bytes.extend(highest.to_le_bytes());
            bytes.extend((custom.len() as u32).to_le_bytes());
            bytes.extend(custom);
        }
        bytes
    }

    /// Takes back what `save` gave, of the splits that `owns` picks. May be called for several earlier instances; only from one that `counts`
    /// comes what was said.
    ///
    /// # Errors
    /// The bytes are cut short.
    pub fn load(
        &mut self,
        mut bytes: &[u8],
        counts: bool,
        owns: impl Fn(SplitId) -> bool,
    ) -> Result<(), OperatorError> {
        fn take<'a>(bytes: &mut &'a [u8], n: usize) -> Result<&'a [u8], OperatorError> {
            let (head, rest) = bytes.split_at_checked(n).ok_or_else(|| {
                OperatorError::new(format!(
                    "the snapshot's watermark state is cut short: {} bytes left, {n} wanted",
                    bytes.len()
                ))
            })?;
            *bytes = rest;
            Ok(head)
        }
        let long = |bytes: &mut &[u8]| {
            Ok::<_, OperatorError>(i64::from_le_bytes(take(bytes, 8)?.try_into().expect("8 bytes")))
        };
        let int = |bytes: &mut &[u8]| {
            Ok::<_, OperatorError>(u32::from_le_bytes(take(bytes, 4)?.try_into().expect("4 bytes")))
        };
        // All instances of one source: the lowest is certain.
        let sent = Timestamp(long(&mut bytes)?);
        if counts {
            self.floor = Some(self.floor.map_or(sent, |floor| floor.min(sent)));
        }
        for _ in 0..int(&mut bytes)? {
            let id = SplitId(long(&mut bytes)? as u64);
            let watermark = Timestamp(long(&mut bytes)?);
            let highest = long(&mut bytes)?;
            let size = int(&mut bytes)? as usize;
            let custom = take(&mut bytes, size)?;
            if !owns(id) {
                continue;
            }
            let mut generator = Generator::new(&self.spec.strategy);
            match &mut generator {
                Generator::None => {}
                Generator::Highest { highest: at, .. } => *at = highest,
                Generator::Custom(generator, said) => {
                    *said = Timestamp(highest);
                    generator.load(custom);
                }
            }
            self.splits.insert(id, Split { generator, watermark, dormant: true, ..Split::new(&self.spec.strategy) });
        }
        Ok(())
    }

    /// The minimum over active splits if `id` were at `watermark`.
    fn merged_with(&self, id: SplitId, watermark: Timestamp) -> Timestamp {
        let others = self.splits.iter().filter(|(other, split)| **other != id && !split.idle);
        others.map(|(_, split)| split.at()).min().map_or(watermark, |least| least.min(watermark))
    }

    /// As [`rise`](Self::rise); if nobody is left to speak, to the least of those that have spoken, which one that had not may have held back.
    fn rise_or_rest(&mut self, out: &mut Vec<Message>) {
        if self.splits.values().any(|split| !split.idle) {
            return self.rise(out);
        }
        let spoken = self.splits.values().map(Split::at).filter(|at| *at > Timestamp::MIN);
        if let Some(least) = spoken.min() {
            self.send(least, out);
        }
    }

    fn rise(&mut self, out: &mut Vec<Message>) {
        let active = self.splits.values().filter(|split| !split.idle);
        if let Some(least) = active.map(Split::at).min() {
            self.send(least, out);
        }
    }

    fn above_floor(&self, watermark: Timestamp) -> Timestamp {
        self.floor.map_or(watermark, |floor| floor.max(watermark))
    }

    fn send(&mut self, watermark: Timestamp, out: &mut Vec<Message>) {
        let watermark = self.above_floor(watermark);
        if watermark > self.sent {
            self.sent = watermark;
            out.push(Message::Signal(Signal::Watermark(watermark)));
        }
    }
}

/// The split, which has just spoken.
fn split_of<'a>(
    splits: &'a mut BTreeMap<SplitId, Split>,
    id: SplitId,
    strategy: &Strategy,
    counted: Counted,
) -> &'a mut Split {
    let split = splits.entry(id).or_insert_with(|| Split::new(strategy));
    (split.last_record, split.idle, split.dormant, split.silent) = (Some(counted), false, false, false);
    split
}

#[cfg(test)]
mod tests;
