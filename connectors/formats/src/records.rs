//! Bytes into frames: what a source calls, whatever the format.
//!
//! A decoder takes bytes from a place where a record starts, pushes the records it finds into a row builder, and says how
//! many bytes they took. It keeps nothing of the input from one call to the next, so the source's offset is exact: a new
//! decoder that starts at `offset + consumed` goes on with the next record. (What it does keep, such as the order of keys,
//! makes it faster and never changes a result. A CSV header is the exception; see [`CsvDecoder`].)

use crate::arena::Arena;
use crate::leaves::{Leaves, RowLeaves};
use crate::malformed::{Fault, Malformed, Reason};
use crate::window::Window;
use crate::{CsvDecoder, LineDecoder, NdjsonDecoder};
use std::fmt;
use std::ops::Range;
use yeoul_frame::{Cell, PushError, RowBuilder, RowKind, Schema, Timestamp};

/// How far a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// Records pushed.
    pub records: usize,
    /// The builder is full: finish its frame and call again with the bytes from `consumed`. Otherwise all that is whole
    /// was decoded, and more bytes are needed.
    pub full: bool,
}

impl Decoded {
    /// This, and then a step further.
    pub(crate) fn and(self, step: Self) -> Self {
        Self { consumed: self.consumed + step.consumed, records: self.records + step.records, full: step.full }
    }
}

/// A record that could not be decoded. What stood before it is in the builder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// Records pushed before it in this call.
    pub records: usize,
    /// Where it lies in the input, its line end included. The range's start is what [`Decoded::consumed`] would have
    /// been; its end is where to go on if the record goes to an error output.
    pub bytes: Range<usize>,
    /// What is wrong with it.
    pub malformed: Malformed,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed record at byte {} of the input: {}", self.bytes.start, self.malformed)
    }
}

impl std::error::Error for BadRecord {}

/// What the receiver of a record's cells does with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// It took the record; on with the next.
    Taken,
    /// It has no room: the record stays in the input, and decoding stops.
    Full,
    /// It cannot make use of the record, for this reason.
    Refused(String),
}

/// A text format's decoder.
pub trait RecordDecoder {
    /// Decodes records from `bytes`, whose first byte starts a record, and gives the cells of each to `receive`: one a
    /// leaf of the schema, depth first. Goes on until `receive` is full or no whole record is left. A record without a line
    /// end counts as whole only if `last` says that nothing follows `bytes`.
    ///
    /// # Errors
    /// The first record that cannot be decoded or that is refused.
    fn decode(
        &mut self,
        bytes: &[u8],
        last: bool,
        receive: impl FnMut(&[Cell<'_>]) -> Receipt,
    ) -> Result<Decoded, BadRecord>;

    /// Decodes records into rows, until the builder is full or no whole record is left.
    ///
    /// `time` gives each record its event time from its cells; a source whose watermark strategy assigns times from archived
    /// rows passes [`no_time`].
    ///
    /// # Errors
    /// As [`decode`](Self::decode); also if the cells do not make a row, such as null for a field that must have a value.
    #[inline]
    fn decode_into<T: Schema>(
        &mut self,
        bytes: &[u8],
        last: bool,
        out: &mut RowBuilder<T>,
        mut time: impl FnMut(&[Cell<'_>]) -> Timestamp,
    ) -> Result<Decoded, BadRecord> {
        self.decode(bytes, last, |cells| {
            if out.is_full() {
                return Receipt::Full;
            }
            match T::row(cells) {
                Ok(row) => match out.push_as(&row, time(cells), RowKind::Insert) {
                    Ok(()) => Receipt::Taken,
                    Err(PushError::Full) => Receipt::Full,
                    Err(error) => Receipt::Refused(error.to_string()),
                },
                Err(error) => Receipt::Refused(error.to_string()),
            }
        })
    }
}

/// The event time of records that have none yet: [`Timestamp::MIN`].
#[must_use]
pub fn no_time(_: &[Cell<'_>]) -> Timestamp {
    Timestamp::MIN
}

/// Any of the decoders, for sources whose format is chosen at run time.
#[derive(Debug)]
pub enum TextDecoder {
    /// One JSON object a line.
    Ndjson(NdjsonDecoder),
    /// Comma-separated values.
    Csv(CsvDecoder),
    /// Raw lines.
    Lines(LineDecoder),
}

impl RecordDecoder for TextDecoder {
    fn decode(
        &mut self,
        bytes: &[u8],
        last: bool,
        receive: impl FnMut(&[Cell<'_>]) -> Receipt,
    ) -> Result<Decoded, BadRecord> {
        match self {
            Self::Ndjson(decoder) => decoder.decode(bytes, last, receive),
            Self::Csv(decoder) => decoder.decode(bytes, last, receive),
            Self::Lines(decoder) => decoder.decode(bytes, last, receive),
        }
    }
}

/// One format's way to read the record at a place of a window.
pub(crate) trait RecordParser {
    /// Gives the record's values to the leaves. The place after the record, and whether there was one.
    fn record<'a, L: Leaves<'a>>(
        &mut self,
        window: Window<'a>,
        at: usize,
        leaves: &mut L,
    ) -> Result<(usize, bool), Box<Fault>>;

    /// The path of a leaf.
    fn path(&self, leaf: u16) -> String;
}

/// Memory for the cells of one record, kept between records.
#[derive(Debug, Default)]
pub(crate) struct CellMemory(Vec<Cell<'static>>);

impl CellMemory {
    /// No cells, in memory that was used before.
    #[inline]
    pub(crate) fn take<'a>(&mut self) -> Vec<Cell<'a>> {
        std::mem::take(&mut self.0)
    }

    /// Collecting nothing into the type that it came from keeps the allocation: the standard library collects in place.
    #[inline]
    pub(crate) fn give_back(&mut self, mut cells: Vec<Cell<'_>>) {
        cells.clear();
        self.0 = cells.into_iter().map(|_| Cell::Null).collect();
    }
}

/// Memory for the cells of one record and for its unescaped strings.
#[derive(Debug)]
pub(crate) struct RecordMemory {
    cells: CellMemory,
    nulls: Vec<Cell<'static>>,
    strings: Vec<String>,
}

impl RecordMemory {
    pub(crate) fn new(leaves: usize) -> Self {
        Self {
            cells: CellMemory(Vec::with_capacity(leaves)),
            nulls: vec![Cell::Null; leaves],
            strings: vec![String::new(); leaves],
        }
    }

    /// Gives cells, all null, and an arena, which live as long as this borrow and the window do, to `read`.
    #[inline]
    pub(crate) fn with<'a, R>(&'a mut self, read: impl FnOnce(&mut RowLeaves<'_, 'a>) -> R) -> R {
        let mut cells = self.cells.take();
        cells.extend_from_slice(&self.nulls);
        let arena = Arena::new(&mut self.strings);
        let result = read(&mut RowLeaves { arena, cells: &mut cells });
        self.cells.give_back(cells);
        result
    }
}

/// Takes the records of a window one by one.
pub(crate) trait Receiver {
    /// Reads the record at a place and takes it: the place after it, and how many records it was (none for a blank line).
    /// `None` if there is no room for it. After a fault nothing of the record is kept.
    fn take<P: RecordParser>(
        &mut self,
        parser: &mut P,
        window: Window<'_>,
        at: usize,
    ) -> Result<Option<(usize, usize)>, Box<Fault>>;
}

/// Gives the cells of each record to a function.
pub(crate) struct CellReceiver<'m, F> {
    pub(crate) memory: &'m mut RecordMemory,
    pub(crate) receive: F,
}

impl<F: FnMut(&[Cell<'_>]) -> Receipt> Receiver for CellReceiver<'_, F> {
    #[inline(always)]
    fn take<P: RecordParser>(
        &mut self,
        parser: &mut P,
        window: Window<'_>,
        at: usize,
    ) -> Result<Option<(usize, usize)>, Box<Fault>> {
        self.memory.with(|leaves| {
            let (next, found) = parser.record(window, at, leaves)?;
            if !found {
                return Ok(Some((next, 0)));
            }
            match (self.receive)(leaves.cells) {
                Receipt::Taken => Ok(Some((next, 1))),
                Receipt::Full => Ok(None),
                Receipt::Refused(reason) => Err(Fault::new(at, Reason::NotARow(reason))),
            }
        })
    }
}

/// Gives the records of a window to `receiver`, until the window ends or it is full. How far that went, by places in the
/// window; a fault comes with the place at which its record starts and the number of records before it.
#[inline]
pub(crate) fn each_record<P: RecordParser>(
    parser: &mut P,
    window: Window<'_>,
    receiver: &mut impl Receiver,
) -> Result<Decoded, (usize, usize, Box<Fault>)> {
    let (mut at, mut records) = (0, 0);
    while at < window.len {
        match receiver.take(parser, window, at) {
            Ok(Some((next, count))) => {
                window.prefetch(at..next);
                (at, records) = (next, records + count);
            }
            Ok(None) => return Ok(Decoded { consumed: at, records, full: true }),
            Err(fault) => return Err((at, records, fault)),
        }
    }
    Ok(Decoded { consumed: at.min(window.len), records, full: false })
}

/// What to say of the record at `at` of a window, in which `fault` was found. `end` is the place after it where its structure
/// tells, and otherwise the place from which on the first newline is taken for its end: a guess, for formats whose records may
/// hold newlines.
#[cold]
pub(crate) fn bad_record<P: RecordParser>(
    parser: &P,
    window: Window<'_>,
    done: Decoded,
    (at, records, fault): (usize, usize, Box<Fault>),
    end: Result<usize, usize>,
) -> BadRecord {
    let end = end.unwrap_or_else(|from| {
        let from = from.clamp(at, window.len);
        memchr::memchr(b'\n', &window.bytes[from..window.len]).map_or(window.len, |newline| from + newline + 1)
    });
    let end = end.min(window.len);
    let record = &window.bytes[at..end];
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    let record = record.strip_suffix(b"\r").unwrap_or(record);
    let malformed = fault.report(record, at, |leaf| parser.path(leaf));
    BadRecord { records: done.records + records, bytes: done.consumed + at..done.consumed + end, malformed }
}
