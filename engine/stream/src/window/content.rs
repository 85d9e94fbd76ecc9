//! What a window operator keeps for each key and pane, and what it does with it: one form of it for each method of `WindowedStream`.

use std::marker::PhantomData;

use rkyv::Archive;
use yeoul_frame::{OwnedRecord as _, Record};
use yeoul_operator::{OpenContext, OperatorError};
use yeoul_state::{AggregateFunction, Key, Value};

use crate::owned_state::{Owned, OwnedList, StateRecord};
use crate::window::function::{ProcessWindowFunction, WindowContext};
use crate::window::outcome::Outcome;
use crate::{Collector, WindowStates};

/// The content of windows of one operator.
pub(crate) trait Content<K: Key>: Send + 'static {
    type In: Record;
    type Held: Value;
    type Out: Record;

    /// Declares the function's states.
    fn declare(&mut self, states: &mut WindowStates<K>) {
        let _ = states;
    }

    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let _ = cx;
        Ok(())
    }

    /// What holds nothing yet.
    fn create(&self) -> Self::Held;

    /// Adds a record.
    fn add(&self, record: &<Self::In as Archive>::Archived, held: &mut Self::Held);

    /// Adds what is held elsewhere.
    fn merge(&self, held: &mut Self::Held, other: &Self::Held);

    /// The window fires with this content.
    fn fire(
        &mut self,
        key: &K,
        held: &Self::Held,
        cx: &mut WindowContext<'_, K>,
        out: &mut Collector<Self::Out>,
    ) -> Result<(), OperatorError>;

    /// The window fires with these elements. They are given back, for an evictor to look at.
    fn fire_elements(
        &mut self,
        key: &K,
        elements: Vec<Self::In>,
        archived: ArchivedOf<Self::In>,
        cx: &mut WindowContext<'_, K>,
        out: &mut Collector<Self::Out>,
    ) -> Result<Vec<Self::In>, OperatorError> {
        if elements.is_empty() {
            return Ok(elements);
        }
        let mut held = self.create();
        elements.iter().for_each(|element| archived(element, &mut |record| self.add(record, &mut held)));
        self.fire(key, &held, cx, out).map(|()| elements)
    }

    /// The window expires.
    fn clear(&mut self, key: &K, cx: &mut WindowContext<'_, K>) -> Result<(), OperatorError> {
        let _ = (key, cx);
        Ok(())
    }

    fn close(&mut self) {}
}

/// Shows a record as it is archived.
pub(crate) type ArchivedOf<T> = fn(&T, &mut dyn FnMut(&<T as Archive>::Archived));

/// An aggregate, and what makes records of its result.
#[derive(Clone)]
pub(crate) struct Aggregate<T, A, F, O> {
    function: A,
    result: F,
    types: PhantomData<fn(T) -> O>,
}

impl<T, A, F, O> Aggregate<T, A, F, O> {
    pub(crate) fn new(function: A, result: F) -> Self {
        Self { function, result, types: PhantomData }
    }
}

impl<K, T, A, F, O> Content<K> for Aggregate<T, A, F, O>
where
    K: Key,
    T: Record,
    A: AggregateFunction<In = T::Archived>,
    O: Record,
    F: Outcome<K, A::Out, O>,
{
    type In = T;
    type Held = A::Acc;
    type Out = O;

    #[inline]
    fn create(&self) -> A::Acc {
        self.function.create()
    }

    #[inline]
    fn add(&self, record: &T::Archived, held: &mut A::Acc) {
        self.function.add(held, record);
    }

    #[inline]
    fn merge(&self, held: &mut A::Acc, other: &A::Acc) {
        self.function.merge(held, other);
    }

    #[inline]
    fn fire(
        &mut self,
        key: &K,
        held: &A::Acc,
        cx: &mut WindowContext<'_, K>,
        out: &mut Collector<O>,
    ) -> Result<(), OperatorError> {
        self.result.give(key, self.function.result(held), cx, out)
    }

    fn declare(&mut self, states: &mut WindowStates<K>) {
        self.result.declare(states);
    }

    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.result.open(cx)
    }

    fn clear(&mut self, key: &K, cx: &mut WindowContext<'_, K>) -> Result<(), OperatorError> {
        self.result.clear(key, cx)
    }

    fn close(&mut self) {
        self.result.close();
    }
}

/// Records folded into one of their own kind, and what makes records of the result.
#[derive(Clone)]
pub(crate) struct Reduce<T, R, F, O> {
    reduce: R,
    result: F,
    types: PhantomData<fn(T) -> O>,
}

impl<T, R, F, O> Reduce<T, R, F, O> {
    pub(crate) fn new(reduce: R, result: F) -> Self {
        Self { reduce, result, types: PhantomData }
    }
}

impl<K, T, R, F, O> Content<K> for Reduce<T, R, F, O>
where
    K: Key,
    T: StateRecord + Clone,
    R: Fn(&mut T, &T) + Send + 'static,
    O: Record,
    F: for<'a> Outcome<K, &'a T, O>,
{
    type In = T;
    type Held = Owned<T>;
    type Out = O;

    fn create(&self) -> Owned<T> {
        Owned::none()
    }

    #[inline]
    fn add(&self, record: &T::Archived, held: &mut Owned<T>) {
        let record = T::from_archived(record);
        match held.get_mut() {
            Some(held) => (self.reduce)(held, &record),
            None => *held = Owned::new(record),
        }
    }

    fn merge(&self, held: &mut Owned<T>, other: &Owned<T>) {
        match (held.get_mut(), other.get()) {
            (_, None) => {}
            (Some(held), Some(other)) => (self.reduce)(held, other),
            (None, Some(other)) => *held = Owned::new(other.clone()),
        }
    }

    fn fire(
        &mut self,
        key: &K,
        held: &Owned<T>,
        cx: &mut WindowContext<'_, K>,
        out: &mut Collector<O>,
    ) -> Result<(), OperatorError> {
        held.get().map_or(Ok(()), |held| self.result.give(key, held, cx, out))
    }

    fn declare(&mut self, states: &mut WindowStates<K>) {
        Outcome::<K, &T, O>::declare(&mut self.result, states);
    }

    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        Outcome::<K, &T, O>::open(&mut self.result, cx)
    }

    fn clear(&mut self, key: &K, cx: &mut WindowContext<'_, K>) -> Result<(), OperatorError> {
        Outcome::<K, &T, O>::clear(&mut self.result, key, cx)
    }

    fn close(&mut self) {
        Outcome::<K, &T, O>::close(&mut self.result);
    }
}

/// All records.
#[derive(Clone)]
pub(crate) struct Elements<P>(pub(crate) P);

impl<P> Content<P::Key> for Elements<P>
where
    P: ProcessWindowFunction<In: StateRecord + Clone>,
{
    type In = P::In;
    type Held = OwnedList<P::In>;
    type Out = P::Out;

    fn declare(&mut self, states: &mut WindowStates<P::Key>) {
        self.0.declare(states);
    }

    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.0.open(cx)
    }

    fn create(&self) -> OwnedList<P::In> {
        OwnedList::new(Vec::new())
    }

    fn add(&self, record: &<P::In as Archive>::Archived, held: &mut OwnedList<P::In>) {
        held.records.push(P::In::from_archived(record));
    }

    fn merge(&self, held: &mut OwnedList<P::In>, other: &OwnedList<P::In>) {
        held.records.extend_from_slice(&other.records);
    }

    fn fire(
        &mut self,
        key: &P::Key,
        held: &OwnedList<P::In>,
        cx: &mut WindowContext<'_, P::Key>,
        out: &mut Collector<P::Out>,
    ) -> Result<(), OperatorError> {
        self.0.process(key, cx, &held.records, out)
    }

    fn fire_elements(
        &mut self,
        key: &P::Key,
        elements: Vec<P::In>,
        _: ArchivedOf<P::In>,
        cx: &mut WindowContext<'_, P::Key>,
        out: &mut Collector<P::Out>,
    ) -> Result<Vec<P::In>, OperatorError> {
        self.0.process(key, cx, &elements, out).map(|()| elements)
    }

    fn clear(&mut self, key: &P::Key, cx: &mut WindowContext<'_, P::Key>) -> Result<(), OperatorError> {
        self.0.clear(key, cx)
    }

    fn close(&mut self) {
        self.0.close();
    }
}
