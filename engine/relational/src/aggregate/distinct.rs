//! The distinct values of groups: turns the rows of a feed into those that bring a value in, or take the last of it away.
//!
//! Where nothing is taken back, all feeds over one column share a table, in which a value's word has a bit for each feed that has seen
//! it. Otherwise each feed counts its values in a table of its own.

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use yeoul_frame::{KeyHash, OperatorId, Timestamp};
use yeoul_operator::OperatorError;
use yeoul_state::{Compound, Key, KeyBytes, Panes, StateTable, Table};

use super::fold::Weights;
use super::plan::Plan;
use crate::row::{EncodedRows, RowCodec};
use crate::word::{read_words, width};

/// At least so many buckets are looked at after each frame (and one for each row in it) for values whose time to live is over.
const SWEPT: usize = 16;

/// A value's bits or its count, and when it was last written.
type Seen = [u64; 2];

/// The distinct values of an operator's groups.
pub(crate) struct Distincts<K: Key> {
    sets: Vec<Set<K>>,
    ttl: Option<i64>,
    retracting: bool,
}

struct Set<K: Key> {
    column: usize,
    /// Numbers of feeds; a feed's bit is its place here.
    feeds: Vec<usize>,
    values: Values<K>,
}

enum Values<K: Key> {
    Words(Panes<Compound<K, u64>, Seen>, Vec<Compound<K, u64>>),
    Bytes(Panes<Compound<K, KeyBytes>, Seen>, Vec<Compound<K, KeyBytes>>, RowCodec),
}

impl<K: Key> Distincts<K> {
    pub(crate) fn new(plan: &Plan, operator: OperatorId, ttl: Option<i64>) -> Result<Self, OperatorError> {
        let mut sets: Vec<Set<K>> = Vec::new();
        for (number, feed) in plan.feeds.iter().enumerate() {
            let Some(column) = feed.distinct else { continue };
            match sets.iter_mut().find(|set| set.column == column && !plan.retracting && set.feeds.len() < 64) {
                Some(set) => set.feeds.push(number),
                None => {
                    let data_type = &plan.arguments[column];
                    let name = format!("distinct {}", sets.len());
                    let id = operator.table(&name);
                    let values = match width(data_type) {
                        Some(_) => Values::Words(Panes::new(id, &name), vec![]),
                        None => {
                            let codec = RowCodec::new([data_type.clone()])?;
                            Values::Bytes(Panes::new(id, &name), vec![], codec)
                        }
                    };
                    sets.push(Set { column, feeds: vec![number], values });
                }
            }
        }
        Ok(Self { sets, ttl, retracting: plan.retracting })
    }

    /// Replaces the weights of distinct feeds: 1 where a row brings a value into its group, −1 where it takes the last away.
    pub(crate) fn weigh(
        &mut self,
        namespace: i64,
        keys: &[K],
        hashes: &[KeyHash],
        array: impl Fn(usize) -> ArrayRef,
        weights: &mut [Weights],
        now: Timestamp,
    ) -> Result<(), OperatorError> {
        for set in &mut self.sets {
            let array = array(set.column);
            let seen = Seeing { feeds: &set.feeds, retracting: self.retracting, ttl: self.ttl, now: now.0 };
            match &mut set.values {
                Values::Words(table, compounds) => {
                    let mut words = Vec::with_capacity(keys.len());
                    read_words(&array, &mut words);
                    seen.weigh(table.pane(namespace), compounds, keys, hashes, |row| words[row], weights);
                }
                Values::Bytes(table, compounds, codec) => {
                    let mut rows = EncodedRows::default();
                    codec.encode(&[array], keys.len(), &mut rows)?;
                    seen.weigh(
                        table.pane(namespace),
                        compounds,
                        keys,
                        hashes,
                        |row| KeyBytes::new(rows.row(row)),
                        weights,
                    );
                }
            }
        }
        Ok(())
    }

    /// Forgets the values of a window.
    pub(crate) fn drop_namespace(&mut self, namespace: i64) {
        for set in &mut self.sets {
            match &mut set.values {
                Values::Words(table, _) => table.drop_namespace(namespace),
                Values::Bytes(table, ..) => table.drop_namespace(namespace),
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    pub(crate) fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        for set in &mut self.sets {
            match &mut set.values {
                Values::Words(table, _) => visit(table),
                Values::Bytes(table, ..) => visit(table),
            }
        }
    }
}

struct Seeing<'a> {
    feeds: &'a [usize],
    retracting: bool,
    ttl: Option<i64>,
    now: i64,
}

impl Seeing<'_> {
    fn weigh<K: Key, D: Key>(
        &self,
        table: &mut Table<Compound<K, D>, Seen>,
        compounds: &mut Vec<Compound<K, D>>,
        keys: &[K],
        hashes: &[KeyHash],
        value: impl Fn(usize) -> D,
        weights: &mut [Weights],
    ) {
        // Without a time to live nothing says when, so that what is there already stays as it is.
        let now = self.ttl.map_or(0, |_| self.now as u64);
        let expired = |seen: &Seen| self.ttl.is_some_and(|ttl| (seen[1] as i64).saturating_add(ttl) <= self.now);
        // Rows that any of the feeds counts.
        let counts =
            |row: usize| self.feeds.iter().any(|&feed| weights[feed].as_ref().is_none_or(|weights| weights[row] != 0));
        let mut rows: Vec<u32> = (0..keys.len()).filter(|&row| counts(row)).map(|row| row as u32).collect();
        compounds.clear();
        compounds
            .extend(rows.iter().map(|&row| Compound { key: keys[row as usize].clone(), sub: value(row as usize) }));
        let of =
            |(&row, compound): (&u32, &Compound<K, D>)| Compound::<K, D>::hash_of(hashes[row as usize], &compound.sub);
        let mut compound_hashes: Vec<KeyHash> = rows.iter().zip(&*compounds).map(of).collect();
        if !self.retracting && self.ttl.is_none() {
            // A value that all of its feeds have counted is not written again.
            let counts = |feed: usize, row: u32| weights[feed].as_ref().is_none_or(|weights| weights[row as usize] > 0);
            let mut brings: Vec<bool> = Vec::with_capacity(rows.len());
            table.get_batch(compounds, &compound_hashes, |i, seen| {
                let seen = seen.map_or(0, |seen| seen[0]);
                brings.push(
                    self.feeds.iter().enumerate().any(|(bit, &feed)| seen >> bit & 1 == 0 && counts(feed, rows[i])),
                );
            });
            keep(&mut rows, &brings);
            keep(compounds, &brings);
            keep(&mut compound_hashes, &brings);
        }
        let mut taken = Vec::new();
        let before: Vec<Option<Vec<i8>>> =
            self.feeds.iter().map(|&feed| weights[feed].replace(vec![0; keys.len()])).collect();
        table.upsert_batch(
            compounds,
            &compound_hashes,
            || [0, now],
            |i, seen| {
                let row = rows[i] as usize;
                if expired(seen) {
                    seen[0] = 0;
                }
                seen[1] = now;
                for (bit, (&feed, before)) in self.feeds.iter().zip(&before).enumerate() {
                    let weight = before.as_ref().map_or(1, |before| before[row]);
                    let now = if self.retracting {
                        let count = seen[0] as i64;
                        seen[0] = (count + i64::from(weight)).max(0) as u64;
                        i8::from(seen[0] != 0) - i8::from(count != 0)
                    } else {
                        let is_new = weight > 0 && seen[0] >> bit & 1 == 0;
                        seen[0] |= u64::from(weight > 0) << bit;
                        i8::from(is_new)
                    };
                    weights[feed].as_mut().expect("they were put there")[row] = now;
                }
                if self.retracting && seen[0] == 0 {
                    taken.push(i);
                }
            },
        );
        for i in taken {
            if table.get(&compounds[i], compound_hashes[i]).is_some_and(|seen| seen[0] == 0) {
                table.remove(&compounds[i], compound_hashes[i]);
            }
        }
        if self.ttl.is_some() {
            table.sweep(SWEPT.max(keys.len()), |_, seen| expired(seen));
        }
    }
}

/// Keeps the items for which `kept` says so.
fn keep<T>(items: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    items.retain(|_| kept.next().is_some_and(|kept| *kept));
}

/// Whether a plan asks for distinct values of a type that can be kept.
pub(crate) fn check(plan: &Plan) -> Result<(), OperatorError> {
    let columns = plan.feeds.iter().filter_map(|feed| feed.distinct);
    let types = columns.map(|column| plan.arguments[column].clone()).collect::<Vec<DataType>>();
    RowCodec::new(types).map(drop)
}
