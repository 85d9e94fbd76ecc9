//! Prints records to standard output, as their epochs are committed (Flink's `print` connector). `+I[EWR,12.5]` is a record's
//! kind, then its fields as CSV; a row of columns is shown as Flink shows it, `+I[EWR, 12.5]`.
//!
//! What is printed is never taken back. A terminal holds no marker, so the last epoch before a restart is printed again, whether
//! or not it was printed whole: at least once.
//!
//! Invariants:
//! 1. A sealed piece is whole lines, of about `CHUNK` bytes at most: no more than that is copied at a barrier.

use std::io::{self, IsTerminal, Write};
use std::marker::PhantomData;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use yeoul_formats::CsvEncoder;
use yeoul_formats::columns::{ColumnEncoder, FrameEncoder, Style, UnfitColumns};
use yeoul_frame::{Epoch, Frame, RowKind, Schema};
use yeoul_operator::{
    Committer, Context, InputId, MakeCommitter, MakeOperator, Operator, OperatorError, SealedOutput, Services,
    SinkSpec, Snapshot,
};

/// How many bytes of text may be printed in one epoch: they are held in memory until it is committed.
pub const EPOCH_LIMIT: usize = 1 << 30;
/// Text is handed on in pieces of this size.
const CHUNK: usize = 256 << 10;

const _: () = assert!(CHUNK < EPOCH_LIMIT);

/// A sink that prints each record on a line of its own, with its kind.
///
/// ```
/// use yeoul_frame::record;
/// use yeoul_print::Print;
///
/// #[record]
/// struct Delay {
///     airport: String,
///     minutes: f64,
/// }
///
/// let sink = Print::<Delay>::new().most(20);
/// # let _ = sink;
/// ```
pub struct Print<T> {
    most: u64,
    records: PhantomData<fn() -> T>,
}

impl<T: Schema> Default for Print<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Schema> Print<T> {
    /// Prints everything.
    #[must_use]
    pub fn new() -> Self {
        Self { most: u64::MAX, records: PhantomData }
    }

    /// Prints at most this many records of a run, then says once that there are more.
    #[must_use]
    pub fn most(mut self, most: u64) -> Self {
        self.most = most;
        self
    }
}

impl<T: Schema> SinkSpec for Print<T> {
    type In = T;

    fn make(&self) -> MakeOperator {
        // One more than is shown, so that the printer sees that there are more.
        let left = self.most.saturating_add(1);
        Arc::new(move || {
            let encoder = RecordLines::<T> { encoder: CsvEncoder::of::<T>(), records: PhantomData };
            Box::new(Lines::new(encoder, String::new(), left, EPOCH_LIMIT))
        })
    }

    fn committer(&self) -> MakeCommitter {
        let most = self.most;
        Arc::new(move || Box::new(Printer { left: most, told: false, to_error: false }))
    }

    fn parallelism(&self) -> Option<u16> {
        Some(1)
    }
}

/// A sink that prints each row of columns on a line of its own, with its kind, for SQL.
#[derive(Debug, Clone)]
pub struct PrintColumns {
    encoder: ColumnEncoder,
    identifier: String,
    to_error: bool,
    most: u64,
}

impl PrintColumns {
    /// Prints rows of these columns.
    ///
    /// # Errors
    /// A type that cannot be shown.
    pub fn new(schema: SchemaRef) -> Result<Self, UnfitColumns> {
        let encoder = ColumnEncoder::new(schema, Style::Print)?;
        Ok(Self { encoder, identifier: String::new(), to_error: false, most: u64::MAX })
    }

    /// As [`new`](Self::new), each row a JSON object with its kind: `{"op":"+I","id":1}`.
    ///
    /// # Errors
    /// A type that cannot be shown.
    pub fn json(schema: SchemaRef) -> Result<Self, UnfitColumns> {
        let encoder = ColumnEncoder::new(schema, Style::JsonChangelog)?;
        Ok(Self { encoder, identifier: String::new(), to_error: false, most: u64::MAX })
    }

    /// Begins each line with this and `> ` (Flink's `print-identifier`).
    #[must_use]
    pub fn identifier(mut self, identifier: impl Into<String>) -> Self {
        self.identifier = identifier.into();
        self
    }

    /// Prints to standard error.
    #[must_use]
    pub fn to_error(mut self, to_error: bool) -> Self {
        self.to_error = to_error;
        self
    }

    /// Prints at most this many rows of a run, then says once that there are more.
    #[must_use]
    pub fn most(mut self, most: u64) -> Self {
        self.most = most;
        self
    }

    /// The recipe for the instance that seals lines. There is to be one.
    #[must_use]
    pub fn make(&self) -> MakeOperator {
        let this = self.clone();
        let prefix = if self.identifier.is_empty() { String::new() } else { format!("{}> ", self.identifier) };
        Arc::new(move || {
            let (encoder, left) = (this.encoder.clone(), this.most.saturating_add(1));
            Box::new(Lines::new(encoder, prefix.clone(), left, EPOCH_LIMIT))
        })
    }

    /// The recipe for the half that prints what was sealed.
    #[must_use]
    pub fn committer(&self) -> MakeCommitter {
        let (most, to_error) = (self.most, self.to_error);
        Arc::new(move || Box::new(Printer { left: most, told: false, to_error }))
    }
}

/// Records as lines: the kind, then the fields as CSV.
struct RecordLines<T> {
    encoder: CsvEncoder,
    records: PhantomData<fn() -> T>,
}

impl<T: Schema> FrameEncoder for RecordLines<T> {
    fn header(&self) -> Vec<u8> {
        Vec::new()
    }

    fn encode(&mut self, frame: &Frame, from: usize, out: &mut Vec<u8>, enough: usize) -> Result<usize, String> {
        let mut next = from;
        for (row, record) in frame.slice(from..frame.len()).rows::<T>().iter() {
            let kind = frame.kinds().map_or(RowKind::Insert, |kinds| kinds[row as usize]);
            out.extend_from_slice(kind.short().as_bytes());
            out.push(b'[');
            self.encoder.encode::<T>(record, out);
            let newline = out.pop();
            debug_assert_eq!(newline, Some(b'\n'), "the encoder ends a record");
            out.extend_from_slice(b"]\n");
            next += 1;
            if out.len() >= enough {
                break;
            }
        }
        Ok(next)
    }
}

struct Lines<X> {
    encoder: X,
    /// What each line begins with.
    prefix: String,
    /// The pieces of the epoch that are complete, and the bytes in them.
    full: Vec<Arc<[u8]>>,
    full_bytes: usize,
    text: Vec<u8>,
    /// Records that may still be of use.
    left: u64,
    limit: usize,
}

impl<X> Lines<X> {
    fn new(encoder: X, prefix: String, left: u64, limit: usize) -> Self {
        Self { encoder, prefix, full: Vec::new(), full_bytes: 0, text: Vec::new(), left, limit }
    }

    /// Completes the piece, and begins the next.
    fn complete(&mut self) {
        self.full_bytes += self.text.len();
        self.full.push(Arc::from(self.text.as_slice()));
        self.text.clear();
    }

    #[cold]
    fn too_much(&self) -> OperatorError {
        let held = self.full_bytes + self.text.len();
        OperatorError::new(format!(
            "{held} bytes were to be printed in one epoch, more than the limit of {}",
            self.limit
        ))
        .hint("print fewer rows (in SQL by LIMIT), make checkpoints more often, or write a file in place of printing")
        .permanent()
    }
}

impl<X: FrameEncoder> Operator for Lines<X> {
    fn process(&mut self, _input: InputId, frame: &Frame, _cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let shown = frame.slice(0..frame.len().min(usize::try_from(self.left).unwrap_or(usize::MAX)));
        self.left -= shown.len() as u64;
        let mut next = 0;
        while next < shown.len() {
            self.text.extend_from_slice(self.prefix.as_bytes());
            // A line at a time, if something is to stand before each.
            let enough = if self.prefix.is_empty() { CHUNK } else { self.text.len() + 1 };
            let encoded = self.encoder.encode(&shown, next, &mut self.text, enough);
            next = encoded
                .map_err(|reason| OperatorError::new(format!("a row cannot be printed: {reason}")).permanent())?;
            if self.full_bytes + self.text.len() > self.limit {
                return Err(self.too_much());
            }
            if self.text.len() >= CHUNK {
                self.complete();
            }
        }
        Ok(())
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        if !self.text.is_empty() {
            self.complete();
        }
        self.full_bytes = 0;
        for full in self.full.drain(..) {
            snapshot.seal(full);
        }
        Ok(())
    }
}

struct Printer {
    left: u64,
    told: bool,
    to_error: bool,
}

impl Committer for Printer {
    fn recover(&mut self, _services: &Services, _committed: Epoch) -> Result<Epoch, OperatorError> {
        // What was committed before this run was printed by the run that committed it, but for the last epoch at most: the log says so.
        Ok(Epoch(0))
    }

    fn deliver(&mut self, _epoch: Epoch, outputs: &[SealedOutput]) -> Result<(), OperatorError> {
        let (mut out, terminal): (Box<dyn Write>, bool) = match self.to_error {
            false => (Box::new(io::stdout().lock()), io::stdout().is_terminal()),
            true => (Box::new(io::stderr().lock()), io::stderr().is_terminal()),
        };
        // A line of progress may stand on the terminal, unfinished.
        let clear: &[u8] = if terminal { b"\r\x1b[K" } else { b"" };
        let mut print =
            |bytes: &[u8]| out.write_all(clear).and_then(|()| out.write_all(bytes)).and_then(|()| out.flush());
        for output in outputs {
            let shown = lines(&output.bytes, &mut self.left);
            let more = shown.len() < output.bytes.len() && !std::mem::replace(&mut self.told, true);
            let tail: &[u8] = if more { b"... (more in the result)\n" } else { b"" };
            match print(&[shown, tail].concat()) {
                // Who closed the pipe has seen enough; the job goes on.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    return Err(OperatorError::new("printing the results").caused_by(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The first `left` lines, which are taken from `left`. (A record's text may hold newlines in quotes; then it counts for more.)
fn lines<'a>(text: &'a [u8], left: &mut u64) -> &'a [u8] {
    let mut end = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if *left == 0 {
            break;
        }
        *left -= 1;
        end += line.len();
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, Int64Array};
    use arrow_schema::{DataType, Field, Schema};
    use yeoul_frame::{ColumnBatch, OperatorId, Pool, RowBuilder, Timestamp, record};
    use yeoul_operator::Counters;

    #[record]
    struct Row {
        name: String,
        n: u64,
    }

    fn process(lines: &mut Lines<RecordLines<Row>>, rows: &[(&str, RowKind)]) -> Result<(), OperatorError> {
        let (pool, counters, mut emitted) = (Pool::new(), Counters::default(), vec![]);
        let mut builder = RowBuilder::<Row>::new(&pool, 9);
        for (name, kind) in rows {
            builder.push(&Row { name: (*name).to_owned(), n: 1 }, Timestamp(0), *kind).unwrap();
        }
        let mut cx = Context::new(&mut emitted, Timestamp::MIN, Timestamp(0), &pool, &counters);
        lines.process(InputId(0), &builder.finish(), &mut cx)
    }

    fn writer(left: u64, limit: usize) -> Lines<RecordLines<Row>> {
        let encoder = RecordLines { encoder: CsvEncoder::of::<Row>(), records: PhantomData };
        Lines::new(encoder, String::new(), left, limit)
    }

    #[test]
    fn columns_are_shown_with_their_identifier() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        let array: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
        let kinds = vec![RowKind::Insert, RowKind::Delete, RowKind::Insert];
        let frame = ColumnBatch::of(Arc::clone(&schema), vec![array], vec![Timestamp(0); 3], kinds).unwrap();
        let check = |sink: PrintColumns, expected: &str| {
            let (pool, counters, mut emitted) = (Pool::new(), Counters::default(), vec![]);
            let mut lines = sink.make()();
            let mut cx = Context::new(&mut emitted, Timestamp::MIN, Timestamp(0), &pool, &counters);
            lines.process(InputId(0), &frame, &mut cx).unwrap();
            let (mut states, mut sealed) = (Vec::new(), Vec::new());
            lines.snapshot(&mut Snapshot::new(Epoch(1), OperatorId::of("p"), &mut states, &mut sealed)).unwrap();
            assert_eq!(std::str::from_utf8(&sealed[0].1).unwrap(), expected);
        };
        let sink = || PrintColumns::new(Arc::clone(&schema)).unwrap();
        check(sink(), "+I[1]\n-D[null]\n+I[3]\n");
        check(sink().identifier("out"), "out> +I[1]\nout> -D[null]\nout> +I[3]\n");
        // One more than is shown.
        check(sink().most(1), "+I[1]\n-D[null]\n");
    }

    #[test]
    fn a_line_says_what_kind_of_change_it_is() {
        let mut lines = writer(9, 999);
        let rows = [
            ("a", RowKind::Insert),
            ("a", RowKind::UpdateBefore),
            ("b,c", RowKind::UpdateAfter),
            ("d", RowKind::Delete),
        ];
        process(&mut lines, &rows).unwrap();
        assert_eq!(String::from_utf8(lines.text).unwrap(), "+I[a,1]\n-U[a,1]\n+U[\"b,c\",1]\n-D[d,1]\n");
    }

    #[test]
    fn the_text_of_an_epoch_is_bounded() {
        let mut lines = writer(u64::MAX, 20);
        process(&mut lines, &[("a", RowKind::Insert)]).unwrap();
        let error = process(&mut lines, &[("a long name indeed", RowKind::Insert)]).unwrap_err().to_string();
        assert!(error.contains("limit of 20"), "{error}");
        // What is not shown is not held.
        let mut few = writer(3, 999);
        (0..100).for_each(|_| process(&mut few, &[("a", RowKind::Insert)]).unwrap());
        assert_eq!(few.text, b"+I[a,1]\n".repeat(3));
    }

    #[test]
    fn an_epoch_is_sealed_in_pieces_of_whole_lines() {
        let check = |prefix: &str, rows: usize, pieces: usize| {
            let mut lines = writer(u64::MAX, EPOCH_LIMIT);
            lines.prefix = prefix.to_owned();
            let name = "n".repeat(1000);
            for epoch in 1..3 {
                (0..rows).for_each(|_| process(&mut lines, &[(&name, RowKind::Insert)]).unwrap());
                let (mut states, mut sealed) = (Vec::new(), Vec::new());
                let id = OperatorId::of("p");
                lines.snapshot(&mut Snapshot::new(Epoch(epoch), id, &mut states, &mut sealed)).unwrap();
                assert_eq!(sealed.len(), pieces, "{prefix:?}");
                let line = format!("{prefix}+I[{name},1]\n");
                assert!(sealed.iter().all(|(_, piece)| piece.len() < CHUNK + 2000 && piece.ends_with(b"\n")));
                let whole: Vec<u8> = sealed.iter().flat_map(|(_, piece)| piece.iter().copied()).collect();
                assert!(whole == line.repeat(rows).into_bytes(), "{prefix:?}");
            }
        };
        check("", 0, 0);
        check("", 1, 1);
        check("", 600, 3);
        check("it> ", 600, 3);
    }

    #[test]
    fn so_many_lines_are_shown_and_no_more() {
        let mut left = 3;
        assert_eq!(lines(b"a\nb\n", &mut left), b"a\nb\n");
        assert_eq!(lines(b"c\nd\n", &mut left), b"c\n");
        assert_eq!((lines(b"e\n", &mut left), left), (b"".as_slice(), 0));
    }
}
