//! The text of one split, in memory of this process: read from the file, or decompressed from what is read.
//!
//! Decoders read from a window that starts where a record starts. Input files are not mapped: other processes may write to
//! them or cut them at any time, and what changes while it is looked at is neither a `&[u8]` nor a `&str`. A slice that has
//! been read stays what it is, and a file that was cut is an error.
//!
//! Invariants:
//! 1. [`offset`](Text::offset) is where the window starts: all before it has been decoded, nothing after it.
//! 2. The buffer's first `start` bytes are done with; from there to `end` is the window.
//! 3. Unless a record is longer, one call reads at most [`READ`] bytes, or decompresses at most [`DECOMPRESSED`], or counts
//!    lines in at most [`COUNTED`].

use std::io;
use std::sync::Arc;

use memchr::{memchr, memchr_iter};
use yeoul_formats::BYTE_ORDER_MARK;
use yeoul_operator::OperatorError;
use yeoul_sys::File;

use super::compression::{Compression, Decompressor};
use super::progress;

/// How much is given to the decoder at once, unless a record is longer: a little more than a full frame takes.
pub(crate) const SLICE: usize = 512 << 10;
/// The longest record, in bytes of text. The decoders' memory follows from it.
pub(crate) const RECORD_LIMIT: usize = 64 << 20;
/// How much of a plain file is read at once.
const READ: usize = 2 * SLICE;
/// How much is decompressed in one turn: some hundred microseconds' worth.
const DECOMPRESSED: usize = 64 << 10;
/// In how many bytes lines are counted in one turn: as long.
const COUNTED: usize = 1 << 20;
/// How much of a file is read at first for its header, or for the next newline.
const LOOK: usize = 16 << 10;

const _: () = assert!(
    DECOMPRESSED <= SLICE && LOOK <= SLICE && SLICE <= RECORD_LIMIT && RECORD_LIMIT < u32::MAX as usize,
    "a window of one record can be had"
);

/// An open file, and how far its lines have been counted.
pub(crate) struct Opened {
    pub(crate) handle: Arc<dyn File>,
    /// Its length when it was first seen.
    len: u64,
    /// How long its byte order mark is.
    mark: u64,
    counted: u64,
    newlines: u64,
    /// The memory of the window, kept from split to split.
    buffer: Vec<u8>,
}

impl Opened {
    pub(crate) fn new(handle: Arc<dyn File>, len: u64) -> Result<Self, TextError> {
        let mut opened = Self { handle, len, mark: 0, counted: 0, newlines: 0, buffer: Vec::new() };
        let mut head = [0; BYTE_ORDER_MARK.len()];
        if len >= head.len() as u64 {
            opened.read(&mut head, 0)?;
            opened.mark = if head == *BYTE_ORDER_MARK { head.len() as u64 } else { 0 };
        }
        Ok(opened)
    }

    /// Fills `buf` from `at`, which all lies in the file's length.
    fn read(&self, buf: &mut [u8], at: u64) -> Result<(), TextError> {
        self.handle.read_exact_at(buf, at).map_err(|cause| match cause.kind() {
            io::ErrorKind::UnexpectedEof => TextError::Cut { len: self.len },
            _ => TextError::Unreadable(cause),
        })
    }

    /// Newlines before `offset`, or none yet: ask again.
    fn newlines_before(&mut self, offset: u64) -> Result<Option<u64>, TextError> {
        if self.counted > offset {
            // A split before the one that was counted last (after a restore only).
            (self.counted, self.newlines) = (0, 0);
        }
        let mut slice = vec![0; (offset - self.counted).min(COUNTED as u64) as usize];
        self.read(&mut slice, self.counted)?;
        self.newlines += memchr_iter(b'\n', &slice).count() as u64;
        self.counted += slice.len() as u64;
        Ok((self.counted == offset).then_some(self.newlines))
    }

    /// Where the first record starts at or after `at`; the file's end if none does. By the rule of
    /// [`yeoul_formats::boundary`]: after the first newline from the byte before on.
    fn record_at_or_after(&self, at: u64) -> Result<u64, TextError> {
        if at == 0 || at >= self.len {
            return Ok(at.min(self.len));
        }
        let (mut from, mut slice) = (at - 1, vec![0; LOOK]);
        // Looked for no further than the longest record reaches: a file without newlines is not searched for each split.
        while from < self.len.min(at + RECORD_LIMIT as u64) {
            let part = (self.len - from).min(slice.len() as u64) as usize;
            self.read(&mut slice[..part], from)?;
            if let Some(newline) = memchr(b'\n', &slice[..part]) {
                return Ok(from + newline as u64 + 1);
            }
            from += part as u64;
            slice.resize(SLICE, 0);
        }
        if from == self.len { Ok(self.len) } else { Err(TextError::LongRecord { at }) }
    }
}

/// What is wrong with the text itself, apart from its records.
#[derive(Debug)]
pub(crate) enum TextError {
    /// The file cannot be read.
    Unreadable(io::Error),
    /// The file is shorter than it was.
    Cut {
        /// Its length when it was first seen.
        len: u64,
    },
    /// It cannot be decompressed.
    Compressed {
        /// The format.
        format: &'static str,
        /// The file's own bytes that were looked at.
        at: u64,
        /// Bytes of text before it.
        text: u64,
        cause: io::Error,
    },
    /// A record is longer than [`RECORD_LIMIT`].
    LongRecord {
        /// Where it starts.
        at: u64,
    },
    /// It ends before the position to go on from.
    Short {
        /// Its length.
        len: u64,
        /// The position.
        position: u64,
    },
}

/// The text itself cannot be read.
pub(crate) fn text_error(path: &str, fault: TextError) -> OperatorError {
    match fault {
        TextError::Compressed { format, at, text, cause } if cause.kind() == std::io::ErrorKind::UnexpectedEof => {
            OperatorError::new(format!(
                "the {format} file '{path}' is truncated: it ends at byte {at}, after {text} bytes of text, before its end is marked"
            ))
            .caused_by(cause)
            .hint("was it copied while it was being written? put the complete file in its place, and start the job afresh if a checkpoint has a part of this one")
        }
        TextError::Compressed { format, at, text, cause } => {
            OperatorError::new(format!("the {format} file '{path}' is damaged near byte {at}, after {text} bytes of text"))
                .caused_by(cause)
                .hint("put an undamaged file in its place; if it is not compressed, say so by compression(Compression::Plain)")
        }
        TextError::Unreadable(cause) => progress::unreadable(path, cause),
        TextError::Cut { len } => progress::cut(path, len),
        TextError::LongRecord { at } => OperatorError::new(format!(
            "the record around byte {at} of '{path}' is longer than {RECORD_LIMIT} bytes"
        ))
        .hint("is the file of the format that the job reads?")
        .permanent(),
        TextError::Short { len, position } => OperatorError::new(format!(
            "the input file '{path}' has {len} bytes of text, and was read up to byte {position} before"
        ))
        .hint("it is not the file that was read before; put that one back"),
    }
}

/// The text of one split.
pub(crate) struct Text {
    opened: Opened,
    form: Form,
    start: usize,
    end: usize,
    /// The offset in the text of `buffer[start]`.
    offset: u64,
    /// All of the split is in the buffer.
    ended: bool,
    /// How much text a window should have.
    want: usize,
    /// The beginning of a plain file, for its header.
    head: Vec<u8>,
}

enum Form {
    Plain {
        /// Where the split's last record ends.
        until: u64,
        /// About what the last full frame took: with less in the window, the next would not be full.
        frame: usize,
    },
    Compressed {
        decompressor: Decompressor,
        newlines: u64,
        /// Where to go on: text before it is passed over.
        resume: u64,
    },
}

impl Text {
    /// The records of a plain file that start in `range`, from offset `from` on if they were begun.
    pub(crate) fn plain(opened: Opened, range: std::ops::Range<u64>, from: Option<u64>) -> Result<Self, TextError> {
        // A record that starts in the range is read to its end, wherever that lies.
        let end = opened.record_at_or_after(range.end)?;
        let start = match from {
            Some(from) => from,
            None if range.start == 0 => opened.mark,
            None => opened.record_at_or_after(range.start)?,
        };
        // A range within one record holds the start of none.
        let form = Form::Plain { until: end.max(start), frame: SLICE };
        Ok(Self { ended: end <= start, ..Self::new(opened, form, start) })
    }

    /// The text of a compressed file.
    pub(crate) fn compressed(compression: Compression, opened: Opened, from: Option<u64>) -> Result<Self, TextError> {
        let decompressor =
            Decompressor::new(compression, Arc::clone(&opened.handle)).map_err(|cause| TextError::Compressed {
                format: if compression == Compression::Gzip { "gzip" } else { "zstd" },
                at: 0,
                text: 0,
                cause,
            })?;
        let form = Form::Compressed { decompressor, newlines: 0, resume: from.unwrap_or(0) };
        Ok(Self::new(opened, form, 0))
    }

    fn new(opened: Opened, form: Form, offset: u64) -> Self {
        Self { opened, form, start: 0, end: 0, offset, ended: false, want: SLICE, head: Vec::new() }
    }

    /// Where the window starts, in the file or its decompressed text.
    pub(crate) fn offset(&self) -> u64 {
        match &self.form {
            Form::Plain { .. } => self.offset,
            // What is passed over was read before: the position does not go back meanwhile.
            Form::Compressed { resume, .. } => self.offset.max(*resume),
        }
    }

    /// The text at hand, and whether nothing of the split follows it.
    pub(crate) fn window(&self) -> (&[u8], bool) {
        (&self.opened.buffer[self.start..self.end], self.ended)
    }

    /// The beginning of the file, for its header, and whether that is all of the file. Only before anything is consumed.
    pub(crate) fn head(&self) -> (&[u8], bool) {
        match &self.form {
            Form::Plain { .. } => (&self.head, self.head.len() as u64 == self.opened.len - self.opened.mark),
            Form::Compressed { .. } => self.window(),
        }
    }

    /// Gets text for the head. False: there is more to do before it may be read. A plain file's is empty at first, since most
    /// files have no header.
    pub(crate) fn fill_head(&mut self) -> Result<bool, TextError> {
        match &self.form {
            Form::Plain { .. } => Ok(true),
            Form::Compressed { .. } => self.top_up(),
        }
    }

    /// The head does not hold the whole header: it has to grow.
    pub(crate) fn grow_head(&mut self) -> Result<(), TextError> {
        if let Form::Compressed { .. } = &self.form {
            return self.grow();
        }
        let (had, mark) = (self.head.len(), self.opened.mark);
        if had >= RECORD_LIMIT {
            return Err(TextError::LongRecord { at: 0 });
        }
        let want = (2 * had).clamp(LOOK, RECORD_LIMIT) as u64;
        self.head.resize(want.min(self.opened.len - mark) as usize, 0);
        self.opened.read(&mut self.head[had..], mark + had as u64)
    }

    /// The header, `len` bytes of the head, has been read. A split that starts with it begins after it.
    pub(crate) fn pass_header(&mut self, len: usize) {
        match &mut self.form {
            Form::Plain { until, .. } => {
                debug_assert_eq!(self.end, 0, "nothing is read before the header");
                self.offset = self.offset.max(self.opened.mark + len as u64);
                *until = (*until).max(self.offset);
                self.ended = self.offset == *until;
                self.head = Vec::new();
            }
            Form::Compressed { .. } => self.consume(len),
        }
    }

    /// Gets text for the window, if it has less than it should. False: there is more to do before the window may be read.
    pub(crate) fn fill(&mut self) -> Result<bool, TextError> {
        let full = self.top_up()?;
        let Form::Compressed { resume, .. } = self.form else { return Ok(full) };
        if self.offset < resume {
            self.consume((resume - self.offset).min((self.end - self.start) as u64) as usize);
            if self.ended && self.offset < resume {
                return Err(TextError::Short { len: self.offset, position: resume });
            }
            return Ok(false);
        }
        Ok(full)
    }

    /// The window's first `len` bytes are done with.
    pub(crate) fn consume(&mut self, len: usize) {
        if len > 0 {
            // What a long record needed, the next may not.
            self.want = SLICE;
        }
        if let Form::Compressed { newlines, .. } = &mut self.form {
            *newlines += memchr_iter(b'\n', &self.opened.buffer[self.start..self.start + len]).count() as u64;
        }
        self.start += len;
        self.offset += len as u64;
    }

    /// The window's first `len` bytes, which are done with, made a full frame.
    pub(crate) fn consume_frame(&mut self, len: usize) {
        self.consume(len);
        if let Form::Plain { frame, .. } = &mut self.form {
            *frame = (len + len / 8).clamp(LOOK, SLICE);
        }
    }

    /// The window holds no whole record: it has to grow.
    pub(crate) fn grow(&mut self) -> Result<(), TextError> {
        let len = self.end - self.start;
        if len >= RECORD_LIMIT {
            return Err(TextError::LongRecord { at: self.offset() });
        }
        // Doubled, so that a long record is looked through a few times, not once for each slice.
        self.want = (2 * len).clamp(SLICE, RECORD_LIMIT);
        if let Form::Plain { frame, .. } = &mut self.form {
            *frame = SLICE;
        }
        Ok(())
    }

    /// The line, counted from 1, on which the window starts; none if that takes another turn.
    pub(crate) fn line(&mut self) -> Result<Option<u64>, TextError> {
        let newlines = match &self.form {
            Form::Plain { .. } => self.opened.newlines_before(self.offset)?,
            Form::Compressed { newlines, .. } => Some(*newlines),
        };
        Ok(newlines.map(|newlines| newlines + 1))
    }

    /// The open file, for the next split of it.
    pub(crate) fn into_opened(self) -> Opened {
        self.opened
    }

    /// Reads or decompresses a slice if the window is too short. Whether it is long enough now, or all there is.
    fn top_up(&mut self) -> Result<bool, TextError> {
        let have = self.end - self.start;
        match &self.form {
            _ if self.ended => Ok(true),
            Form::Plain { until, frame } => {
                let least = if self.want > SLICE { self.want } else { *frame };
                if have < least {
                    self.read(*until)?;
                }
                Ok(true)
            }
            Form::Compressed { .. } => {
                if have < self.want {
                    self.decompress()?;
                }
                Ok(self.end - self.start >= self.want || self.ended)
            }
        }
    }

    /// Fills the buffer from a plain file. What is left of the window, less than a frame, moves to the front.
    fn read(&mut self, until: u64) -> Result<(), TextError> {
        let mut buffer = std::mem::take(&mut self.opened.buffer);
        buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let len = self.want + READ - SLICE;
        if buffer.len() < len {
            buffer.resize(len, 0);
        }
        let at = self.offset + self.end as u64;
        let upto = self.end + (until - at).min((len - self.end) as u64) as usize;
        let read = self.opened.read(&mut buffer[self.end..upto], at);
        self.opened.buffer = buffer;
        read?;
        self.end = upto;
        self.ended = self.offset + self.end as u64 == until;
        Ok(())
    }

    fn decompress(&mut self) -> Result<(), TextError> {
        let Form::Compressed { decompressor, .. } = &mut self.form else { return Ok(()) };
        let buffer = &mut self.opened.buffer;
        // What is left moves to the front when it is the smaller part, so a byte is moved about once.
        if self.start >= self.end - self.start {
            buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let room = self.want.max(SLICE) + SLICE;
        if buffer.len() - self.start < room {
            buffer.resize(self.start + room, 0);
        }
        let upto = buffer.len().min(self.end + DECOMPRESSED);
        while self.end < upto {
            match decompressor.read(&mut buffer[self.end..upto]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => self.end += read,
                Err(cause) => {
                    return Err(TextError::Compressed {
                        format: decompressor.name(),
                        at: decompressor.position(),
                        text: self.offset + (self.end - self.start) as u64,
                        cause,
                    });
                }
            }
        }
        if self.offset == 0 && buffer[self.start..self.end].starts_with(BYTE_ORDER_MARK) {
            self.consume(BYTE_ORDER_MARK.len());
        }
        Ok(())
    }
}
