//! Escapes of strings that are used.

use super::walk::Walk;
use crate::malformed::{Fault, Reason};

impl<'a> Walk<'_, 'a> {
    /// The string whose first byte is at `start`, and the place after it.
    #[inline(always)]
    pub(super) fn string(&mut self, start: usize) -> Result<(&'a str, usize), Box<Fault>> {
        let stop = self.window.bits.next_stop(start);
        match self.window.byte(stop) {
            b'"' => Ok((self.piece(start, stop)?, stop + 1)),
            b'\\' => self.escaped(start),
            _ => Err(self.bad_string(stop)),
        }
    }

    /// As `string`, for one that holds an escape.
    #[inline(never)]
    fn escaped(&mut self, start: usize) -> Result<(&'a str, usize), Box<Fault>> {
        let end = self.window.bits.next_end(start);
        if self.window.byte(end) != b'"' {
            return Err(self.bad_string(end));
        }
        let text = self.arena.take();
        self.unescape(start, end, text)?;
        Ok((text, end + 1))
    }

    #[inline(always)]
    fn piece(&self, from: usize, to: usize) -> Result<&'a str, Box<Fault>> {
        self.window.text(from, to).map_err(|at| Fault::new(at, Reason::NotUtf8))
    }

    /// Appends what the string from `start` to its quote at `end` means.
    pub(super) fn unescape(&self, start: usize, end: usize, text: &mut String) -> Result<(), Box<Fault>> {
        let (mut from, mut ahead) = (start, start);
        loop {
            let escape = self.window.bits.next_stop(ahead).min(end);
            text.push_str(self.piece(from, escape)?);
            if escape == end {
                return Ok(());
            }
            // The byte after a backslash lies before the quote too, or that quote would be escaped.
            ahead = escape + 2;
            let special = match self.window.byte(escape + 1) {
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
                    let (character, after) = self.unicode(escape)?;
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
    fn unicode(&self, at: usize) -> Result<(char, usize), Box<Fault>> {
        let first = self.four_hex(at)?;
        if let Some(character) = char::from_u32(first) {
            return Ok((character, at + 6));
        }
        let low = at + 6;
        if first < 0xdc00 && self.window.byte(low) == b'\\' && self.window.byte(low + 1) == b'u' {
            let second = self.four_hex(low)?;
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
    fn four_hex(&self, at: usize) -> Result<u32, Box<Fault>> {
        (at + 2..at + 6).try_fold(0, |code, place| match char::from(self.window.byte(place)).to_digit(16) {
            Some(digit) => Ok(code << 4 | digit),
            None => Err(Fault::new(at, Reason::BadEscape)),
        })
    }
}
