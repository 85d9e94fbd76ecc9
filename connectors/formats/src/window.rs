//! The stretch of input that a decoder works on: whole lines, padded, with the ends of strings marked.
//!
//! Invariants:
//! 1. `bytes` reach at least [`PADDING`] bytes past `len`, so that a load of that many at any place up to `len` succeeds
//!    without a test for the end.
//! 2. `bytes[len - 1]` or `bytes[len]` is a newline.

use crate::marks::{BLOCK, Bits, Marks};
use memchr::{memchr, memrchr};
use std::ops::Range;
use yeoul_sys::prefetch_read;

/// How far past its end a window can be read.
pub(crate) const PADDING: usize = BLOCK;

/// Windows are this long if lines are shorter than that: small enough that bytes, marks and rows stay in the first level
/// of cache between the passes over them.
pub(crate) const WINDOW: usize = 8 * 1024;

/// An open window.
#[derive(Clone, Copy)]
pub(crate) struct Window<'w> {
    pub(crate) bytes: &'w [u8],
    pub(crate) bits: Bits<'w>,
    /// The first `len` bytes as text, if that was asked for and they are UTF-8.
    pub(crate) text: Option<&'w str>,
    pub(crate) len: usize,
}

/// The memory behind windows, kept from one to the next.
#[derive(Debug, Default)]
pub(crate) struct WindowMemory {
    marks: Marks,
    copy: Vec<u8>,
}

impl WindowMemory {
    /// Opens the first `len` of `bytes`. `text` asks for them as text; `mark` marks them.
    #[inline]
    pub(crate) fn open<'w>(
        &'w mut self,
        bytes: &'w [u8],
        len: usize,
        text: bool,
        mark: impl FnOnce(&'w mut Marks, &[u8], usize) -> Bits<'w>,
    ) -> Window<'w> {
        let ends_in_newline = len > 0 && bytes[len - 1] == b'\n';
        let bytes = if ends_in_newline && len + PADDING <= bytes.len() {
            bytes
        } else {
            self.copy.clear();
            self.copy.extend_from_slice(&bytes[..len]);
            self.copy.extend_from_slice(&[b'\n'; PADDING]);
            &self.copy
        };
        let bits = mark(&mut self.marks, bytes, len);
        let text = if text { simdutf8::basic::from_utf8(&bytes[..len]).ok() } else { None };
        Window { bytes, bits, text, len }
    }
}

impl<'w> Window<'w> {
    /// Asks for the part of the next window that is as large as what was just read of this one. Marking reads a window
    /// much faster than memory delivers it, and parsing leaves memory idle: this evens it out.
    #[inline]
    pub(crate) fn prefetch(&self, read: Range<usize>) {
        for at in read.step_by(64) {
            if let Some(byte) = self.bytes.get(at + WINDOW) {
                prefetch_read(byte);
            }
        }
    }

    /// The byte at `at`; past the padding, a newline.
    #[inline(always)]
    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(b'\n')
    }

    /// The eight bytes at `at`, the first in the lowest bits.
    #[inline(always)]
    pub(crate) fn word(&self, at: usize) -> u64 {
        word(self.bytes, at)
    }

    /// A range as text, or the place of the first byte that is not. The range's ends must not cut a character.
    #[inline]
    pub(crate) fn text(&self, from: usize, to: usize) -> Result<&'w str, usize> {
        match self.text.and_then(|text| text.get(from..to)) {
            Some(text) => Ok(text),
            None => std::str::from_utf8(&self.bytes[from..to]).map_err(|error| from + error.valid_up_to()),
        }
    }
}

/// The eight bytes at `at`, the first in the lowest bits; zeros if there are not eight.
#[inline(always)]
pub(crate) fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

/// How long a window over the start of `bytes` is: whole lines up to `goal` bytes, or the first line if it is longer.
/// `None` if there is no whole line yet; if `last`, what is left without a newline counts as a line.
#[inline]
pub(crate) fn whole_lines(bytes: &[u8], goal: usize, last: bool) -> Option<usize> {
    if last && bytes.len() <= goal {
        return Some(bytes.len());
    }
    let head = &bytes[..bytes.len().min(goal)];
    if let Some(newline) = memrchr(b'\n', head) {
        return Some(newline + 1);
    }
    match memchr(b'\n', &bytes[head.len()..]) {
        Some(newline) => Some(head.len() + newline + 1),
        None if last => Some(bytes.len()),
        None => None,
    }
}

/// A longer window, for a record that did not end within `len`: about twice as long, so that trying again costs in proportion
/// to the record in the end; or what there is. `None` if there is no more.
#[cold]
pub(crate) fn more_lines(bytes: &[u8], len: usize, last: bool) -> Option<usize> {
    if let Some(newline) = bytes.get(2 * len..).and_then(|rest| memchr(b'\n', rest)) {
        return Some(2 * len + newline + 1);
    }
    match memrchr(b'\n', &bytes[len..]) {
        _ if last && len < bytes.len() => Some(bytes.len()),
        Some(newline) => Some(len + newline + 1),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_windows_grow_to_the_end() {
        assert_eq!(more_lines(b"a\nb\nc\nd\n", 2, false), Some(6));
        assert_eq!(more_lines(b"a\nb\nc\nd", 4, false), Some(6));
        assert_eq!(more_lines(b"a\nb\nc\nd", 4, true), Some(7));
        assert_eq!(more_lines(b"a\nb\nc\nd", 6, false), None);
        assert_eq!(more_lines(b"a\nb\n", 4, true), None);
    }

    #[test]
    fn windows_are_whole_lines() {
        assert_eq!(whole_lines(b"ab\ncd\nef", 7, false), Some(6));
        assert_eq!(whole_lines(b"ab\ncd\nef", 4, false), Some(3));
        assert_eq!(whole_lines(b"abcdef\ngh", 2, false), Some(7));
        assert_eq!(whole_lines(b"abcdef", 2, false), None);
        assert_eq!(whole_lines(b"abcdef", 2, true), Some(6));
        assert_eq!(whole_lines(b"ab\ncd", 9, true), Some(5));
    }

    #[test]
    fn a_window_is_padded() {
        let mut memory = WindowMemory::default();
        for input in ["", "ab\"c", "ab\"c\n", &"x".repeat(100), &"long enough\n".repeat(20)] {
            let window = memory.open(input.as_bytes(), input.len(), true, Marks::json);
            assert_eq!(window.text, Some(input));
            assert!(window.bytes.len() >= input.len() + PADDING);
        }
        let lines = "a\n".repeat(100);
        let window = memory.open(lines.as_bytes(), 20, true, Marks::json);
        assert_eq!(window.bytes.as_ptr(), lines.as_ptr(), "read in place if enough follows");
        assert_eq!((window.text, window.byte(9999), window.word(9999)), (Some(&lines[..20]), b'\n', 0));
    }
}
