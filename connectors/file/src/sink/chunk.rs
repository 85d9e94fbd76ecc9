//! What an instance seals: text, and where it stands in all the text that the instance wrote.
//!
//! ```text
//! u8 version = 1 │ u8 flags (1: the part ends here) │ 6 × 0 │ u64 offset, little endian │ text
//! ```
//!
//! The offset counts the bytes of text that the instance sealed before, in this epoch and all earlier ones. By it a single
//! file is written at fixed places, and a chunk that is missing shows.

/// Bytes before the text.
pub(crate) const HEADER: usize = 16;

const VERSION: u8 = 1;
const ENDS_PART: u8 = 1;

/// A sealed chunk, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk<'a> {
    /// The part ends with this chunk.
    pub(crate) ends_part: bool,
    /// Bytes of text before it.
    pub(crate) offset: u64,
    /// Whole records; of a format whose files have an end, any part of one.
    pub(crate) text: &'a [u8],
}

/// Begins a chunk in an empty buffer; text is appended to it.
pub(crate) fn begin(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.resize(HEADER, 0);
    buffer[0] = VERSION;
}

/// Completes the chunk.
pub(crate) fn complete(buffer: &mut [u8], offset: u64, ends_part: bool) {
    buffer[1] = if ends_part { ENDS_PART } else { 0 };
    buffer[8..HEADER].copy_from_slice(&offset.to_le_bytes());
}

/// Takes a chunk apart; none if the bytes are no chunk.
pub(crate) fn parse(bytes: &[u8]) -> Option<Chunk<'_>> {
    let (header, text) = bytes.split_at_checked(HEADER)?;
    let [VERSION, flags @ (0 | ENDS_PART), 0, 0, 0, 0, 0, 0] = header[..8] else { return None };
    let offset = u64::from_le_bytes(header[8..].try_into().ok()?);
    Some(Chunk { ends_part: flags == ENDS_PART, offset, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_have_the_bytes_that_the_head_says() {
        let mut buffer = b"old".to_vec();
        begin(&mut buffer);
        buffer.extend(b"a\n");
        complete(&mut buffer, 0x0102, true);
        assert_eq!(buffer, b"\x01\x01\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0a\n");
        assert_eq!(parse(&buffer), Some(Chunk { ends_part: true, offset: 0x0102, text: b"a\n" }));
        buffer[1] = 2;
        assert_eq!(parse(&buffer), None);
        assert_eq!(parse(b"\x01"), None);
    }
}
