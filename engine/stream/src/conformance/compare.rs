//! Compares what came with what was to come, as lists and as multisets.

/// What is in `these` and not in `those`, each as often as it is there more often.
pub(super) fn without<T: PartialEq + Clone>(these: &[T], those: &[T]) -> Vec<T> {
    // Records need be neither ordered nor hashed; most stand at the same place in both.
    let mut taken = vec![false; those.len()];
    let mut left = Vec::new();
    let mut next = 0;
    for item in these {
        let ahead = (next..those.len()).chain(0..next).find(|at| !taken[*at] && those[*at] == *item);
        match ahead {
            Some(at) => {
                taken[at] = true;
                next = at + 1;
            }
            None => left.push(item.clone()),
        }
    }
    left
}

/// Whether the items stand in `order` in this order, with others between them.
pub(super) fn is_in_order<T: PartialEq>(items: &[T], order: &[T]) -> bool {
    let mut rest = order.iter();
    items.iter().all(|item| rest.any(|other| other == item))
}

/// `1 record`, `2 records`.
pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multisets_count() {
        for (these, those, left) in [
            (&[1, 2, 2, 3][..], &[3, 2, 1][..], &[2][..]),
            (&[1, 2], &[1, 2], &[]),
            (&[5, 5], &[], &[5, 5]),
            (&[], &[1], &[]),
        ] {
            assert_eq!(without(these, those), left, "{these:?} without {those:?}");
        }
        assert!(is_in_order(&[1, 3], &[1, 2, 3]) && !is_in_order(&[3, 1], &[1, 2, 3]) && is_in_order::<u8>(&[], &[]));
    }
}
