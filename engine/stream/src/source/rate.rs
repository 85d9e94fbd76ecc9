//! A rate: how many records an instance may give by now.
//!
//! Pure: takes the time and says how many, or when.

use yeoul_frame::Timestamp;

/// How often a limited source gives records at most, in milliseconds: more at once is less work.
const TICK: i64 = 10;

/// For at most so long a rate keeps what was not given, in milliseconds.
const KEPT: i64 = 1_000;

/// A rate of all instances, and how far this one is.
#[derive(Debug, Clone)]
pub(super) struct Rate {
    per_second: u64,
    /// Which part of all splits is this instance's, and how many there are.
    own: u64,
    all: u64,
    /// Since when it counts, and how many were given since then.
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

    /// This instance has `own` of `all` splits, and so that part of the rate. If it had another part before, it counts anew from now on.
    pub(super) fn share(&mut self, own: usize, all: usize, now: Timestamp) {
        let share = (own as u64, (all as u64).max(1));
        if share != (self.own, self.all) {
            (self.own, self.all) = share;
            self.begin(now);
        }
    }

    /// Counts from now on. What was given too early stays given: the next record has its distance from the last.
    fn begin(&mut self, now: Timestamp) {
        if self.began.is_some() {
            (self.began, self.given) = (Some(now.0), 1);
        }
    }

    pub(super) fn given(&mut self, records: u64) {
        self.given += records;
    }

    pub(super) fn allowed(&mut self, now: Timestamp) -> Allowed {
        let mut began = *self.began.get_or_insert(now.0);
        let part = u128::from(self.per_second) * u128::from(self.own);
        let whole = 1000 * u128::from(self.all);
        // How long after `began` as many are due as were given, and one more.
        let caught_up = i64::try_from((u128::from(self.given) * whole).div_ceil(part.max(1))).unwrap_or(i64::MAX);
        // What was not given for longer than is kept is not made up for: the count goes on as if it had begun later.
        let behind = now.0.saturating_sub(began).saturating_sub(caught_up);
        if behind > KEPT {
            began = began.saturating_add(behind - KEPT);
            self.began = Some(began);
        }
        let passed = u128::from(u64::try_from(now.0.saturating_sub(began)).unwrap_or(0));
        // The first comes at once.
        let due = u64::try_from(passed * part / whole + 1).unwrap_or(u64::MAX);
        if due > self.given {
            return Allowed::Records(due - self.given);
        }
        let at = began.saturating_add(caught_up);
        Allowed::From(Timestamp(at.max(now.0.saturating_add(TICK))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records given by each time at which the rate has something to say, up to `until`.
    fn check(rate: u64, share: (usize, usize), until: i64) -> u64 {
        let mut rate = Rate::per_second(rate);
        rate.share(share.0, share.1, Timestamp(5_000));
        run(&mut rate, 5_000, until)
    }

    /// So many it gives from then on, for so long.
    fn run(rate: &mut Rate, from: i64, millis: i64) -> u64 {
        let (mut now, mut given) = (Timestamp(from), 0);
        while now.0 < from + millis {
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
    fn another_share_counts_from_when_it_is_another() {
        for (before, after, least, most) in
            [((1, 1), (1, 2), 490, 501), ((1, 4), (3, 4), 735, 751), ((1, 2), (2, 4), 490, 501)]
        {
            let mut rate = Rate::per_second(1_000);
            rate.share(before.0, before.1, Timestamp(0));
            run(&mut rate, 0, 3_600_000);
            rate.share(after.0, after.1, Timestamp(3_600_000));
            let given = run(&mut rate, 3_600_000, 1_000);
            assert!((least..=most).contains(&given), "{before:?}, {after:?}: {given}");
        }
    }

    #[test]
    fn a_pause_is_made_up_for_by_a_second_at_most() {
        for (pause, least, most) in [(500, 1_480, 1_501), (3_600_000, 1_980, 2_001)] {
            let mut rate = Rate::per_second(1_000);
            run(&mut rate, 0, 10_000);
            let given = run(&mut rate, 10_000 + pause, 1_000);
            assert!((least..=most).contains(&given), "{pause} ms: {given}");
            // And what follows is at the rate.
            let given = run(&mut rate, 11_000 + pause, 10_000);
            assert!((9_980..=10_011).contains(&given), "after {pause} ms: {given}");
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
