//! The text of one split: the mapped bytes themselves, or what a decompressor makes of them.
//!
//! Decoders read from a window that starts where a record starts. A plain file's window is a part of the mapping, so
//! nothing is copied; a compressed file's is a buffer that is filled by bounded slices.
//!
//! Invariants:
//! 1. [`offset`](Text::offset) is where the window starts: all before it has been decoded, nothing after it.
//! 2. The buffer's first `start` bytes are done with; from there to `end` is the window.
//! 3. One call decompresses at most [`DECOMPRESSED`] bytes, or counts lines in at most [`COUNTED`] bytes.
//! 4. Of a file, about [`HELD`] bytes more than the window are in this process's page tables: what has been read is released
//!    bit by bit, since unmapping a large file at once would hold the shard up.

use std::io;
use std::sync::Arc;

use memchr::memchr_iter;
use yeoul_formats::boundary::first_record;
use yeoul_sys::{File, Region};

use super::compression::{Compression, Decompressor};
use super::split::FileId;

/// How much is given to the decoder at once, unless a record is longer: a little more than a full frame takes.
pub(crate) const SLICE: usize = 512 << 10;
/// The longest record, in bytes of text. The decoders' memory follows from it.
pub(crate) const RECORD_LIMIT: usize = 64 << 20;
/// How much is decompressed in one turn: some hundred microseconds' worth.
const DECOMPRESSED: usize = 64 << 10;
/// In how many bytes lines are counted in one turn: as long.
const COUNTED: usize = 1 << 20;
/// How much that has been read is released at once.
const HELD: u64 = 1 << 20;
/// Readers of other systems put it before UTF-8 text; it is no part of it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

const _: () = assert!(
    DECOMPRESSED <= SLICE && SLICE <= RECORD_LIMIT && RECORD_LIMIT < u32::MAX as usize,
    "a window of one record can be had"
);

/// A mapped file, and how far its lines have been counted.
pub(crate) struct Mapped {
    pub(crate) file: FileId,
    pub(crate) handle: Arc<dyn File>,
    pub(crate) bytes: Region,
    counted: u64,
    newlines: u64,
    /// From here on nothing has been released.
    held: u64,
}

impl Mapped {
    pub(crate) fn new(file: FileId, handle: Arc<dyn File>, bytes: Region) -> Self {
        Self { file, handle, bytes, counted: 0, newlines: 0, held: 0 }
    }

    /// Newlines before `offset`, or none yet: ask again.
    fn newlines_before(&mut self, offset: u64) -> Option<u64> {
        if self.counted > offset {
            // A split before the one that was counted last (after a restore only).
            (self.counted, self.newlines) = (0, 0);
        }
        let range = self.counted as usize..offset.min(self.counted + COUNTED as u64) as usize;
        self.newlines += memchr_iter(b'\n', &self.bytes[range.clone()]).count() as u64;
        self.counted = range.end as u64;
        self.bytes.release(range);
        (self.counted == offset).then_some(self.newlines)
    }

    /// All up to `offset` has been read. Releases it if it is at least `least` bytes.
    fn done(&mut self, offset: u64, least: u64) {
        if offset.saturating_sub(self.held) >= least {
            self.bytes.release(self.held as usize..offset as usize);
            self.held = offset;
        }
    }
}

/// What is wrong with the text itself, apart from its records.
#[derive(Debug)]
pub(crate) enum TextError {
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

/// The text of one split.
pub(crate) struct Text {
    form: Form,
    /// How much text a window should have.
    want: usize,
}

enum Form {
    Plain { mapped: Mapped, start: u64, end: u64 },
    Stream(Box<Stream>),
}

struct Stream {
    mapped: Mapped,
    decompressor: Decompressor,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The offset in the text of `buffer[start]`.
    offset: u64,
    newlines: u64,
    /// Where to go on: text before it is passed over.
    resume: u64,
    ended: bool,
}

impl Text {
    /// The records of a plain file that start in `range`, from offset `from` on if they were begun.
    pub(crate) fn plain(mut mapped: Mapped, range: std::ops::Range<u64>, from: Option<u64>) -> Result<Self, TextError> {
        let bytes: &[u8] = &mapped.bytes;
        let mark = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        // A record that starts in the range is read to its end, wherever that lies.
        let end = record_at_or_after(bytes, range.end)?;
        let start = match from {
            Some(from) => from,
            None if range.start == 0 => mark as u64,
            None => record_at_or_after(bytes, range.start)?,
        };
        mapped.held = start;
        // A range within one record holds the start of none.
        Ok(Self { form: Form::Plain { mapped, start, end: end.max(start) }, want: SLICE })
    }

    /// The text of a compressed file.
    pub(crate) fn compressed(compression: Compression, mapped: Mapped, from: Option<u64>) -> Result<Self, TextError> {
        let decompressor =
            Decompressor::new(compression, mapped.bytes.clone()).map_err(|cause| TextError::Compressed {
                format: if compression == Compression::Gzip { "gzip" } else { "zstd" },
                at: 0,
                text: 0,
                cause,
            })?;
        let (resume, buffer) = (from.unwrap_or(0), vec![0; 2 * SLICE]);
        let stream =
            Stream { mapped, decompressor, buffer, start: 0, end: 0, offset: 0, newlines: 0, resume, ended: false };
        Ok(Self { form: Form::Stream(Box::new(stream)), want: SLICE })
    }

    /// Where the window starts, in the file or its decompressed text.
    pub(crate) fn offset(&self) -> u64 {
        match &self.form {
            Form::Plain { start, .. } => *start,
            // What is passed over was read before: the position does not go back meanwhile.
            Form::Stream(stream) => stream.offset.max(stream.resume),
        }
    }

    /// The text at hand, and whether nothing of the split follows it.
    pub(crate) fn window(&self) -> (&[u8], bool) {
        match &self.form {
            Form::Plain { mapped, start, end } => {
                let upto = end.saturating_sub(*start).min(self.want as u64) + start;
                (&mapped.bytes[*start as usize..upto as usize], upto == *end)
            }
            Form::Stream(stream) => (&stream.buffer[stream.start..stream.end], stream.ended),
        }
    }

    /// The beginning of the file, for its header, and whether that is all of the file. Only before anything is consumed.
    pub(crate) fn head(&self) -> (&[u8], bool) {
        match &self.form {
            Form::Plain { mapped, .. } => {
                let bytes: &[u8] = &mapped.bytes;
                let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
                (&bytes[..bytes.len().min(RECORD_LIMIT)], bytes.len() <= RECORD_LIMIT)
            }
            Form::Stream(_) => self.window(),
        }
    }

    /// The header, `len` bytes of the head, has been read. A split that starts with it begins after it.
    pub(crate) fn pass_header(&mut self, len: usize) {
        match &mut self.form {
            Form::Plain { mapped, start, end } => {
                let mark = if mapped.bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
                *start = (*start).max((mark + len) as u64);
                *end = (*end).max(*start);
            }
            Form::Stream(stream) => stream.consume(len),
        }
    }

    /// Gets text for the window, if it has less than it should. False: there is more to do before the window may be read.
    pub(crate) fn fill(&mut self) -> Result<bool, TextError> {
        let Form::Stream(stream) = &mut self.form else { return Ok(true) };
        let full = stream.top_up(self.want)?;
        if stream.offset < stream.resume {
            let passed = (stream.resume - stream.offset).min((stream.end - stream.start) as u64);
            stream.consume(passed as usize);
            if stream.ended && stream.offset < stream.resume {
                return Err(TextError::Short { len: stream.offset, position: stream.resume });
            }
            return Ok(false);
        }
        Ok(full)
    }

    /// As [`fill`](Self::fill), for the head.
    pub(crate) fn fill_head(&mut self) -> Result<bool, TextError> {
        match &mut self.form {
            Form::Plain { .. } => Ok(true),
            Form::Stream(stream) => stream.top_up(self.want),
        }
    }

    /// The window's first `len` bytes are done with.
    pub(crate) fn consume(&mut self, len: usize) {
        if len > 0 {
            // What a long record needed, the next may not.
            self.want = SLICE;
        }
        match &mut self.form {
            Form::Plain { mapped, start, .. } => {
                *start += len as u64;
                mapped.done(*start, HELD);
            }
            Form::Stream(stream) => stream.consume(len),
        }
    }

    /// The window holds no whole record: it has to grow.
    pub(crate) fn grow(&mut self) -> Result<(), TextError> {
        let (window, _) = self.window();
        if window.len() >= RECORD_LIMIT {
            return Err(TextError::LongRecord { at: self.offset() });
        }
        // Doubled, so that a long record is looked through a few times, not once for each slice.
        self.want = (2 * window.len()).clamp(SLICE, RECORD_LIMIT);
        Ok(())
    }

    /// The line, counted from 1, on which the window starts; none if that takes another turn.
    pub(crate) fn line(&mut self) -> Option<u64> {
        let newlines = match &mut self.form {
            Form::Plain { mapped, start, .. } => mapped.newlines_before(*start)?,
            Form::Stream(stream) => stream.newlines,
        };
        Some(newlines + 1)
    }

    /// The mapped file, for the next split of it.
    pub(crate) fn into_mapped(self) -> Mapped {
        match self.form {
            Form::Plain { mut mapped, start, .. } => {
                mapped.done(start, 0);
                mapped
            }
            Form::Stream(stream) => stream.mapped,
        }
    }
}

/// Where the first record starts at or after `at`; the file's end if none does.
fn record_at_or_after(bytes: &[u8], at: u64) -> Result<u64, TextError> {
    let from = (at as usize).min(bytes.len());
    // Looked for no further than the longest record reaches: a file without newlines is not searched for each split.
    let ahead = &bytes[..bytes.len().min(from + RECORD_LIMIT)];
    match first_record(ahead, from) {
        Some(start) => Ok(start as u64),
        None if ahead.len() == bytes.len() => Ok(bytes.len() as u64),
        None => Err(TextError::LongRecord { at }),
    }
}

impl Stream {
    /// Decompresses a slice if the window is shorter than `want`. Whether it is as long as that now, or all there is.
    fn top_up(&mut self, want: usize) -> Result<bool, TextError> {
        if self.end - self.start < want && !self.ended {
            self.decompress(want)?;
        }
        Ok(self.end - self.start >= want || self.ended)
    }

    fn decompress(&mut self, want: usize) -> Result<(), TextError> {
        // What is left moves to the front when it is the smaller part, so a byte is moved about once.
        if self.start >= self.end - self.start {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let room = want.max(SLICE) + SLICE;
        if self.buffer.len() - self.start < room {
            self.buffer.resize(self.start + room, 0);
        }
        let upto = self.buffer.len().min(self.end + DECOMPRESSED);
        while self.end < upto {
            match self.decompressor.read(&mut self.buffer[self.end..upto]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => self.end += read,
                Err(cause) => {
                    return Err(TextError::Compressed {
                        format: self.decompressor.name(),
                        at: self.decompressor.position(),
                        text: self.offset + (self.end - self.start) as u64,
                        cause,
                    });
                }
            }
        }
        self.mapped.done(self.decompressor.position(), HELD);
        if self.offset == 0 && self.buffer[self.start..self.end].starts_with(BYTE_ORDER_MARK) {
            self.consume(BYTE_ORDER_MARK.len());
        }
        Ok(())
    }

    fn consume(&mut self, len: usize) {
        self.newlines += memchr_iter(b'\n', &self.buffer[self.start..self.start + len]).count() as u64;
        self.start += len;
        self.offset += len as u64;
    }
}
