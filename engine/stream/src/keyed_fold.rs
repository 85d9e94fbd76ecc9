//! Folds on a keyed stream (reduce, sum, min, max and their kin): each record gives what its key's records come to so far.

use std::ops::AddAssign;

use yeoul_frame::Frame;
use yeoul_operator::{Context, InputId, OpenContext, Operator, OperatorError, OutputId};
use yeoul_state::{Key, StateTable, Table};

use crate::collector::Collector;
use crate::key_selector::FrameKeys;
use crate::owned_state::{Owned, StateRecord};
use crate::stateless::opened;

pub(crate) struct KeyedFold<K: Key, T: StateRecord, R> {
    keys: FrameKeys<K>,
    fold: R,
    opened: Option<(Table<K, Owned<T>>, Collector<T>)>,
}

impl<K: Key, T: StateRecord, R> KeyedFold<K, T, R> {
    pub(crate) fn new(keys: FrameKeys<K>, fold: R) -> Self {
        Self { keys, fold, opened: None }
    }
}

impl<K: Key, T: StateRecord, R: Fn(&mut T, T) + Send> Operator for KeyedFold<K, T, R> {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.opened = Some((Table::new(cx.operator.table("reduced"), "reduced"), Collector::new(cx.pool)));
        Ok(())
    }

    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let (table, out) = opened(&mut self.opened);
        let (keys, hashes) = self.keys.read(frame);
        let rows = frame.rows::<T>();
        let mut records = rows.iter();
        table.upsert_batch(keys, hashes, Owned::none, |_, held| {
            let Some((row, record)) = records.next() else { return };
            let record = T::from_archived(record);
            match held.get_mut() {
                Some(held) => (self.fold)(held, record),
                None => *held = Owned::new(record),
            }
            if let Some(held) = held.get() {
                out.push(held, rows.time(row), rows.kind(row));
            }
        });
        out.flush(OutputId::MAIN, cx)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some((table, _)) = &mut self.opened {
            visit(table);
        }
    }
}

/// Adds a record's field to that of the sum.
pub(crate) fn sum<T, N, F>(field: F) -> impl Fn(&mut T, T) + Clone + Send + Sync + 'static
where
    N: AddAssign + Copy + 'static,
    F: for<'a> Fn(&'a mut T) -> &'a mut N + Clone + Send + Sync + 'static,
{
    move |sum, mut record| *field(sum) += *field(&mut record)
}

/// Takes a record's field over if it is less; the rest stays that of the first record.
pub(crate) fn min<T, N, F>(field: F) -> impl Fn(&mut T, T) + Clone + Send + Sync + 'static
where
    N: PartialOrd + Clone + 'static,
    F: for<'a> Fn(&'a mut T) -> &'a mut N + Clone + Send + Sync + 'static,
{
    move |least, mut record| {
        let (least, found) = (field(least), field(&mut record));
        if *found < *least {
            least.clone_from(found);
        }
    }
}

/// Takes a record's field over if it is greater; the rest stays that of the first record.
pub(crate) fn max<T, N, F>(field: F) -> impl Fn(&mut T, T) + Clone + Send + Sync + 'static
where
    N: PartialOrd + Clone + 'static,
    F: for<'a> Fn(&'a mut T) -> &'a mut N + Clone + Send + Sync + 'static,
{
    move |most, mut record| {
        let (most, found) = (field(most), field(&mut record));
        if *found > *most {
            most.clone_from(found);
        }
    }
}
