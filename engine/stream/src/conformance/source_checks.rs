//! What is checked of a source: one run without failures, to which all others are compared split by split.

use std::time::Duration;

use yeoul_operator::MakeSource;

use super::compare::{counted, is_in_order, without};
use super::readers::{Clock, Noted, Readers, Seen};
use super::{Rule, Violation, garbage};
use crate::StateRecord;

/// At how many polls of a run snapshots are restored, at most: spread over all of it.
const CUTS: usize = 60;
/// The parallelisms between which a source is moved.
const PARALLELISMS: [u16; 3] = [1, 2, 4];

/// The checks of one source.
pub(super) struct Checks<T> {
    pub(super) make: Box<dyn Fn() -> MakeSource>,
    pub(super) limit: Option<u16>,
    pub(super) expected: Vec<T>,
    pub(super) errors: usize,
    pub(super) ends: bool,
    pub(super) patience: Duration,
    pub(super) clock: Clock,
}

impl<T: StateRecord + Clone + PartialEq + std::fmt::Debug> Checks<T> {
    pub(super) fn run(&self) -> Result<(), Violation> {
        let place = "without a failure, on 1 instance";
        let (whole, polls) = self.reference().map_err(|violation| violation.at(place))?;
        for parallelism in PARALLELISMS {
            self.undisturbed(parallelism, &whole)?;
            self.with_snapshots(parallelism, &whole)?;
        }
        for cut in (0..=polls).step_by((polls / CUTS).max(1)) {
            for parallelism in PARALLELISMS {
                self.cut(cut, &[parallelism, parallelism], &whole, Rule::RestoreGoesOn)?;
            }
            self.cut(cut, &[1, 2, 4, 1], &whole, Rule::RestoreGoesOn)?;
            self.cut(cut, &[4, 1, 2, 3], &whole, Rule::RestoreGoesOn)?;
            self.noted_again(cut, &whole)?;
        }
        let make = (self.make)();
        for cut in [0, polls / 2, polls] {
            let mut readers = self.open(&make, 1, &Noted::new())?;
            let mut seen = Seen::default();
            self.polls(&mut readers, cut, &mut seen)?;
            garbage::check(&make, &readers.snapshot(1)?)?;
        }
        Ok(())
    }

    fn open(&self, make: &MakeSource, parallelism: u16, noted: &Noted) -> Result<Readers, Violation> {
        Readers::open(make, self.limit, parallelism, noted, &self.clock, self.patience)
    }

    /// Whether a source that never ends may be left to wait. One that gives too much is stopped, to be told so.
    fn may_rest(&self, seen: &Seen<T>) -> bool {
        !self.ends && seen.count() >= self.expected.len() && seen.errors >= self.errors
    }

    /// At most so many polls.
    fn polls(&self, readers: &mut Readers, polls: usize, seen: &mut Seen<T>) -> Result<usize, Violation> {
        for at in 0..polls {
            if !readers.step(seen, |seen| self.may_rest(seen))? {
                return Ok(at);
            }
            self.not_too_many(seen)?;
        }
        Ok(polls)
    }

    fn to_the_end(&self, readers: &mut Readers, seen: &mut Seen<T>) -> Result<usize, Violation> {
        let polls = self.polls(readers, usize::MAX, seen)?;
        if self.ends {
            readers.poll_after_the_end(seen)?;
        }
        Ok(polls)
    }

    /// A source that begins anew again and again would not end.
    fn not_too_many(&self, seen: &Seen<T>) -> Result<(), Violation> {
        let most = 2 * self.expected.len() + 100;
        if seen.count() <= most {
            return Ok(());
        }
        let what = format!("it gives more than {most} records, where {} are expected", self.expected.len());
        Err(Violation::new(Rule::EveryRecordOnce, what))
    }

    /// The run to which others are compared, itself compared with what the program expects; and its polls.
    fn reference(&self) -> Result<(Seen<T>, usize), Violation> {
        let mut whole = Seen::default();
        let mut readers = self.open(&(self.make)(), 1, &Noted::new())?;
        let polls = self.to_the_end(&mut readers, &mut whole)?;
        let all: Vec<T> = whole.splits.values().flatten().cloned().collect();
        let report = |records: &[T], how: &str| {
            let are = if records.len() == 1 { "is" } else { "are" };
            let what = format!("{} {are} {how}, the first is {:?}", counted(records.len(), "record"), records[0]);
            Err(Violation::new(Rule::EveryRecordOnce, what))
        };
        let missing = without(&self.expected, &all);
        if !missing.is_empty() {
            return report(&missing, "missing");
        }
        let extra = without(&all, &self.expected);
        if !extra.is_empty() {
            return report(&extra, "too many");
        }
        if let Some((split, records)) = whole.splits.iter().find(|(_, of)| !is_in_order(of, &self.expected)) {
            let what = format!("split {} gives {records:?}, which is not the order expected", split.0);
            return Err(Violation::new(Rule::SplitOrder, what));
        }
        if whole.errors != self.errors {
            let what = format!("{} came to the error output, and not {}", counted(whole.errors, "row"), self.errors);
            return Err(Violation::new(Rule::ErrorsOnce, what));
        }
        whole.fallen.clone().map_or(Ok((whole, polls)), Err)
    }

    fn undisturbed(&self, parallelism: u16, whole: &Seen<T>) -> Result<(), Violation> {
        let place = format!("without a failure, on {}", counted(usize::from(parallelism), "instance"));
        let run = || {
            let mut seen = Seen::default();
            self.to_the_end(&mut self.open(&(self.make)(), parallelism, &Noted::new())?, &mut seen)?;
            same(&seen, whole, Rule::EveryRecordOnce)
        };
        run().map_err(|violation| violation.at(&place))
    }

    /// Goes on after a snapshot at each poll.
    fn with_snapshots(&self, parallelism: u16, whole: &Seen<T>) -> Result<(), Violation> {
        let place = format!("with a snapshot after each poll, on {}", counted(usize::from(parallelism), "instance"));
        let run = || {
            let mut seen = Seen::default();
            let mut readers = self.open(&(self.make)(), parallelism, &Noted::new())?;
            readers.snapshot(1)?;
            let mut epoch = 1;
            while self.polls(&mut readers, 1, &mut seen)? > 0 {
                epoch += 1;
                readers.snapshot(epoch)?;
            }
            same(&seen, whole, Rule::SnapshotIsSilent)
        };
        run().map_err(|violation| violation.at(&place))
    }

    /// So many polls at each parallelism but the last, each time a snapshot, some polls that are lost, a crash and a restore.
    fn cut(&self, cut: usize, parallelisms: &[u16], whole: &Seen<T>, rule: Rule) -> Result<(), Violation> {
        let shown: Vec<_> = parallelisms.iter().map(u16::to_string).collect();
        let place = format!("with a crash after {} each, on {} instances", counted(cut, "poll"), shown.join(", then "));
        let run = || {
            let make = (self.make)();
            let (mut seen, mut noted) = (Seen::default(), Noted::new());
            let (last, before) = parallelisms.split_last().expect("a run has a parallelism");
            for (epoch, parallelism) in (1..).zip(before) {
                let mut readers = self.open(&make, *parallelism, &noted)?;
                self.polls(&mut readers, cut, &mut seen)?;
                noted = readers.snapshot(epoch)?;
                self.polls(&mut readers, usize::from(*parallelism), &mut seen.clone())?;
            }
            self.to_the_end(&mut self.open(&make, *last, &noted)?, &mut seen)?;
            same(&seen, whole, rule)
        };
        run().map_err(|violation| violation.at(&place))
    }

    /// A restored source is asked for its positions before it has read anything.
    fn noted_again(&self, cut: usize, whole: &Seen<T>) -> Result<(), Violation> {
        let place = format!("after {}, noted, restored, noted and restored", counted(cut, "poll"));
        let run = || {
            let make = (self.make)();
            let mut seen = Seen::default();
            let mut readers = self.open(&make, 2, &Noted::new())?;
            self.polls(&mut readers, cut, &mut seen)?;
            let noted = readers.snapshot(1)?;
            let again = self.open(&make, 3, &noted)?.snapshot(2)?;
            self.to_the_end(&mut self.open(&make, 2, &again)?, &mut seen)?;
            same(&seen, whole, Rule::PositionsSurvive)
        };
        run().map_err(|violation| violation.at(&place))
    }
}

/// Whether a run gave what the one without failures did.
fn same<T: PartialEq + std::fmt::Debug>(seen: &Seen<T>, whole: &Seen<T>, rule: Rule) -> Result<(), Violation> {
    let none = Vec::new();
    for split in whole.splits.keys().chain(seen.splits.keys()) {
        let came = seen.splits.get(split).unwrap_or(&none);
        let wanted = whole.splits.get(split).unwrap_or(&none);
        let alike = came.iter().zip(wanted).take_while(|(came, wanted)| came == wanted).count();
        let what = match (came.get(alike), wanted.get(alike)) {
            (None, None) => continue,
            (None, Some(lost)) => format!("split {} ends before {lost:?}, its record {alike}, which is lost", split.0),
            (Some(next), None) => format!("split {} gives {next:?} after its last record", split.0),
            (Some(next), Some(lost)) if wanted[..alike].contains(next) => {
                format!("split {} gives {next:?} again where {lost:?}, its record {alike}, is to come", split.0)
            }
            (Some(next), Some(lost)) => {
                format!("split {} gives {next:?} where {lost:?}, its record {alike}, is to come", split.0)
            }
        };
        return Err(Violation::new(rule, what));
    }
    if seen.errors != whole.errors {
        let what = format!("{} came to the error output, and not {}", counted(seen.errors, "row"), whole.errors);
        return Err(Violation::new(Rule::ErrorsOnce, what));
    }
    seen.fallen.clone().map_or(Ok(()), Err)
}
