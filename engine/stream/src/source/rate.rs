//! A rate: how many records an instance may give by now.
//!
//! Pure: takes the time and says how many, or when.

use yeoul_frame::Timestamp;

/// How often a limited source gives records at most, in milliseconds: more at once is less work.
const TICK: i64 = 10;

/// A rate of all instances, and how far this one is.
#[derive(Debug, Clone)]
pub(super) struct Rate {
    per_second: u64,
    /// Which part of all splits is this instance's, and how many there are.
    own: u64,
    all: u64,
    began: Option<i64>,
    given: u64,
}

/// What a rate says now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// So many records, at least one.
    Records(u64),
    /// None before then.
    From(Timestamp),
}

impl Rate {
    pub(super) fn per_second(records: u64) -> Self {
        Self { per_second: records, own: 1, all: 1, began: None, given: 0 }
    }

    /// This instance has `own` of `all` splits, and so that part of the rate.
    pub(super) fn share(&mut self, own: usize, all: usize) {
        (self.own, self.all) = (own as u64, (all as u64).max(1));
    }

    pub(super) fn given(&mut self, records: u64) {
        self.given += records;
    }

    pub(super) fn allowed(&mut self, now: Timestamp) -> Allowed {
        let began = *self.began.get_or_insert(now.0);
        let passed = u128::from(u64::try_from(now.0.saturating_sub(began)).unwrap_or(0));
        let part = u128::from(self.per_second) * u128::from(self.own);
        let whole = 1000 * u128::from(self.all);
        // The first comes at once.
        let due = u64::try_from(passed * part / whole + 1).unwrap_or(u64::MAX);
        if due > self.given {
            return Allowed::Records(due - self.given);
        }
        let next = (u128::from(self.given) * whole).div_ceil(part.max(1));
        let at = began.saturating_add(i64::try_from(next).unwrap_or(i64::MAX));
        Allowed::From(Timestamp(at.max(now.0.saturating_add(TICK))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records given by each time at which the rate has something to say, up to `until`.
    fn check(rate: u64, share: (usize, usize), until: i64) -> u64 {
        let mut rate = Rate::per_second(rate);
        rate.share(share.0, share.1);
        let (mut now, mut given) = (Timestamp(5_000), 0);
        while now.0 < 5_000 + until {
            match rate.allowed(now) {
                Allowed::Records(records) => {
                    given += records;
                    rate.given(records);
                }
                Allowed::From(at) => {
                    assert!(at > now, "it would be asked for ever");
                    now = at;
                }
            }
        }
        given
    }

    #[test]
    fn a_second_has_as_many_records_as_the_rate_says_less_a_tick() {
        for (rate, share, until, least, most) in [
            (1_000, (1, 1), 1_000, 980, 1_001),
            (1_000, (1, 4), 1_000, 245, 251),
            (3, (1, 1), 10_000, 30, 31),
            (1, (1, 1), 500, 1, 1),
            (u64::MAX, (1, 1), 20, 1_000_000, u64::MAX),
        ] {
            let given = check(rate, share, until);
            assert!((least..=most).contains(&given), "{rate}/s, {share:?}, {until} ms: {given}");
        }
    }

    #[test]
    fn an_instance_without_splits_or_a_rate_of_none_waits() {
        for mut rate in [Rate::per_second(0), Rate { own: 0, ..Rate::per_second(10) }] {
            assert_eq!(rate.allowed(Timestamp(0)), Allowed::Records(1));
            rate.given(1);
            assert!(matches!(rate.allowed(Timestamp(1)), Allowed::From(at) if at.0 >= 1_000));
        }
    }
}
