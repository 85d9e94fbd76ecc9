//! Two streams worked on by one function, with keys whose state they share, or without.

use std::marker::PhantomData;
use std::sync::Arc;

use yeoul_frame::Record;
use yeoul_operator::{InputId, OutputId};
use yeoul_state::Key;

use crate::co_process::{CoFlatMap, CoProcessFunction, CoProcessOperator};
use crate::collector::Collector;
use crate::key_selector::FrameKeys;
use crate::keyed_operator::{KeyedOperator, TwoInputs};
use crate::tag::Sides;
use crate::{DataStream, KeyedCoProcessFunction, KeyedStream};

/// Two streams that one function works on (Flink's `ConnectedStreams`).
///
/// ```
/// use yeoul_stream::{ConnectedStreams, DataStream, OperatorHarness};
///
/// let mut harness = OperatorHarness::of_two(|numbers: DataStream<u64>, words: DataStream<String>| {
///     let both: ConnectedStreams<u64, String> = numbers.connect(&words);
///     both.map(|number| number.to_native(), |word| word.len() as u64)
/// })?;
/// harness.push([(7, 1)])?;
/// harness.push_second([("swift".to_owned(), 2)])?;
/// assert_eq!(harness.take_output(), [(7, 1), (5, 2)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct ConnectedStreams<A: Record, B: Record> {
    first: DataStream<A>,
    second: DataStream<B>,
}

impl<A: Record, B: Record> ConnectedStreams<A, B> {
    pub(crate) fn of(first: DataStream<A>, second: DataStream<B>) -> Self {
        if !first.env.is(&second.env) {
            first.env.mistake("streams of two environments are connected; build both with one".to_owned());
        }
        Self { first, second }
    }

    /// Works on the records of both.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::{CoProcessFunction, Collector, DataStream, OperatorHarness, ProcessContext};
    /// # #[derive(Clone, Default)]
    /// # struct Gate { open: bool }
    /// # impl CoProcessFunction for Gate {
    /// #     type In1 = u64;
    /// #     type In2 = bool;
    /// #     type Out = u64;
    /// #     fn process1(&mut self, n: &Archived<u64>, _: &mut ProcessContext<'_>, out: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #         if self.open { out.collect(n.to_native()) }
    /// #         Ok(())
    /// #     }
    /// #     fn process2(&mut self, open: &bool, _: &mut ProcessContext<'_>, _: &mut Collector<u64>) -> Result<(), OperatorError> {
    /// #         self.open = *open;
    /// #         Ok(())
    /// #     }
    /// # }
    /// // `Gate`, a `CoProcessFunction`, lets numbers pass once the other stream says so.
    /// let mut harness = OperatorHarness::of_two(|numbers: DataStream<u64>, open: DataStream<bool>| {
    ///     numbers.connect(&open).process(Gate::default())
    /// })?;
    /// harness.push([(1, 0)])?;
    /// harness.push_second([(true, 1)])?;
    /// harness.push([(2, 2)])?;
    /// assert_eq!(harness.take_output(), [(2, 2)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn process<P>(&self, function: P) -> DataStream<P::Out>
    where
        P: CoProcessFunction<In1 = A, In2 = B> + Clone + Sync,
    {
        self.operator("Co-Process", function)
    }

    /// Each record of either stream becomes one record.
    ///
    /// ```
    /// # use yeoul_stream::{DataStream, OperatorHarness};
    /// # let mut harness = OperatorHarness::of_two(|numbers: DataStream<u64>, words: DataStream<String>| {
    /// numbers.connect(&words).map(|number| number.to_string(), |word| word.as_str().to_owned())
    /// # })?;
    /// # harness.push([(7, 1)])?;
    /// # harness.push_second([("swift".to_owned(), 2)])?;
    /// # assert_eq!(harness.take_output(), [("7".to_owned(), 1), ("swift".to_owned(), 2)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn map<O, F, G>(&self, first: F, second: G) -> DataStream<O>
    where
        O: Record,
        F: Fn(&A::Archived) -> O + Clone + Send + Sync + 'static,
        G: Fn(&B::Archived) -> O + Clone + Send + Sync + 'static,
    {
        let first = move |record: &A::Archived, out: &mut Collector<O>| out.collect(first(record));
        let second = move |record: &B::Archived, out: &mut Collector<O>| out.collect(second(record));
        self.operator("Co-Map", CoFlatMap::<A, B, O, _, _> { first, second, records: PhantomData })
    }

    /// Each record of either stream becomes any number of records.
    ///
    /// ```
    /// use yeoul_stream::{DataStream, OperatorHarness};
    ///
    /// let mut harness = OperatorHarness::of_two(|words: DataStream<String>, lines: DataStream<String>| {
    ///     words.connect(&lines).flat_map(
    ///         |word, out| out.collect(word.as_str().to_owned()),
    ///         |line, out| line.split(' ').for_each(|word| out.collect(word.to_owned())),
    ///     )
    /// })?;
    /// harness.push([("swift".to_owned(), 1)])?;
    /// harness.push_second([("how shallow".to_owned(), 2)])?;
    /// assert_eq!(harness.take_output(), [("swift", 1), ("how", 2), ("shallow", 2)].map(|(word, time)| (word.to_owned(), time)));
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn flat_map<O, F, G>(&self, first: F, second: G) -> DataStream<O>
    where
        O: Record,
        F: Fn(&A::Archived, &mut Collector<O>) + Clone + Send + Sync + 'static,
        G: Fn(&B::Archived, &mut Collector<O>) + Clone + Send + Sync + 'static,
    {
        self.operator("Co-Flat Map", CoFlatMap::<A, B, O, F, G> { first, second, records: PhantomData })
    }

    /// Brings records of one key of both streams to one place, where they share its state.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::{OpenContext, OperatorError};
    /// # use yeoul_state::{States, ValueHandle};
    /// # use yeoul_stream::{Collector, DataStream, KeyedCoProcessFunction, KeyedContext, OperatorHarness};
    /// # #[derive(Clone, Default)]
    /// # struct Priced(ValueHandle<u64>);
    /// # impl KeyedCoProcessFunction for Priced {
    /// #     type Key = u64;
    /// #     type In1 = u64;
    /// #     type In2 = (u64, u64);
    /// #     type Out = (u64, u64);
    /// #     fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
    /// #         self.0 = states.value("price");
    /// #         Ok(())
    /// #     }
    /// #     fn process1(&mut self, article: &Archived<u64>, cx: &mut KeyedContext<'_, u64>, out: &mut Collector<(u64, u64)>) -> Result<(), OperatorError> {
    /// #         cx.state(&self.0).get().into_iter().for_each(|price| out.collect((article.to_native(), *price)));
    /// #         Ok(())
    /// #     }
    /// #     fn process2(&mut self, price: &Archived<(u64, u64)>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<(u64, u64)>) -> Result<(), OperatorError> {
    /// #         cx.state(&self.0).update(price.1.to_native());
    /// #         Ok(())
    /// #     }
    /// # }
    /// // `Priced`, a `KeyedCoProcessFunction`, gives each article that is sold its last price. Prices are (article, price).
    /// let mut harness = OperatorHarness::of_two(|sold: DataStream<u64>, prices: DataStream<(u64, u64)>| {
    ///     sold.connect(&prices).key_by(|sold| sold.to_native(), |price| price.0.to_native()).process(Priced::default())
    /// })?;
    /// harness.push_second([((7, 99), 0), ((8, 50), 0)])?;
    /// harness.push([(7, 1)])?;
    /// assert_eq!(harness.take_output(), [((7, 99), 1)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn key_by<K, F, G>(&self, first: F, second: G) -> KeyedConnectedStreams<K, A, B>
    where
        K: Key + Sync,
        F: Fn(&A::Archived) -> K + Send + Sync + 'static,
        G: Fn(&B::Archived) -> K + Send + Sync + 'static,
    {
        self.first.key_by(first).connect(&self.second.key_by(second))
    }

    fn operator<P>(&self, name: &str, function: P) -> DataStream<P::Out>
    where
        P: CoProcessFunction<In1 = A, In2 = B> + Clone + Sync,
    {
        let sides = Sides::default();
        let declared = sides.clone();
        let make = Arc::new(move || Box::new(CoProcessOperator::new(function.clone(), declared.clone())) as _);
        let env = &self.first.env;
        // The nodes of another environment are not in this graph, which will not be built.
        let second = if env.is(&self.second.env) { &self.second.ports[..] } else { &[] };
        let inputs = [(InputId(0), &self.first.ports[..]), (InputId(1), second)];
        let node = env.operator(name, make, &inputs, &sides);
        env.output(node, OutputId::MAIN)
    }
}

/// Two keyed streams that share the state of their keys (Flink's `ConnectedStreams`).
///
/// ```
/// # use rkyv::Archived;
/// # use yeoul_operator::{OpenContext, OperatorError};
/// # use yeoul_state::{States, ValueHandle};
/// # use yeoul_stream::{Collector, DataStream, KeyedCoProcessFunction, KeyedContext, OperatorHarness};
/// # #[derive(Clone, Default)]
/// # struct Priced(ValueHandle<u64>);
/// # impl KeyedCoProcessFunction for Priced {
/// #     type Key = u64;
/// #     type In1 = u64;
/// #     type In2 = (u64, u64);
/// #     type Out = (u64, u64);
/// #     fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
/// #         self.0 = states.value("price");
/// #         Ok(())
/// #     }
/// #     fn process1(&mut self, article: &Archived<u64>, cx: &mut KeyedContext<'_, u64>, out: &mut Collector<(u64, u64)>) -> Result<(), OperatorError> {
/// #         cx.state(&self.0).get().into_iter().for_each(|price| out.collect((article.to_native(), *price)));
/// #         Ok(())
/// #     }
/// #     fn process2(&mut self, price: &Archived<(u64, u64)>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<(u64, u64)>) -> Result<(), OperatorError> {
/// #         cx.state(&self.0).update(price.1.to_native());
/// #         Ok(())
/// #     }
/// # }
/// // `Priced`, a `KeyedCoProcessFunction`, gives each article that is sold its last price. Prices are (article, price).
/// let mut harness = OperatorHarness::of_two(|sold: DataStream<u64>, prices: DataStream<(u64, u64)>| {
///     let (sold, prices) = (sold.key_by(|sold| sold.to_native()), prices.key_by(|price| price.0.to_native()));
///     sold.connect(&prices).process(Priced::default())
/// })?;
/// harness.push_second([((7, 99), 0), ((8, 50), 0)])?;
/// harness.push([(7, 1)])?;
/// assert_eq!(harness.take_output(), [((7, 99), 1)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub struct KeyedConnectedStreams<K: Key, A: Record, B: Record> {
    first: KeyedStream<K, A>,
    second: KeyedStream<K, B>,
}

impl<K: Key + Sync, A: Record, B: Record> KeyedConnectedStreams<K, A, B> {
    pub(crate) fn of(first: KeyedStream<K, A>, second: KeyedStream<K, B>) -> Self {
        if !first.stream.env.is(&second.stream.env) {
            first.stream.env.mistake("streams of two environments are connected; build both with one".to_owned());
        }
        Self { first, second }
    }

    /// Works on the records of both with state and timers of their keys.
    ///
    /// ```
    /// # use rkyv::Archived;
    /// # use yeoul_operator::{OpenContext, OperatorError};
    /// # use yeoul_state::{States, ValueHandle};
    /// # use yeoul_stream::{Collector, DataStream, KeyedCoProcessFunction, KeyedContext, OperatorHarness};
    /// # #[derive(Clone, Default)]
    /// # struct Priced(ValueHandle<u64>);
    /// # impl KeyedCoProcessFunction for Priced {
    /// #     type Key = u64;
    /// #     type In1 = u64;
    /// #     type In2 = (u64, u64);
    /// #     type Out = (u64, u64);
    /// #     fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
    /// #         self.0 = states.value("price");
    /// #         Ok(())
    /// #     }
    /// #     fn process1(&mut self, article: &Archived<u64>, cx: &mut KeyedContext<'_, u64>, out: &mut Collector<(u64, u64)>) -> Result<(), OperatorError> {
    /// #         cx.state(&self.0).get().into_iter().for_each(|price| out.collect((article.to_native(), *price)));
    /// #         Ok(())
    /// #     }
    /// #     fn process2(&mut self, price: &Archived<(u64, u64)>, cx: &mut KeyedContext<'_, u64>, _: &mut Collector<(u64, u64)>) -> Result<(), OperatorError> {
    /// #         cx.state(&self.0).update(price.1.to_native());
    /// #         Ok(())
    /// #     }
    /// # }
    /// // `Priced`, a `KeyedCoProcessFunction`, gives each article that is sold its last price. Prices are (article, price).
    /// let mut harness = OperatorHarness::of_two(|sold: DataStream<u64>, prices: DataStream<(u64, u64)>| {
    ///     sold.connect(&prices).key_by(|sold| sold.to_native(), |price| price.0.to_native()).process(Priced::default())
    /// })?;
    /// harness.push_second([((7, 99), 0), ((8, 50), 0)])?;
    /// harness.push([(7, 1)])?;
    /// assert_eq!(harness.take_output(), [((7, 99), 1)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    pub fn process<P>(&self, function: P) -> DataStream<P::Out>
    where
        P: KeyedCoProcessFunction<Key = K, In1 = A, In2 = B> + Clone + Sync,
    {
        let sides = Sides::default();
        let (selectors, declared) = ([self.first.selector.clone(), self.second.selector.clone()], sides.clone());
        let make = Arc::new(move || {
            let keys = selectors.iter().cloned().map(FrameKeys::new).collect();
            Box::new(KeyedOperator::new(TwoInputs(function.clone()), keys, declared.clone())) as _
        });
        let env = &self.first.stream.env;
        // The nodes of another environment are not in this graph, which will not be built.
        let second = if env.is(&self.second.stream.env) { self.second.ports() } else { Default::default() };
        let inputs = [(InputId(0), &self.first.ports()[..]), (InputId(1), &second[..])];
        let node = env.operator("Co-Process", make, &inputs, &sides);
        env.output(node, OutputId::MAIN)
    }
}
