//! The right to put something into the snapshot of one epoch.

use std::sync::Arc;

use yeoul_frame::{Epoch, OperatorId};

/// Given to an operator when the barrier stands at it.
///
/// ```
/// use yeoul_frame::{Epoch, OperatorId};
/// use yeoul_operator::Snapshot;
///
/// let (mut states, mut sealed) = (Vec::new(), Vec::new());
/// // As a test asks an operator for its state.
/// let mut snapshot = Snapshot::new(Epoch(7), OperatorId::of("count"), &mut states, &mut sealed);
/// assert_eq!(snapshot.epoch, Epoch(7));
/// snapshot.state("count", 42_u64.to_le_bytes().to_vec());
/// snapshot.seal(*b"output of epoch 7");
/// assert_eq!((&states[0].1[..], states[0].2[0], sealed.len()), ("count", 42, 1));
/// ```
pub struct Snapshot<'a> {
    /// The epoch that ends here.
    pub epoch: Epoch,
    operator: OperatorId,
    states: &'a mut Vec<(OperatorId, String, Vec<u8>)>,
    sealed: &'a mut Vec<(OperatorId, Arc<[u8]>)>,
}

impl<'a> Snapshot<'a> {
    /// For the runtime and for tests of operators.
    pub fn new(
        epoch: Epoch,
        operator: OperatorId,
        states: &'a mut Vec<(OperatorId, String, Vec<u8>)>,
        sealed: &'a mut Vec<(OperatorId, Arc<[u8]>)>,
    ) -> Self {
        Self { epoch, operator, states, sealed }
    }

    /// Puts operator state in, whole, under a name of its own. It comes back through `restore`.
    pub fn state(&mut self, name: &str, bytes: Vec<u8>) {
        self.states.push((self.operator, name.to_owned(), bytes));
    }

    /// Seals output of this epoch: it reaches the sink's committer after the epoch is committed.
    pub fn seal(&mut self, bytes: impl Into<Arc<[u8]>>) {
        self.sealed.push((self.operator, bytes.into()));
    }
}
