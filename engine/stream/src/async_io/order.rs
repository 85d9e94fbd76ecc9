//! Which results may leave: of requests by number, and the watermarks between them.
//!
//! Pure: knows no records, no futures and no time.
//!
//! Invariants:
//! 1. No record passes a watermark, and no watermark a record.
//! 2. Ordered, records leave by number. Unordered, those between two watermarks leave as they were completed.

use std::collections::VecDeque;

use yeoul_frame::Timestamp;

/// Numbers a request of one operator instance, from 0, in the order of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(pub(super) u64);

/// Flink's output modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Ordered,
    Unordered,
}

/// What leaves next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    Record(Number),
    Watermark(Timestamp),
}

/// The requests between two watermarks.
struct Segment {
    /// The first number of it.
    first: Number,
    /// How many have not left.
    left: usize,
    /// Unordered: which of these are complete.
    complete: VecDeque<Number>,
    /// The watermark that ends it; none yet for the last one.
    watermark: Option<Timestamp>,
}

pub(super) struct Order {
    mode: Mode,
    next: u64,
    records: usize,
    /// At least one. The last one is open.
    segments: VecDeque<Segment>,
    /// Ordered: whether each of the requests that have not left is complete.
    complete: VecDeque<bool>,
}

impl Order {
    pub(super) fn new(mode: Mode) -> Self {
        let mut order = Self { mode, next: 0, records: 0, segments: VecDeque::new(), complete: VecDeque::new() };
        order.open();
        order
    }

    /// How many requests have not left.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// Whether neither request nor watermark is left.
    pub(super) fn is_empty(&self) -> bool {
        self.records == 0 && self.segments.len() == 1
    }

    /// The number of the request that comes next.
    pub(super) fn push(&mut self) -> Number {
        let number = Number(self.next);
        self.next += 1;
        self.records += 1;
        self.segments.back_mut().expect("the last segment is open").left += 1;
        if self.mode == Mode::Ordered {
            self.complete.push_back(false);
        }
        number
    }

    /// A watermark comes. Of several with no request between them the last one counts.
    pub(super) fn watermark(&mut self, watermark: Timestamp) {
        let number = Number(self.next);
        let last = self.segments.len() - 1;
        if last > 0 && self.segments[last].first == number {
            self.segments[last - 1].watermark = Some(watermark);
        } else {
            self.segments[last].watermark = Some(watermark);
            self.open();
        }
    }

    fn open(&mut self) {
        let first = Number(self.next);
        self.segments.push_back(Segment { first, left: 0, complete: VecDeque::new(), watermark: None });
    }

    /// A request that has not left has its results.
    pub(super) fn complete(&mut self, number: Number) {
        match self.mode {
            Mode::Ordered => {
                let first = self.next - self.complete.len() as u64;
                self.complete[(number.0 - first) as usize] = true;
            }
            Mode::Unordered => {
                let after = self.segments.partition_point(|segment| segment.first <= number);
                self.segments[after - 1].complete.push_back(number);
            }
        }
    }

    /// Whether [`next`](Self::next) has something.
    pub(super) fn is_due(&self) -> bool {
        let first = &self.segments[0];
        match self.mode {
            _ if first.left == 0 => first.watermark.is_some(),
            Mode::Ordered => self.complete[0],
            Mode::Unordered => !first.complete.is_empty(),
        }
    }

    /// Takes what leaves next, if anything may.
    pub(super) fn next(&mut self) -> Option<Leaving> {
        if !self.is_due() {
            return None;
        }
        let first = &mut self.segments[0];
        if first.left == 0 {
            let watermark = first.watermark;
            self.segments.pop_front();
            return watermark.map(Leaving::Watermark);
        }
        first.left -= 1;
        self.records -= 1;
        let number = match self.mode {
            Mode::Ordered => {
                let number = Number(self.next - self.complete.len() as u64);
                self.complete.pop_front();
                Some(number)
            }
            Mode::Unordered => first.complete.pop_front(),
        };
        number.map(Leaving::Record)
    }

    /// The watermarks, each with the number before which it stands.
    pub(super) fn watermarks(&self) -> impl Iterator<Item = (Number, Timestamp)> {
        let ends = self.segments.iter().skip(1).map(|after| after.first);
        self.segments.iter().zip(ends).filter_map(|(segment, end)| Some((end, segment.watermark?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a script: `r` a request comes, `w5` a watermark comes, `c3` request 3 is complete. Returns what leaves after each step.
    fn check(mode: Mode, script: &str, expected: &str) {
        let mut order = Order::new(mode);
        let mut left = Vec::new();
        for step in script.split_whitespace() {
            let (what, of) = step.split_at(1);
            match what {
                "r" => drop(order.push()),
                "w" => order.watermark(Timestamp(of.parse().unwrap())),
                _ => order.complete(Number(of.parse().unwrap())),
            }
            let next = std::iter::from_fn(|| order.next()).map(|leaving| match leaving {
                Leaving::Record(number) => format!("{}", number.0),
                Leaving::Watermark(watermark) => format!("w{}", watermark.0),
            });
            left.push(next.collect::<Vec<_>>().join("+"));
        }
        let left: Vec<_> = left.into_iter().filter(|left| !left.is_empty()).collect();
        assert_eq!(left.join(" "), expected, "{mode:?} {script}");
        assert_eq!(order.is_empty(), order.records() == 0 && order.watermarks().count() == 0);
    }

    #[test]
    fn ordered_results_leave_by_number_with_the_watermarks_between_them() {
        check(Mode::Ordered, "w1 r r w5 r c2 c1 c0", "w1 0+1+w5+2");
        check(Mode::Ordered, "r r c1 w5 w7 c0 w8 r w9 c2", "0+1+w7 w8 2+w9");
    }

    #[test]
    fn unordered_results_leave_as_they_come_and_pass_no_watermark() {
        check(Mode::Unordered, "r r r c2 c0 c1", "2 0 1");
        check(Mode::Unordered, "r r w5 r r c3 c1 w6 c0 r c4 c2", "1 0+w5+3 2+w6+4");
        check(Mode::Unordered, "r w5 w6 w7 c0 w8", "0+w7 w8");
    }

    #[test]
    fn watermarks_stand_where_they_came() {
        for mode in [Mode::Ordered, Mode::Unordered] {
            let mut order = Order::new(mode);
            order.push();
            order.push();
            order.watermark(Timestamp(5));
            order.watermark(Timestamp(6));
            order.push();
            order.watermark(Timestamp(9));
            let standing: Vec<_> = order.watermarks().map(|(number, at)| (number.0, at.0)).collect();
            assert_eq!(standing, [(2, 6), (3, 9)]);
        }
    }
}
