//! Escapes of strings that are used.

use super::walk::Walk;
use crate::leaves::Leaves;
use crate::malformed::{Fault, Reason};
use crate::window::Window;
use std::borrow::Cow;

impl<'a, L: Leaves<'a>> Walk<'_, 'a, L> {
    /// Gives the string whose first byte is at `start` to `leaf`; the place after it.
    #[inline(always)]
    pub(super) fn string(&mut self, leaf: u16, start: usize) -> Result<usize, Box<Fault>> {
        let stop = self.window.bits.next_stop(start);
        match self.window.byte(stop) {
            b'"' => {
                let text = self.piece(start, stop)?;
                self.leaves.text(leaf, text);
                Ok(stop + 1)
            }
            b'\\' => self.escaped(leaf, start),
            _ => Err(self.bad_string(stop)),
        }
    }

    /// As `string`, for one that holds an escape.
    #[inline(never)]
    fn escaped(&mut self, leaf: u16, start: usize) -> Result<usize, Box<Fault>> {
        let end = self.string_end(start)?;
        let (window, leaves) = (&self.window, &mut *self.leaves);
        leaves.written(leaf, |text| unescape(window, start, end, text))?;
        Ok(end + 1)
    }

    /// The text of the string whose first byte is at `start`, and the place after it. For what is seldom wanted as text.
    pub(super) fn string_text(&self, start: usize) -> Result<(Cow<'a, str>, usize), Box<Fault>> {
        let end = self.string_end(start)?;
        if self.window.bits.next_stop(start) == end {
            return Ok((Cow::Borrowed(self.piece(start, end)?), end + 1));
        }
        let mut text = String::new();
        unescape(&self.window, start, end, &mut text)?;
        Ok((Cow::Owned(text), end + 1))
    }

    fn string_end(&self, start: usize) -> Result<usize, Box<Fault>> {
        let end = self.window.bits.next_end(start);
        if self.window.byte(end) == b'"' { Ok(end) } else { Err(self.bad_string(end)) }
    }

    #[inline(always)]
    pub(super) fn piece(&self, from: usize, to: usize) -> Result<&'a str, Box<Fault>> {
        piece(&self.window, from, to)
    }
}

#[inline(always)]
fn piece<'a>(window: &Window<'a>, from: usize, to: usize) -> Result<&'a str, Box<Fault>> {
    window.text(from, to).map_err(|at| Fault::new(at, Reason::NotUtf8))
}

/// Appends what the string from `start` to its quote at `end` means.
pub(super) fn unescape(window: &Window<'_>, start: usize, end: usize, text: &mut String) -> Result<(), Box<Fault>> {
    let (mut from, mut ahead) = (start, start);
    loop {
        let escape = window.bits.next_stop(ahead).min(end);
        text.push_str(piece(window, from, escape)?);
        if escape == end {
            return Ok(());
        }
        // The byte after a backslash lies before the quote too, or that quote would be escaped.
        ahead = escape + 2;
        let special = match window.byte(escape + 1) {
            // It means itself: it goes with what follows it.
            b'"' | b'\\' | b'/' => {
                from = escape + 1;
                continue;
            }
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                let (character, after) = unicode(window, escape)?;
                ahead = after;
                character
            }
            _ => return Err(Fault::new(escape, Reason::BadEscape)),
        };
        text.push(special);
        from = ahead;
    }
}

/// The character of the `\u` escape at `at`, or of the two that make a surrogate pair, and the place after it.
fn unicode(window: &Window<'_>, at: usize) -> Result<(char, usize), Box<Fault>> {
    let first = four_hex(window, at)?;
    if let Some(character) = char::from_u32(first) {
        return Ok((character, at + 6));
    }
    let low = at + 6;
    if first < 0xdc00 && window.byte(low) == b'\\' && window.byte(low + 1) == b'u' {
        let second = four_hex(window, low)?;
        if (0xdc00..0xe000).contains(&second) {
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return char::from_u32(code)
                .map(|character| (character, at + 12))
                .ok_or_else(|| Fault::new(at, Reason::LoneSurrogate));
        }
    }
    Err(Fault::new(at, Reason::LoneSurrogate))
}

/// The value of the four digits of the `\u` escape at `at`.
fn four_hex(window: &Window<'_>, at: usize) -> Result<u32, Box<Fault>> {
    (at + 2..at + 6).try_fold(0, |code, place| match char::from(window.byte(place)).to_digit(16) {
        Some(digit) => Ok(code << 4 | digit),
        None => Err(Fault::new(at, Reason::BadEscape)),
    })
}
