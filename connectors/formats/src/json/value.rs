//! Values that are used, by the type of their field.

use super::walk::Walk;
use crate::kind::Kind;
use crate::malformed::{Fault, Reason};
use crate::number::{Digits, digits};
use crate::time_text::MILLIS_FORM;
use yeoul_frame::Cell;

impl Walk<'_, '_> {
    /// Reads the value at `at` into the cell of `leaf`; the place after it.
    ///
    /// Each arm writes its cell where it stays: a cell that is built elsewhere and then moved costs more than parsing it,
    /// since the move reads what was just written in other widths.
    #[inline(always)]
    pub(super) fn leaf(&mut self, leaf: u16, kind: Kind, at: usize) -> Result<usize, Box<Fault>> {
        match kind {
            Kind::Signed(bits) => {
                if let Digits::Value(magnitude, end) = digits(self.window.bytes, at)
                    && self.is_integer(at, end)
                    && magnitude <= i64::MAX as u64 >> (64 - u32::from(bits))
                {
                    *self.cell(leaf) = Cell::I64(magnitude as i64);
                    return Ok(end);
                }
            }
            Kind::Unsigned(bits) => {
                if let Digits::Value(magnitude, end) = digits(self.window.bytes, at)
                    && self.is_integer(at, end)
                    && magnitude <= u64::MAX >> (64 - u32::from(bits))
                {
                    *self.cell(leaf) = Cell::U64(magnitude);
                    return Ok(end);
                }
            }
            Kind::Text => {
                if self.window.byte(at) == b'"' {
                    let (text, end) = self.string(at + 1).map_err(|fault| fault.of(leaf))?;
                    *self.cell(leaf) = Cell::Str(text);
                    return Ok(end);
                }
            }
            Kind::Time => {
                if self.window.byte(at) == b'"'
                    && self.window.byte(at + 1 + MILLIS_FORM) == b'"'
                    && let Some(time) = self.state.times.fixed(self.window.bytes, at + 1, MILLIS_FORM)
                {
                    *self.cell(leaf) = Cell::Timestamp(time);
                    return Ok(at + MILLIS_FORM + 2);
                }
            }
            Kind::Bool | Kind::Float(_) => {}
        }
        self.unusual(leaf, kind, at)
    }

    /// Whether the digits from `start` to `end` are all there is of a number, and begin as JSON wants.
    #[inline(always)]
    fn is_integer(&self, start: usize, end: usize) -> bool {
        let leading_zero = self.window.byte(start) == b'0' && end - start > 1;
        !leading_zero && !matches!(self.window.byte(end), b'.' | b'e' | b'E')
    }

    /// A value that does not begin as most of its kind do: null, after a blank, negative, a float or a flag; or wrong.
    #[inline(never)]
    fn unusual(&mut self, leaf: u16, kind: Kind, at: usize) -> Result<usize, Box<Fault>> {
        let fail = |reason| Err(Fault::new(at, reason).of(leaf));
        let (cell, end) = match (self.window.byte(at), kind) {
            (b'n', _) => (Cell::Null, self.literal(at, "null")?),
            (b' ' | b'\t' | b'\r', _) => return self.unusual_after_blanks(leaf, kind, at),
            (b'\n', _) => return fail(Reason::EndsInside("an object")),
            (b't', Kind::Bool) => (Cell::Bool(true), self.literal(at, "true")?),
            (b'f', Kind::Bool) => (Cell::Bool(false), self.literal(at, "false")?),
            (b'-' | b'0'..=b'9', Kind::Float(_)) => {
                let end = self.skip_number(at)?;
                match kind.float(&self.window.bytes[at..end]) {
                    Some(cell) => (cell, end),
                    None => return fail(Reason::OutOfRange(kind.name())),
                }
            }
            (first @ (b'-' | b'0'..=b'9'), Kind::Signed(_) | Kind::Unsigned(_) | Kind::Time) => {
                let negative = first == b'-';
                let start = at + usize::from(negative);
                if self.window.byte(start) == b'0' && self.window.byte(start + 1).is_ascii_digit() {
                    return fail(Reason::Expected("a number without leading zeros"));
                }
                match digits(self.window.bytes, start) {
                    Digits::Value(_, end) if !self.is_integer(start, end) => {
                        return fail(Reason::Expected(kind.wanted()));
                    }
                    Digits::Value(magnitude, end) => match kind.integer(negative, magnitude) {
                        Some(cell) => (cell, end),
                        None => return fail(Reason::OutOfRange(kind.name())),
                    },
                    Digits::TooLarge => return fail(Reason::OutOfRange(kind.name())),
                    Digits::None => return fail(Reason::Expected(kind.wanted())),
                }
            }
            (b'"', Kind::Time) => {
                let (text, end) = self.string(at + 1).map_err(|fault| fault.of(leaf))?;
                match self.state.times.parse(text.as_bytes()) {
                    Some(time) => (Cell::Timestamp(time), end),
                    None => return fail(Reason::NotATimestamp),
                }
            }
            _ => return fail(Reason::Expected(kind.wanted())),
        };
        *self.cell(leaf) = cell;
        Ok(end)
    }

    fn unusual_after_blanks(&mut self, leaf: u16, kind: Kind, at: usize) -> Result<usize, Box<Fault>> {
        self.leaf(leaf, kind, self.blanks(at))
    }
}

impl<'a> Walk<'_, 'a> {
    #[inline(always)]
    fn cell(&mut self, leaf: u16) -> &mut Cell<'a> {
        &mut self.cells[usize::from(leaf)]
    }
}
