//! One turn at a split: about one frame of records, and what became of those that are malformed.
//!
//! Invariants:
//! 1. At the end of a turn nothing waits to be emitted: all that lies before the position has been emitted.

use yeoul_formats::{Malformed, Reason};
use yeoul_operator::{ERROR_OUTPUT, OperatorError, SourceContext, SplitId};

use super::OnMalformed;
use super::frames::{Frames, Reading};
use super::malformed::MalformedRecord;
use super::scan::Turn;
use super::text::{Opened, RECORD_LIMIT, Text, TextError, text_error};

/// How many malformed records one turn takes, since each is slow.
const MALFORMED_A_TURN: usize = 256;

/// A split of text that is being read.
pub(crate) struct InHand<D> {
    id: SplitId,
    path: String,
    decoder: D,
    text: Text,
    header_read: bool,
    /// A malformed record at the start of the window, with its length, that waits for its line to be known.
    malformed: Option<(usize, Malformed)>,
}

impl<D> InHand<D> {
    pub(crate) fn new(id: SplitId, path: String, decoder: D, text: Text) -> Self {
        Self { id, path, decoder, text, header_read: false, malformed: None }
    }

    /// The offset before which all has been emitted, and nothing after.
    pub(crate) fn position(&self) -> u64 {
        self.text.offset()
    }

    pub(crate) fn into_opened(self) -> Opened {
        self.text.into_opened()
    }

    /// Reads about a frame.
    pub(crate) fn turn<R: Reading<Decoder = D>>(
        &mut self,
        format: &R,
        policy: OnMalformed,
        frames: &mut R::Frames,
        cx: &mut SourceContext<'_>,
    ) -> Result<Turn, OperatorError> {
        if !self.header_read && !self.read_header(format)? {
            return Ok(Turn::More);
        }
        let turn = self.decode(policy, frames, cx);
        cx.emit(self.id, frames.finish());
        if !frames.nothing_aside() {
            cx.emit_side(ERROR_OUTPUT, frames.finish_aside());
        }
        turn
    }

    fn decode(
        &mut self,
        policy: OnMalformed,
        frames: &mut impl Frames<D>,
        cx: &SourceContext<'_>,
    ) -> Result<Turn, OperatorError> {
        for _ in 0..MALFORMED_A_TURN {
            if self.malformed.is_some() && !self.report(policy, frames, cx)? {
                return Ok(Turn::More);
            }
            if !self.text.fill().map_err(|fault| text_error(&self.path, fault))? {
                return Ok(Turn::More);
            }
            let (window, last) = self.text.window();
            match frames.decode(&mut self.decoder, window, last) {
                Ok(decoded) => {
                    if decoded.full {
                        self.text.consume_frame(decoded.consumed);
                        return Ok(Turn::More);
                    }
                    self.text.consume(decoded.consumed);
                    if last {
                        debug_assert!(self.text.window().0.is_empty(), "at the end everything is a whole record");
                        return Ok(Turn::Done);
                    }
                    if decoded.consumed > 0 {
                        return Ok(Turn::More);
                    }
                    match self.text.grow() {
                        Ok(()) => return Ok(Turn::More),
                        Err(fault) => self.malformed = Some(self.too_long(policy, fault)?),
                    }
                }
                Err(bad) => {
                    self.text.consume(bad.bytes.start);
                    self.malformed = Some((bad.bytes.len(), bad.malformed));
                }
            }
        }
        Ok(Turn::More)
    }

    /// A record that does not end within the limit but has a newline there, such as a line of CSV with a quote that nothing
    /// closes, ends at that newline for the error output, and the next begins there.
    fn too_long(&self, policy: OnMalformed, fault: TextError) -> Result<(usize, Malformed), OperatorError> {
        match (policy, memchr::memchr(b'\n', self.text.window().0)) {
            (OnMalformed::SideOutput, Some(newline)) => {
                let reason = format!("the record does not end within {RECORD_LIMIT} bytes; is a quote not closed?");
                let (field, reason, found) = (None, Reason::NotARow(reason), String::new());
                Ok((newline + 1, Malformed { column: 1, field, reason, found }))
            }
            _ => Err(text_error(&self.path, fault)),
        }
    }

    /// Deals with the malformed record at the start of the window. False: it takes another turn to find its line, or to
    /// make room for it.
    fn report(
        &mut self,
        policy: OnMalformed,
        frames: &mut impl Frames<D>,
        cx: &SourceContext<'_>,
    ) -> Result<bool, OperatorError> {
        let Some(line) = self.text.line().map_err(|fault| text_error(&self.path, fault))? else { return Ok(false) };
        let (len, malformed) = self.malformed.take().expect("the caller saw one");
        if policy == OnMalformed::Fail {
            return Err(OperatorError::new(format!("{}:{line}: malformed record: {malformed}", self.path)).hint(
                "keep such records apart: in SQL read t$errors beside t, in a program set on_malformed(OnMalformed::SideOutput); or correct the file, and start the job afresh if a checkpoint has a part of it",
            )
            .permanent());
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
        if !frames.put_aside(&record) {
            if frames.nothing_aside() {
                return Err(OperatorError::new(format!(
                    "{}:{line}: a malformed record of {len} bytes is too large for the error output",
                    self.path
                ))
                .permanent());
            }
            self.malformed = Some((len, malformed));
            return Ok(false);
        }
        cx.counters().errors.add(1);
        self.text.consume(len);
        Ok(true)
    }

    /// Reads the header, which every split of a file needs. False: it takes another turn.
    fn read_header<R: Reading<Decoder = D>>(&mut self, format: &R) -> Result<bool, OperatorError> {
        let ready = self.text.fill_head().map_err(|fault| text_error(&self.path, fault))?;
        let (head, all) = self.text.head();
        match format.header(&mut self.decoder, head, all) {
            Ok(Some(len)) => {
                self.text.pass_header(len);
                self.header_read = true;
                Ok(true)
            }
            Ok(None) => {
                if ready {
                    self.text.grow_head().map_err(|fault| text_error(&self.path, fault))?;
                }
                Ok(false)
            }
            Err(malformed) => Err(OperatorError::new(format!("{}:1: malformed header: {malformed}", self.path))
                .hint("name the columns after the record's fields, or read without a header: header(false)")
                .permanent()),
        }
    }
}
