//! What makes a sink's output visible outside, once, after its epoch is committed.

use std::sync::Arc;

use yeoul_frame::{Epoch, OperatorId};

use crate::{OperatorError, Services, Subtask};

/// What one sink instance wrote during one epoch. It is in the state log before the epoch is committed.
///
/// ```
/// use yeoul_frame::Epoch;
/// use yeoul_operator::{SealedOutput, Subtask};
///
/// /// What all instances wrote, of sinks that seal lines of text.
/// fn lines(outputs: &[SealedOutput]) -> Vec<&str> {
///     outputs.iter().flat_map(|output| std::str::from_utf8(&output.bytes).unwrap().lines()).collect()
/// }
/// let of = |index| Subtask { index, parallelism: 2 };
/// let sealed = |index, text: &str| SealedOutput { epoch: Epoch(3), subtask: of(index), bytes: text.as_bytes().into() };
/// assert_eq!(lines(&[sealed(0, "one\ntwo\n"), sealed(1, "three\n")]), ["one", "two", "three"]);
/// ```
#[derive(Debug, Clone)]
pub struct SealedOutput {
    /// The epoch.
    pub epoch: Epoch,
    /// The instance that wrote it.
    pub subtask: Subtask,
    /// The bytes, in the order in which they were sealed. The sink decides what they mean.
    pub bytes: Arc<[u8]>,
}

/// The outside half of a sink. One for a job, on a thread that may block.
///
/// The protocol is "sealed epochs with markers": the target holds, set in the same transaction as the output, a marker that names the last
/// epoch delivered. Delivery is repeated after a crash until the marker says that it happened.
///
/// ```
/// use yeoul_frame::Epoch;
/// use yeoul_operator::{Committer, OperatorError, SealedOutput, Services, Subtask};
///
/// /// A target in memory: its bytes and its marker.
/// #[derive(Default)]
/// struct Target(Vec<u8>, Epoch);
///
/// impl Committer for Target {
///     fn recover(&mut self, _: &Services, _: Epoch) -> Result<Epoch, OperatorError> {
///         Ok(self.1)
///     }
///
///     fn deliver(&mut self, epoch: Epoch, outputs: &[SealedOutput]) -> Result<(), OperatorError> {
///         if epoch > self.1 {
///             outputs.iter().for_each(|output| self.0.extend_from_slice(&output.bytes));
///             self.1 = epoch;
///         }
///         Ok(())
///     }
/// }
///
/// let sealed = [SealedOutput { epoch: Epoch(1), subtask: Subtask { index: 0, parallelism: 1 }, bytes: (*b"swift").into() }];
/// let mut target = Target::default();
/// target.deliver(Epoch(1), &sealed)?;
/// // Once more after a crash: the marker says that it is there.
/// target.deliver(Epoch(1), &sealed)?;
/// let marker = target.recover(&Services::default(), Epoch(1))?;
/// assert_eq!((&target.0[..], marker), (&b"swift"[..], Epoch(1)));
/// # Ok::<_, OperatorError>(())
/// ```
pub trait Committer: Send {
    /// Says of which sink it is, before anything else: by this, targets that several sinks of a job share tell them apart.
    fn of_sink(&mut self, sink: OperatorId) {
        let _ = sink;
    }

    /// Fences what an earlier run left (unfinished files, transactions) and reads the marker: the last epoch of which everything has
    /// been delivered, as far as the target can tell. Called once, before any delivery. `committed` is the last committed epoch: anything later
    /// that the target holds unfinished never happened.
    ///
    /// # Errors
    /// The target cannot be reached or read.
    fn recover(&mut self, services: &Services, committed: Epoch) -> Result<Epoch, OperatorError>;

    /// Makes all of `epoch`'s output visible, with its marker. Epochs come in increasing order; one that had no output anywhere may be left out.
    /// Delivering again what the target already has changes nothing.
    ///
    /// # Errors
    /// The target refuses. The job fails and delivers again after a restart.
    fn deliver(&mut self, epoch: Epoch, outputs: &[SealedOutput]) -> Result<(), OperatorError>;

    /// The first epoch of which the log must keep what was sealed, of all instances that there ever were: what is not yet where it
    /// belongs. By default all that was delivered may go.
    fn retained_from(&self, delivered: Epoch) -> Epoch {
        delivered.next()
    }

    /// Called once at the job's orderly end, after the last delivery.
    ///
    /// # Errors
    /// The target refuses.
    fn finish(&mut self) -> Result<(), OperatorError> {
        Ok(())
    }
}
