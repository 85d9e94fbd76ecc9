//! The distinct values of a frame's groups, and where partial rows have room for them.

use arrow_array::ArrayRef;
use yeoul_frame::KeyHash;
use yeoul_operator::OperatorError;
use yeoul_state::{Key, KeyBytes};

use super::layout::Set;
use crate::aggregate::{Groups, Weights};
use crate::row::{EncodedRows, RowCodec};
use crate::word::{read_words, width};

/// The distinct values of one column: of each the row that it is first in, its group, and the feeds that count it as bits.
#[derive(Default)]
pub(super) struct Values {
    pub(super) rows: Vec<u32>,
    pub(super) groups: Vec<u32>,
    pub(super) bits: Vec<u64>,
}

impl Values {
    /// Of rows in these groups, whose keys have these hashes.
    pub(super) fn of(
        set: &Set,
        array: &ArrayRef,
        weights: &[Weights],
        ids: &[u32],
        hashes: &[KeyHash],
    ) -> Result<Self, OperatorError> {
        if width(array.data_type()).is_some() {
            let mut words = Vec::with_capacity(ids.len());
            read_words(array, &mut words);
            return Ok(Self::gather(set, weights, ids, hashes, |row| words[row]));
        }
        let mut rows = EncodedRows::default();
        RowCodec::new([array.data_type().clone()])?.encode(std::slice::from_ref(array), ids.len(), &mut rows)?;
        Ok(Self::gather(set, weights, ids, hashes, |row| KeyBytes::new(rows.row(row))))
    }

    fn gather<V: Key>(
        set: &Set,
        weights: &[Weights],
        ids: &[u32],
        hashes: &[KeyHash],
        value: impl Fn(usize) -> V,
    ) -> Self {
        let mut counted = vec![0_u64; ids.len()];
        for (bit, &feed) in set.feeds.iter().enumerate() {
            match &weights[feed] {
                None => counted.iter_mut().for_each(|bits| *bits |= 1 << bit),
                Some(weights) => {
                    counted.iter_mut().zip(weights).for_each(|(bits, weight)| *bits |= u64::from(*weight != 0) << bit);
                }
            }
        }
        let rows: Vec<u32> = (0..ids.len() as u32).filter(|&row| counted[row as usize] != 0).collect();
        let of_group: Vec<(u32, V)> = rows.iter().map(|&row| (ids[row as usize], value(row as usize))).collect();
        let hashes: Vec<KeyHash> =
            of_group.iter().map(|(group, value)| hashes[*group as usize].then(value.hash())).collect();
        let mut distinct = Groups::new();
        distinct.group(&of_group, &hashes);
        let mut bits = vec![0; distinct.len()];
        for (&id, &row) in distinct.ids.iter().zip(&rows) {
            bits[id as usize] |= counted[row as usize];
        }
        Self {
            groups: distinct.keys.iter().map(|(group, _)| *group).collect(),
            rows: distinct.first.iter().map(|&at| rows[at as usize]).collect(),
            bits,
        }
    }
}

/// The first partial row of each group, and the number of all: as many as the group has values of its richest column, at least one.
pub(super) fn starts(groups: usize, sets: &[Values]) -> Vec<u32> {
    let mut most = vec![1_u32; groups];
    for values in sets {
        let mut counts = vec![0; groups];
        values.groups.iter().for_each(|&group| counts[group as usize] += 1);
        most.iter_mut().zip(counts).for_each(|(most, count)| *most = count.max(*most));
    }
    let mut starts = Vec::with_capacity(groups + 1);
    let mut at = 0;
    for most in most {
        starts.push(at);
        at += most;
    }
    starts.push(at);
    starts
}
