//! One CSV record: its fields, found by the marks of the window, and their cells.

use super::{CsvOptions, Header};
use crate::arena::Arena;
use crate::fields::FieldTree;
use crate::kind::Kind;
use crate::malformed::{Fault, Reason};
use crate::marks::{Bits, Marks};
use crate::number::{Digits, digits};
use crate::records::RecordParser;
use crate::time_text::{MILLIS_FORM, SECONDS_FORM, TimeParser};
use crate::window::Window;
use yeoul_frame::Cell;

const QUOTE: u8 = b'"';

/// What stays the same from record to record.
#[derive(Debug)]
pub(super) struct Parser {
    tree: FieldTree,
    pub(super) options: CsvOptions,
    /// By column: the leaf that it fills, if any.
    columns: Vec<Option<(u16, Kind)>>,
    times: TimeParser,
}

/// Where a field lies.
struct Span {
    /// Its text, without quotes.
    start: usize,
    end: usize,
    quoted: bool,
    /// Holds doubled quotes.
    doubled: bool,
    /// The place after the delimiter or line end that follows it.
    next: usize,
    /// It is the last of its record.
    last: bool,
}

impl Parser {
    /// Columns by position, until a header says otherwise.
    pub(super) fn new(tree: FieldTree, options: CsvOptions) -> Self {
        let columns = (0..).zip(&tree.leaves).map(|(leaf, field)| Some((leaf, Kind::of(field.data_type)))).collect();
        Self { tree, options, columns, times: TimeParser::default() }
    }

    #[inline]
    pub(super) fn mark<'w>(&self, marks: &'w mut Marks, bytes: &[u8], len: usize) -> Bits<'w> {
        marks.csv(bytes, len, self.options.delimiter, QUOTE)
    }

    /// Reads the header at the window's start; the place after it.
    pub(super) fn header(&mut self, window: Window<'_>) -> Result<usize, Box<Fault>> {
        let leaves = self.tree.leaves.len();
        let mut columns: Vec<Option<(u16, Kind)>> = Vec::new();
        let mut found = vec![false; leaves];
        let mut at = 0;
        loop {
            let span = self.span(&window, at)?;
            let mut name = String::new();
            self.unquote(&window, &span, &mut name)?;
            let leaf = self.tree.leaves.iter().position(|leaf| leaf.path == name);
            if let Some(leaf) = leaf.filter(|_| self.options.header == Header::Named)
                && std::mem::replace(&mut found[leaf], true)
            {
                return Err(Fault::new(span.start, Reason::Duplicate).of(leaf as u16));
            }
            columns.push(leaf.map(|leaf| (leaf as u16, Kind::of(self.tree.leaves[leaf].data_type))));
            at = span.next;
            if span.last {
                break;
            }
        }
        match self.options.header {
            Header::Named => {
                if let Some(leaf) = found.iter().position(|found| !found) {
                    return Err(Fault::new(0, Reason::MissingColumn).of(leaf as u16));
                }
                self.columns = columns;
            }
            Header::Skipped | Header::Absent if columns.len() == leaves => {}
            Header::Skipped | Header::Absent => {
                return Err(Fault::new(0, Reason::ColumnCount { expected: leaves, found: columns.len() }));
            }
        }
        Ok(at)
    }

    /// The place after the record at `at`, whatever its values are; or what hides where it ends.
    #[cold]
    pub(super) fn end(&self, window: &Window<'_>, mut at: usize) -> Result<usize, Box<Fault>> {
        loop {
            let span = self.span(window, at)?;
            at = span.next;
            if span.last {
                return Ok(at);
            }
        }
    }

    /// The field at `at`.
    #[inline]
    fn span(&self, window: &Window<'_>, at: usize) -> Result<Span, Box<Fault>> {
        if window.byte(at) == QUOTE && at < window.len {
            return self.quoted(window, at);
        }
        let mut end = window.bits.next_end(at);
        loop {
            let (next, last) = match window.byte(end) {
                byte if byte == self.options.delimiter => (end + 1, false),
                b'\n' => (end + 1, true),
                b'\r' if window.byte(end + 1) == b'\n' => (end + 2, true),
                b'\r' => {
                    end = window.bits.next_end(end + 1);
                    continue;
                }
                _ => {
                    return Err(Fault::new(
                        end,
                        Reason::Expected("no quote within a field that does not begin with one"),
                    ));
                }
            };
            return Ok(Span { start: at, end, quoted: false, doubled: false, next, last });
        }
    }

    /// The field whose opening quote is at `at`.
    fn quoted(&self, window: &Window<'_>, at: usize) -> Result<Span, Box<Fault>> {
        let start = at + 1;
        let mut doubled = false;
        let mut end = start;
        loop {
            end = window.bits.next_end(end);
            if end >= window.len {
                return Err(Fault::incomplete(window.len, Reason::EndsInside("a quoted field")));
            }
            match window.byte(end) {
                QUOTE if window.byte(end + 1) == QUOTE && end + 1 < window.len => {
                    doubled = true;
                    end += 2;
                }
                QUOTE => break,
                b'\n' if !self.options.newlines_in_quotes => return Err(Fault::new(end, Reason::NewlineInQuotes)),
                _ => end += 1,
            }
        }
        let (next, last) = match window.byte(end + 1) {
            byte if byte == self.options.delimiter => (end + 2, false),
            b'\n' => (end + 2, true),
            b'\r' if window.byte(end + 2) == b'\n' => (end + 3, true),
            _ => {
                return Err(Fault::new(
                    end + 1,
                    Reason::Expected("a delimiter or the line's end after a closing quote"),
                ));
            }
        };
        Ok(Span { start, end, quoted: true, doubled, next, last })
    }

    /// Appends a field's text with its quotes no longer doubled.
    fn unquote(&self, window: &Window<'_>, span: &Span, text: &mut String) -> Result<(), Box<Fault>> {
        let mut from = span.start;
        while from < span.end {
            let rest = &window.bytes[from..span.end];
            // A doubled quote's first half goes with what is before it.
            let quote = if span.doubled { memchr::memchr(QUOTE, rest) } else { None };
            let to = quote.map_or(span.end, |quote| from + quote + 1);
            text.push_str(window.text(from, to).map_err(|at| Fault::new(at, Reason::NotUtf8))?);
            from = to + usize::from(quote.is_some());
        }
        Ok(())
    }

    /// The cell of a field.
    #[inline]
    fn cell<'a>(
        &mut self,
        window: &Window<'a>,
        span: &Span,
        kind: Kind,
        arena: &mut Arena<'a>,
    ) -> Result<Cell<'a>, Box<Fault>> {
        let (start, end) = (span.start, span.end);
        if start == end && !span.quoted {
            return Ok(Cell::Null);
        }
        let fail = |reason| Err(Fault::new(start, reason));
        let bytes = &window.bytes[start..end];
        match kind {
            Kind::Text if span.doubled => {
                let text = arena.take();
                self.unquote(window, span, text)?;
                Ok(Cell::Str(text))
            }
            Kind::Text => window.text(start, end).map(Cell::Str).map_err(|at| Fault::new(at, Reason::NotUtf8)),
            Kind::Signed(_) | Kind::Unsigned(_) => {
                let negative = bytes.first() == Some(&b'-');
                match digits(window.bytes, start + usize::from(negative)) {
                    Digits::Value(magnitude, after) if after == end => match kind.integer(negative, magnitude) {
                        Some(cell) => Ok(cell),
                        None => fail(Reason::OutOfRange(kind.name())),
                    },
                    Digits::TooLarge => fail(Reason::OutOfRange(kind.name())),
                    _ => fail(Reason::Expected(kind.wanted())),
                }
            }
            Kind::Time => {
                let fast = match end - start {
                    form @ (SECONDS_FORM | MILLIS_FORM) => self.times.fixed(window.bytes, start, form),
                    _ => None,
                };
                match fast.or_else(|| self.times.parse(bytes)) {
                    Some(time) => Ok(Cell::Timestamp(time)),
                    None => fail(Reason::NotATimestamp),
                }
            }
            Kind::Float(_) => match kind.float(bytes) {
                Some(cell) => Ok(cell),
                None => not_finite(bytes).map_or_else(|| fail(float_fault(kind, bytes)), |value| Ok(Cell::F64(value))),
            },
            Kind::Bool if bytes.eq_ignore_ascii_case(b"true") => Ok(Cell::Bool(true)),
            Kind::Bool if bytes.eq_ignore_ascii_case(b"false") => Ok(Cell::Bool(false)),
            Kind::Bool => fail(Reason::Expected(kind.wanted())),
        }
    }
}

/// The values that have no digits.
#[cold]
fn not_finite(text: &[u8]) -> Option<f64> {
    match text {
        b"NaN" => Some(f64::NAN),
        b"Infinity" => Some(f64::INFINITY),
        b"-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

#[cold]
fn float_fault(kind: Kind, text: &[u8]) -> Reason {
    let number = text.iter().any(u8::is_ascii_digit) && fast_float2::parse::<f64, _>(text).is_ok();
    if number { Reason::OutOfRange(kind.name()) } else { Reason::Expected(kind.wanted()) }
}

impl RecordParser for Parser {
    #[inline]
    fn record<'a>(
        &mut self,
        window: Window<'a>,
        at: usize,
        mut arena: Arena<'a>,
        cells: &mut [Cell<'a>],
    ) -> Result<(usize, bool), Box<Fault>> {
        let line_end = match (window.byte(at), window.byte(at + 1)) {
            (b'\n', _) => at + 1,
            (b'\r', b'\n') => at + 2,
            _ => 0,
        };
        if line_end != 0 && self.columns.len() != 1 {
            return Ok((line_end, false));
        }
        let (mut at, mut column) = (at, 0);
        loop {
            let span = self.span(&window, at)?;
            if let Some(&Some((leaf, kind))) = self.columns.get(column) {
                let cell = self.cell(&window, &span, kind, &mut arena).map_err(|fault| fault.of(leaf))?;
                cells[usize::from(leaf)] = cell;
            }
            column += 1;
            at = span.next;
            if span.last {
                break;
            }
        }
        if column != self.columns.len() {
            let count = Reason::ColumnCount { expected: self.columns.len(), found: column };
            return Err(Fault::new(at - 1, count));
        }
        Ok((at, true))
    }

    fn path(&self, leaf: u16) -> String {
        self.tree.leaves[usize::from(leaf)].path.clone()
    }
}
