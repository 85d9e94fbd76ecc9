//! What windows of the general operator hold: a fold of their records, or all of them.

use rkyv::Archive;
use yeoul_frame::{Record, Timestamp};
use yeoul_operator::{OpenContext, OperatorError};
use yeoul_state::{Key, StateTable, Table};

use super::elements::ElementStore;
use super::place::Place;
use crate::stateless::opened;
use crate::window::content::Content;
use crate::window::evictor::EvictorContext;
use crate::{Collector, WindowContext, WindowKey, WindowStates};

/// What windows of records of `T` hold, and what makes records of `O` of it.
pub(crate) trait Contents<K: Key, T: Record, O: Record>: Send {
    fn declare(&mut self, states: &mut WindowStates<K>);

    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError>;

    /// Adds a record. Says whether it is the first one there.
    fn add(&mut self, record: &T::Archived, time: Timestamp, at: &Place<K>) -> bool;

    /// Moves what is held at a place to another.
    fn merge(&mut self, into: &Place<K>, from: &Place<K>);

    /// The window of the context, of which the content is kept at `at`, fires. If it holds nothing, nothing happens.
    fn fire(
        &mut self,
        at: &Place<K>,
        cx: &mut WindowContext<'_, K>,
        out: &mut Collector<O>,
    ) -> Result<(), OperatorError>;

    /// Drops what is held at a place.
    fn purge(&mut self, at: &Place<K>);

    /// The window of the context expires.
    fn clear(&mut self, cx: &mut WindowContext<'_, K>) -> Result<(), OperatorError>;

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable));

    fn close(&mut self);
}

/// A fold of the records of each key and window.
pub(crate) struct Folds<K: Key, C: Content<K>> {
    content: C,
    held: Option<Table<WindowKey<K>, C::Held>>,
}

impl<K: Key, C: Content<K>> Folds<K, C> {
    pub(crate) fn new(content: C) -> Self {
        Self { content, held: None }
    }
}

impl<K: Key, C: Content<K>> Contents<K, C::In, C::Out> for Folds<K, C> {
    fn declare(&mut self, states: &mut WindowStates<K>) {
        self.content.declare(states);
    }

    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.held = Some(Table::new(cx.operator.table("window contents"), "window contents"));
        self.content.open(cx)
    }

    fn add(&mut self, record: &<C::In as Archive>::Archived, _: Timestamp, at: &Place<K>) -> bool {
        let mut is_first = false;
        let held = opened(&mut self.held).upsert(&at.of, at.hash, || {
            is_first = true;
            self.content.create()
        });
        self.content.add(record, held);
        is_first
    }

    fn merge(&mut self, into: &Place<K>, from: &Place<K>) {
        let table = opened(&mut self.held);
        if let Some(other) = table.remove(&from.of, from.hash) {
            let held = table.upsert(&into.of, into.hash, || self.content.create());
            self.content.merge(held, &other);
        }
    }

    fn fire(
        &mut self,
        at: &Place<K>,
        cx: &mut WindowContext<'_, K>,
        out: &mut Collector<C::Out>,
    ) -> Result<(), OperatorError> {
        let held = opened(&mut self.held).get(&at.of, at.hash);
        held.map_or(Ok(()), |held| self.content.fire(&at.of.key, held, cx, out))
    }

    fn purge(&mut self, at: &Place<K>) {
        opened(&mut self.held).remove(&at.of, at.hash);
    }

    fn clear(&mut self, cx: &mut WindowContext<'_, K>) -> Result<(), OperatorError> {
        self.content.clear(cx.key, cx)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        if let Some(held) = &mut self.held {
            visit(held);
        }
    }

    fn close(&mut self) {
        self.content.close();
    }
}

/// All records of each key and window.
pub(crate) struct Lists<K: Key, C: Content<K>> {
    content: C,
    elements: Box<dyn ElementStore<K, C::In>>,
}

impl<K: Key, C: Content<K>> Lists<K, C> {
    pub(crate) fn new(content: C, elements: Box<dyn ElementStore<K, C::In>>) -> Self {
        Self { content, elements }
    }
}

impl<K: Key, C: Content<K>> Contents<K, C::In, C::Out> for Lists<K, C> {
    fn declare(&mut self, states: &mut WindowStates<K>) {
        self.content.declare(states);
    }

    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.elements.open(cx);
        self.content.open(cx)
    }

    fn add(&mut self, record: &<C::In as Archive>::Archived, time: Timestamp, at: &Place<K>) -> bool {
        self.elements.add(record, time, at)
    }

    fn merge(&mut self, into: &Place<K>, from: &Place<K>) {
        self.elements.merge(into, from);
    }

    fn fire(
        &mut self,
        at: &Place<K>,
        cx: &mut WindowContext<'_, K>,
        out: &mut Collector<C::Out>,
    ) -> Result<(), OperatorError> {
        let ecx = EvictorContext { window: cx.window, watermark: cx.watermark, now: cx.now };
        let archived = self.elements.archived();
        let content = &mut self.content;
        self.elements.fire(at, &ecx, &mut |elements| content.fire_elements(&at.of.key, elements, archived, cx, out))
    }

    fn purge(&mut self, at: &Place<K>) {
        self.elements.purge(at);
    }

    fn clear(&mut self, cx: &mut WindowContext<'_, K>) -> Result<(), OperatorError> {
        self.content.clear(cx.key, cx)
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        self.elements.tables(visit);
    }

    fn close(&mut self) {
        self.content.close();
    }
}
