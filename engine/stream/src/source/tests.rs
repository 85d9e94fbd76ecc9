//! What the layer does with splits beyond what any source must: lists that change, few at once, idleness, bytes of others.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use yeoul_frame::{Epoch, KeyGroups, OperatorId, Pool, Timestamp};
use yeoul_operator::source::SourceItem;
use yeoul_operator::{
    Counters, OpenContext, OperatorError, Services, Snapshot, Source, SourceContext, SourcePoll, SourceSpec, SplitId,
    Subtask, Waker,
};

use super::{ReadStatus, ReaderContext, SplitOutput, SplitReader, SplitSource};

/// Splits of ten numbers each, three of them a turn; what there is changes under it.
#[derive(Clone)]
struct Tens {
    listed: Arc<Mutex<Vec<u64>>>,
    every: Option<Duration>,
    at_once: usize,
    idles: bool,
}

impl Tens {
    fn of(splits: &[u64]) -> Self {
        let listed = Arc::new(Mutex::new(splits.to_vec()));
        Self { listed, every: None, at_once: usize::MAX, idles: false }
    }

    fn list(&self, splits: &[u64]) {
        *self.listed.lock().unwrap() = splits.to_vec();
    }
}

impl SplitSource for Tens {
    type Split = u64;
    type Reader = Ten;

    fn splits(&self, _: &ReaderContext) -> Result<Vec<u64>, OperatorError> {
        Ok(self.listed.lock().unwrap().clone())
    }

    fn id(&self, split: &u64) -> SplitId {
        SplitId(split % 100)
    }

    fn open(&self, split: &u64, from: Option<u64>, _: &ReaderContext) -> Result<Ten, OperatorError> {
        Ok(Ten { first: split * 10, read: from.unwrap_or(0), idles: self.idles })
    }

    fn discover_every(&self) -> Option<Duration> {
        self.every
    }

    fn at_once(&self) -> usize {
        self.at_once
    }
}

struct Ten {
    first: u64,
    read: u64,
    idles: bool,
}

impl SplitReader for Ten {
    type Out = u64;
    type Error = ();
    type Position = u64;

    fn read(&mut self, out: &mut SplitOutput<u64>) -> Result<ReadStatus, OperatorError> {
        for _ in 0..3 {
            if self.read == 10 && self.idles {
                out.idle();
                return Ok(ReadStatus::Pending { until: Some(out.now().plus(50)) });
            }
            if self.read == 10 {
                return Ok(ReadStatus::End);
            }
            out.collect_at(self.first + self.read, Timestamp(self.read as i64));
            self.read += 1;
        }
        out.watermark(Timestamp(self.read as i64 - 1));
        Ok(ReadStatus::More)
    }

    fn position(&self) -> u64 {
        self.read
    }
}

/// One instance, alone.
struct Driven {
    source: Box<dyn Source>,
    pool: Pool,
    now: Timestamp,
    counters: Counters,
}

const ALONE: Subtask = Subtask { index: 0, parallelism: 1 };

impl Driven {
    fn open(spec: &impl SourceSpec, noted: Option<&[u8]>) -> Result<Self, OperatorError> {
        let (mut source, pool) = (spec.make()(), Pool::new());
        source.open(&mut OpenContext {
            operator: OperatorId::of("tens"),
            name: "tens",
            subtask: ALONE,
            key_groups: KeyGroups::DEFAULT,
            services: &Services::default(),
            pool: &pool,
            counters: Arc::default(),
            waker: Waker::default(),
        })?;
        if let Some(noted) = noted {
            source.restore("splits", ALONE, noted)?;
        }
        Ok(Self { source, pool, now: Timestamp(0), counters: Counters::default() })
    }

    /// What one poll says: numbers, `w` and the watermark, `begin-` and `end-` and the split; then how it stands.
    fn poll(&mut self) -> Result<String, OperatorError> {
        let mut items = Vec::new();
        let poll = self.source.poll(&mut SourceContext::new(&mut items, self.now, &self.pool, &self.counters))?;
        let mut said: Vec<String> = Vec::new();
        for item in items {
            match item {
                SourceItem::Records(_, frame) => {
                    said.extend(frame.rows::<u64>().iter().map(|(_, number)| number.to_string()));
                }
                SourceItem::Watermark(split, Timestamp::MIN) => said.push(format!("begin-{}", split.0)),
                SourceItem::Watermark(_, at) => said.push(format!("w{}", at.0)),
                SourceItem::Idle(split) => said.push(format!("idle-{}", split.0)),
                SourceItem::Finished(split) => said.push(format!("end-{}", split.0)),
                SourceItem::Side(..) => said.push("side".to_owned()),
            }
        }
        said.push(match poll {
            SourcePoll::Ready => "more".to_owned(),
            SourcePoll::Pending { until: None } => "waits".to_owned(),
            SourcePoll::Pending { until: Some(until) } => format!("until {}", until.0),
            SourcePoll::End => "over".to_owned(),
        });
        Ok(said.join(" "))
    }

    /// The tens that came until it waits or is over, in the order in which they were begun, and how it stands.
    fn tens(&mut self) -> (Vec<u64>, String) {
        let mut tens = Vec::new();
        let mut seen = BTreeSet::new();
        loop {
            let said = self.poll().unwrap();
            // What stands alone is a number that came, but for the time up to which it waits.
            let numbers = said.split("until").next().unwrap_or_default();
            for number in numbers.split(' ').filter_map(|word| word.parse::<u64>().ok()) {
                assert!(seen.insert(number), "{number} came twice");
                if !tens.contains(&(number / 10)) {
                    tens.push(number / 10);
                }
            }
            if !said.ends_with("more") {
                assert_eq!(seen.len(), 10 * tens.len(), "splits are read to their ends");
                return (tens, said);
            }
        }
    }

    fn snapshot(&mut self) -> Vec<u8> {
        let (mut states, mut sealed) = (Vec::new(), Vec::new());
        self.source.snapshot(&mut Snapshot::new(Epoch(1), OperatorId::of("tens"), &mut states, &mut sealed)).unwrap();
        states.remove(0).2
    }
}

#[test]
fn splits_have_their_turns_and_their_watermarks() {
    let mut driven = Driven::open(&Tens::of(&[1, 2]).into_source(), None).unwrap();
    let said: Vec<_> = (0..9).map(|_| driven.poll().unwrap()).collect();
    let expected = [
        "begin-1 begin-2 10 11 12 w2 more",
        "20 21 22 w2 more",
        "13 14 15 w5 more",
        "23 24 25 w5 more",
        "16 17 18 w8 more",
        "26 27 28 w8 more",
        "19 end-1 more",
        "29 end-2 more",
        "over",
    ];
    assert_eq!(said, expected);
}

#[test]
fn few_at_once_are_read_in_the_order_of_the_list() {
    for (at_once, order) in
        [(1, "begin-1 10 11 12 w2 more|13 14 15 w5 more"), (2, "begin-1 begin-3 10 11 12 w2 more|30 31 32 w2 more")]
    {
        let tens = Tens { at_once, ..Tens::of(&[1, 3, 2]) };
        let mut driven = Driven::open(&tens.clone().into_source(), None).unwrap();
        assert_eq!(format!("{}|{}", driven.poll().unwrap(), driven.poll().unwrap()), order);
        // After a restart those that were begun come first, and are not begun again; then the others, in the order of the list.
        let noted = driven.snapshot();
        let (mut again, mut order) = (Driven::open(&tens.clone().into_source(), Some(&noted)).unwrap(), String::new());
        while !order.ends_with("over") {
            order = format!("{order} {}", again.poll().unwrap());
        }
        let begun = |order: &str| {
            let words = order.split(' ').filter_map(|word| word.strip_prefix("begin-"));
            words.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(begun(&order), if at_once == 1 { vec!["3", "2"] } else { vec!["2"] }, "{order}");
        let expected = if at_once == 1 { " 16 17 18 w8 more" } else { " 13 14 15 w5 more 33 34 35 w5 more" };
        assert!(order.starts_with(expected), "{order}");
        assert!(!order.contains("10 11") && order.contains("20 21"), "{order}");
    }
}

#[test]
fn a_list_that_changes_is_asked_for_again() {
    let tens = Tens { every: Some(Duration::from_millis(100)), ..Tens::of(&[1]) };
    let mut driven = Driven::open(&tens.clone().into_source(), None).unwrap();
    assert_eq!(driven.tens(), (vec![1], "until 100".to_owned()));
    tens.list(&[1, 2]);
    assert_eq!(driven.poll().unwrap(), "until 100");
    driven.now = Timestamp(100);
    assert_eq!(driven.tens(), (vec![2], "until 200".to_owned()));
    // What has ended and is listed is not begun again, restarts included.
    driven.now = Timestamp(200);
    assert_eq!(driven.tens(), (vec![], "until 300".to_owned()));
    let mut again = Driven::open(&tens.clone().into_source(), Some(&driven.snapshot())).unwrap();
    assert_eq!(again.tens(), (vec![], "until 100".to_owned()));
    // What was forgotten is new.
    let before = again.snapshot().len();
    tens.list(&[2]);
    again.now = Timestamp(100);
    assert_eq!(again.tens(), (vec![], "until 200".to_owned()));
    assert!(again.snapshot().len() < before, "a split that ended and is gone takes no room");
    tens.list(&[1, 2]);
    again.now = Timestamp(200);
    assert_eq!(again.tens(), (vec![1], "until 300".to_owned()));
}

#[test]
fn idleness_is_said_once() {
    let mut driven = Driven::open(&Tens { idles: true, ..Tens::of(&[1]) }.into_source(), None).unwrap();
    let said: Vec<_> = (0..6).map(|_| driven.poll().unwrap()).collect();
    assert_eq!(said[2..], ["16 17 18 w8 more", "19 idle-1 more", "until 50", "until 50"]);

    // A split that falls idle does not end the turn before the others were asked.
    let mut driven = Driven::open(&Tens { idles: true, ..Tens::of(&[1, 2]) }.into_source(), None).unwrap();
    let said: Vec<_> = (0..9).map(|_| driven.poll().unwrap()).collect();
    assert_eq!(said[5..], ["26 27 28 w8 more", "19 idle-1 more", "29 idle-2 more", "until 50"]);
}

#[test]
fn a_rate_is_kept() {
    let source = super::NumberSequence::new(0..).rate(1_000);
    let mut driven = Driven::open(&source, None).unwrap();
    let mut count = 0;
    while driven.now < Timestamp(2_000) {
        let said = driven.poll().unwrap();
        count += said.split(' ').filter(|word| word.parse::<u64>().is_ok() && !said.starts_with("until")).count();
        if let Some(until) = said.strip_prefix("until ") {
            driven.now = Timestamp(until.parse().unwrap());
        }
    }
    assert!((1_980..=2_001).contains(&count), "{count}");
}

#[test]
fn what_is_wrong_with_a_list_or_a_snapshot_is_said() {
    fn check(error: &OperatorError, shown: &str) {
        assert!(error.to_string().contains(shown) && error.is_permanent(), "{error}");
    }
    for (splits, shown) in [([7, 7], "lists one split twice: 7"), ([7, 107], "lists two splits of one id: 7")] {
        let mut driven = Driven::open(&Tens::of(&splits).into_source(), None).unwrap();
        check(&driven.poll().unwrap_err(), shown);
    }
    let mut driven = Driven::open(&super::NumberSequence::new(0..9).splits(2), None).unwrap();
    driven.poll().unwrap();
    let noted = driven.snapshot();
    let dealt_anew = super::NumberSequence::new(0..9).splits(3);
    let mut driven = Driven::open(&dealt_anew, Some(&noted)).unwrap();
    check(&driven.poll().unwrap_err(), "dealt over 2 splits, and now they are 3");
    // Eight bytes are a pair of numbers there, and a number here.
    let error = Driven::open(&Tens::of(&[1]).into_source(), Some(&noted)).err().unwrap();
    check(&error, "noted split 0, which is not its own, or has another id now");
}
