//! The elements of windows, where all of them are kept, and the evictor that takes some of them out.
//!
//! They are a list state: an element is written once, whatever else the window holds, and one that is evicted is removed by itself.

use rkyv::rancor;
use yeoul_frame::{Record, Timestamp};
use yeoul_operator::{OpenContext, OperatorError};
use yeoul_state::{Key, ListHandle, StateTable, States};

use super::place::Place;
use crate::WindowKey;
use crate::owned_state::{Owned, StateRecord, archive};
use crate::stateless::opened;
use crate::window::content::ArchivedOf;
use crate::window::evictor::{Evictor, EvictorContext, TimestampedValue};

/// What is done with the elements of a window that fires. Gives them back.
pub(crate) type OnElements<'a, T> = &'a mut dyn FnMut(Vec<T>) -> Result<Vec<T>, OperatorError>;

/// The elements of all keys and windows, with the type of the evictor erased.
pub(crate) trait ElementStore<K: Key, T: Record>: Send {
    fn open(&mut self, cx: &OpenContext<'_>);

    /// Appends an element. Says whether it is the first one there.
    fn add(&mut self, record: &T::Archived, time: Timestamp, at: &Place<K>) -> bool;

    /// Moves the elements of a place to another.
    fn merge(&mut self, into: &Place<K>, from: &Place<K>);

    /// Gives the elements that the evictor leaves, and takes out those that it evicts. If there are none, nothing happens.
    fn fire(&mut self, at: &Place<K>, cx: &EvictorContext, f: OnElements<'_, T>) -> Result<(), OperatorError>;

    /// Removes all elements of a place.
    fn purge(&mut self, at: &Place<K>);

    /// What shows an element as a record.
    fn archived(&self) -> ArchivedOf<T>;

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable));
}

/// The elements, each with its event time.
type List<T> = ListHandle<(Owned<T>, Timestamp)>;

/// Elements as they are, and an evictor if there is one.
pub(crate) struct Elements<K: Key, T: Record + StateRecord> {
    opened: Option<(States<WindowKey<K>>, List<T>)>,
    evictor: Option<Box<dyn Evictor<T>>>,
    /// How often any window has fired with an evictor: elements are told apart by it.
    firing: u64,
}

impl<K: Key, T: Record + StateRecord> Elements<K, T> {
    pub(crate) fn new(evictor: Option<Box<dyn Evictor<T>>>) -> Self {
        Self { opened: None, evictor, firing: 0 }
    }

    /// The states, at a place.
    fn at(&mut self, at: &Place<K>) -> (&mut States<WindowKey<K>>, List<T>) {
        let (states, list) = opened(&mut self.opened);
        states.set_key(&at.of, at.hash, Timestamp(0));
        (states, *list)
    }
}

/// Whether an evictor has left elements of this firing only. Each is there once: they cannot be cloned.
fn check_firing<T>(elements: &[TimestampedValue<T>], firing: u64) -> Result<(), OperatorError> {
    if elements.iter().all(|element| element.place.0 == firing) {
        return Ok(());
    }
    Err(OperatorError::new("an evictor has put elements of another firing into a window")
        .hint("let it only take elements out of those that it is given; what it is to remember it may keep as values")
        .permanent())
}

impl<K: Key, T: Record + StateRecord + Clone> ElementStore<K, T> for Elements<K, T> {
    fn open(&mut self, cx: &OpenContext<'_>) {
        let mut states = States::new(cx.operator);
        let list = states.list("window elements");
        self.opened = Some((states, list));
    }

    fn add(&mut self, record: &T::Archived, time: Timestamp, at: &Place<K>) -> bool {
        let (states, list) = self.at(at);
        let mut list = states.of(&list);
        let is_first = list.is_empty();
        list.add((Owned::new(T::from_archived(record)), time));
        is_first
    }

    fn merge(&mut self, into: &Place<K>, from: &Place<K>) {
        let (states, list) = self.at(from);
        let elements = states.of(&list).get();
        states.of(&list).clear();
        states.set_key(&into.of, into.hash, Timestamp(0));
        states.of(&list).add_all(elements);
    }

    fn fire(&mut self, at: &Place<K>, cx: &EvictorContext, f: OnElements<'_, T>) -> Result<(), OperatorError> {
        self.firing += 1;
        let firing = self.firing;
        let (states, list) = self.at(at);
        let mut elements = Vec::new();
        states.of(&list).for_each(|(value, time)| {
            if let Some(value) = value.get() {
                elements.push(TimestampedValue { value: value.clone(), time: *time, place: (firing, elements.len()) });
            }
        });
        let all = elements.len();
        if all == 0 {
            return Ok(());
        }
        let Some(evictor) = &mut self.evictor else {
            return f(elements.into_iter().map(|element| element.value).collect()).map(|_| ());
        };
        evictor.evict_before(&mut elements, cx);
        check_firing(&elements, firing)?;
        let marks: Vec<_> = elements.iter().map(|element| (element.time, element.place)).collect();
        let values = f(elements.into_iter().map(|element| element.value).collect())?;
        let marked = values.into_iter().zip(marks);
        let mut elements = marked.map(|(value, (time, place))| TimestampedValue { value, time, place }).collect();
        evictor.evict_after(&mut elements, cx);
        check_firing(&elements, firing)?;
        if elements.len() < all {
            let mut stays = vec![false; all];
            elements.iter().for_each(|element| stays[element.place.1] = true);
            let mut stays = stays.into_iter();
            let (states, list) = self.at(at);
            states.of(&list).retain(|_| stays.next().unwrap_or_default());
        }
        Ok(())
    }

    fn purge(&mut self, at: &Place<K>) {
        let (states, list) = self.at(at);
        states.of(&list).clear();
    }

    fn archived(&self) -> ArchivedOf<T> {
        |element, show| {
            let bytes = archive(element);
            match rkyv::access::<T::Archived, rancor::Error>(&bytes) {
                Ok(record) => show(record),
                Err(error) => panic!("a {} does not archive as one: {error}", std::any::type_name::<T>()),
            }
        }
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some((states, _)) = &mut self.opened {
            states.tables().for_each(visit);
        }
    }
}
