//! The bytes of SQL's operators in docs/format.md, decoded by that page alone: nothing of the crate is used but the finding of them.

use std::fmt::Write as _;

use crate::testing::printed;

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

    /// Notes a field that is extended by its sign.
    fn signed(&mut self, width: usize) -> i64 {
        let unused = 64 - 8 * width;
        let value = (self.number(width) << unused) as i64 >> unused;
        write!(self.said, "{value} ").unwrap();
        value
    }

    /// Notes unsigned fields of these widths.
    fn unsigned(&mut self, widths: &[usize]) {
        for &width in widths {
            let value = self.number(width);
            write!(self.said, "{value} ").unwrap();
        }
    }

    /// Notes the columns of a row, all of at most eight bytes, from which nothing may be left.
    fn row(&mut self, length: usize, widths: &[usize]) {
        let rest = self.bytes.split_off(length);
        let nulls = self.number(1);
        self.said.push('(');
        for (leaf, &width) in widths.iter().enumerate() {
            if nulls >> leaf & 1 == 1 {
                assert_eq!(self.number(width), 0, "zeros where null");
                self.said.push_str("null ");
            } else {
                self.signed(width);
            }
        }
        assert!(self.bytes.is_empty() && nulls >> widths.len() == 0, "a row of {length} bytes");
        self.bytes = rest;
        self.close(") ");
    }

    /// Notes a row behind its length.
    fn sized_row(&mut self, widths: &[usize]) {
        let length = self.number(4) as usize;
        self.row(length, widths);
    }

    /// Notes a sort key of one number.
    fn sort_key(&mut self, descending: bool) {
        match (self.number(4), self.number(1)) {
            (1, 0) => self.said.push_str("null first "),
            (9, 1) => {
                let order = self.take(8).iter().fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
                let order = if descending { !order } else { order };
                write!(self.said, "by {} ", (order ^ 1 << 63) as i64).unwrap();
            }
            other => panic!("{other:?} begins no sort key of a number"),
        }
    }

    /// Notes mark, time and row of each entry.
    fn arena(&mut self, widths: &[usize]) {
        let length = self.number(4) as usize;
        assert_eq!(length, self.bytes.len(), "the length is of what follows");
        while !self.bytes.is_empty() {
            let row = self.number(4) as usize;
            self.unsigned(&[4]);
            self.signed(8);
            self.row(row, widths);
        }
    }

    fn times(&mut self, mut each: impl FnMut(&mut Self)) {
        for _ in 0..self.number(4) {
            self.said.push('[');
            each(self);
            self.close("] ");
        }
    }

    /// Ends a group of fields.
    fn close(&mut self, with: &str) {
        self.said.truncate(self.said.trim_end().len());
        self.said.push_str(with);
    }
}

/// Reads all of a payload's bytes; there must be none left.
fn check(name: &str, read: impl FnOnce(&mut Reading), said: &str) {
    let mut reading = Reading { bytes: printed(name), said: String::new() };
    assert!(!reading.bytes.is_empty(), "the page prints no payload {name:?}");
    read(&mut reading);
    assert_eq!((reading.said.trim_end(), &reading.bytes[..]), (said, &[][..]), "{name}");
}

#[test]
fn the_page_is_enough_to_read_operator_states() {
    let passed = |r: &mut Reading| {
        r.signed(8);
        while !r.bytes.is_empty() {
            r.unsigned(&[2, 2]);
            r.signed(8);
        }
    };
    check("passed", passed, "-1 64 128 999");
    check("given", |r| r.unsigned(&[1]), "1");
}

#[test]
fn the_page_is_enough_to_read_the_rows_of_joins() {
    check("window-join", |r| r.arena(&[2, 8]), "1 1000 (null 1000)");
    let sessions = |r: &mut Reading| {
        r.signed(8);
        r.signed(8);
        r.unsigned(&[4]);
        r.arena(&[2, 8]);
    };
    check("session-rows", sessions, "1000 1000 0 0 1000 (1 1000)");
    check("interval-join", |r| r.arena(&[2, 8]), "0 -900 (1 -900) 1 -100 (1 -100)");
    check("ends", |r| r.arena(&[2, 8]), "0 999 (1 1000)");
    let block = |r: &mut Reading| {
        let rows = r.number(4);
        r.signed(8);
        r.signed(8);
        (0..rows).for_each(|_| r.sized_row(&[2, 8]));
    };
    check("rows", block, "-900 -600 (1 -900) (1 -600)");
    let key = |r: &mut Reading| {
        r.sized_row(&[]);
        r.signed(8);
        r.unsigned(&[1]);
    };
    check("not-in-key", key, "() 5 0");
    check("not-in-left", |r| r.arena(&[2, 2]), "1 1000 (null 7)");
    check("not-in-right", |r| r.unsigned(&[8, 8]), "2 0");
    check("not-in-nulls", |r| r.unsigned(&[8, 8]), "2 1");
    check("pending", |r| r.arena(&[2, 8]), "257 1000 (null 1000) 258 1000 (null 1000)");
    check("versions", |r| r.arena(&[2, 8]), "0 500 (1 500) 1 700 (1 700)");
}

#[test]
fn the_page_is_enough_to_read_rows_in_an_order() {
    check("sort-pending", |r| r.arena(&[2, 8]), "0 -1 (1 -1)");
    check("tails", |r| r.arena(&[2, 2, 8]), "0 20 (1 -6 20)");
    let totals = |r: &mut Reading| {
        r.signed(8);
        r.unsigned(&[8, 8]);
        let (words, texts) = (r.number(4), r.number(4));
        assert_eq!(texts, 0);
        (0..words).for_each(|_| _ = r.signed(8));
    };
    check("totals", totals, "5000 3 2 3 2 -2");
    let ranked = |r: &mut Reading| {
        r.signed(8);
        r.times(|r| {
            r.sort_key(false);
            r.sized_row(&[2, 2, 8]);
        });
    };
    check("over-ranked", ranked, "5000 [null first (1 null 10)] [by 7 (1 7 10)]");
    let first = |r: &mut Reading| {
        r.times(|r| {
            r.sort_key(true);
            r.sized_row(&[2, 8]);
        });
    };
    check("window-ranked", first, "[by 5 (5 1000)] [by 4 (4 1000)]");
    let normalized = |r: &mut Reading| {
        r.signed(8);
        let row = r.bytes.len();
        r.row(row, &[2, 2]);
    };
    check("normalized", normalized, "5000 (1 7)");
}

#[test]
fn the_page_is_enough_to_read_a_partition() {
    let partition = |r: &mut Reading| {
        r.unsigned(&[8]);
        r.signed(8);
        r.unsigned(&[4]);
        r.times(|r| {
            r.signed(8);
            r.sized_row(&[2, 1, 1, 8]);
        });
        let variables = |r: &mut Reading| {
            let count = r.number(4);
            (0..count).for_each(|_| r.unsigned(&[2]));
        };
        r.times(|r| {
            r.unsigned(&[8]);
            r.signed(8);
            r.unsigned(&[2, 4]);
            variables(r);
        });
        r.times(|r| {
            r.unsigned(&[8]);
            variables(r);
        });
    };
    let rows = "[20 (1 1 0 20)] [30 (1 1 1 30)] [40 (1 0 0 40)] [50 (1 0 0 50)]";
    check("partition", partition, &format!("1 40 3 {rows} [1 20 1 2 0 1 1] [2 30 1 1 0 1] [2 0 2]"));
}
