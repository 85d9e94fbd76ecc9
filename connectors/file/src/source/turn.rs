//! One turn at a split: about one frame of records, and what became of those that are malformed.
//!
//! Invariants:
//! 1. At the end of a turn nothing waits in the row builders: all that lies before the position has been emitted.

use yeoul_formats::{Malformed, RecordDecoder, no_time};
use yeoul_frame::{RowBuilder, RowKind, Schema, Timestamp};
use yeoul_operator::{ERROR_OUTPUT, OperatorError, SourceContext, SplitId};

use super::malformed::MalformedRecord;
use super::split::FileId;
use super::text::{Mapped, RECORD_LIMIT, Text, TextError};
use super::{Format, OnMalformed};

/// How many malformed records one turn takes, since each is slow.
const MALFORMED_A_TURN: usize = 256;

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// There may be more in the split.
    More,
    /// It has been read to its end.
    Done,
}

/// A split that is being read.
pub(crate) struct InHand<D, S = Text> {
    pub(crate) file: FileId,
    pub(crate) number: u64,
    path: String,
    decoder: D,
    text: S,
    header_read: bool,
    /// A malformed record at the start of the window, with its length, that waits for its line to be known.
    malformed: Option<(usize, Malformed)>,
}

impl<D> InHand<D, ()> {
    pub(crate) fn new(file: FileId, number: u64, path: String, decoder: D) -> Self {
        Self { file, number, path, decoder, text: (), header_read: false, malformed: None }
    }

    pub(crate) fn with(self, text: Text) -> InHand<D> {
        let Self { file, number, path, decoder, header_read, malformed, .. } = self;
        InHand { file, number, path, decoder, text, header_read, malformed }
    }
}

impl<D: RecordDecoder> InHand<D> {
    pub(crate) fn id(&self) -> SplitId {
        self.file.split(self.number)
    }

    /// The offset before which all has been emitted, and nothing after.
    pub(crate) fn position(&self) -> u64 {
        self.text.offset()
    }

    pub(crate) fn into_mapped(self) -> Mapped {
        self.text.into_mapped()
    }

    /// Reads about a frame.
    pub(crate) fn turn<T: Schema, F: Format<Decoder = D>>(
        &mut self,
        format: &F,
        policy: OnMalformed,
        rows: &mut RowBuilder<T>,
        malformed: &mut RowBuilder<MalformedRecord>,
        cx: &mut SourceContext<'_>,
    ) -> Result<Turn, OperatorError> {
        if !self.header_read && !self.read_header(format)? {
            return Ok(Turn::More);
        }
        let turn = self.decode(policy, rows, malformed, cx);
        cx.emit(self.id(), rows.finish());
        cx.emit_side(ERROR_OUTPUT, malformed.finish());
        turn
    }

    fn decode<T: Schema>(
        &mut self,
        policy: OnMalformed,
        rows: &mut RowBuilder<T>,
        malformed: &mut RowBuilder<MalformedRecord>,
        cx: &SourceContext<'_>,
    ) -> Result<Turn, OperatorError> {
        for _ in 0..MALFORMED_A_TURN {
            if self.malformed.is_some() && !self.report(policy, malformed, cx)? {
                return Ok(Turn::More);
            }
            if !self.text.fill().map_err(|fault| self.text_error(fault))? {
                return Ok(Turn::More);
            }
            let (window, last) = self.text.window();
            match self.decoder.decode_into(window, last, rows, no_time) {
                Ok(decoded) => {
                    self.text.consume(decoded.consumed);
                    if decoded.full {
                        return Ok(Turn::More);
                    }
                    if last {
                        debug_assert!(self.text.window().0.is_empty(), "at the end everything is a whole record");
                        return Ok(Turn::Done);
                    }
                    if decoded.consumed == 0 {
                        self.text.grow().map_err(|fault| self.text_error(fault))?;
                    }
                    return Ok(Turn::More);
                }
                Err(bad) => {
                    self.text.consume(bad.bytes.start);
                    self.malformed = Some((bad.bytes.len(), bad.malformed));
                }
            }
        }
        Ok(Turn::More)
    }

    /// Deals with the malformed record at the start of the window. False: it takes another turn to find its line, or to
    /// make room for it.
    fn report(
        &mut self,
        policy: OnMalformed,
        rows: &mut RowBuilder<MalformedRecord>,
        cx: &SourceContext<'_>,
    ) -> Result<bool, OperatorError> {
        let Some(line) = self.text.line() else { return Ok(false) };
        let (len, malformed) = self.malformed.take().expect("the caller saw one");
        if policy == OnMalformed::Fail {
            return Err(OperatorError::new(format!("{}:{line}: malformed record: {malformed}", self.path)).hint(
                "correct the file, or set on_malformed(OnMalformed::SideOutput) to send such records to the error output",
            ));
        }
        let raw = &self.text.window().0[..len];
        let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
        let record = MalformedRecord {
            file: self.path.clone(),
            line,
            column: malformed.column,
            offset: self.text.offset(),
            reason: malformed.to_string(),
            raw: String::from_utf8_lossy(raw.strip_suffix(b"\r").unwrap_or(raw)).into_owned(),
        };
        if rows.is_full() || rows.push(&record, Timestamp::MIN, RowKind::Insert).is_err() {
            if rows.is_empty() {
                return Err(OperatorError::new(format!(
                    "{}:{line}: a malformed record of {len} bytes is too large for the error output",
                    self.path
                )));
            }
            self.malformed = Some((len, malformed));
            return Ok(false);
        }
        cx.counters().errors.add(1);
        self.text.consume(len);
        Ok(true)
    }

    /// Reads the header, which every split of a file needs. False: it takes another turn.
    fn read_header<F: Format<Decoder = D>>(&mut self, format: &F) -> Result<bool, OperatorError> {
        let ready = self.text.fill_head().map_err(|fault| self.text_error(fault))?;
        let (head, all) = self.text.head();
        match format.header(&mut self.decoder, head, all) {
            Ok(Some(len)) => {
                self.text.pass_header(len);
                self.header_read = true;
                Ok(true)
            }
            Ok(None) => {
                if ready {
                    self.text.grow().map_err(|fault| self.text_error(fault))?;
                }
                Ok(false)
            }
            Err(malformed) => Err(OperatorError::new(format!("{}:1: malformed header: {malformed}", self.path))
                .hint("name the columns after the record's fields, or read without a header: header(false)")),
        }
    }
}

impl<D, S> InHand<D, S> {
    /// The text itself cannot be read.
    pub(crate) fn text_error(&self, fault: TextError) -> OperatorError {
        let path = &self.path;
        match fault {
            TextError::Compressed { format, at, text, cause } if cause.kind() == std::io::ErrorKind::UnexpectedEof => {
                OperatorError::new(format!(
                    "the {format} file '{path}' is truncated: it ends at byte {at}, after {text} bytes of text, before its end is marked"
                ))
                .caused_by(cause)
                .hint("was it copied while it was being written? put the complete file in its place and start again")
            }
            TextError::Compressed { format, at, text, cause } => {
                OperatorError::new(format!("the {format} file '{path}' is damaged near byte {at}, after {text} bytes of text"))
                    .caused_by(cause)
                    .hint("put an undamaged file in its place; if it is not compressed, say so by compression(Compression::Plain)")
            }
            TextError::LongRecord { at } => OperatorError::new(format!(
                "the record around byte {at} of '{path}' is longer than {RECORD_LIMIT} bytes"
            ))
            .hint("is the file of the format that the job reads?"),
            TextError::Short { len, position } => OperatorError::new(format!(
                "the input file '{path}' has {len} bytes of text, and was read up to byte {position} before"
            ))
            .hint("it is not the file that was read before; put that one back"),
        }
    }
}
