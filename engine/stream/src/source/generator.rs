//! Records that follow from their numbers: a closure as a source (Flink's `DataGeneratorSource` and `NumberSequenceSource`).
//!
//! Record `i` is in split `i mod splits`, so splits go on side by side; a split's position is how many of its records were given.

use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use yeoul_frame::Record;
use yeoul_operator::{MakeSource, OperatorError, SourceSpec, SplitId};

use super::{ReadStatus, ReaderContext, SplitOutput, SplitReader, SplitSource};

/// Into how many splits the numbers are dealt, if the program does not say.
const SPLITS: u32 = 16;

/// A source of `record(0)`, `record(1)`, and so on.
///
/// Exactly once: the closure must give the same record for the same number, or else a restart does.
///
/// ```
/// use yeoul_stream::conformance::SourceConformance;
/// use yeoul_stream::{GeneratorSource, StreamEnvironment, WatermarkStrategy};
///
/// let env = StreamEnvironment::new("squares");
/// let squares = GeneratorSource::unbounded(|n| n * n).rate(1_000);
/// let stream = env.from_source(squares, WatermarkStrategy::no_watermarks(), "squares");
/// # let _ = stream;
///
/// SourceConformance::of(|| GeneratorSource::new(10, |n| n * n).splits(3)).expecting((0..10).map(|n| n * n)).run()?;
/// # Ok::<_, yeoul_stream::conformance::Violation>(())
/// ```
pub struct GeneratorSource<T, F> {
    generate: Arc<F>,
    count: u64,
    splits: u32,
    rate: Option<u64>,
    records: PhantomData<fn() -> T>,
}

impl<T: Record, F: Fn(u64) -> T + Send + Sync + 'static> GeneratorSource<T, F> {
    /// The records of the numbers below `count`.
    #[must_use]
    pub fn new(count: u64, record: F) -> Self {
        Self { generate: Arc::new(record), count, splits: SPLITS, rate: None, records: PhantomData }
    }

    /// Records without an end.
    #[must_use]
    pub fn unbounded(record: F) -> Self {
        Self::new(u64::MAX, record)
    }

    /// Into how many splits they are dealt; 16 by default. At most as many instances have something to do; one keeps the order of all.
    /// It must stay as it is for as long as a job's state lives.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    pub fn splits(mut self, splits: u32) -> Self {
        assert!(splits > 0, "a source has at least one split");
        self.splits = splits;
        self
    }

    /// At most so many records a second, of all instances together.
    #[must_use]
    pub fn rate(mut self, records_per_second: u64) -> Self {
        self.rate = Some(records_per_second);
        self
    }
}

impl<T: Record, F: Fn(u64) -> T + Send + Sync + 'static> SourceSpec for GeneratorSource<T, F> {
    type Out = T;
    type Error = ();

    fn make(&self) -> MakeSource {
        let dealt = Dealt {
            generate: Arc::clone(&self.generate),
            count: self.count,
            splits: self.splits,
            records: PhantomData,
        };
        let source = dealt.into_source();
        match self.rate {
            Some(rate) => source.rate(rate).make(),
            None => source.make(),
        }
    }

    fn parallelism(&self) -> Option<u16> {
        u16::try_from(self.splits).ok()
    }
}

/// A source of whole numbers, in order within each split.
///
/// ```
/// use yeoul_stream::{NumberSequence, StreamEnvironment, WatermarkStrategy};
///
/// let env = StreamEnvironment::new("numbers");
/// let numbers = env.from_source(NumberSequence::new(1..=1_000), WatermarkStrategy::no_watermarks(), "numbers");
/// # let _ = numbers;
/// ```
pub struct NumberSequence;

impl NumberSequence {
    /// The numbers of this range; without an end if it has none.
    ///
    /// ```
    /// use yeoul_stream::NumberSequence;
    /// use yeoul_stream::conformance::SourceConformance;
    ///
    /// SourceConformance::of(|| NumberSequence::new(5..=9)).expecting(5..=9).run()?;
    /// # Ok::<_, yeoul_stream::conformance::Violation>(())
    /// ```
    #[must_use]
    #[expect(clippy::new_ret_no_self, reason = "the sequence is a generator of one closure, whose type has no name")]
    pub fn new(numbers: impl RangeBounds<u64>) -> GeneratorSource<u64, impl Fn(u64) -> u64 + Send + Sync + 'static> {
        let first = match numbers.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let count = match numbers.end_bound() {
            Bound::Included(last) => last.saturating_add(1).saturating_sub(first),
            Bound::Excluded(end) => end.saturating_sub(first),
            Bound::Unbounded => u64::MAX - first,
        };
        GeneratorSource::new(count, move |n| first + n)
    }
}

/// Numbers dealt over splits.
struct Dealt<T, F> {
    generate: Arc<F>,
    count: u64,
    splits: u32,
    records: PhantomData<fn() -> T>,
}

impl<T: Record, F: Fn(u64) -> T + Send + Sync + 'static> SplitSource for Dealt<T, F> {
    /// Its number, and how many there are.
    type Split = (u32, u32);
    type Reader = Numbers<T, F>;

    fn splits(&self, _: &ReaderContext) -> Result<Vec<(u32, u32)>, OperatorError> {
        Ok((0..self.splits).map(|number| (number, self.splits)).collect())
    }

    fn id(&self, (number, _): &(u32, u32)) -> SplitId {
        SplitId(u64::from(*number))
    }

    fn open(
        &self,
        &(number, splits): &(u32, u32),
        from: Option<u64>,
        _: &ReaderContext,
    ) -> Result<Numbers<T, F>, OperatorError> {
        if splits != self.splits {
            return Err(OperatorError::new(format!(
                "the snapshot has the numbers dealt over {splits} splits, and now they are {}",
                self.splits
            ))
            .hint(format!("set .splits({splits}) again, or give the source another uid to begin anew"))
            .permanent());
        }
        let generate = Arc::clone(&self.generate);
        let (first, step) = (u64::from(number), u64::from(splits));
        Ok(Numbers { generate, first, step, count: self.count, given: from.unwrap_or(0), records: PhantomData })
    }
}

struct Numbers<T, F> {
    generate: Arc<F>,
    first: u64,
    step: u64,
    count: u64,
    given: u64,
    records: PhantomData<fn() -> T>,
}

impl<T: Record, F: Fn(u64) -> T + Send + Sync + 'static> SplitReader for Numbers<T, F> {
    type Out = T;
    type Error = ();
    type Position = u64;

    fn read(&mut self, out: &mut SplitOutput<T>) -> Result<ReadStatus, OperatorError> {
        while out.has_room() {
            let next = self.given.checked_mul(self.step).and_then(|offset| offset.checked_add(self.first));
            let Some(number) = next.filter(|number| *number < self.count) else { return Ok(ReadStatus::End) };
            out.collect((self.generate)(number));
            self.given += 1;
        }
        Ok(ReadStatus::More)
    }

    fn position(&self) -> u64 {
        self.given
    }
}
