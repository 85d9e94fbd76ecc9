//! Columns of text, built value by value: short strings within their views, long ones in one buffer a column.
//!
//! Here because the array is made without validating again what came as `&str`. Decoders and generators push; a row
//! without a value is padded, and the caller says by a null buffer which those are.
//!
//! Invariants:
//! 1. Each view is a string of at most twelve bytes, or refers to bytes of `data` that were pushed as one `&str`.
//! 2. Views of long strings stand in the order of their bytes, and `data` ends where the last of them does: what is cut off is
//!    referred to by no view.

use arrow_array::StringViewArray;
use arrow_array::builder::make_view;
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};

/// The longest string that stands within its view.
const INLINE: usize = 12;

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
        let start = self.data.len();
        if text.len() > INLINE {
            assert!(start + text.len() <= Self::MOST_BYTES, "a column of text is closed before it is too large");
            self.data.extend_from_slice(text.as_bytes());
        }
        self.views.push(make_view(text.as_bytes(), 0, start as u32));
    }

    /// Appends the value that was pushed last, once more, without copying its bytes; an empty one if there is none.
    #[inline]
    pub fn push_again(&mut self) {
        self.views.push(self.views.last().copied().unwrap_or(0));
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
        assert!(nulls.as_ref().is_none_or(|nulls| nulls.len() == self.views.len()), "one bit per value");
        // The next column is likely to be about as long.
        let (rows, bytes) = (self.views.len(), self.data.len());
        // Room for what was forgotten would live as long as any slice of the column.
        if self.data.capacity() / 4 > bytes.max(SPARE) {
            self.data.shrink_to_fit();
        }
        let views = ScalarBuffer::from(std::mem::replace(&mut self.views, Vec::with_capacity(rows)));
        let buffers = if bytes == 0 {
            vec![]
        } else {
            vec![Buffer::from(std::mem::replace(&mut self.data, Vec::with_capacity(bytes)))]
        };
        // SAFETY: every view is inline UTF-8 or a range of buffer 0 that is the bytes of one `&str` (invariants 1 and 2), in
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
