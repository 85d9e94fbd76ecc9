//! What is checked of a sink: which epochs are visible after each step, through crashes at and within each.

use yeoul_frame::{Epoch, RowKind};
use yeoul_operator::{Services, SinkSpec};

use super::compare::{counted, without};
use super::faults::failing_after;
use super::rule::guard;
use super::sink_job::{Log, Run, Stop};
use super::{Rule, Violation};
use crate::StateRecord;

/// Epochs of a job.
const EPOCHS: u64 = 6;
/// The epoch in which nobody writes.
const SILENT: u64 = 3;
/// On how many shards the runs of a job are, one after another.
const SHARDS: [u16; 4] = [1, 2, 4, 1];
/// Calls of a job that are made to fail, at most.
const INTERRUPTS: u64 = 5_000;
/// Epochs of a job in which they do: those after it are as those before.
const INTERRUPTED: u64 = 4;
const _: () = assert!(SILENT < INTERRUPTED && INTERRUPTED <= EPOCHS, "the silent epoch is interrupted too");

/// The checks of one sink.
pub(super) struct Checks<T, S: SinkSpec> {
    pub(super) fresh: Box<dyn Fn() -> T>,
    pub(super) sink: Box<dyn Fn(&T) -> S>,
    pub(super) visible: Box<dyn Fn(&T) -> Vec<S::In>>,
    pub(super) interrupt: Option<Box<dyn Fn(&T, u64)>>,
    pub(super) rows: Vec<(RowKind, S::In)>,
    pub(super) key: Option<Box<dyn Fn(&S::In) -> u64>>,
    pub(super) table: Option<Vec<S::In>>,
    pub(super) settles: bool,
    pub(super) services: Services,
}

/// Where a job crashes, in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    BeforeSeal,
    BeforeCommit,
    BeforeDelivery,
    AfterDelivery,
}

impl Crash {
    const ALL: [Self; 4] = [Self::BeforeSeal, Self::BeforeCommit, Self::BeforeDelivery, Self::AfterDelivery];

    fn place(self) -> &'static str {
        match self {
            Self::BeforeSeal => "before it was sealed",
            Self::BeforeCommit => "after it was sealed and before it was committed",
            Self::BeforeDelivery => "after it was committed and before it was delivered",
            Self::AfterDelivery => "right after it was delivered",
        }
    }
}

impl<T, S> Checks<T, S>
where
    S: SinkSpec<In: StateRecord + Clone + PartialEq + std::fmt::Debug>,
{
    pub(super) fn run(&self) -> Result<(), Violation> {
        let services = failing_after(u64::MAX, &self.services);
        for shards in SHARDS {
            let place = format!("without a failure, on {}", counted(usize::from(shards), "shard"));
            let job = Job { checks: self, target: (self.fresh)(), services: &services, log: Log::new() };
            job.through(&[shards], None).map_err(|stop| stop.unprovoked().at(&place))?;
        }
        for epoch in 1..=EPOCHS {
            for crash in Crash::ALL {
                for again in [false, true] {
                    let twice = if again { ", twice" } else { "" };
                    let place = format!("with a crash in epoch {epoch}, {}{twice}", crash.place());
                    let job = Job { checks: self, target: (self.fresh)(), services: &services, log: Log::new() };
                    job.through(&SHARDS, Some((epoch, crash, again))).map_err(|stop| stop.unprovoked().at(&place))?;
                }
            }
        }
        self.interrupted("a call of its files", |_, _| (), |calls| failing_after(calls, &self.services))?;
        match &self.interrupt {
            Some(interrupt) => {
                self.interrupted("an operation of the target", interrupt, |_| failing_after(u64::MAX, &self.services))
            }
            None => Ok(()),
        }
    }

    /// Has one call after another be the last before a crash.
    fn interrupted(
        &self,
        what: &str,
        arm: impl Fn(&T, u64),
        services: impl Fn(u64) -> Services,
    ) -> Result<(), Violation> {
        for shards in [[1, 2], [2, 1]] {
            for calls in 0..INTERRUPTS {
                let place = format!("with a crash at {what}, after {} of them", counted(calls as usize, "such call"));
                let target = (self.fresh)();
                arm(&target, calls);
                let failing = services(calls);
                let job = Job { checks: self, target, services: &failing, log: Log::new() };
                let ended = job.until_interrupted(shards, |target| arm(target, u64::MAX));
                if ended.map_err(|stop| stop.unprovoked().at(&place))? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The rows of an epoch.
    pub(super) fn epoch(&self, epoch: u64) -> &[(RowKind, S::In)] {
        // The silent epoch's share goes to the one before it.
        let bound = |epoch: u64| {
            let shares = if epoch >= SILENT { epoch.max(SILENT) - 1 } else { epoch };
            self.rows.len() * shares as usize / (EPOCHS - 1) as usize
        };
        if epoch == SILENT { &[] } else { &self.rows[bound(epoch - 1)..bound(epoch)] }
    }

    /// The records of the epochs up to this one.
    fn upto(&self, epoch: u64) -> Vec<S::In> {
        (1..=epoch).flat_map(|epoch| self.epoch(epoch)).map(|(_, record)| record.clone()).collect()
    }

    /// Whether what is visible are the whole epochs up to one of these, and nothing else.
    fn check_visible(&self, target: &T, least: u64, most: u64) -> Result<(), Violation> {
        if self.table.is_some() {
            return Ok(());
        }
        let visible = guard("reading the target back", || (self.visible)(target))?;
        let extra = without(&visible, &self.upto(most));
        if let Some(first) = extra.first() {
            let later = self.upto(EPOCHS);
            let is_later = without(&extra, &without(&later, &self.upto(most))).is_empty();
            let rule = if is_later { Rule::NothingUncommitted } else { Rule::EpochsOnce };
            let what = format!(
                "with epoch {most} the last that may be visible, {} too many {} seen, the first is {first:?}",
                counted(extra.len(), "record"),
                if extra.len() == 1 { "is" } else { "are" }
            );
            return Err(Violation::new(rule, what));
        }
        let missing = without(&self.upto(least), &visible);
        if let Some(first) = missing.first() {
            let lost: Vec<_> = (1..=least).filter(|epoch| !without(&self.upto(*epoch), &visible).is_empty()).collect();
            let what = format!("of epoch {}, {first:?} cannot be seen, though it was delivered", lost[0]);
            return Err(Violation::new(Rule::NothingLost, what));
        }
        if (least..=most).all(|epoch| self.upto(epoch).len() != visible.len()) {
            let what = format!(
                "{} of epoch {most} can be seen, of {}",
                counted(visible.len() - self.upto(most - 1).len(), "record"),
                self.epoch(most).len()
            );
            return Err(Violation::new(Rule::EpochsInWhole, what));
        }
        Ok(())
    }

    /// Whether a marker can be true. One that is too low is: a target may know by itself what it has, if it is delivered again.
    pub(super) fn check_marker(&self, marker: Epoch, log: &Log) -> Result<(), Violation> {
        if marker.0 <= log.committed {
            return Ok(());
        }
        let what =
            format!("recover answers epoch {}, and epoch {} is the last that was committed", marker.0, log.committed);
        Err(Violation::new(Rule::MarkerIsTrue, what))
    }

    fn check_table(&self, target: &T) -> Result<(), Violation> {
        let Some(table) = &self.table else { return Ok(()) };
        let visible = guard("reading the target back", || (self.visible)(target))?;
        let (missing, extra) = (without(table, &visible), without(&visible, table));
        if missing.is_empty() && extra.is_empty() {
            return Ok(());
        }
        let what = format!("at the end {missing:?} is not there, and {extra:?} is instead");
        Err(Violation::new(Rule::FinalTable, what))
    }
}

/// A job over its runs.
struct Job<'a, T, S: SinkSpec> {
    checks: &'a Checks<T, S>,
    target: T,
    services: &'a Services,
    log: Log,
}

impl<T, S> Job<'_, T, S>
where
    S: SinkSpec<In: StateRecord + Clone + PartialEq + std::fmt::Debug>,
{
    /// Runs to the end, on these shards one run after another; crashes where it is told to.
    fn through(mut self, shards: &[u16], crash: Option<(u64, Crash, bool)>) -> Result<(), Stop> {
        let mut turns = shards.iter().cycle();
        let mut turn = || *turns.next().expect("there is a number of shards");
        let mut run = self.start(turn())?;
        let mut crashes = crash.map_or(0, |(_, _, again)| 1 + u8::from(again));
        while self.log.committed < EPOCHS {
            let here = crash.filter(|(epoch, ..)| crashes > 0 && *epoch == self.log.committed + 1);
            let Some((_, crash, _)) = here else {
                self.epoch(&mut run, None)?;
                continue;
            };
            let epoch = self.log.committed + 1;
            loop {
                crashes -= 1;
                if self.log.committed < epoch {
                    self.epoch(&mut run, Some(crash))?;
                }
                drop(run);
                run = self.start(turn())?;
                if crashes == 0 {
                    break;
                }
            }
        }
        self.end(&mut run)
    }

    /// Runs until a call fails, which is a crash; then, with nothing in its way, to the end. Whether no call failed.
    fn until_interrupted(mut self, shards: [u16; 2], disarm: impl Fn(&T)) -> Result<bool, Stop> {
        let interrupted = self.run_through(shards[0]);
        disarm(&self.target);
        match interrupted {
            Ok(()) => return Ok(true),
            Err(Stop::Broken(violation)) => return Err(Stop::Broken(violation)),
            Err(Stop::Failed(_)) => {}
        }
        if !self.checks.settles {
            self.checks.check_visible(&self.target, self.log.delivered, self.log.committed)?;
        }
        let services = failing_after(u64::MAX, &self.checks.services);
        let rest = Job { checks: self.checks, target: self.target, services: &services, log: self.log };
        rest.through(&[shards[1], 4], None)?;
        Ok(false)
    }

    fn run_through(&mut self, shards: u16) -> Result<(), Stop> {
        let mut run = self.start(shards)?;
        while self.log.committed < INTERRUPTED {
            self.epoch(&mut run, None)?;
        }
        Ok(())
    }

    fn end(&mut self, run: &mut Run) -> Result<(), Stop> {
        run.finish()?;
        self.visible(EPOCHS, EPOCHS, "at the end")?;
        Ok(self.checks.check_table(&self.target)?)
    }

    /// A run begins: all that was committed is visible then, and no more.
    fn start(&mut self, shards: u16) -> Result<Run, Stop> {
        let committed = self.log.committed;
        // A run that crashes right after it has recovered leaves the target as it was to be.
        let marker = Run::only_recover(self.checks, &self.target, self.services, &self.log)?;
        self.checks.check_marker(marker, &self.log)?;
        if !self.checks.settles {
            self.visible(marker.0, committed, "after recover alone").map_err(|violation| {
                if violation.rule() == Rule::NothingLost {
                    let what = format!("recover answers epoch {}, and it is not there: {violation}", marker.0);
                    return Violation::new(Rule::MarkerIsTrue, what);
                }
                violation
            })?;
        }
        let run = Run::start(self.checks, &self.target, self.services, shards, &mut self.log)?;
        self.visible(committed, committed, "after recovery")?;
        Ok(run)
    }

    /// One epoch, up to where it crashes.
    fn epoch(&mut self, run: &mut Run, crash: Option<Crash>) -> Result<(), Stop> {
        let before = self.log.committed;
        let epoch = before + 1;
        run.write(self.checks, epoch)?;
        self.visible(before, before, &format!("after records of epoch {epoch} were written"))?;
        if crash == Some(Crash::BeforeSeal) {
            return Ok(());
        }
        let sealed = run.seal(epoch)?;
        self.visible(before, before, &format!("after epoch {epoch} was sealed"))?;
        if crash == Some(Crash::BeforeCommit) {
            return Ok(());
        }
        sealed.commit(&mut self.log);
        if crash == Some(Crash::BeforeDelivery) {
            return Ok(());
        }
        run.deliver(&mut self.log)?;
        self.visible(epoch, epoch, &format!("after epoch {epoch} was delivered"))?;
        run.deliver(&mut self.log)?;
        let again = self.visible(epoch, epoch, &format!("after epoch {epoch} was delivered again"));
        Ok(again.map_err(|violation| Violation::new(Rule::DeliverAgain, violation.to_string()))?)
    }

    fn visible(&self, least: u64, most: u64, place: &str) -> Result<(), Violation> {
        self.checks.check_visible(&self.target, least, most).map_err(|violation| violation.at(place))
    }
}
