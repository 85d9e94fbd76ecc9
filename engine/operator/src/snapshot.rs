//! The right to put something into the snapshot of one epoch.

use std::sync::Arc;

use yeoul_frame::{Epoch, OperatorId};

/// Given to an operator when the barrier stands at it.
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
