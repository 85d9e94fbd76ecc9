//! The conformance test of sinks: what is written, where it is read back, and which guarantee is checked.

use yeoul_frame::RowKind;
use yeoul_operator::{Services, SinkSpec};

use super::Violation;
use super::sink_checks::Checks;
use crate::StateRecord;

/// Checks that a sink shows what was committed, once: through crashes before and after each of its steps, and in the middle of each.
///
/// It writes a few epochs, one of them empty, at changing parallelism, and reads back what is visible after each step. Three things come
/// from the program: a fresh target, a sink into it (also after a crash, when the target holds what it held), and what everyone sees of it.
///
/// A crash in the middle of a step is a call that fails, and all after it. Calls of the job's files
/// ([`Services`]) fail by themselves, one after another; for a target of another kind
/// [`interrupted_by`](Self::interrupted_by) says how it fails. These are crashes of the process, not of the machine: what was written and
/// not synced is still there.
///
/// ```
/// use yeoul_stream::collect;
/// use yeoul_stream::conformance::SinkConformance;
/// # use std::cell::RefCell;
///
/// // `take` takes away what it shows, so what was seen is kept.
/// let fresh = || (collect::<u64>(), RefCell::new(Vec::new()));
/// SinkConformance::of(fresh, |((sink, _), _)| sink.clone(), |((_, collected), seen)| {
///     seen.borrow_mut().extend(collected.take());
///     seen.borrow().clone()
/// })
/// .writing(0..50)
/// .run()?;
/// # Ok::<_, yeoul_stream::conformance::Violation>(())
/// ```
pub struct SinkConformance<T, S: SinkSpec> {
    checks: Checks<T, S>,
}

impl<T, S> SinkConformance<T, S>
where
    S: SinkSpec<In: StateRecord + Clone + PartialEq + std::fmt::Debug>,
{
    /// Checks the sink that `sink` gives for a target that `fresh` gives; `visible` is what anyone may read of the target, in any order.
    #[must_use]
    pub fn of(
        fresh: impl Fn() -> T + 'static,
        sink: impl Fn(&T) -> S + 'static,
        visible: impl Fn(&T) -> Vec<S::In> + 'static,
    ) -> Self {
        let checks = Checks {
            fresh: Box::new(fresh),
            sink: Box::new(sink),
            visible: Box::new(visible),
            interrupt: None,
            rows: Vec::new(),
            key: None,
            table: None,
            settles: false,
            services: Services::default(),
        };
        Self { checks }
    }

    /// The records to write, some dozens.
    #[must_use]
    pub fn writing(self, records: impl IntoIterator<Item = S::In>) -> Self {
        self.changing(records.into_iter().map(|record| (RowKind::Insert, record)))
    }

    /// The changes to write, for a sink that takes more than insertions.
    #[must_use]
    pub fn changing(mut self, rows: impl IntoIterator<Item = (RowKind, S::In)>) -> Self {
        self.checks.rows = rows.into_iter().collect();
        self
    }

    /// Rows of one key are written by one instance.
    #[must_use]
    pub fn keyed_by(mut self, key: impl Fn(&S::In) -> u64 + 'static) -> Self {
        self.checks.key = Some(Box::new(key));
        self
    }

    /// The sink is idempotent, not transactional ([`AtLeastOnce`](crate::AtLeastOnce)): only the table at the end counts, and it is this
    /// one.
    #[must_use]
    pub fn final_table(mut self, rows: impl IntoIterator<Item = S::In>) -> Self {
        self.checks.table = Some(rows.into_iter().collect());
        self
    }

    /// A crash in the middle of a delivery may leave an epoch visible in part, until the job runs again. Say so only if the sink's
    /// documentation does: its readers have to know.
    #[must_use]
    pub fn whole_after_recovery(mut self) -> Self {
        self.checks.settles = true;
        self
    }

    /// Has the target fail: `interrupt(target, n)` lets `n` more of its operations go well and none after them; of [`u64::MAX`], all.
    #[must_use]
    pub fn interrupted_by(mut self, interrupt: impl Fn(&T, u64) + 'static) -> Self {
        self.checks.interrupt = Some(Box::new(interrupt));
        self
    }

    /// Clock and files for the sink, in place of the machine's.
    #[must_use]
    pub fn services(mut self, services: Services) -> Self {
        self.checks.services = services;
        self
    }

    /// Runs all checks.
    ///
    /// # Errors
    /// The first rule that is broken, where, and how it showed.
    pub fn run(self) -> Result<(), Violation> {
        self.checks.run()
    }
}
