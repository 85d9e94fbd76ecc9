//! Whether a request is made again, and when.

use std::sync::Arc;
use std::time::Duration;

/// When a request is made again (Flink's `AsyncRetryStrategy`): which answers and errors are worth another attempt, how many there are, and
/// how long is waited before each.
///
/// Every error is worth another attempt, and no answer is, unless [`if_error`](Self::if_error) and [`if_result`](Self::if_result) say
/// otherwise. What the last attempt gives stands: an answer is passed on, an error fails the job. While it waits a request is in flight, and
/// the time limit is for all attempts together.
///
/// ```
/// use std::convert::Infallible;
/// use std::time::Duration;
/// use yeoul_stream::{AsyncOptions, AsyncRetry, DataStream, OperatorHarness, async_fn};
///
/// // Finds a number's double at the third look.
/// let mut looks = 0;
/// let look = async_fn(move |n: &u64| {
///     looks += 1;
///     let found = if looks < 3 { vec![] } else { vec![n * 2] };
///     async move { Ok::<_, Infallible>(found) }
/// });
/// let retry = AsyncRetry::fixed_delay(5, Duration::from_millis(100)).if_result(|found: &[u64]| found.is_empty());
/// let options = AsyncOptions::new(Duration::from_secs(10));
/// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.async_ordered_with_retry(look, options, retry))?;
/// harness.push([(21, 0)])?;
/// for now in [0, 100, 200] {
///     assert!(harness.take_output().is_empty());
///     harness.processing_time(now)?;
/// }
/// assert_eq!(harness.take_output(), [(42, 0)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct AsyncRetry<O, E> {
    attempts: u32,
    delay: Delay,
    if_result: Option<Arc<dyn Fn(&[O]) -> bool + Send + Sync>>,
    if_error: Option<Arc<dyn Fn(&E) -> bool + Send + Sync>>,
}

#[derive(Debug, Clone, Copy)]
enum Delay {
    Fixed(Duration),
    Exponential { initial: Duration, most: Duration, multiplier: f64 },
}

impl<O, E> AsyncRetry<O, E> {
    /// One attempt.
    ///
    /// ```
    /// # use yeoul_stream::AsyncRetry;
    /// let retry = AsyncRetry::<u64, std::io::Error>::none();
    /// # let _ = retry;
    /// ```
    #[must_use]
    pub fn none() -> Self {
        Self::of(1, Delay::Fixed(Duration::ZERO))
    }

    /// Up to `attempts`, the first one included, with the same wait before each other.
    #[must_use]
    pub fn fixed_delay(attempts: u32, delay: Duration) -> Self {
        Self::of(attempts, Delay::Fixed(delay))
    }

    /// Up to `attempts`, the first one included. The second comes after `initial`; each further wait is `multiplier` times as long as the one
    /// before (not shorter, should it be less than 1), up to `most`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::AsyncRetry;
    /// // After 100, 200, 400 and 500 ms.
    /// let (initial, most) = (Duration::from_millis(100), Duration::from_millis(500));
    /// let retry = AsyncRetry::<u64, std::io::Error>::exponential_backoff(5, initial, most, 2.0);
    /// # let _ = retry;
    /// ```
    #[must_use]
    pub fn exponential_backoff(attempts: u32, initial: Duration, most: Duration, multiplier: f64) -> Self {
        Self::of(attempts, Delay::Exponential { initial, most, multiplier: multiplier.max(1.0) })
    }

    fn of(attempts: u32, delay: Delay) -> Self {
        Self { attempts, delay, if_result: None, if_error: None }
    }

    /// Answers for which this holds are worth another attempt.
    #[must_use]
    pub fn if_result(mut self, is_worth_it: impl Fn(&[O]) -> bool + Send + Sync + 'static) -> Self {
        self.if_result = Some(Arc::new(is_worth_it));
        self
    }

    /// Of errors only those for which this holds are worth another attempt.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::AsyncRetry;
    /// use std::io::{Error, ErrorKind};
    ///
    /// let retry = AsyncRetry::<u64, Error>::fixed_delay(3, Duration::from_millis(100));
    /// let retry = retry.if_error(|error| error.kind() == ErrorKind::ConnectionReset);
    /// # let _ = retry;
    /// ```
    #[must_use]
    pub fn if_error(mut self, is_worth_it: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self {
        self.if_error = Some(Arc::new(is_worth_it));
        self
    }

    /// How long to wait before the next attempt, if what this one gave (the `attempt`th, from 1) is worth it and there is one left.
    pub(super) fn after(&self, attempt: u32, outcome: &Result<Vec<O>, E>) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let is_worth_it = match outcome {
            Ok(results) => self.if_result.as_ref().is_some_and(|holds| holds(results)),
            Err(error) => self.if_error.as_ref().is_none_or(|holds| holds(error)),
        };
        is_worth_it.then(|| match self.delay {
            Delay::Fixed(delay) => delay,
            Delay::Exponential { initial, most, multiplier } => {
                // The exponent is as large as attempts are; what is past `f64` is past `most`, too.
                let factor = multiplier.powf(f64::from(attempt - 1));
                Duration::try_from_secs_f64(initial.as_secs_f64() * factor).map_or(most, |delay| delay.min(most))
            }
        })
    }
}

impl<O, E> Clone for AsyncRetry<O, E> {
    fn clone(&self) -> Self {
        let Self { attempts, delay, .. } = *self;
        Self { attempts, delay, if_result: self.if_result.clone(), if_error: self.if_error.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// The waits after each attempt that gives this, as far as there are any.
    fn check<'a>(retry: &AsyncRetry<u64, &'a str>, outcome: &Result<Vec<u64>, &'a str>, waits: &[u64]) {
        let given: Vec<_> = (1..10).map_while(|attempt| retry.after(attempt, outcome)).collect();
        assert_eq!(given, waits.iter().map(|wait| millis(*wait)).collect::<Vec<_>>(), "{outcome:?}");
    }

    #[test]
    fn attempts_end_and_waits_grow_as_said() {
        check(&AsyncRetry::none(), &Err("away"), &[]);
        check(&AsyncRetry::fixed_delay(3, millis(5)), &Err("away"), &[5, 5]);
        check(&AsyncRetry::fixed_delay(0, millis(5)), &Err("away"), &[]);
        check(&AsyncRetry::exponential_backoff(6, millis(10), millis(60), 2.0), &Err("away"), &[10, 20, 40, 60, 60]);
        check(&AsyncRetry::exponential_backoff(4, millis(10), millis(60), 0.1), &Err("away"), &[10, 10, 10]);
        let vast = AsyncRetry::<u64, &str>::exponential_backoff(u32::MAX, millis(10), Duration::MAX, f64::MAX);
        assert_eq!(vast.after(1_000_000, &Err("away")), Some(Duration::MAX));
    }

    #[test]
    fn what_is_worth_another_attempt_is_said_of_answers_and_errors() {
        let fixed = || AsyncRetry::<u64, &str>::fixed_delay(2, millis(5));
        check(&fixed(), &Ok(vec![]), &[]);
        check(&fixed().if_result(<[u64]>::is_empty), &Ok(vec![]), &[5]);
        check(&fixed().if_result(<[u64]>::is_empty), &Ok(vec![7]), &[]);
        check(&fixed().if_error(|error| *error == "away"), &Err("away"), &[5]);
        check(&fixed().if_error(|error| *error == "away"), &Err("wrong"), &[]);
    }
}
