//! The rules of the contract, by name.

use std::fmt;

/// A promise that a source or a sink makes to the engine.
///
/// ```
/// use yeoul_stream::conformance::Rule;
///
/// assert_eq!(Rule::RestoreGoesOn.to_string(), "a restored source goes on exactly where its snapshot was taken");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Without a cause from outside no call fails.
    Works,
    /// No call panics, whatever it is given.
    NoPanic,
    /// Source: each record is read once.
    EveryRecordOnce,
    /// Source: a split's records come in the split's order, in every run.
    SplitOrder,
    /// Source: what is malformed goes to the error output, once.
    ErrorsOnce,
    /// Source: a split is read by the instance that owns it.
    OneReader,
    /// Source: a snapshot changes nothing for who goes on without a crash.
    SnapshotIsSilent,
    /// Source: restored, at any parallelism, it goes on where the snapshot was taken.
    RestoreGoesOn,
    /// Source: a position that was restored and noted again is the same position.
    PositionsSurvive,
    /// Source: after its end nothing comes.
    EndIsFinal,
    /// Source: a split's watermarks never fall.
    WatermarksRise,
    /// Source: positions that it did not write are refused.
    GarbageIsRefused,
    /// Source: who has nothing to read says so.
    SaysPending,
    /// Source: who waits for something says when, or calls its waker.
    WakesUp,
    /// Sink: nothing is visible before it is committed and delivered.
    NothingUncommitted,
    /// Sink: what was delivered is visible.
    NothingLost,
    /// Sink: no record is visible more often than it was written.
    EpochsOnce,
    /// Sink: an epoch is visible in whole or not at all.
    EpochsInWhole,
    /// Sink: the marker names what the target has, no more and no less.
    MarkerIsTrue,
    /// Sink: an epoch that is delivered again changes nothing.
    DeliverAgain,
    /// Sink: the table is that of a run without failures.
    FinalTable,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Works => "without a cause from outside no call fails",
            Self::NoPanic => "no call panics, whatever it is given",
            Self::EveryRecordOnce => "each record is read once",
            Self::SplitOrder => "a split's records come in the split's order, in every run",
            Self::ErrorsOnce => "what is malformed goes to the error output, once",
            Self::OneReader => "a split is read by the instance that owns it",
            Self::SnapshotIsSilent => "a snapshot changes nothing for a source that goes on",
            Self::RestoreGoesOn => "a restored source goes on exactly where its snapshot was taken",
            Self::PositionsSurvive => "a position that is restored and noted again is the same position",
            Self::EndIsFinal => "after a source's end nothing comes",
            Self::WatermarksRise => "a split's watermarks never fall",
            Self::GarbageIsRefused => "positions that a source did not write are refused",
            Self::SaysPending => "a source that has nothing to read says so",
            Self::WakesUp => "a source that waits says until when, or calls its waker",
            Self::NothingUncommitted => "nothing is visible before its epoch is committed and delivered",
            Self::NothingLost => "what was delivered is visible",
            Self::EpochsOnce => "no record is visible more often than it was written",
            Self::EpochsInWhole => "an epoch is visible in whole or not at all",
            Self::MarkerIsTrue => "the marker names what the target has, no more and no less",
            Self::DeliverAgain => "an epoch that is delivered again changes nothing",
            Self::FinalTable => "the table is that of a run without failures",
        })
    }
}

/// A rule that is broken, and how that showed. What `unwrap` prints of it is what people read.
///
/// ```
/// use yeoul_stream::Collection;
/// use yeoul_stream::conformance::SourceConformance;
///
/// let violation = SourceConformance::of(|| Collection::of([1_u64, 2])).expecting([2, 1]).run().unwrap_err();
/// assert!(violation.to_string().starts_with("broken rule SplitOrder, that a split's records come in the split's order"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Violation {
    rule: Rule,
    what: String,
}

impl Violation {
    pub(super) fn new(rule: Rule, what: impl Into<String>) -> Self {
        Self { rule, what: what.into() }
    }

    /// The same, with where it happened before what happened.
    pub(super) fn at(mut self, place: &str) -> Self {
        self.what = format!("{place}: {}", self.what);
        self
    }

    /// The rule that is broken.
    ///
    /// ```
    /// use yeoul_stream::Collection;
    /// use yeoul_stream::conformance::{Rule, SourceConformance};
    ///
    /// let violation = SourceConformance::of(|| Collection::of([1_u64, 2])).expecting([1, 2, 3]).run().unwrap_err();
    /// assert_eq!(violation.rule(), Rule::EveryRecordOnce);
    /// assert!(violation.to_string().ends_with("without a failure, on 1 instance: 1 record is missing, the first is 3"));
    /// ```
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.rule
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken rule {:?}, that {}: {}", self.rule, self.rule, self.what)
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Violation {}

/// Calls what a program wrote: a panic is a violation.
pub(super) fn guard<T>(doing: &str, call: impl FnOnce() -> T) -> Result<T, Violation> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).map_err(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message");
        Violation::new(Rule::NoPanic, format!("{doing} panicked: {message}"))
    })
}
