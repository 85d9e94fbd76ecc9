//! What an instance seals of its committable: its archive, cut into pieces that the log takes in one go.
//!
//! ```text
//! u8 version = 1 │ u8 flags (1: the committable ends here) │ a part of the archive
//! ```

use std::collections::BTreeMap;

use yeoul_frame::Epoch;
use yeoul_operator::{OperatorError, SealedOutput, Snapshot, Subtask};

use super::Sealed;
use crate::StateRecord;
use crate::owned_state::{archive, unarchive};

const VERSION: u8 = 1;
const LAST: u8 = 1;
/// Bytes of the archive in one piece.
const PIECE_BYTES: usize = 1 << 20;

/// Seals a committable.
pub(super) fn seal<C: StateRecord>(committable: &C, snapshot: &mut Snapshot<'_>) {
    cut(&archive(committable), PIECE_BYTES, |piece| snapshot.seal(piece));
}

fn cut(archive: &[u8], size: usize, mut give: impl FnMut(Vec<u8>)) {
    // One piece at least: an archive may have no bytes at all.
    let mut rest = archive;
    loop {
        let (part, after) = rest.split_at(rest.len().min(size));
        rest = after;
        let mut piece = vec![VERSION, if rest.is_empty() { LAST } else { 0 }];
        piece.extend_from_slice(part);
        give(piece);
        if rest.is_empty() {
            return;
        }
    }
}

/// Puts an epoch's committables together again, in the order of instances.
pub(super) fn gather<C: StateRecord>(epoch: Epoch, outputs: &[SealedOutput]) -> Result<Vec<Sealed<C>>, OperatorError> {
    let damaged = |output: &SealedOutput, why: String| {
        let Subtask { index, parallelism } = output.subtask;
        OperatorError::new(format!("what instance {index} of {parallelism} sealed in {epoch} does not read: {why}"))
            .hint("leave the type of what is sealed as it was until all that was sealed is delivered")
            .permanent()
    };
    let mut open: BTreeMap<(u16, u16), (Vec<u8>, &SealedOutput)> = BTreeMap::new();
    let mut sealed = Vec::new();
    for output in outputs {
        let [VERSION, flags @ (0 | LAST), part @ ..] = &output.bytes[..] else {
            return Err(damaged(output, format!("{} bytes are no piece of a committable", output.bytes.len())));
        };
        let from = (output.subtask.parallelism, output.subtask.index);
        let (archive, _) = open.entry(from).or_insert_with(|| (Vec::new(), output));
        archive.extend_from_slice(part);
        if *flags == LAST {
            let committable = unarchive(archive).map_err(|error| damaged(output, error.to_string()))?;
            sealed.push(Sealed { subtask: output.subtask, committable });
            open.remove(&from);
        }
    }
    match open.into_values().next() {
        None => Ok(sealed),
        Some((archive, output)) => {
            Err(damaged(output, format!("its last piece is missing after {} bytes", archive.len())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn output(index: u16, bytes: Vec<u8>) -> SealedOutput {
        SealedOutput { epoch: Epoch(1), subtask: Subtask { index, parallelism: 2 }, bytes: Arc::from(bytes) }
    }

    #[test]
    fn committables_come_back_whatever_the_size_of_pieces() {
        let committables = [vec![1_u64, 2, 3], vec![], vec![4; 100]];
        for size in [1, 7, 8, 1 << 20] {
            let mut outputs = [Vec::new(), Vec::new(), Vec::new()];
            for ((index, committable), outputs) in (0..).zip(&committables).zip(&mut outputs) {
                cut(&archive(committable), size, |piece| outputs.push(output(index, piece)));
            }
            // Pieces of several instances may stand between each other.
            let longest = outputs.iter().map(Vec::len).max().unwrap();
            let mixed: Vec<_> =
                (0..longest).flat_map(|at| outputs.iter().filter_map(move |of| of.get(at))).cloned().collect();
            let mut sealed = gather::<Vec<u64>>(Epoch(1), &mixed).unwrap();
            sealed.sort_by_key(|of| of.subtask.index);
            assert!(sealed.into_iter().map(|of| of.committable).eq(committables.clone()), "pieces of {size}");
        }
    }

    #[test]
    fn what_is_damaged_is_refused_by_the_instance_that_sealed_it() {
        let mut whole = Vec::new();
        cut(&archive(&vec![1_u64, 2]), 9, |piece| whole.push(output(1, piece)));
        let without_last = whole[..whole.len() - 1].to_vec();
        for outputs in [without_last, whole[1..].to_vec(), vec![output(1, vec![])], vec![output(1, vec![2, 1, 0])]] {
            let error = gather::<Vec<u64>>(Epoch(3), &outputs).unwrap_err();
            assert!(error.to_string().contains("instance 1 of 2 sealed in epoch 3"), "{error}");
        }
    }
}
