//! The payloads printed in docs/format.md, decoded by that page alone: what operators, sinks and tables put into blocks.
//!
//! The encoders are those of many crates; beside each stands a test that it writes these bytes. Those of this crate are held here.

use std::fmt::Write as _;

use yeoul_frame::Timestamp;

use super::FORMAT;
use crate::key::Compound;
use crate::stored::Stored;
use crate::ttl::Timed;
use crate::{KeyBytes, NullableWord};

/// The bytes of the payload with this name.
pub(super) fn payload(name: &str) -> Vec<u8> {
    let lines = FORMAT.lines().filter_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix("| "));
    let hex = lines.flat_map(|line| line.split('|').next().unwrap_or_default().split_whitespace());
    let bytes: Vec<u8> = hex.map(|hex| u8::from_str_radix(hex, 16).unwrap()).collect();
    assert!(!bytes.is_empty(), "the page prints no payload {name:?}");
    bytes
}

/// Reads fields off the front, as the page's tables list them, and writes down what they say.
struct Reading {
    bytes: Vec<u8>,
    said: String,
}

impl Reading {
    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.bytes.split_off(count);
        std::mem::replace(&mut self.bytes, rest)
    }

    fn number(&mut self, width: usize) -> u64 {
        self.take(width).iter().rev().fold(0, |all, byte| (all << 8) | u64::from(*byte))
    }

    /// Notes unsigned fields of these widths.
    fn unsigned(&mut self, widths: &[usize]) -> &mut Self {
        for &width in widths {
            let value = self.number(width);
            write!(self.said, "{value} ").unwrap();
        }
        self
    }

    /// Notes so many signed fields of eight bytes.
    fn signed(&mut self, count: usize) -> &mut Self {
        for _ in 0..count {
            let value = self.number(8) as i64;
            write!(self.said, "{value} ").unwrap();
        }
        self
    }

    fn text(&mut self, count: usize) -> &mut Self {
        let text = self.take(count);
        write!(self.said, "{:?} ", String::from_utf8(text).unwrap()).unwrap();
        self
    }

    /// A text or byte string behind its length of four bytes.
    fn sized(&mut self) -> &mut Self {
        let count = self.number(4) as usize;
        self.text(count)
    }

    fn rest(&mut self) -> &mut Self {
        let count = self.bytes.len();
        self.text(count)
    }

    fn times(&mut self, count: u64, mut each: impl FnMut(&mut Self)) -> &mut Self {
        (0..count).for_each(|_| each(self));
        self
    }
}

/// Reads all of a payload's bytes; there must be none left.
fn check(name: &str, read: impl FnOnce(&mut Reading), said: &str) {
    let mut reading = Reading { bytes: payload(name), said: String::new() };
    read(&mut reading);
    assert_eq!((reading.said.trim_end(), &reading.bytes[..]), (said, &[][..]), "{name}");
}

#[test]
fn the_page_is_enough_to_read_operator_states() {
    check("@watermark", |r| _ = r.signed(1), "1000");
    let fired = |r: &mut Reading| {
        r.signed(1);
        while !r.bytes.is_empty() {
            r.unsigned(&[2, 2]).signed(1);
        }
    };
    check("fired", fired, "-1 64 128 999");
    let split = |r: &mut Reading| _ = r.unsigned(&[8]).signed(2).sized();
    let event_time = |r: &mut Reading| {
        r.signed(1);
        let splits = r.number(4);
        r.times(splits, split);
    };
    check("@event-time", event_time, "900 5 900 911 \"\"");
    let file = |r: &mut Reading| {
        r.unsigned(&[8, 8, 8]).signed(1).unsigned(&[1, 8]);
        let path = r.number(2) as usize;
        r.text(path);
        let runs = r.number(4);
        r.times(runs, |r| _ = r.unsigned(&[8, 8, 8]));
        let begun = r.number(4);
        r.times(begun, |r| _ = r.unsigned(&[8, 8]));
    };
    let files = |r: &mut Reading| {
        r.unsigned(&[1, 1, 8]);
        let files = r.number(4);
        r.times(files, file);
    };
    check("files", files, "2 1 4 9 3 90 7 0 10 \"a\" 2 2 3 0 5");
    let splits_to_the_end = |r: &mut Reading| {
        r.unsigned(&[1, 8, 8]);
        while !r.bytes.is_empty() {
            r.unsigned(&[8, 8]);
        }
    };
    check("numbered", splits_to_the_end, "2 2 10 0 7 1 18446744073709551615");
    check(
        "positions",
        |r| {
            while !r.bytes.is_empty() {
                r.unsigned(&[2, 8]);
            }
        },
        "0 3 1 2",
    );
    check("file-sink", |r| _ = r.unsigned(&[1, 8, 8]).signed(1), "1 258 9 -5");
}

#[test]
fn the_page_is_enough_to_read_sealed_output() {
    check("file-output", |r| _ = r.unsigned(&[1, 1, 6, 8]).rest(), "1 1 0 258 \"a\\n\"");
    check("collect-output", |r| _ = r.unsigned(&[4, 8]), "8 7");
}

#[test]
fn the_page_is_enough_to_read_keys_and_values_of_tables() {
    check("owned", |r| _ = r.unsigned(&[1, 4, 8]), "1 8 7");
    check(
        "owned-list",
        |r| {
            let n = r.number(4);
            r.times(n, |r| _ = r.unsigned(&[4, 8]));
        },
        "8 7 8 8",
    );
    check("timer-key", |r| _ = r.unsigned(&[4]).signed(2), "1 0 5000");
    check("list-key", |r| _ = r.unsigned(&[4, 8]), "1 2");
    check("map-key", |r| _ = r.unsigned(&[4]).sized(), "1 \"ab\"");
    check("timed", |r| _ = r.unsigned(&[2]).signed(1), "10 5000");
    check("null-word", |r| _ = r.unsigned(&[8, 1]), "0 1");
    let accumulators = |r: &mut Reading| {
        let (words, texts) = (r.number(4), r.number(4));
        r.times(words, |r| _ = r.unsigned(&[8]));
        r.times(texts, |r| match r.number(4) {
            0 => r.said.push_str("none "),
            length => _ = r.text(length as usize - 1),
        });
    };
    check("accumulators", accumulators, "1 18446744073709551615 none \"\" \"xy\"");
    let chunk = |r: &mut Reading| {
        r.unsigned(&[4]);
        let bytes = r.number(4) as usize;
        assert_eq!(bytes, r.bytes.len());
        let row = r.number(4) as usize;
        r.unsigned(&[4]).signed(1).text(row);
    };
    check("join-chunk", chunk, "0 3 5000 \"\\0a\"");
    let ranked_key = |r: &mut Reading| {
        r.unsigned(&[8, 1]);
        let sort = r.number(4) as usize;
        let sort = r.take(sort);
        write!(r.said, "{sort:?}").unwrap();
    };
    check("ranked-key", ranked_key, "7 0 [1, 255, 0, 0, 0, 0, 0, 0, 0, 0]");
    check("ranked", |r| _ = r.signed(1).sized().rest(), "1000 \"k\" \"\\0a\"");
    check("kept", |r| _ = r.signed(3).rest(), "1000 5000 999 \"\\0a\"");
}

/// A row of an INT, two texts and a decimal: five bytes of nulls and INT, 16 of the decimal, four of the first text's end.
#[test]
fn the_page_is_enough_to_read_a_row() {
    let row = payload("row");
    let number = |at: usize, width: usize| row[at..at + width].iter().rev().fold(0, |n, b| (n << 8) | u128::from(*b));
    let is_null = |leaf: usize| row[leaf / 8] >> (leaf % 8) & 1 == 1;
    assert_eq!([0, 1, 2, 3].map(is_null), [false, false, true, false]);
    assert_eq!((number(1, 4) as u32 as i32, number(5, 16) as i128), (-2, 5));
    let end = number(21, 4) as usize;
    assert_eq!((&row[25..end], &row[end..]), (&b"ab"[..], &b""[..]));
}

#[test]
fn the_page_is_enough_to_read_a_sort_key() {
    let key = payload("sort-key");
    let number = key[1..9].iter().fold(0, |all, byte| (all << 8) | u64::from(*byte));
    assert_eq!((key[0], (number ^ 1 << 63) as i64, key[9]), (1, -2, 1));
    let text: Vec<u8> = key[10..key.len() - 1].iter().map(|byte| !byte).collect();
    assert_eq!((&text[..], key.last()), (&b"a\0\xffb\0\0"[..], Some(&2)));
}

#[test]
fn this_crates_encoders_write_what_the_page_prints() {
    fn check<T: Stored>(name: &str, value: &T) {
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        assert_eq!(bytes, payload(name), "{name}");
        let mut rest = &bytes[..];
        let mut again = Vec::new();
        T::decode(&mut rest).unwrap().encode(&mut again);
        assert!(rest.is_empty() && again == bytes, "{name} comes back");
    }
    check("timer-key", &Compound { key: 1_u32, sub: (0_i64, Timestamp(5_000)) });
    check("list-key", &Compound { key: 1_u32, sub: 2_u64 });
    check("map-key", &Compound { key: 1_u32, sub: KeyBytes::new(b"ab") });
    check("map-key", &Compound { key: 1_u32, sub: crate::KeyStr::new("ab") });
    check("timed", &Timed { value: 10_u16, since: Timestamp(5_000) });
    check("null-word", &NullableWord::NULL);
}
