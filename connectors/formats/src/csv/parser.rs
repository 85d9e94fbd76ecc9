//! One CSV record: its fields, found by the marks of the window, and their cells.

use super::{CsvOptions, Header};
use crate::fields::FieldTree;
use crate::kind::Kind;
use crate::leaves::Leaves;
use crate::malformed::{Fault, Reason};
use crate::marks::{Bits, Marks};
use crate::number::{Digits, digits};
use crate::records::RecordParser;
use crate::time_text::{MILLIS_FORM, SECONDS_FORM, TimeParser};
use crate::window::Window;

const QUOTE: u8 = b'"';

/// What stays the same from record to record.
#[derive(Debug)]
pub(super) struct Parser {
    tree: FieldTree,
    pub(super) options: CsvOptions,
    /// By column: the leaf that it fills, if any.
    columns: Vec<Option<(u16, Kind)>>,
    times: TimeParser,
    pub(super) nulls: Nulls,
}

/// Which fields, not in quotes, are null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// Empty ones.
    Empty,
    /// Those that read so, if a text is given; and empty ones, where the leaf is not text.
    Literal(Option<Box<[u8]>>),
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
        let columns = (0..).zip(&tree.leaves).map(|(leaf, field)| Some((leaf, field.kind))).collect();
        Self { tree, options, columns, times: TimeParser::default(), nulls: Nulls::Empty }
    }

    /// Columns by position are these leaves, until a header says otherwise.
    pub(super) fn with_columns(mut self, leaves: &[Option<u16>], nulls: Nulls) -> Self {
        let kind = |leaf: u16| (leaf, self.tree.leaves[usize::from(leaf)].kind);
        self.columns = leaves.iter().map(|leaf| leaf.map(kind)).collect();
        self.nulls = nulls;
        self
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
            Self::unquote(&window, &span, &mut name)?;
            let leaf = self.tree.leaves.iter().position(|leaf| leaf.path == name);
            if let Some(leaf) = leaf.filter(|_| self.options.header == Header::Named)
                && std::mem::replace(&mut found[leaf], true)
            {
                return Err(Fault::new(span.start, Reason::Duplicate).of(leaf as u16));
            }
            columns.push(leaf.map(|leaf| (leaf as u16, self.tree.leaves[leaf].kind)));
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
            Header::Skipped | Header::Absent if columns.len() == self.columns.len() => {}
            Header::Skipped | Header::Absent => {
                return Err(Fault::new(0, Reason::ColumnCount { expected: self.columns.len(), found: columns.len() }));
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
    fn unquote(window: &Window<'_>, span: &Span, text: &mut String) -> Result<(), Box<Fault>> {
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

    /// Gives a field's value to its leaf.
    #[inline]
    fn field<'a, L: Leaves<'a>>(
        &mut self,
        window: &Window<'a>,
        span: &Span,
        (leaf, kind): (u16, Kind),
        leaves: &mut L,
    ) -> Result<(), Box<Fault>> {
        let (start, end) = (span.start, span.end);
        if !span.quoted && self.is_null(kind, &window.bytes[start..end]) {
            return Ok(());
        }
        let fail = |reason| Err(Fault::new(start, reason));
        match kind {
            Kind::Text if span.doubled => return leaves.written(leaf, |text| Self::unquote(window, span, text)),
            Kind::Text => {
                let text = window.text(start, end).map_err(|at| Fault::new(at, Reason::NotUtf8))?;
                leaves.text(leaf, text);
            }
            Kind::Signed(_) | Kind::Unsigned(_) => {
                // Read in place: the window is padded, so that digits are loaded eight at once.
                let negative = window.byte(start) == b'-';
                match digits(window.bytes, start + usize::from(negative)) {
                    Digits::Value(magnitude, after) if after == end => match kind.integer(negative, magnitude) {
                        Some(value) => value.give(leaves, leaf),
                        None => return fail(Reason::OutOfRange(kind.name())),
                    },
                    _ => return self.unusual(&window.bytes[start..end], start, (leaf, kind), leaves),
                }
            }
            Kind::Time if matches!(end - start, SECONDS_FORM | MILLIS_FORM) => {
                match self.times.fixed(window.bytes, start, end - start) {
                    Some(time) => leaves.time(leaf, time),
                    None => return self.unusual(&window.bytes[start..end], start, (leaf, kind), leaves),
                }
            }
            _ => return self.unusual(&window.bytes[start..end], start, (leaf, kind), leaves),
        }
        Ok(())
    }

    /// Gives the value of a text that is not read in place. One that is no value, and stands for null otherwise, is null also in
    /// quotes or between blanks, for leaves that convert: there are writers that put every field in quotes.
    fn unusual<'a, L: Leaves<'a>>(
        &mut self,
        text: &[u8],
        at: usize,
        (leaf, kind): (u16, Kind),
        leaves: &mut L,
    ) -> Result<(), Box<Fault>> {
        match kind.text(if L::CONVERTS { kind.lenient(text) } else { text }, &mut self.times) {
            Ok(value) => value.give(leaves, leaf),
            Err(_) if L::CONVERTS && self.is_null(kind, text.trim_ascii()) => {}
            Err(reason) => return Err(Fault::new(at, reason)),
        }
        Ok(())
    }

    /// Whether a field without quotes is null.
    #[inline]
    fn is_null(&self, kind: Kind, text: &[u8]) -> bool {
        match &self.nulls {
            Nulls::Empty => text.is_empty(),
            Nulls::Literal(null) => {
                (text.is_empty() && kind != Kind::Text) || null.as_ref().is_some_and(|null| **null == *text)
            }
        }
    }
}

impl RecordParser for Parser {
    #[inline]
    fn record<'a, L: Leaves<'a>>(
        &mut self,
        window: Window<'a>,
        at: usize,
        leaves: &mut L,
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
            if let Some(&Some((leaf, kind))) = self.columns.get(column)
                && let Err(fault) = self.field(&window, &span, (leaf, kind), leaves)
                && !leaves.forgives()
            {
                return Err(fault.of(leaf));
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
