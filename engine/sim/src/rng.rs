//! Where every random decision of a simulation comes from.
//!
//! A decision is a number below a bound ([`Chance`]), so three makers serve the same code: a seeded generator ([`Rng`]), the bytes of
//! a fuzzer ([`Bytes`]), and an odometer that walks through all decisions ([`Exhaust`]).
//!
//! Invariants:
//! 1. The same seed gives the same numbers, on every machine and in every build.
//! 2. A named branch ([`Rng::branch`]) does not move when another branch draws more or fewer numbers.

use yeoul_sys::Random;

use crate::trace::digest_of;

/// A maker of decisions.
pub trait Chance {
    /// A number in `0..bound`. A bound of 0 or 1 gives 0.
    fn below(&mut self, bound: u64) -> u64;

    /// A number of 64 bits.
    fn bits(&mut self) -> u64 {
        self.below(u64::MAX)
    }

    /// True in `times` of `out_of` cases.
    fn in_cases(&mut self, times: u64, out_of: u64) -> bool {
        self.below(out_of) < times
    }
}

/// A seeded generator: the numbers of [`Random`], with what tests ask of them.
///
/// ```
/// use yeoul_sim::rng::{Chance, Rng};
/// let (mut a, mut b) = (Rng::new(7), Rng::new(7));
/// assert_eq!(a.below(1000), b.below(1000));
/// ```
#[derive(Debug, Clone)]
pub struct Rng {
    numbers: Random,
    seed: u64,
}

impl Rng {
    /// The generator of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Mixed first: near seeds of the same sequence would otherwise overlap.
        Self { numbers: Random::new(mix(seed)), seed }
    }

    /// A generator of its own for the part of this name; depends on the seed and the name only, not on what was drawn so far.
    #[must_use]
    pub fn branch(&self, name: &str) -> Self {
        Self::new(mix(self.seed ^ mix(digest_of(name.as_bytes()))))
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.numbers.next_u64()
    }

    /// A number from `low` to `high`, both included.
    ///
    /// # Panics
    /// If `low > high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        assert!(low <= high, "an empty range {low}..={high}");
        let span = high.wrapping_sub(low).cast_unsigned().saturating_add(1);
        low.wrapping_add(self.below(span).cast_signed())
    }

    /// A number below `bound`, small ones far more often: the minimum of `skew + 1` draws. Skew 0 is uniform.
    pub fn skewed(&mut self, bound: u64, skew: u32) -> u64 {
        (0..=skew).map(|_| self.below(bound)).min().unwrap_or(0)
    }

    /// One of the items, or `None` if there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(usize::try_from(self.below(items.len() as u64)).ok()?)
    }

    /// Brings the items into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).expect("below a slice's length");
            items.swap(last, other);
        }
    }
}

impl Chance for Rng {
    fn below(&mut self, bound: u64) -> u64 {
        if bound <= 1 { 0 } else { self.numbers.below(bound) }
    }

    fn bits(&mut self) -> u64 {
        self.numbers.next_u64()
    }
}

/// Decisions read from a fuzzer's bytes; when they run out every decision is 0.
#[derive(Debug, Clone)]
pub struct Bytes<'a> {
    rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    /// Decisions from these bytes, first byte first.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// True once the bytes have run out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

impl Chance for Bytes<'_> {
    fn below(&mut self, bound: u64) -> u64 {
        if bound <= 1 {
            return 0;
        }
        // As few bytes as hold the bound, so that a flipped byte changes one decision.
        let width = (64 - (bound - 1).leading_zeros()).div_ceil(8) as usize;
        let (head, rest) = self.rest.split_at(width.min(self.rest.len()));
        self.rest = rest;
        head.iter().fold(0_u64, |n, &b| (n << 8) | u64::from(b)) % bound
    }
}

/// All decisions of a run in turn, as an odometer: run, [`Exhaust::advance`], run again, until it says false.
///
/// ```
/// use yeoul_sim::rng::{Chance, Exhaust};
/// let mut all = Exhaust::default();
/// let mut seen = Vec::new();
/// loop {
///     seen.push((all.below(2), all.below(3)));
///     if !all.advance() { break; }
/// }
/// assert_eq!(seen.len(), 6);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Exhaust {
    wheels: Vec<(u64, u64)>,
    at: usize,
}

impl Exhaust {
    /// Turns to the next sequence of decisions; false when all were seen.
    pub fn advance(&mut self) -> bool {
        self.wheels.truncate(self.at);
        self.at = 0;
        while let Some((value, bound)) = self.wheels.pop() {
            if value + 1 < bound {
                self.wheels.push((value + 1, bound));
                return true;
            }
        }
        false
    }
}

impl Chance for Exhaust {
    fn below(&mut self, bound: u64) -> u64 {
        if bound <= 1 {
            return 0;
        }
        if self.at == self.wheels.len() {
            self.wheels.push((0, bound));
        }
        let (value, known) = self.wheels[self.at];
        assert_eq!(
            known, bound,
            "decision {} had another bound in the run before: the run is not deterministic",
            self.at
        );
        self.at += 1;
        value
    }
}

/// Spreads every bit over all bits: the first number of the sequence with this seed.
pub(crate) fn mix(bits: u64) -> u64 {
    Random::new(bits).next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_seed_are_fixed() {
        let mut rng = Rng::new(1);
        let first: Vec<u64> = (0..3).map(|_| rng.bits()).collect();
        let mut again = Rng::new(1);
        assert_eq!(first, (0..3).map(|_| again.bits()).collect::<Vec<_>>());
        assert_ne!(first[0], Rng::new(2).bits());
        assert_eq!(mix(0), 0xE220_A839_7B1D_CDAF);
    }

    #[test]
    fn a_branch_depends_on_seed_and_name_only() {
        let mut rng = Rng::new(3);
        let before = rng.branch("clock").bits();
        rng.bits();
        assert_eq!(before, rng.branch("clock").bits());
        assert_ne!(before, rng.branch("disk").bits());
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_values() {
        let mut rng = Rng::new(4);
        let mut seen = [false; 7];
        for _ in 0..500 {
            seen[usize::try_from(rng.below(7)).unwrap()] = true;
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!((rng.below(0), rng.below(1)), (0, 0));
        assert!((-5..=5).contains(&rng.between(-5, 5)));
        let _ = rng.between(i64::MIN, i64::MAX);
    }

    #[test]
    fn skew_prefers_small_numbers() {
        let mut rng = Rng::new(5);
        let low = (0..1000).filter(|_| rng.skewed(100, 3) < 25).count();
        assert!(low > 550, "{low} of 1000");
    }

    #[test]
    fn a_shuffle_keeps_all_items() {
        let mut items: Vec<u32> = (0..50).collect();
        Rng::new(6).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn fuzzer_bytes_decide_until_they_run_out() {
        let mut bytes = Bytes::new(&[5, 1, 0]);
        assert_eq!(bytes.below(4), 1);
        assert_eq!(bytes.below(1000), 256);
        assert!(bytes.is_empty());
        assert_eq!(bytes.below(9), 0);
    }

    #[test]
    fn the_odometer_follows_decisions_that_depend_on_decisions() {
        let mut all = Exhaust::default();
        let mut seen = Vec::new();
        loop {
            let first = all.below(3);
            let second = if first == 1 { all.below(2) } else { 0 };
            seen.push((first, second));
            if !all.advance() {
                break;
            }
        }
        assert_eq!(seen, [(0, 0), (1, 0), (1, 1), (2, 0)]);
    }
}
