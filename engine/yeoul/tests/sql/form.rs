//! The forms in which each case is run: how rows come, on how many shards, and what happens meanwhile.
//!
//! Invariants:
//! 1. A table's rows are put into another order only so that none of them comes behind the watermark that does not in the script.

use yeoul_sim::rng::{Chance, Rng};

use crate::inline::Pace;

/// A way of running a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// All rows at once, on one shard; the input ends.
    Bounded,
    /// A row a second, on two shards; the job is stopped and drained.
    Streaming,
    /// As streaming, two rows a second, on three shards, in another order within the watermark's bound. The number is a seed.
    Shuffled(u64),
    /// As streaming; after each checkpoint and a second more the process dies.
    Crashed,
}

impl Form {
    pub(crate) const ALL: [Self; 5] =
        [Self::Bounded, Self::Streaming, Self::Shuffled(1), Self::Shuffled(2), Self::Crashed];

    pub(crate) fn pace(self) -> Pace {
        match self {
            Self::Bounded => Pace::AtOnce,
            Self::Shuffled(_) => Pace::ByTheClock(2),
            Self::Streaming | Self::Crashed => Pace::ByTheClock(1),
        }
    }

    /// Whether all frames are aggregated before they change shards; else it is left to what they are like.
    pub(crate) fn is_in_parts(self) -> bool {
        matches!(self, Self::Bounded | Self::Shuffled(2) | Self::Crashed)
    }

    pub(crate) fn shards(self) -> u16 {
        match self {
            Self::Bounded => 1,
            Self::Streaming | Self::Crashed => 2,
            Self::Shuffled(_) => 3,
        }
    }
}

/// What is known of a table's order.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// There is no watermark: any order will do.
    Free,
    /// By row its event time; the watermark is so many milliseconds behind the greatest.
    Watermark(Vec<i64>, i64),
    /// Nothing is known, or rows are late as they stand.
    Fixed,
}

impl Order {
    /// Rows of these times, as far as none of them is late in this order.
    pub(crate) fn of(times: Vec<i64>, delay: i64) -> Self {
        let mut greatest = i64::MIN;
        let late = times.iter().any(|time| {
            let late = *time <= greatest.saturating_sub(delay);
            greatest = greatest.max(*time);
            late
        });
        if late { Self::Fixed } else { Self::Watermark(times, delay) }
    }

    /// The rows in another order, by number.
    pub(crate) fn shuffled(&self, rows: usize, seed: u64) -> Vec<usize> {
        let mut left: Vec<usize> = (0..rows).collect();
        let mut rng = Rng::new(seed);
        let (times, delay) = match self {
            Self::Fixed => return left,
            Self::Free => {
                rng.shuffle(&mut left);
                return left;
            }
            Self::Watermark(times, delay) => (times, delay),
        };
        let (mut order, mut greatest) = (Vec::new(), i64::MIN);
        while !left.is_empty() {
            // Whoever comes next must not make a row late that is still to come.
            let may_come = |at: &usize| {
                let watermark = greatest.max(times[left[*at]]).saturating_sub(*delay);
                left.iter().enumerate().all(|(other, row)| other == *at || times[*row] > watermark)
            };
            let may: Vec<usize> = (0..left.len()).filter(may_come).collect();
            let next = may[rng.below(may.len() as u64) as usize];
            let row = left.remove(next);
            greatest = greatest.max(times[row]);
            order.push(row);
        }
        order
    }
}

#[test]
fn no_row_becomes_late() {
    let times = vec![1000, 3000, 2000, 2500, 5000, 4000, 9000];
    let order = Order::of(times.clone(), 2500);
    let mut orders = Vec::new();
    for seed in 0..50 {
        let rows = order.shuffled(times.len(), seed);
        let again = Order::of(rows.iter().map(|row| times[*row]).collect(), 2500);
        assert!(matches!(again, Order::Watermark(..)), "{rows:?}");
        assert_eq!(rows.last(), Some(&6), "the row at nine seconds would make all others late");
        orders.push(rows);
    }
    orders.sort();
    orders.dedup();
    assert!(orders.len() > 10, "rows are put into many orders: {}", orders.len());
    assert!(matches!(Order::of(vec![3000, 1000], 2000), Order::Fixed), "the second row is late");
}
