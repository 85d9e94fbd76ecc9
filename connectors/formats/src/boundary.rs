//! Where records start, for sources that give byte ranges of one file to several readers.
//!
//! The rule that makes every record belong to one range: a range `a..b` holds the records that *start* in it. Its reader
//! begins at [`first_record`]`(a)` and goes past `b` to finish the record that it is in.
//!
//! Raw lines and NDJSON can be entered anywhere, because a newline byte always ends a record: RFC 8259 forbids a raw
//! newline inside a JSON string, and UTF-8 never uses the byte inside a longer sequence.
//!
//! CSV cannot, in general. Whether a newline ends a record depends on whether a quoted field is open there, and that
//! depends on every quote before it: `a,"b\nc",d` read from its middle looks like two records, and no bounded look back
//! tells the two cases apart, since text between two quoted fields can itself look quoted. So a CSV file is one split,
//! unless its owner declares that no quoted field holds a newline; then this rule holds for it too, and the decoder
//! refuses a newline in quotes ([`CsvOptions::newlines_in_quotes`](crate::CsvOptions)) rather than read on wrongly.

use memchr::memchr;

/// The place in `bytes` at or after `from` at which a record starts, or `None` if none starts there.
///
/// A record starts at 0 and after every newline that is not the last byte. `None` also means that more bytes are needed
/// if `bytes` is only a part of what is to be read.
///
/// ```
/// use yeoul_formats::boundary::first_record;
/// let bytes = b"one\ntwo\nthree";
/// assert_eq!(first_record(bytes, 0), Some(0));
/// assert_eq!(first_record(bytes, 1), Some(4));
/// assert_eq!(first_record(bytes, 4), Some(4), "an offset just after a newline is itself a start");
/// assert_eq!(first_record(bytes, 9), None);
/// ```
#[must_use]
pub fn first_record(bytes: &[u8], from: usize) -> Option<usize> {
    if from == 0 {
        return (!bytes.is_empty()).then_some(0);
    }
    // Looking from the byte before: if that is a newline, `from` itself is a start.
    let newline = memchr(b'\n', bytes.get(from - 1..)?)?;
    let start = from + newline;
    (start < bytes.len()).then_some(start)
}

#[cfg(test)]
mod tests {
    use super::first_record;

    /// Ranges that cover the bytes own every record exactly once, however they are cut.
    #[test]
    fn every_record_belongs_to_one_range() {
        let bytes = b"a\n\nbc\r\nd\n\n\xffe";
        let starts: Vec<usize> = (0..bytes.len()).filter(|&at| at == 0 || bytes[at - 1] == b'\n').collect();
        for cut in 0..=bytes.len() {
            let mut owned = Vec::new();
            for (from, to) in [(0, cut), (cut, bytes.len())] {
                let mut at = from;
                while let Some(start) = first_record(bytes, at).filter(|&start| start < to) {
                    owned.push(start);
                    at = start + 1;
                }
            }
            assert_eq!(owned, starts, "cut at {cut}");
        }
    }

    #[test]
    fn out_of_range_is_none() {
        assert_eq!(first_record(b"", 0), None);
        assert_eq!(first_record(b"ab\n", 3), None);
        assert_eq!(first_record(b"ab", 9), None);
    }
}
