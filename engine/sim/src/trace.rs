//! What happened in a run, step by step, as text and as one number.
//!
//! Every step of the scheduler and every call to the disk is one line. The digest covers all lines; the text of the last ones is kept
//! for a reader. Two runs of one seed must have equal digests.
//!
//! Invariants:
//! 1. A line depends on the seed and the program only: no address, no thread, no real time.
//! 2. The digest depends on every byte of every line and on their order.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::rng::mix;

/// Handle of one trace; clones write to the same one.
///
/// ```
/// use yeoul_sim::trace::Trace;
/// let trace = Trace::keeping(10);
/// trace.note(format_args!("step {}", 1));
/// assert_eq!(trace.lines(), ["1 step 1"]);
/// ```
#[derive(Debug, Clone)]
pub struct Trace {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    kept: VecDeque<String>,
    keep: usize,
    count: u64,
    digest: Fold,
    line: String,
}

impl Trace {
    /// A trace that keeps the text of the last `keep` lines; the digest covers all lines.
    #[must_use]
    pub fn keeping(keep: usize) -> Self {
        let inner = Inner { kept: VecDeque::new(), keep, count: 0, digest: Fold::new(), line: String::new() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Adds one line. It gets its number in front.
    pub fn note(&self, line: fmt::Arguments<'_>) {
        // A panic of the engine while a line is written leaves the trace usable: it is what tells of the panic.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *inner;
        inner.count += 1;
        inner.line.clear();
        fmt::Write::write_fmt(&mut inner.line, format_args!("{} {line}", inner.count))
            .expect("a string takes all text");
        inner.digest.add(inner.line.as_bytes());
        if inner.keep == 0 {
            return;
        }
        if inner.kept.len() == inner.keep {
            inner.kept.pop_front();
        }
        inner.kept.push_back(inner.line.clone());
    }

    /// The lines kept, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.with(|inner| inner.kept.iter().cloned().collect())
    }

    /// How many lines there were, kept or not.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.with(|inner| inner.count)
    }

    /// One number over all lines.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.with(|inner| inner.digest.clone().finish())
    }

    fn with<R>(&self, read: impl FnOnce(&Inner) -> R) -> R {
        read(&self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One number over bytes: eight at a time, so that tracing large writes costs little. Not for data on disk.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> u64 {
    let mut fold = Fold::new();
    fold.add(bytes);
    fold.finish()
}

#[derive(Debug, Clone)]
struct Fold {
    state: u64,
}

impl Fold {
    fn new() -> Self {
        Self { state: 0x5945_4F55_4C00_0001 }
    }

    fn add(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.word(u64::from_le_bytes(last));
        // The length, so that a zero at the end counts.
        self.word(bytes.len() as u64);
    }

    fn word(&mut self, word: u64) {
        self.state = (self.state ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    }

    fn finish(self) -> u64 {
        mix(self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace_of(lines: &[&str]) -> Trace {
        let trace = Trace::keeping(2);
        for line in lines {
            trace.note(format_args!("{line}"));
        }
        trace
    }

    #[test]
    fn equal_runs_have_equal_digests() {
        assert_eq!(trace_of(&["a", "b", "c"]).digest(), trace_of(&["a", "b", "c"]).digest());
    }

    #[test]
    fn order_content_and_number_of_lines_count() {
        let base = trace_of(&["a", "b"]).digest();
        for other in [&["b", "a"][..], &["a"], &["a", "b", "b"], &["a", "c"]] {
            assert_ne!(base, trace_of(other).digest(), "{other:?}");
        }
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let trace = trace_of(&["a", "b", "c"]);
        assert_eq!(trace.lines(), ["2 b", "3 c"]);
        assert_eq!(trace.count(), 3);
    }

    #[test]
    fn zeros_at_the_end_change_the_digest() {
        assert_ne!(digest_of(&[1]), digest_of(&[1, 0]));
        assert_ne!(digest_of(&[]), digest_of(&[0; 8]));
    }
}
