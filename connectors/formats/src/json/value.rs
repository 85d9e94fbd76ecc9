//! Values that are used, by the type of their field.

use super::script::ScriptId;
use super::walk::Walk;
use crate::kind::{Kind, Scalar};
use crate::leaves::{Leaves, ListPlace};
use crate::malformed::{Fault, Reason};
use crate::number::{Digits, digits};
use crate::time_text::MILLIS_FORM;

impl<'a, L: Leaves<'a>> Walk<'_, 'a, L> {
    /// Gives the value at `at` to `leaf`; the place after it.
    #[inline(always)]
    pub(super) fn leaf(&mut self, leaf: u16, kind: Kind, at: usize) -> Result<usize, Box<Fault>> {
        match kind {
            Kind::Signed(bits) => {
                if let Digits::Value(magnitude, end) = digits(self.window.bytes, at)
                    && self.is_integer(at, end)
                    && magnitude <= i64::MAX as u64 >> (64 - u32::from(bits))
                {
                    self.leaves.integer(leaf, magnitude as i64);
                    return Ok(end);
                }
            }
            Kind::Unsigned(bits) => {
                if let Digits::Value(magnitude, end) = digits(self.window.bytes, at)
                    && self.is_integer(at, end)
                    && magnitude <= u64::MAX >> (64 - u32::from(bits))
                {
                    self.leaves.unsigned(leaf, magnitude);
                    return Ok(end);
                }
            }
            Kind::Text => {
                if self.window.byte(at) == b'"' {
                    return self.string(leaf, at + 1).map_err(|fault| fault.of(leaf));
                }
            }
            Kind::Time => {
                if self.window.byte(at) == b'"'
                    && self.window.byte(at + 1 + MILLIS_FORM) == b'"'
                    && let Some(time) = self.state.times.fixed(self.window.bytes, at + 1, MILLIS_FORM)
                {
                    self.leaves.time(leaf, time);
                    return Ok(at + MILLIS_FORM + 2);
                }
            }
            Kind::Bool
            | Kind::Float(_)
            | Kind::Nanos
            | Kind::Date
            | Kind::Clock
            | Kind::Decimal { .. }
            | Kind::List(_) => {}
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
        let (value, end) = match (self.window.byte(at), kind) {
            (b'n', _) => return self.literal(at, "null"),
            (b' ' | b'\t' | b'\r', _) => return self.unusual_after_blanks(leaf, kind, at),
            (b'\n', _) => return fail(Reason::EndsInside("an object")),
            (b't', Kind::Bool) => (Scalar::Bool(true), self.literal(at, "true")?),
            (b'f', Kind::Bool) => (Scalar::Bool(false), self.literal(at, "false")?),
            (b'-' | b'0'..=b'9', Kind::Float(_) | Kind::Decimal { .. }) => {
                let end = self.skip_number(at)?;
                match kind.number(&self.window.bytes[at..end]) {
                    Some(value) => (value, end),
                    None => return fail(Reason::OutOfRange(kind.name())),
                }
            }
            (first @ (b'-' | b'0'..=b'9'), Kind::Signed(_) | Kind::Unsigned(_) | Kind::Time | Kind::Nanos) => {
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
                        Some(value) => (value, end),
                        None => return fail(Reason::OutOfRange(kind.name())),
                    },
                    Digits::TooLarge => return fail(Reason::OutOfRange(kind.name())),
                    Digits::None => return fail(Reason::Expected(kind.wanted())),
                }
            }
            (b'"', Kind::Time | Kind::Nanos | Kind::Date | Kind::Clock) => {
                let (text, end) = self.string_text(at + 1).map_err(|fault| fault.of(leaf))?;
                match kind.text(text.as_bytes(), &mut self.state.times) {
                    Ok(value) => (value, end),
                    Err(reason) => return fail(reason),
                }
            }
            (b'[', Kind::List(element)) => return self.list(leaf, element, at),
            _ => return self.converted(leaf, kind, at),
        };
        value.give(self.leaves, leaf);
        Ok(end)
    }

    fn unusual_after_blanks(&mut self, leaf: u16, kind: Kind, at: usize) -> Result<usize, Box<Fault>> {
        self.leaf(leaf, kind, self.blanks(at))
    }

    /// A value of another kind than the leaf's: text in place of a number or flag, or anything in place of text, which
    /// is then text as it is written. For leaves that convert; otherwise it is wrong.
    #[cold]
    fn converted(&mut self, leaf: u16, kind: Kind, at: usize) -> Result<usize, Box<Fault>> {
        let wrong = || Err(Fault::new(at, Reason::Expected(kind.wanted())).of(leaf));
        match (self.window.byte(at), kind) {
            _ if !L::CONVERTS => wrong(),
            (_, Kind::Text) => {
                let end = self.skip_value(ScriptId::NONE, at, 1)?;
                let text = self.piece(at, end).map_err(|fault| fault.of(leaf))?;
                self.leaves.text(leaf, text);
                Ok(end)
            }
            (b'"', Kind::Bool | Kind::Signed(_) | Kind::Unsigned(_) | Kind::Float(_) | Kind::Decimal { .. }) => {
                let (text, end) = self.string_text(at + 1).map_err(|fault| fault.of(leaf))?;
                match kind.text(kind.lenient(text.as_bytes()), &mut self.state.times) {
                    Ok(value) => value.give(self.leaves, leaf),
                    Err(reason) => return Err(Fault::new(at, reason).of(leaf)),
                }
                Ok(end)
            }
            _ => wrong(),
        }
    }

    /// A list, from its bracket.
    fn list(&mut self, leaf: u16, element: u16, at: usize) -> Result<usize, Box<Fault>> {
        let place = self.leaves.begin_list(leaf, element);
        let end = self.elements(place, element, at + 1);
        self.leaves.end_list(place, end.is_ok());
        end.map_err(|fault| fault.of(leaf))
    }

    fn elements(&mut self, place: ListPlace, element: u16, at: usize) -> Result<usize, Box<Fault>> {
        let kind = self.leaves.kind_of(element);
        let mut at = self.blanks(at);
        if self.window.byte(at) == b']' {
            return Ok(at + 1);
        }
        loop {
            at = match self.leaf(element, kind, at) {
                Ok(end) => end,
                // One that may not be null is forgiven with its whole list, or not at all.
                Err(fault) if place.nullable => self.forgive(fault, at, 1)?,
                Err(fault) => return Err(fault),
            };
            self.leaves.next_element(place);
            at = self.blanks(at);
            match self.window.byte(at) {
                b',' => at += 1,
                b']' => return Ok(at + 1),
                b'\n' => return Err(Fault::new(at, Reason::EndsInside("an array"))),
                _ => return Err(Fault::new(at, Reason::Expected("a comma or `]`"))),
            }
        }
    }
}
