//! Columns of text, built value by value: short strings within their views, long ones in one buffer a column.
//!
//! Here because the array is made without validating again what came as `&str`. Decoders and generators push; a row
//! without a value is padded, and the caller says by a null buffer which those are.
//!
//! Invariants:
//! 1. Each view is a string of at most twelve bytes, or refers to bytes of `data` that were pushed as one `&str`, or that were found
//!    to be UTF-8 each by itself before the array is made.
//! 2. Views of long strings stand in the order of their bytes, and `data` ends where the last of them does: what is cut off is
//!    referred to by no view.

use std::str::Utf8Error;

use arrow_array::StringViewArray;
use arrow_array::builder::make_view;
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};

/// The longest string that stands within its view.
const INLINE: usize = 12;

/// The bits that no ASCII character has.
const NOT_ASCII: u128 = u128::from_ne_bytes([0x80; 16]);

/// Bytes for which there may be room that no string takes.
const SPARE: usize = 16 << 10;

/// Builds a column of text.
///
/// ```
/// use arrow_array::Array;
/// use yeoul_frame::TextBuilder;
/// let mut text = TextBuilder::default();
/// text.push("Phoenix");
/// text.push("a text of more than twelve bytes");
/// text.resize(3);
/// let array = text.finish(None);
/// assert_eq!(array.iter().flatten().collect::<Vec<_>>(), ["Phoenix", "a text of more than twelve bytes", ""]);
/// assert_eq!(text.len(), 0);
/// ```
#[derive(Debug, Default)]
pub struct TextBuilder {
    views: Vec<u128>,
    data: Vec<u8>,
}

impl TextBuilder {
    /// The most bytes that the long strings of one column may have in all: views count them by 31 bits.
    pub const MOST_BYTES: usize = i32::MAX as usize;

    /// Values so far.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.views.len()
    }

    /// There is no value yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// Bytes of long strings so far.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// Appends a value.
    ///
    /// # Panics
    /// If the column then had more than [`MOST_BYTES`](Self::MOST_BYTES) of long strings: who builds it closes it before.
    #[inline]
    pub fn push(&mut self, text: &str) {
        self.add(text.as_bytes());
    }

    /// Appends a value, and gives its view.
    #[inline]
    fn add(&mut self, value: &[u8]) -> u128 {
        let start = self.data.len();
        if value.len() > INLINE {
            assert!(start + value.len() <= Self::MOST_BYTES, "a column of text is closed before it is too large");
            self.data.extend_from_slice(value);
        }
        let view = make_view(value, 0, start as u32);
        self.views.push(view);
        view
    }

    /// The bytes of one of the views, which are put into `inline` if they stand within it.
    fn bytes_of<'t>(&'t self, view: u128, inline: &'t mut [u8; 16]) -> &'t [u8] {
        let len = view as u32 as usize;
        match end_of_long(view) {
            Some(end) => &self.data[end - len..end],
            None => {
                *inline = (view >> 32).to_le_bytes();
                &inline[..len]
            }
        }
    }

    /// Appends the value that was pushed last, once more, without copying its bytes; an empty one if there is none.
    #[inline]
    pub fn push_again(&mut self) {
        self.views.push(self.views.last().copied().unwrap_or(0));
    }

    /// A column of text from bytes, which are checked once for all of it.
    ///
    /// ```
    /// use yeoul_frame::TextBuilder;
    /// let values: [&[u8]; 2] = [b"Phoenix", "여울, a shallow stretch".as_bytes()];
    /// let array = TextBuilder::from_utf8(values.iter().copied(), None)?;
    /// assert_eq!(array.value(1), "여울, a shallow stretch");
    /// assert!(TextBuilder::from_utf8([&b"\xff"[..]].into_iter(), None).is_err());
    /// # Ok::<(), std::str::Utf8Error>(())
    /// ```
    ///
    /// # Errors
    /// A value that is not UTF-8.
    ///
    /// # Panics
    /// If the values have more than [`MOST_BYTES`](Self::MOST_BYTES), or `nulls` is of another length.
    pub fn from_utf8<'v>(
        values: impl Iterator<Item = &'v [u8]> + Clone,
        nulls: Option<NullBuffer>,
    ) -> Result<StringViewArray, Utf8Error> {
        let (mut rows, mut bytes) = (0, 0);
        for value in values.clone() {
            rows += 1;
            bytes += if value.len() > INLINE { value.len() } else { 0 };
        }
        let mut text = Self { views: Vec::with_capacity(rows), data: Vec::with_capacity(bytes) };
        let mut short = 0;
        for value in values {
            let view = text.add(value);
            short |= if value.len() > INLINE { 0 } else { view >> 32 };
        }
        // What was copied is looked at, and not once more what it was copied from.
        if short & NOT_ASCII != 0 || !text.data.is_ascii() {
            text.views
                .iter()
                .try_for_each(|view| std::str::from_utf8(text.bytes_of(*view, &mut [0; 16])).map(|_| ()))?;
        }
        Ok(text.into_array(nulls))
    }

    /// Pads with empty strings up to `rows` values, or forgets all values from there on, and their bytes.
    pub fn resize(&mut self, rows: usize) {
        let shrinks = rows < self.views.len();
        self.views.resize(rows, 0);
        if shrinks && !self.data.is_empty() {
            let end = self.views.iter().rev().find_map(|view| end_of_long(*view)).unwrap_or(0);
            self.data.truncate(end);
        }
    }

    /// The column, with `nulls` where it has no value; the builder is then empty.
    ///
    /// # Panics
    /// If `nulls` is of another length.
    #[must_use]
    pub fn finish(&mut self, nulls: Option<NullBuffer>) -> StringViewArray {
        // The next column is likely to be about as long.
        let (rows, bytes) = (self.views.len(), self.data.len());
        // Room for what was forgotten would live as long as any slice of the column.
        if self.data.capacity() / 4 > bytes.max(SPARE) {
            self.data.shrink_to_fit();
        }
        let next = Self { views: Vec::with_capacity(rows), data: Vec::with_capacity(bytes) };
        std::mem::replace(self, next).into_array(nulls)
    }

    fn into_array(self, nulls: Option<NullBuffer>) -> StringViewArray {
        assert!(nulls.as_ref().is_none_or(|nulls| nulls.len() == self.views.len()), "one bit per value");
        let buffers = if self.data.is_empty() { vec![] } else { vec![Buffer::from(self.data)] };
        let views = ScalarBuffer::from(self.views);
        // SAFETY: every view is inline UTF-8 or a range of buffer 0 that is UTF-8 by itself (invariants 1 and 2), in
        // the form that `make_view` gives it, with its prefix; the null buffer is as long as the views.
        unsafe { StringViewArray::new_unchecked(views, buffers, nulls) }
    }
}

/// Where the bytes of a long string end; none if it stands within its view.
fn end_of_long(view: u128) -> Option<usize> {
    // Its length, four bytes of it, the number of the buffer, and the offset in that: 32 bits each.
    let (len, offset) = (view as u32 as usize, (view >> 96) as usize);
    (len > INLINE).then(|| offset + len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::Array;

    #[test]
    fn bytes_of_what_is_forgotten_are_forgotten() {
        let (a, b) = ("a text of thirty bytes, no less", "another that is long enough");
        let check = |values: &[&str], again: usize, rows: usize, bytes: usize| {
            let mut text = TextBuilder::default();
            values.iter().for_each(|value| text.push(value));
            (0..again).for_each(|_| text.push_again());
            text.resize(rows);
            assert_eq!((text.len(), text.bytes()), (rows, bytes), "{values:?}, {again}, {rows}");
            text.push(b);
            let array = text.finish(None);
            array.to_data().validate_full().expect("valid");
            assert_eq!(array.value(rows), b);
            let kept = values.iter().take(rows).copied().collect::<Vec<_>>();
            assert_eq!(array.iter().take(kept.len()).flatten().collect::<Vec<_>>(), kept);
        };
        check(&[a, "", b], 0, 2, a.len());
        check(&[a, "short", b], 0, 3, a.len() + b.len());
        check(&[a, b], 0, 0, 0);
        check(&["x", "y", b], 0, 2, 0);
        check(&[a], 3, 2, a.len());
        check(&[a, b], 2, 1, a.len());
        check(&[a, b], 0, 5, a.len() + b.len());
        let mut text = TextBuilder::default();
        text.push(&"x".repeat(1 << 20));
        text.resize(0);
        text.push(a);
        assert!(text.finish(None).data_buffers()[0].capacity() <= 4 * SPARE);
    }

    #[test]
    fn bytes_are_text_if_each_value_is() {
        let check = |values: &[&[u8]], is_text: bool| {
            let array = TextBuilder::from_utf8(values.iter().copied(), None);
            assert_eq!(array.is_ok(), is_text, "{values:?}");
            if let Ok(array) = array {
                array.to_data().validate_full().expect("valid");
                assert!(array.iter().flatten().map(str::as_bytes).eq(values.iter().copied()), "{values:?}");
            }
        };
        let long = "a text that is long, 여울";
        check(&[], true);
        check(&[b"", b"twelve bytes", b"thirteen byte", "여울".as_bytes(), long.as_bytes()], true);
        check(&[b"x", b"\xff"], false);
        check(&[b"more than twelve bytes, \xc3", b"\xa4 and more than twelve"], false);
        check(&[&long.as_bytes()[..long.len() - 1], b"x"], false);
        check(&["twelve byte여".as_bytes(), &"여울".as_bytes()[..4]], false);
    }

    #[test]
    fn what_is_built_passes_validation() {
        let mut text = TextBuilder::default();
        for round in 0..3 {
            let strings =
                ["", "twelve bytes", "thirteen byte", "日本語のかなり長い文字列", "x", "forgotten, and long enough"];
            strings.iter().for_each(|string| text.push(string));
            text.resize(5);
            text.push_again();
            text.push("after what was forgotten, another");
            text.resize(8);
            let nulls = NullBuffer::from(vec![true, true, true, true, true, true, true, false]);
            let array = text.finish(Some(nulls));
            array.to_data().validate_full().expect("valid");
            let values: Vec<_> = array.iter().collect();
            assert_eq!(values[..5], strings[..5].iter().map(|s| Some(*s)).collect::<Vec<_>>(), "round {round}");
            assert_eq!(values[5..], [Some("x"), Some("after what was forgotten, another"), None]);
        }
    }
}
