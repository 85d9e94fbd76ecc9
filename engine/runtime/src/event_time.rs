//! Event times and watermarks of one source instance: per split, then merged to the minimum over its active splits.
//!
//! Watermarks are placed between records by the records alone: a frame is cut where its split's watermark rises by the strategy's
//! granularity. So the same split always gives the same sequence of records and watermarks.
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
    watermark: Timestamp,
    /// When its last record came, in counted time. None: it was restored, and its patience has not begun.
    last_record: Option<Counted>,
    idle: bool,
    /// Restored, and not read from yet: its turn may come after splits that were not begun.
    dormant: bool,
}

/// Milliseconds in which the source was asked, since it began.
type Counted = i64;

/// From one look to the next at most this part of the patience counts: a split is idle only after its source was asked several times.
const LOOKS: i64 = 4;

enum Generator {
    None,
    Highest { bound: i64, highest: i64 },
    Custom(Box<dyn WatermarkGenerator>),
}

impl Generator {
    fn new(strategy: &Strategy) -> Self {
        match strategy {
            Strategy::None => Self::None,
            Strategy::Monotonous => Self::Highest { bound: 1, highest: i64::MIN },
            Strategy::BoundedOutOfOrderness(millis) => {
                Self::Highest { bound: millis.saturating_add(1), highest: i64::MIN }
            }
            Strategy::Custom(make) => Self::Custom(make()),
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
        }
    }

    /// What an earlier run had said is said again, right after the start: whoever merges watermarks begins anew, and what it waits for may
    /// not come again for long.
    pub fn resume(&mut self, out: &mut Vec<Message>) {
        self.send(Timestamp::MIN, out);
    }

    /// The source is about to be asked.
    pub fn tick(&mut self, now: Timestamp) {
        if let Some(patience) = self.patience() {
            let passed = self.seen.map_or(0, |seen| now.0.saturating_sub(seen.0));
            self.counted += passed.clamp(0, (patience / LOOKS).max(1));
        }
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
            Generator::Custom(generator) => {
                for row in frame.indices() {
                    position += 1;
                    if let Some(watermark) = generator.on_event(times[row as usize])
                        && (split.watermark == Timestamp::MIN || watermark >= split.watermark.plus(granularity))
                    {
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

    /// A split's watermark, as the source itself knows it.
    pub fn watermark_of(&mut self, id: SplitId, watermark: Timestamp, out: &mut Vec<Message>) {
        self.wake(out);
        let split = split_of(&mut self.splits, id, &self.spec.strategy, self.counted);
        split.watermark = split.watermark.max(watermark);
        self.rise(out);
    }

    /// A split has been read to its end.
    pub fn finished(&mut self, id: SplitId, out: &mut Vec<Message>) {
        let Some(split) = self.splits.remove(&id) else { return };
        let highest = match split.generator {
            Generator::Highest { bound, highest } if highest > i64::MIN => Timestamp(highest.saturating_sub(bound)),
            _ => split.watermark,
        };
        let own = highest.max(split.watermark);
        if self.splits.values().any(|split| split.dormant) {
            // Between this split and those that wait for their turn may lie others that this instance has not begun.
            let active = self.splits.values().filter(|split| !split.idle).map(|split| split.watermark);
            self.send(active.min().map_or(own, |least| least.min(own)), out);
        } else if self.splits.is_empty() {
            // The last split to end leaves the watermark where its records brought it.
            self.send(own, out);
        } else {
            self.rise(out);
        }
    }

    /// Looks for splits that have been silent for longer than the idleness allows, after all that the source said was taken. If nobody is
    /// left to speak, the source itself is idle. Returns when to look again.
    pub fn check_idle(&mut self, now: Timestamp, out: &mut Vec<Message>) -> Option<Timestamp> {
        let patience = self.patience()?;
        let mut next: Option<Counted> = None;
        let mut silent = |since: Counted| {
            let left = since.saturating_add(patience) - self.counted;
            if left > 0 {
                next = Some(next.map_or(left, |next: Counted| next.min(left)));
            }
            left <= 0
        };
        let mut changed = false;
        for split in self.splits.values_mut().filter(|split| !split.idle) {
            // Of a restored one that was not read from yet, the patience begins now.
            if silent(*split.last_record.get_or_insert(self.counted)) {
                (split.idle, changed) = (true, true);
            }
        }
        // A source that watches for splits and has none is silent, too.
        let bare = self.splits.is_empty();
        self.bare_since = if bare { self.bare_since.or(Some(self.counted)) } else { None };
        let quiet = match self.bare_since {
            Some(since) => !self.idle && silent(since),
            None => self.splits.values().all(|split| split.idle),
        };
        if changed {
            self.rise(out);
        }
        if quiet && !self.idle {
            self.idle = true;
            out.push(Message::Signal(Signal::Idle));
        }
        // No later than what may count until then.
        next.map(|left| now.plus(left.min((patience / LOOKS).max(1))))
    }

    fn patience(&self) -> Option<i64> {
        Some(i64::try_from(self.spec.idleness?.as_millis()).unwrap_or(i64::MAX))
    }

    /// Something was said: whoever was told that this source is idle must hear that it is not, before anything else.
    fn wake(&mut self, out: &mut Vec<Message>) {
        if std::mem::take(&mut self.idle) && self.sent > Timestamp::MIN {
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
        bytes.extend((self.splits.len() as u32).to_le_bytes());
        for (id, split) in &self.splits {
            let (highest, custom) = match &split.generator {
                Generator::None => (i64::MIN, Vec::new()),
                Generator::Highest { highest, .. } => (*highest, Vec::new()),
                Generator::Custom(generator) => (i64::MIN, generator.save()),
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
                Generator::Custom(generator) => generator.load(custom),
            }
            self.splits.insert(id, Split { generator, watermark, last_record: None, idle: false, dormant: true });
        }
        Ok(())
    }

    /// The minimum over active splits if `id` were at `watermark`.
    fn merged_with(&self, id: SplitId, watermark: Timestamp) -> Timestamp {
        let others = self.splits.iter().filter(|(other, split)| **other != id && !split.idle);
        others.map(|(_, split)| split.watermark).min().map_or(watermark, |least| least.min(watermark))
    }

    fn rise(&mut self, out: &mut Vec<Message>) {
        let active = self.splits.values().filter(|split| !split.idle);
        if let Some(least) = active.map(|split| split.watermark).min() {
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
    let split = splits.entry(id).or_insert_with(|| Split {
        generator: Generator::new(strategy),
        watermark: Timestamp::MIN,
        last_record: None,
        idle: false,
        dormant: false,
    });
    (split.last_record, split.idle, split.dormant) = (Some(counted), false, false);
    split
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use yeoul_frame::{Pool, RowBuilder, RowKind};

    fn frame(times: &[i64]) -> Frame {
        let mut rows = RowBuilder::<u64>::new(&Pool::new(), 64);
        for time in times {
            rows.push(&(*time as u64), Timestamp(*time), RowKind::Insert).unwrap();
        }
        rows.finish()
    }

    /// What leaves, as text: times of records, `w` and the watermark, `idle`.
    fn render(messages: &mut Vec<Message>) -> String {
        let mut text = Vec::new();
        for message in messages.drain(..) {
            match message {
                Message::Frame(frame) => {
                    text.extend(frame.indices().map(|row| frame.times()[row as usize].0.to_string()));
                }
                Message::Signal(Signal::Watermark(at)) if at == Timestamp::MAX => text.push("wMAX".to_owned()),
                Message::Signal(Signal::Watermark(at)) => text.push(format!("w{}", at.0)),
                Message::Signal(_) => text.push("idle".to_owned()),
            }
        }
        text.join(" ")
    }

    fn bounded(bound: i64, granularity: i64) -> EventTime {
        let strategy = Strategy::BoundedOutOfOrderness(bound);
        EventTime::new(WatermarkSpec { strategy, granularity, ..WatermarkSpec::default() })
    }

    #[test]
    fn watermarks_stand_between_the_same_records_however_frames_fall() {
        let times = [100, 103, 101, 130, 90, 131, 150, 151, 149, 180];
        let whole = {
            let (mut time, mut out) = (bounded(10, 20), Vec::new());
            time.records(SplitId(1), frame(&times), &mut out);
            render(&mut out)
        };
        assert_eq!(whole, "100 w89 103 101 130 w119 90 131 150 w139 151 149 180 w169");
        for size in 1..times.len() {
            let (mut time, mut out) = (bounded(10, 20), Vec::new());
            for part in times.chunks(size) {
                time.records(SplitId(1), frame(part), &mut out);
            }
            assert_eq!(render(&mut out), whole, "frames of {size}");
        }
    }

    #[test]
    fn the_slowest_split_counts_until_it_ends_or_falls_idle() {
        let (mut time, mut out) = (bounded(0, 1), Vec::new());
        time.spec.idleness = Some(Duration::from_millis(50));
        time.records(SplitId(1), frame(&[100]), &mut out);
        time.records(SplitId(2), frame(&[20, 30]), &mut out);
        time.records(SplitId(1), frame(&[200]), &mut out);
        // The second split came after the first had set the watermark: it does not go back.
        assert_eq!(render(&mut out), "100 w99 20 30 200");
        time.records(SplitId(2), frame(&[150]), &mut out);
        time.finished(SplitId(2), &mut out);
        assert_eq!(render(&mut out), "150 w149 w199");
        assert_eq!(wait(&mut time, 0, 40, &mut out), Some(Timestamp(50)));
        assert_eq!(wait(&mut time, 40, 50, &mut out), None);
        time.exhausted(&mut out);
        assert_eq!(render(&mut out), "idle wMAX");
    }

    /// Asks at each millisecond, and hears nothing.
    fn wait(time: &mut EventTime, from: i64, to: i64, out: &mut Vec<Message>) -> Option<Timestamp> {
        let mut next = None;
        for now in from..=to {
            time.tick(Timestamp(now));
            next = time.check_idle(Timestamp(now), out);
        }
        next
    }

    #[test]
    fn only_time_in_which_a_source_was_asked_counts_towards_idleness() {
        let (mut time, mut out) = (bounded(0, 1), Vec::new());
        time.spec.idleness = Some(Duration::from_millis(40));
        wait(&mut time, 0, 0, &mut out);
        time.records(SplitId(1), frame(&[100]), &mut out);
        time.records(SplitId(2), frame(&[20]), &mut out);
        out.clear();
        // Backpressure for a minute; then the machine sleeps for an hour.
        time.skip(Timestamp(60_000));
        assert_eq!(time.check_idle(Timestamp(60_000), &mut out), Some(Timestamp(60_010)));
        time.tick(Timestamp(3_600_000));
        assert_eq!(time.check_idle(Timestamp(3_600_000), &mut out), Some(Timestamp(3_600_010)));
        assert_eq!(render(&mut out), "");
        // Split 1 speaks, split 2 does not: that is what idleness is for.
        for turn in 1..=4 {
            time.tick(Timestamp(3_600_000 + turn * 10));
            time.records(SplitId(1), frame(&[100 + turn]), &mut out);
            time.check_idle(Timestamp(3_600_000 + turn * 10), &mut out);
        }
        assert_eq!(render(&mut out), "101 102 103 w102 104 w103");
    }

    #[test]
    fn a_source_with_nobody_left_to_speak_is_idle() {
        let patient = || {
            let mut time = bounded(0, 1);
            time.spec.idleness = Some(Duration::from_millis(40));
            time
        };
        // It never had a split.
        let (mut time, mut out) = (patient(), Vec::new());
        wait(&mut time, 0, 39, &mut out);
        assert_eq!(render(&mut out), "");
        assert_eq!(wait(&mut time, 40, 40, &mut out), None);
        assert_eq!(render(&mut out), "idle");
        wait(&mut time, 41, 200, &mut out);
        assert_eq!(render(&mut out), "");
        time.records(SplitId(1), frame(&[100]), &mut out);
        assert_eq!(render(&mut out), "100 w99");
        // Its last active split ends beside an idle one, and whoever heard that it is idle hears that it is not.
        let mut time = patient();
        wait(&mut time, 0, 0, &mut out);
        time.records(SplitId(1), frame(&[100]), &mut out);
        time.records(SplitId(2), frame(&[50]), &mut out);
        wait(&mut time, 1, 20, &mut out);
        time.records(SplitId(1), frame(&[110]), &mut out);
        wait(&mut time, 21, 40, &mut out);
        assert_eq!(render(&mut out), "100 w99 50 110 w109");
        time.finished(SplitId(1), &mut out);
        wait(&mut time, 41, 41, &mut out);
        assert_eq!(render(&mut out), "idle");
        time.records(SplitId(2), frame(&[60]), &mut out);
        assert_eq!(render(&mut out), "w109 60");
        // Without configured idleness it waits for ever, as in Flink.
        let mut time = bounded(0, 1);
        wait(&mut time, 0, 1_000, &mut out);
        assert_eq!(render(&mut out), "");
    }

    #[test]
    fn after_a_restart_what_was_said_is_said_again() {
        // Whoever merges watermarks begins anew: without the word of a source that had ended, it would wait for ever.
        let (mut ended, mut out) = (bounded(10, 20), Vec::new());
        ended.records(SplitId(1), frame(&[100]), &mut out);
        ended.exhausted(&mut out);
        assert_eq!(render(&mut out), "100 w89 wMAX");
        let mut again = bounded(10, 20);
        again.load(&ended.save(), true, |_| true).unwrap();
        assert_eq!(again.watermark(), Timestamp::MAX);
        again.resume(&mut out);
        again.resume(&mut out);
        assert_eq!(render(&mut out), "wMAX");

        // Of several instances the lowest counts, also if that is one which had not begun; and nothing lower leaves.
        let (fresh, mut begun) = (bounded(10, 20), bounded(10, 20));
        begun.records(SplitId(2), frame(&[500]), &mut out);
        out.clear();
        for instances in [[&fresh, &ended], [&ended, &fresh]] {
            let mut again = bounded(10, 20);
            instances.iter().for_each(|of| again.load(&of.save(), true, |_| false).unwrap());
            assert_eq!(again.watermark(), Timestamp::MIN);
        }
        let mut again = bounded(10, 20);
        [&ended, &begun].iter().for_each(|of| again.load(&of.save(), true, |_| false).unwrap());
        again.records(SplitId(3), frame(&[100, 600]), &mut out);
        assert_eq!(render(&mut out), "100 w489 600 w589");
    }

    #[test]
    fn a_restored_split_does_not_let_the_watermark_pass_those_that_come_before_it() {
        // Two instances read splits 1, 3, … and 2, 4, …; the second is far ahead. Then one instance has them all.
        let (mut slow, mut fast, mut out) = (bounded(10, 1), bounded(10, 1), Vec::new());
        slow.records(SplitId(1), frame(&[100]), &mut out);
        fast.records(SplitId(4), frame(&[400]), &mut out);
        out.clear();
        let mut again = bounded(10, 1);
        [&slow, &fast].iter().for_each(|of| again.load(&of.save(), true, |_| true).unwrap());
        again.records(SplitId(1), frame(&[110]), &mut out);
        again.finished(SplitId(1), &mut out);
        for (split, time) in [(2, 200), (3, 300)] {
            again.records(SplitId(split), frame(&[time]), &mut out);
            again.finished(SplitId(split), &mut out);
        }
        again.records(SplitId(4), frame(&[410]), &mut out);
        assert_eq!(render(&mut out), "110 w99 200 w189 300 w289 410 w399");
    }

    #[test]
    fn a_restart_goes_on_where_it_stopped() {
        let (mut time, mut out) = (bounded(10, 20), Vec::new());
        time.records(SplitId(1), frame(&[100, 103, 101]), &mut out);
        let saved = time.save();
        let mut again = bounded(10, 20);
        again.load(&saved, true, |_| true).unwrap();
        let mut after = Vec::new();
        for time in [&mut time, &mut again] {
            time.records(SplitId(1), frame(&[110, 119, 120, 121]), &mut after);
        }
        assert_eq!(render(&mut after), "110 119 120 w109 121 110 119 120 w109 121");
        assert!(again.load(&saved[..saved.len() - 1], true, |_| true).unwrap_err().to_string().contains("cut short"));
    }
}
