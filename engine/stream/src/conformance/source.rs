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
    ///
    /// ```
    /// use yeoul_operator::OperatorError;
    /// use yeoul_stream::conformance::SourceConformance;
    /// use yeoul_stream::{ReadStatus, ReaderContext, SplitOutput, SplitReader, SplitSource};
    ///
    /// /// Numbers, one a line.
    /// struct Numbers(&'static str);
    ///
    /// impl SplitSource for Numbers {
    ///     type Split = String;
    ///     type Reader = Lines;
    /// #   fn splits(&self, _: &ReaderContext) -> Result<Vec<String>, OperatorError> {
    /// #       Ok(vec![self.0.to_owned()])
    /// #   }
    /// #   fn open(&self, text: &String, at: Option<u64>, _: &ReaderContext) -> Result<Lines, OperatorError> {
    /// #       Ok(Lines(text.lines().map(str::to_owned).collect(), at.unwrap_or(0)))
    /// #   }
    ///     // …
    /// }
    ///
    /// struct Lines(Vec<String>, u64);
    ///
    /// impl SplitReader for Lines {
    ///     type Out = u64;
    ///     type Error = String;
    ///     type Position = u64;
    ///
    ///     fn read(&mut self, out: &mut SplitOutput<u64, String>) -> Result<ReadStatus, OperatorError> {
    ///         while out.has_room() {
    ///             let Some(line) = self.0.get(self.1 as usize) else { return Ok(ReadStatus::End) };
    ///             match line.parse() {
    ///                 Ok(number) => out.collect(number),
    ///                 Err(_) => out.error(line.clone()),
    ///             }
    ///             self.1 += 1;
    ///         }
    ///         Ok(ReadStatus::More)
    ///     }
    /// #   fn position(&self) -> u64 {
    /// #       self.1
    /// #   }
    ///     // …
    /// }
    ///
    /// SourceConformance::of(|| Numbers("1\n2\nthree\n4").into_source()).expecting([1, 2, 4]).expecting_errors(1).run()?;
    /// # Ok::<_, yeoul_stream::conformance::Violation>(())
    /// ```
    #[must_use]
    pub fn expecting_errors(mut self, count: usize) -> Self {
        self.errors = count;
        self
    }

    /// The source waits for more where the input ends now: a run is over once it has given all that is expected and waits.
    ///
    /// ```
    /// use yeoul_operator::OperatorError;
    /// use yeoul_stream::conformance::{Rule, SourceConformance};
    /// use yeoul_stream::{ReadStatus, ReaderContext, SplitOutput, SplitReader, SplitSource};
    ///
    /// /// Three numbers, behind which more may come.
    /// struct Tail;
    /// # impl SplitSource for Tail {
    /// #     type Split = u64;
    /// #     type Reader = Numbers;
    /// #     fn splits(&self, _: &ReaderContext) -> Result<Vec<u64>, OperatorError> {
    /// #         Ok(vec![0])
    /// #     }
    /// #     fn open(&self, _: &u64, at: Option<u64>, _: &ReaderContext) -> Result<Numbers, OperatorError> {
    /// #         Ok(Numbers(at.unwrap_or(0)))
    /// #     }
    /// # }
    /// # struct Numbers(u64);
    /// # impl SplitReader for Numbers {
    /// #     type Out = u64;
    /// #     type Error = ();
    /// #     type Position = u64;
    /// // In the `impl SplitReader`:
    /// fn read(&mut self, out: &mut SplitOutput<u64>) -> Result<ReadStatus, OperatorError> {
    ///     while self.0 < 3 && out.has_room() {
    ///         out.collect(self.0);
    ///         self.0 += 1;
    ///     }
    ///     let look_again = out.now().plus(100);
    ///     Ok(if self.0 < 3 { ReadStatus::More } else { ReadStatus::Pending { until: Some(look_again) } })
    /// }
    /// #     fn position(&self) -> u64 {
    /// #         self.0
    /// #     }
    /// # }
    ///
    /// SourceConformance::of(|| Tail.into_source()).expecting(0..3).never_ending().run()?;
    /// # Ok::<_, yeoul_stream::conformance::Violation>(())
    /// ```
    #[must_use]
    pub fn never_ending(mut self) -> Self {
        self.ends = false;
        self
    }

    /// How long to wait for the waker of a source that says [`Pending`](yeoul_operator::SourcePoll::Pending) without a time; ten seconds by
    /// default.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_operator::OperatorError;
    /// use yeoul_stream::conformance::{Rule, SourceConformance};
    /// # use yeoul_stream::{ReadStatus, ReaderContext, SplitOutput, SplitReader, SplitSource};
    /// # struct Silent;
    /// # impl SplitSource for Silent {
    /// #     type Split = u64;
    /// #     type Reader = Self;
    /// #     fn splits(&self, _: &ReaderContext) -> Result<Vec<u64>, OperatorError> {
    /// #         Ok(vec![0])
    /// #     }
    /// #     fn open(&self, _: &u64, _: Option<u64>, _: &ReaderContext) -> Result<Self, OperatorError> {
    /// #         Ok(Self)
    /// #     }
    /// # }
    /// # impl SplitReader for Silent {
    /// #     type Out = u64;
    /// #     type Error = ();
    /// #     type Position = u64;
    /// // In an `impl SplitReader`: it waits for its waker, which nobody calls.
    /// fn read(&mut self, _: &mut SplitOutput<u64>) -> Result<ReadStatus, OperatorError> {
    ///     Ok(ReadStatus::Pending { until: None })
    /// }
    /// #     fn position(&self) -> u64 {
    /// #         0
    /// #     }
    /// # }
    /// let check = SourceConformance::of(|| Silent.into_source()).expecting([1]).patience(Duration::from_millis(10));
    /// assert_eq!(check.run().unwrap_err().rule(), Rule::WakesUp);
    /// ```
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
