//! The conformance test of sources: what is to be checked, and against what.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use yeoul_frame::Timestamp;
use yeoul_operator::SourceSpec;

use super::Violation;
use super::source_checks::Checks;
use crate::StateRecord;

/// How long a source that waits without a time is waited for by default.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks that a source can be read again from wherever it was: each record once, each split in its order, across snapshots at every
/// poll and restores at other parallelisms.
///
/// Give it few records, some dozens: it reads them hundreds of times. Frames are small here, so that few records are many polls.
///
/// ```
/// use yeoul_stream::Collection;
/// use yeoul_stream::conformance::SourceConformance;
///
/// SourceConformance::of(|| Collection::of(0..50_u64).splits(3)).expecting(0..50).run()?;
/// # Ok::<_, yeoul_stream::conformance::Violation>(())
/// ```
pub struct SourceConformance<S: SourceSpec> {
    source: Box<dyn Fn() -> S>,
    expected: Vec<S::Out>,
    errors: usize,
    ends: bool,
    patience: Duration,
}

impl<S> SourceConformance<S>
where
    S: SourceSpec<Out: StateRecord + Clone + PartialEq + std::fmt::Debug> + 'static,
{
    /// Checks the source that this gives: each time the same input, as a job's restart would find it.
    #[must_use]
    pub fn of(source: impl Fn() -> S + 'static) -> Self {
        Self { source: Box::new(source), expected: Vec::new(), errors: 0, ends: true, patience: PATIENCE }
    }

    /// All records, the records of each split in their order; between splits the order is free.
    #[must_use]
    pub fn expecting(mut self, records: impl IntoIterator<Item = S::Out>) -> Self {
        self.expected = records.into_iter().collect();
        self
    }

    /// How much of the input is no record and goes to the error output; none by default.
    #[must_use]
    pub fn expecting_errors(mut self, count: usize) -> Self {
        self.errors = count;
        self
    }

    /// The source waits for more where the input ends now: a run is over once it has given all that is expected and waits.
    #[must_use]
    pub fn never_ending(mut self) -> Self {
        self.ends = false;
        self
    }

    /// How long to wait for the waker of a source that says [`Pending`](yeoul_operator::SourcePoll::Pending) without a time; ten seconds by
    /// default.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs all checks.
    ///
    /// # Errors
    /// The first rule that is broken, where, and how it showed.
    pub fn run(self) -> Result<(), Violation> {
        let spec = (self.source)();
        let checks = Checks {
            make: Box::new(move || (self.source)().make()),
            limit: spec.parallelism(),
            expected: self.expected,
            errors: self.errors,
            ends: self.ends,
            patience: self.patience,
            clock: Rc::new(Cell::new(Timestamp(0))),
        };
        checks.run()
    }
}
