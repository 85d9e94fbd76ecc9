//! Stepping over values that no one uses.
//!
//! How strict it is: structure, literals and numbers must be as RFC 8259 wants them, at any depth; a string must end, on
//! its line, and hold no raw control character. Not checked in strings that are stepped over: that an escape is one that
//! JSON knows, that surrogates come in pairs, and that the bytes are UTF-8. Not checked among keys that are not used:
//! that each stands once. A number may be larger than any type holds.

use super::script::ScriptId;
use super::walk::{DEPTH, Walk};
use crate::leaves::Leaves;
use crate::malformed::{Fault, Reason};
use crate::number::leading_digits;

impl<'a, L: Leaves<'a>> Walk<'_, 'a, L> {
    /// The place after the string whose first byte is at `at`.
    #[inline]
    pub(super) fn skip_string(&self, at: usize) -> Result<usize, Box<Fault>> {
        let end = self.window.bits.next_end(at);
        if self.window.byte(end) == b'"' { Ok(end + 1) } else { Err(self.bad_string(end)) }
    }

    /// The place after the string, short integer or `null` at `at`, if it is one of those and well-formed.
    #[inline(always)]
    pub(super) fn skip_scalar(&self, at: usize) -> Option<usize> {
        let word = self.window.word(at);
        let first = word as u8;
        if first == b'"' {
            let end = self.window.bits.next_end(at + 1);
            return (self.window.byte(end) == b'"').then_some(end + 1);
        }
        let count = leading_digits(word);
        if count == 0 {
            return self.null(at);
        }
        let plain = matches!(self.window.byte(at + count), b',' | b'}') && (first != b'0' || count == 1);
        plain.then_some(at + count)
    }

    /// Why a string ends at `at`, where no quote stands.
    #[cold]
    pub(super) fn bad_string(&self, at: usize) -> Box<Fault> {
        match self.window.byte(at) {
            b'\n' => Fault::new(at, Reason::EndsInside("a string")),
            _ => Fault::new(at, Reason::ControlCharacter),
        }
    }

    /// The place after the value at `at`. Objects in it follow `script`.
    pub(super) fn skip_value(&mut self, script: ScriptId, at: usize, depth: usize) -> Result<usize, Box<Fault>> {
        match self.window.byte(at) {
            b'"' => self.skip_string(at + 1),
            b'0'..=b'9' | b'-' => self.skip_number(at),
            b'n' => self.literal(at, "null"),
            b't' => self.literal(at, "true"),
            b'f' => self.literal(at, "false"),
            b'{' | b'[' if depth == DEPTH => Err(Fault::new(at, Reason::TooDeep(DEPTH))),
            b'{' => self.object(script, at + 1, depth + 1),
            b'[' => self.skip_array(script, at + 1, depth + 1),
            b' ' | b'\t' | b'\r' => self.skip_value(script, self.blanks(at), depth),
            b'\n' => Err(Fault::new(at, Reason::EndsInside("a value"))),
            _ => Err(Fault::new(at, Reason::Expected("a JSON value"))),
        }
    }

    fn skip_array(&mut self, script: ScriptId, at: usize, depth: usize) -> Result<usize, Box<Fault>> {
        let mut at = self.blanks(at);
        if self.window.byte(at) == b']' {
            return Ok(at + 1);
        }
        loop {
            let end = self.skip_value(script, at, depth)?;
            at = self.blanks(end);
            match self.window.byte(at) {
                b',' => at += 1,
                b']' => return Ok(at + 1),
                b'\n' => return Err(Fault::new(at, Reason::EndsInside("an array"))),
                _ => return Err(Fault::new(at, Reason::Expected("a comma or `]`"))),
            }
        }
    }

    /// The place after the number at `at`: `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`.
    #[inline]
    pub(super) fn skip_number(&self, at: usize) -> Result<usize, Box<Fault>> {
        let start = at + usize::from(self.window.byte(at) == b'-');
        let mut end = self.skip_digits(start)?;
        if self.window.byte(start) == b'0' && end - start > 1 {
            return Err(Fault::new(start, Reason::Expected("a number without leading zeros")));
        }
        if self.window.byte(end) == b'.' {
            end = self.skip_digits(end + 1)?;
        }
        if matches!(self.window.byte(end), b'e' | b'E') {
            let sign = matches!(self.window.byte(end + 1), b'+' | b'-');
            end = self.skip_digits(end + 1 + usize::from(sign))?;
        }
        Ok(end)
    }

    /// The place after one digit or more.
    #[inline]
    fn skip_digits(&self, start: usize) -> Result<usize, Box<Fault>> {
        let mut at = start;
        loop {
            let count = leading_digits(self.window.word(at));
            at += count;
            if count < 8 {
                break;
            }
        }
        if at == start { Err(Fault::new(at, Reason::Expected("a digit"))) } else { Ok(at) }
    }
}
