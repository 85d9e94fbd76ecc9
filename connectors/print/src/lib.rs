//! Prints records to standard output, as CSV, as their epochs are committed (Flink's `print` connector).
//!
//! What is printed is never taken back. A terminal holds no marker, so an epoch that was being printed when the process died is
//! printed again after a restart: at least once.

use std::io::{self, IsTerminal, Write};
use std::marker::PhantomData;
use std::sync::Arc;

use yeoul_formats::CsvEncoder;
use yeoul_frame::{Epoch, Frame, Schema};
use yeoul_operator::{
    Committer, Context, InputId, MakeCommitter, MakeOperator, Operator, OperatorError, SealedOutput, Services,
    SinkSpec, Snapshot,
};

/// A sink that prints each record on a line of its own.
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
        Arc::new(|| Box::new(Lines::<T> { encoder: CsvEncoder::of::<T>(), text: Vec::new(), records: PhantomData }))
    }

    fn committer(&self) -> MakeCommitter {
        let most = self.most;
        Arc::new(move || Box::new(Printer { left: most, told: false }))
    }

    fn parallelism(&self) -> Option<u16> {
        Some(1)
    }
}

struct Lines<T> {
    encoder: CsvEncoder,
    text: Vec<u8>,
    records: PhantomData<fn() -> T>,
}

impl<T: Schema> Operator for Lines<T> {
    fn process(&mut self, _input: InputId, frame: &Frame, _cx: &mut Context<'_>) -> Result<(), OperatorError> {
        for (_, record) in frame.rows::<T>().iter() {
            self.encoder.encode::<T>(record, &mut self.text);
        }
        Ok(())
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        if !self.text.is_empty() {
            snapshot.seal(std::mem::take(&mut self.text));
        }
        Ok(())
    }
}

struct Printer {
    left: u64,
    told: bool,
}

impl Committer for Printer {
    fn recover(&mut self, _services: &Services, committed: Epoch) -> Result<Epoch, OperatorError> {
        // What was committed before this run was printed by the run that committed it, but for the last epoch at most.
        Ok(Epoch(committed.0.saturating_sub(1)))
    }

    fn deliver(&mut self, _epoch: Epoch, outputs: &[SealedOutput]) -> Result<(), OperatorError> {
        let mut out = io::stdout().lock();
        // A line of progress may stand on the terminal, unfinished.
        let clear: &[u8] = if io::stdout().is_terminal() { b"\r\x1b[K" } else { b"" };
        let mut print =
            |bytes: &[u8]| out.write_all(clear).and_then(|()| out.write_all(bytes)).and_then(|()| out.flush());
        for output in outputs {
            let shown = lines(&output.bytes, &mut self.left);
            let more = shown.len() < output.bytes.len() && !std::mem::replace(&mut self.told, true);
            let tail: &[u8] = if more { b"... (more in the result)\n" } else { b"" };
            match print(&[shown, tail].concat()) {
                // Who closed the pipe has seen enough; the job goes on.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    return Err(OperatorError::new("printing to standard output").caused_by(error));
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

    #[test]
    fn so_many_lines_are_shown_and_no_more() {
        let mut left = 3;
        assert_eq!(lines(b"a\nb\n", &mut left), b"a\nb\n");
        assert_eq!(lines(b"c\nd\n", &mut left), b"c\n");
        assert_eq!((lines(b"e\n", &mut left), left), (b"".as_slice(), 0));
    }
}
