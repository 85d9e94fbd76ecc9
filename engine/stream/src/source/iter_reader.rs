//! A reader of what an iterator gives: its position is how many items it has taken.

use yeoul_frame::Record;
use yeoul_operator::OperatorError;

use super::{ReadStatus, SplitOutput, SplitReader};

/// Reads a split that is an iterator, for splits that are begun again by skipping what was read.
///
/// The iterator gives the same items in the same order whenever the split is opened, and does not wait.
///
/// ```
/// use yeoul_operator::OperatorError;
/// use yeoul_stream::conformance::SourceConformance;
/// use yeoul_stream::{IterReader, ReaderContext, SplitSource};
///
/// /// The words of each of its lines.
/// struct Words(&'static [&'static str]);
///
/// impl SplitSource for Words {
///     type Split = String;
///     type Reader = IterReader<std::vec::IntoIter<String>>;
///
///     fn splits(&self, _: &ReaderContext) -> Result<Vec<String>, OperatorError> {
///         Ok(self.0.iter().map(|line| (*line).to_owned()).collect())
///     }
///
///     fn open(&self, line: &String, from: Option<u64>, _: &ReaderContext) -> Result<Self::Reader, OperatorError> {
///         let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
///         Ok(IterReader::new(words, from))
///     }
/// }
///
/// let words = ["swift", "and", "shallow", "as", "a", "stream"].map(str::to_owned);
/// SourceConformance::of(|| Words(&["swift and shallow", "as a stream"]).into_source()).expecting(words).run()?;
/// # Ok::<_, yeoul_stream::conformance::Violation>(())
/// ```
#[derive(Debug)]
pub struct IterReader<I> {
    items: I,
    taken: u64,
}

impl<I: Iterator> IterReader<I> {
    /// Reads these items, from the one at this number on.
    pub fn new(items: impl IntoIterator<IntoIter = I>, from: Option<u64>) -> Self {
        let (mut items, taken) = (items.into_iter(), from.unwrap_or(0));
        if let Some(last) = taken.checked_sub(1) {
            // What is past the end gives nothing.
            let _ = items.nth(usize::try_from(last).unwrap_or(usize::MAX));
        }
        Self { items, taken }
    }
}

impl<I: Iterator<Item: Record> + Send + 'static> SplitReader for IterReader<I> {
    type Out = I::Item;
    type Error = ();
    type Position = u64;

    fn read(&mut self, out: &mut SplitOutput<I::Item>) -> Result<ReadStatus, OperatorError> {
        while out.has_room() {
            let Some(item) = self.items.next() else { return Ok(ReadStatus::End) };
            out.collect(item);
            self.taken += 1;
        }
        Ok(ReadStatus::More)
    }

    fn position(&self) -> u64 {
        self.taken
    }
}
