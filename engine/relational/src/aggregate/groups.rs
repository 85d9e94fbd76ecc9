//! The rows of a frame by key: each row's group, and each group's first row.
//!
//! An open-addressed list of group numbers, emptied for each frame, that lies in the first-level cache.

use yeoul_frame::KeyHash;

const NONE: u32 = u32::MAX;

/// Groups of a frame. Keeps its memory from frame to frame.
#[derive(Debug, Default)]
pub(crate) struct Groups<K> {
    /// By row.
    pub(crate) ids: Vec<u32>,
    /// By group, in the order of their first rows.
    pub(crate) first: Vec<u32>,
    pub(crate) keys: Vec<K>,
    pub(crate) hashes: Vec<KeyHash>,
    places: Vec<u32>,
}

impl<K: Clone + Eq> Groups<K> {
    pub(crate) fn new() -> Self {
        Self { ids: vec![], first: vec![], keys: vec![], hashes: vec![], places: vec![] }
    }

    pub(crate) fn len(&self) -> usize {
        self.first.len()
    }

    /// Groups rows by key.
    pub(crate) fn group(&mut self, keys: &[K], hashes: &[KeyHash]) {
        self.ids.clear();
        self.first.clear();
        self.keys.clear();
        self.hashes.clear();
        let size = (keys.len() * 2).next_power_of_two().max(16);
        self.places.clear();
        self.places.resize(size, NONE);
        let mask = size - 1;
        for (row, (key, &hash)) in keys.iter().zip(hashes).enumerate() {
            let mut place = hash.0 as usize & mask;
            let id = loop {
                let id = self.places[place];
                if id == NONE {
                    let id = self.first.len() as u32;
                    self.places[place] = id;
                    self.first.push(row as u32);
                    self.keys.push(key.clone());
                    self.hashes.push(hash);
                    break id;
                }
                if self.hashes[id as usize] == hash && self.keys[id as usize] == *key {
                    break id;
                }
                place = (place + 1) & mask;
            };
            self.ids.push(id);
        }
    }

    /// The rows of each group, in their order.
    pub(crate) fn members(&self) -> Members {
        let mut starts = vec![0_u32; self.len() + 1];
        self.ids.iter().for_each(|&id| starts[id as usize + 1] += 1);
        for group in 0..self.len() {
            starts[group + 1] += starts[group];
        }
        let mut next = starts.clone();
        let mut rows = vec![0; self.ids.len()];
        for (row, &id) in self.ids.iter().enumerate() {
            rows[next[id as usize] as usize] = row as u32;
            next[id as usize] += 1;
        }
        Members { starts, rows }
    }
}

/// Rows by group.
#[derive(Debug)]
pub(crate) struct Members {
    starts: Vec<u32>,
    rows: Vec<u32>,
}

impl Members {
    #[inline]
    pub(crate) fn of(&self, group: usize) -> &[u32] {
        &self.rows[self.starts[group] as usize..self.starts[group + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yeoul_frame::hash_u64;

    #[test]
    fn rows_of_one_key_are_one_group_also_when_hashes_collide() {
        let keys = [5_u64, 6, 5, 7, 6, 5];
        let mut groups = Groups::new();
        for hash in [hash_u64, |_| KeyHash(3)] {
            groups.group(&keys, &keys.map(hash));
            assert_eq!(groups.ids, [0, 1, 0, 2, 1, 0]);
            assert_eq!((&groups.first[..], &groups.keys[..]), (&[0, 1, 3][..], &[5, 6, 7][..]));
            assert_eq!(
                [0, 1, 2].map(|group| groups.members().of(group).to_vec()),
                [vec![0, 2, 5], vec![1, 4], vec![3]]
            );
        }
        groups.group(&[], &[]);
        assert_eq!(groups.len(), 0);
    }
}
