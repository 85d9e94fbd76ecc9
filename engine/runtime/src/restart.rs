//! What happens after a failed attempt (Flink's restart strategies).
//!
//! Pure: takes the times of failures and returns a delay or a refusal.

use std::collections::VecDeque;
use std::time::Duration;

/// Flink's restart strategies.
#[derive(Debug, Clone, PartialEq)]
pub enum RestartStrategy {
    /// The first failure ends the job.
    None,
    /// Up to `attempts` restarts, each after `delay`.
    FixedDelay {
        /// How many.
        attempts: u32,
        /// How long before each.
        delay: Duration,
    },
    /// Delays grow from `initial` to `most` by `factor`, and start over after the job has run for `reset` without failure.
    ExponentialDelay {
        /// The first delay.
        initial: Duration,
        /// The longest delay.
        most: Duration,
        /// By what a delay grows.
        factor: f64,
        /// After this long without failure the delay starts over.
        reset: Duration,
        /// How many restarts in a row, if there is a limit.
        attempts: Option<u32>,
    },
    /// The job ends when more than `failures` fall within `interval`.
    FailureRate {
        /// How many are borne.
        failures: u32,
        /// Within this time.
        interval: Duration,
        /// How long before each restart.
        delay: Duration,
    },
}

impl Default for RestartStrategy {
    /// As Flink's with checkpoints on: exponential, from 1 s to 1 min by 1.5, starting over after an hour; but at most 10 in a row.
    fn default() -> Self {
        Self::ExponentialDelay {
            initial: Duration::from_secs(1),
            most: Duration::from_secs(60),
            factor: 1.5,
            reset: Duration::from_secs(3600),
            attempts: Some(10),
        }
    }
}

/// Counts failures and decides.
#[derive(Debug)]
pub struct Restarts {
    strategy: RestartStrategy,
    in_a_row: u32,
    recent: VecDeque<Duration>,
}

impl Restarts {
    /// No failure yet.
    #[must_use]
    pub fn new(strategy: RestartStrategy) -> Self {
        Self { strategy, in_a_row: 0, recent: VecDeque::new() }
    }

    /// An attempt failed at `now` (since any fixed origin). Returns how long to wait before the next, or None to give up.
    pub fn failed(&mut self, now: Duration) -> Option<Duration> {
        let last = self.recent.back().copied();
        if !matches!(self.strategy, RestartStrategy::FailureRate { .. }) {
            self.recent.clear();
        }
        self.recent.push_back(now);
        match &self.strategy {
            RestartStrategy::None => None,
            RestartStrategy::FixedDelay { attempts, delay } => {
                self.in_a_row += 1;
                (self.in_a_row <= *attempts).then_some(*delay)
            }
            RestartStrategy::ExponentialDelay { initial, most, factor, reset, attempts } => {
                if last.is_some_and(|last| now.saturating_sub(last) >= *reset) {
                    self.in_a_row = 0;
                }
                self.in_a_row += 1;
                if attempts.is_some_and(|most| self.in_a_row > most) {
                    return None;
                }
                let grown = initial.as_secs_f64() * factor.powi(self.in_a_row as i32 - 1);
                Some(Duration::from_secs_f64(grown.min(most.as_secs_f64())))
            }
            RestartStrategy::FailureRate { failures, interval, delay } => {
                while self.recent.front().is_some_and(|first| now.saturating_sub(*first) > *interval) {
                    self.recent.pop_front();
                }
                (self.recent.len() <= *failures as usize).then_some(*delay)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn none_gives_up_and_fixed_delay_counts() {
        assert_eq!(Restarts::new(RestartStrategy::None).failed(s(1)), None);
        let mut fixed = Restarts::new(RestartStrategy::FixedDelay { attempts: 2, delay: s(3) });
        assert_eq!([fixed.failed(s(1)), fixed.failed(s(2)), fixed.failed(s(3))], [Some(s(3)), Some(s(3)), None]);
    }

    #[test]
    fn exponential_delay_grows_to_its_limit_and_starts_over() {
        let strategy =
            RestartStrategy::ExponentialDelay { initial: s(1), most: s(5), factor: 2.0, reset: s(100), attempts: None };
        let mut delay = Restarts::new(strategy);
        let seen: Vec<_> = (1..=4).map(|at| delay.failed(s(at)).unwrap()).collect();
        assert_eq!(seen, [s(1), s(2), s(4), s(5)]);
        assert_eq!(delay.failed(s(200)), Some(s(1)));
    }

    #[test]
    fn failure_rate_forgets_old_failures() {
        let mut rate = Restarts::new(RestartStrategy::FailureRate { failures: 2, interval: s(10), delay: s(1) });
        assert_eq!([rate.failed(s(1)), rate.failed(s(2)), rate.failed(s(20))], [Some(s(1)); 3]);
        assert_eq!(rate.failed(s(21)), Some(s(1)));
        assert_eq!(rate.failed(s(22)), None);
    }
}
