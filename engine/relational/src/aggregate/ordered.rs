//! All values of a group in order: what MIN, MAX, FIRST_VALUE, LAST_VALUE and LISTAGG need where values are taken back.
//!
//! For the least and the greatest, values with their counts, in their own order; for the others, values in the order of arrival.
//!
//! Invariants:
//! 1. A group's values live as long as the group: none expires by itself, and who drops a group [clears](Ordered::clear) its values.

use yeoul_frame::{KeyHash, OperatorId, Timestamp};
use yeoul_operator::OperatorError;
use yeoul_state::{Key, KeyBytes, MapHandle, StateTable, States};

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_schema::DataType;

use super::accumulators::Accumulators;
use super::fold::Folder;
use super::plan::{Keep, Plan, put_wide};
use crate::row::{EncodedRows, RowCodec};
use crate::word::{Order, read_words};

/// How often a value is there, and the value, where its key is not its order.
type Held = (i64, Vec<u8>);

/// What time it is for values that do not expire.
const NOW: Timestamp = Timestamp(0);

/// The multisets of an operator's slots.
pub(crate) struct Ordered<K: Key> {
    states: States<K>,
    maps: Vec<MapHandle<KeyBytes, Held>>,
}

impl<K: Key> Ordered<K> {
    pub(crate) fn new(plan: &Plan, operator: OperatorId) -> Self {
        let mut states = States::new(operator);
        let maps = (0..plan.multisets).map(|number| states.map(format!("values {number}").as_str())).collect();
        Self { states, maps }
    }

    /// Forgets the values of a group.
    pub(crate) fn clear(&mut self, key: &K, hash: KeyHash) {
        self.states.set_key(key, hash, NOW);
        for map in &self.maps {
            self.states.of(map).clear();
        }
    }

    pub(crate) fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        self.states.tables().for_each(visit);
    }

    /// Puts a frame's values in, and takes those out that are taken back.
    pub(crate) fn apply(
        &mut self,
        plan: &Plan,
        keys: &[K],
        hashes: &[KeyHash],
        folder: &Folder,
    ) -> Result<(), OperatorError> {
        for slot in &plan.slots {
            let Some(number) = slot.ordered else { continue };
            let map = self.maps[number];
            let array = folder.array(slot.argument);
            let weights = folder.weights[slot.feed].as_deref();
            let values = Values::read(array, slot.keep)?;
            for row in 0..keys.len() {
                let weight = weights.map_or(1, |weights| weights[row]);
                if weight == 0 {
                    continue;
                }
                self.states.set_key(&keys[row], hashes[row], NOW);
                let mut held = self.states.of(&map);
                if is_sorted(slot.keep) {
                    let sub = KeyBytes::new(values.get(row));
                    let count = held.get(&sub).map_or(0, |held| held.0) + i64::from(weight);
                    // A value may be taken back before it is put in, in one frame.
                    let mut held = self.states.of(&map);
                    if count == 0 { held.remove(&sub) } else { held.put(&sub, (count, Vec::new())) }
                } else if weight > 0 {
                    let mut next = 0_u64;
                    held.visit_while(true, |last, _| {
                        next = u64::from_be_bytes(last.as_bytes().try_into().expect("a place is eight bytes")) + 1;
                        false
                    });
                    held.put(&KeyBytes::new(&next.to_be_bytes()), (1, values.get(row).to_vec()));
                } else {
                    let mut found = None;
                    held.visit_while(false, |place, held| {
                        found = (held.1 == values.get(row)).then(|| place.clone());
                        found.is_none()
                    });
                    if let Some(place) = found {
                        held.remove(&place);
                    }
                }
            }
        }
        Ok(())
    }

    /// Sets the words and texts of a group by what it holds now.
    pub(crate) fn settle<A: Accumulators>(&mut self, plan: &Plan, key: &K, hash: KeyHash, accumulators: &mut A) {
        self.states.set_key(key, hash, NOW);
        for slot in &plan.slots {
            let Some(number) = slot.ordered else { continue };
            let mut held = self.states.of(&self.maps[number]);
            if let Keep::List(separator) = slot.keep {
                let mut list: Option<Vec<u8>> = None;
                held.visit_while(false, |_, held| {
                    append(&mut list, &held.1, plan.separators[separator].as_bytes());
                    true
                });
                accumulators.texts_mut()[slot.at] = list.map(Vec::into_boxed_slice);
                continue;
            }
            let last = matches!(
                slot.keep,
                Keep::Max(_) | Keep::MaxWide | Keep::MaxText | Keep::Last | Keep::LastWide | Keep::LastText
            );
            let mut value: Option<Vec<u8>> = None;
            held.visit_while(last, |sub, held| {
                if held.0 <= 0 {
                    return true;
                }
                value = Some(if is_sorted(slot.keep) { sub.as_bytes().to_vec() } else { held.1.clone() });
                false
            });
            if let Some(present) = slot.present {
                accumulators.words_mut()[present] = u64::from(value.is_some());
            }
            put(slot.keep, slot.at, value, plan, accumulators);
        }
    }
}

/// Appends a value to a list of texts.
pub(crate) fn append(list: &mut Option<Vec<u8>>, value: &[u8], separator: &[u8]) {
    match list {
        None => *list = Some(value.to_vec()),
        Some(list) => {
            list.extend_from_slice(separator);
            list.extend_from_slice(value);
        }
    }
}

fn put<A: Accumulators>(keep: Keep, at: usize, value: Option<Vec<u8>>, plan: &Plan, accumulators: &mut A) {
    if keep.is_text() {
        accumulators.texts_mut()[at] = value.map(Vec::into_boxed_slice);
        return;
    }
    let words = accumulators.words_mut();
    let Some(bytes) = value else {
        words[at] = plan.initial[at];
        if keep.is_wide() {
            words[at + 1] = plan.initial[at + 1];
        }
        return;
    };
    let word = || u64::from_be_bytes(bytes[..8].try_into().expect("eight bytes"));
    match keep {
        Keep::MinWide | Keep::MaxWide => {
            let value = u128::from_be_bytes(bytes[..16].try_into().expect("16 bytes")) ^ (1 << 127);
            put_wide(words, at, value as i128);
        }
        Keep::FirstWide | Keep::LastWide => {
            put_wide(words, at, i128::from_be_bytes(bytes[..16].try_into().expect("16 bytes")));
        }
        _ => words[at] = word(),
    }
}

fn is_sorted(keep: Keep) -> bool {
    matches!(keep, Keep::Min(_) | Keep::Max(_) | Keep::MinWide | Keep::MaxWide | Keep::MinText | Keep::MaxText)
}

/// A column's values as bytes, in their own order where that is asked for.
enum Values {
    Fixed(Vec<u8>, usize),
    Texts(EncodedRows),
}

impl Values {
    fn read(array: &arrow_array::ArrayRef, keep: Keep) -> Result<Self, OperatorError> {
        let mut bytes = Vec::new();
        if keep.is_text() {
            let mut rows = EncodedRows::default();
            RowCodec::new([array.data_type().clone()])?.encode(std::slice::from_ref(array), array.len(), &mut rows)?;
            return Ok(Self::Texts(rows));
        }
        if let DataType::Decimal128(..) = array.data_type() {
            let flip = if is_sorted(keep) { 1_u128 << 127 } else { 0 };
            let values = array.as_primitive::<Decimal128Type>().values().iter();
            values.for_each(|&value| bytes.extend_from_slice(&(value as u128 ^ flip).to_be_bytes()));
            return Ok(Self::Fixed(bytes, 16));
        }
        let mut words = Vec::new();
        read_words(array, &mut words);
        let order = Order::of(array.data_type());
        let word = |word: u64| if is_sorted(keep) { order.rank(word) } else { word };
        words.into_iter().for_each(|value| bytes.extend_from_slice(&word(value).to_be_bytes()));
        Ok(Self::Fixed(bytes, 8))
    }

    fn get(&self, row: usize) -> &[u8] {
        match self {
            Self::Fixed(bytes, width) => &bytes[row * width..][..*width],
            // A text stands behind the byte of nulls.
            Self::Texts(rows) => &rows.row(row)[1..],
        }
    }
}
