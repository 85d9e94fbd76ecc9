//! Keyed state of a savepoint: a function is shown one key after the other, with its states and timers.
//!
//! Invariants:
//! 1. Each key that has anything in a declared state, or a timer, is shown once.
//! 2. No more than one part of the keys is in memory.

use std::collections::BTreeMap;

use yeoul_frame::{KeyHash, Timestamp};
use yeoul_operator::OperatorError;
use yeoul_state::{Key, StateDescriptor, StateHandle, StateTable, States, Timers, Value, ValueHandle};

use super::error::SavepointError;
use super::reader::OperatorReader;
use crate::TimeDomain;
use crate::timer_service::{EVENT_TIMERS, PROCESSING_TIMERS, TimerService};

/// Reads the states of one key after the other (Flink's `KeyedStateReaderFunction`). All kinds of state are read as the job's own function
/// reads them.
///
/// ```
/// use yeoul_operator::OperatorError;
/// use yeoul_state::{MapHandle, States, ValueHandle};
/// use yeoul_stream::{KeyedReadContext, KeyedStateReaderFunction};
///
/// /// For each user (by number) the clicks, and how many pages there were.
/// #[derive(Default)]
/// struct Users {
///     clicks: ValueHandle<u64>,
///     pages: MapHandle<u64, u32>,
/// }
///
/// impl KeyedStateReaderFunction for Users {
///     type Key = u64;
///     type Out = (u64, u64, usize);
///
///     fn open(&mut self, states: &mut States<u64>) -> Result<(), OperatorError> {
///         self.clicks = states.value("clicks");
///         self.pages = states.map("pages");
///         Ok(())
///     }
///
///     fn read_key(&mut self, cx: &mut KeyedReadContext<'_, u64>, out: &mut Vec<(u64, u64, usize)>) -> Result<(), OperatorError> {
///         let clicks = cx.state(&self.clicks).get().copied().unwrap_or(0);
///         let pages = cx.state(&self.pages).keys().len();
///         out.push((*cx.key(), clicks, pages));
///         Ok(())
///     }
/// }
/// ```
pub trait KeyedStateReaderFunction {
    /// The key of the operator's stream.
    type Key: Key;
    /// What is made of it.
    type Out;

    /// Declares the states to read, as the operator's function does. Called once for each part of the keys.
    ///
    /// # Errors
    /// Whatever makes it impossible to read; reading ends with it.
    fn open(&mut self, states: &mut States<Self::Key>) -> Result<(), OperatorError>;

    /// Reads a key. It has something in one of the states at least, or a timer; what has expired is not seen.
    ///
    /// # Errors
    /// A failure that ends the reading.
    fn read_key(
        &mut self,
        cx: &mut KeyedReadContext<'_, Self::Key>,
        out: &mut Vec<Self::Out>,
    ) -> Result<(), OperatorError>;
}

/// The key that is read, its states and timers.
///
/// ```
/// use yeoul_stream::{KeyedReadContext, KeyedStateReaderFunction, SavepointReader};
/// # use yeoul_frame::Timestamp;
/// # use yeoul_operator::OperatorError;
/// # use yeoul_state::{States, ValueHandle};
/// # use yeoul_stream::{Bootstrap, BootstrapContext, KeyedStateBootstrapFunction, SavepointWriter};
/// # let folder = std::env::temp_dir().join(format!("yeoul-read-context-doc-{}", std::process::id()));
/// # let _ = std::fs::remove_dir_all(&folder);
/// # #[derive(Default)] struct Balances(ValueHandle<i64>);
/// # impl KeyedStateBootstrapFunction for Balances {
/// #     type Key = u64; type In = (u64, i64);
/// #     fn open(&mut self, states: &mut States<u64>) -> Result<(), OperatorError> { self.0 = states.value("balance"); Ok(()) }
/// #     fn process(&mut self, (_, amount): (u64, i64), cx: &mut BootstrapContext<'_, u64>) -> Result<(), OperatorError> {
/// #         *cx.state(&self.0).get_or(0) += amount;
/// #         cx.register_event_time_timer(Timestamp(amount));
/// #         Ok(())
/// #     }
/// # }
/// # impl KeyedStateReaderFunction for Balances {
/// #     type Key = u64; type Out = (u64, i64, usize);
/// #     fn open(&mut self, states: &mut States<u64>) -> Result<(), OperatorError> { self.0 = states.value("balance"); Ok(()) }
/// // In an `impl KeyedStateReaderFunction`:
/// fn read_key(&mut self, cx: &mut KeyedReadContext<'_, u64>, out: &mut Vec<(u64, i64, usize)>) -> Result<(), OperatorError> {
///     let balance = cx.state(&self.0).get().copied().unwrap_or(0);
///     assert!(cx.event_time_timers().is_sorted() && cx.processing_time_timers().is_empty());
///     out.push((*cx.key(), balance, cx.event_time_timers().len()));
///     Ok(())
/// }
/// # }
/// # let accounts = Bootstrap::keyed([(7, 100), (7, -30)], |(account, _): &(u64, i64)| *account, Balances::default());
/// # SavepointWriter::new().with_operator("accounts", accounts).write(&folder)?;
/// let rows = SavepointReader::open(&folder)?.operator("accounts")?.read(Balances::default()).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(rows, [(7, 70, 2)]);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<_, yeoul_stream::SavepointError>(())
/// ```
pub struct KeyedReadContext<'a, K: Key> {
    states: &'a mut States<K>,
    event: &'a [Timestamp],
    processing: &'a [Timestamp],
}

impl<K: Key> KeyedReadContext<'_, K> {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &K {
        self.states.key()
    }

    /// A state of the key. Changes to it are lost.
    pub fn state<H: StateHandle<K>>(&mut self, handle: &H) -> H::State<'_> {
        self.states.of(handle)
    }

    /// When the key's timers for event time are due, in order.
    #[must_use]
    pub fn event_time_timers(&self) -> &[Timestamp] {
        self.event
    }

    /// When the key's timers for processing time are due, in order.
    #[must_use]
    pub fn processing_time_timers(&self) -> &[Timestamp] {
        self.processing
    }
}

/// A timer of a savepoint.
///
/// ```
/// use yeoul_frame::Timestamp;
/// use yeoul_stream::TimeDomain;
/// use yeoul_stream::savepoint::SavedTimer;
///
/// /// How many are due by event time before a time.
/// fn due<K>(timers: &[SavedTimer<K>], before: Timestamp) -> usize {
///     timers.iter().filter(|timer| timer.domain == TimeDomain::Event && timer.time < before).count()
/// }
/// let timer = |time| SavedTimer { key: 7u64, time: Timestamp(time), domain: TimeDomain::Event };
/// assert_eq!(due(&[timer(10), timer(20), timer(30)], Timestamp(25)), 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedTimer<K> {
    /// The key for which it is set.
    pub key: K,
    /// When it is due.
    pub time: Timestamp,
    /// By which kind of time.
    pub domain: TimeDomain,
}

/// What a [`KeyedStateReaderFunction`] makes of an operator's keys: an iterator that reads one part of them after the other.
pub struct KeyedRows<'a, F: KeyedStateReaderFunction> {
    operator: OperatorReader<'a>,
    function: F,
    part: u16,
    rows: std::vec::IntoIter<F::Out>,
}

impl<F: KeyedStateReaderFunction> Iterator for KeyedRows<'_, F> {
    type Item = Result<F::Out, SavepointError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(Ok(row));
            }
            if self.part >= self.operator.parts() {
                return None;
            }
            let part = self.part;
            self.part += 1;
            match self.operator.part(part, &mut self.function) {
                Ok(rows) => self.rows = rows.into_iter(),
                Err(error) => {
                    self.part = self.operator.parts();
                    return Some(Err(error));
                }
            }
        }
    }
}

/// The timers of one kind by key. Different keys may have one hash.
struct TimersByKey<K>(BTreeMap<KeyHash, Vec<(K, Vec<Timestamp>)>>);

impl<K: Key> TimersByKey<K> {
    fn of(timers: &Timers<K>) -> Self {
        let mut by_key: BTreeMap<KeyHash, Vec<(K, Vec<Timestamp>)>> = BTreeMap::new();
        for timer in timers.iter() {
            let alike = by_key.entry(timer.hash).or_default();
            match alike.iter_mut().find(|(key, _)| *key == timer.key) {
                Some((_, times)) => times.push(timer.time),
                None => alike.push((timer.key, vec![timer.time])),
            }
        }
        Self(by_key)
    }

    fn times(&self, key: &K, hash: KeyHash) -> &[Timestamp] {
        let alike = self.0.get(&hash).and_then(|alike| alike.iter().find(|(of, _)| of == key));
        alike.map_or(&[], |(_, times)| times)
    }

    fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.values().flatten().map(|(key, _)| key)
    }
}

impl<'a> OperatorReader<'a> {
    /// Shows each key's states to a function, in the order of the keys' hashes within each part.
    ///
    /// The rows may become a stream:
    ///
    /// ```
    /// # use yeoul_stream::{DataStream, KeyedStateReaderFunction, OperatorReader, SavepointError, StreamEnvironment, WatermarkStrategy};
    /// # fn f(
    /// #     operator: OperatorReader<'_>, users: impl KeyedStateReaderFunction<Out = (u64, u64)>, env: &StreamEnvironment,
    /// # ) -> Result<DataStream<(u64, u64)>, SavepointError> {
    /// let rows = operator.read(users).collect::<Result<Vec<_>, _>>()?;
    /// let clicks = env.from_collection(rows, WatermarkStrategy::no_watermarks());
    /// # Ok(clicks)
    /// # }
    /// ```
    ///
    /// # Errors
    /// The iterator ends with the first error: a state that there is not, or not of these types, a file that is damaged, what the function
    /// reports.
    #[must_use]
    pub fn read<F: KeyedStateReaderFunction>(&self, function: F) -> KeyedRows<'a, F> {
        KeyedRows { operator: *self, function, part: 0, rows: Vec::new().into_iter() }
    }

    /// A value state, and an aggregating state's accumulators: key and value.
    ///
    /// ```
    /// # use yeoul_stream::{OperatorReader, SavepointError};
    /// # use yeoul_state::{StateDescriptor, Ttl};
    /// # fn f(operator: OperatorReader<'_>) -> Result<(), SavepointError> {
    /// let seen: Vec<(u64, i64)> = operator.values("last seen")?;
    /// let expiring: Vec<(u64, i64)> = operator.values(StateDescriptor::new("seen today").ttl(Ttl::millis(86_400_000)))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn values<K: Key, V: Value + Clone>(
        &self,
        state: impl Into<StateDescriptor>,
    ) -> Result<Vec<(K, V)>, SavepointError> {
        let state = state.into();
        self.states(
            move |states| states.value::<V>(state.clone()),
            |mut of, handle: &ValueHandle<V>| of.state(handle).get().cloned(),
        )
    }

    /// A list state: key and elements, in their order.
    ///
    /// ```
    /// # use yeoul_stream::{OperatorReader, SavepointError};
    /// # fn f(operator: OperatorReader<'_>) -> Result<(), SavepointError> {
    /// let delays: Vec<(u64, Vec<i32>)> = operator.lists("delays")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn lists<K: Key, T: Value + Clone>(
        &self,
        state: impl Into<StateDescriptor>,
    ) -> Result<Vec<(K, Vec<T>)>, SavepointError> {
        let state = state.into();
        self.states(
            move |states| states.list::<T>(state.clone()),
            |mut of, handle| {
                let elements = of.state(handle).get();
                (!elements.is_empty()).then_some(elements)
            },
        )
    }

    /// A map state: key and entries, in the order of their keys.
    ///
    /// ```
    /// # use yeoul_stream::{OperatorReader, SavepointError};
    /// # fn f(operator: OperatorReader<'_>) -> Result<(), SavepointError> {
    /// let pages: Vec<(u64, Vec<(String, u32)>)> = operator.maps("pages")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`read`](Self::read).
    #[expect(clippy::type_complexity, reason = "a list of keys with their entries")]
    pub fn maps<K: Key, N: Key + Ord, V: Value + Clone>(
        &self,
        state: impl Into<StateDescriptor>,
    ) -> Result<Vec<(K, Vec<(N, V)>)>, SavepointError> {
        let state = state.into();
        self.states(
            move |states| states.map::<N, V>(state.clone()),
            |mut of, handle| {
                let mut entries = Vec::new();
                of.state(handle).for_each(|key, value| entries.push((key.clone(), value.clone())));
                (!entries.is_empty()).then_some(entries)
            },
        )
    }

    /// A reducing state: key and reduction.
    ///
    /// ```
    /// # use yeoul_stream::{OperatorReader, SavepointError};
    /// # fn f(operator: OperatorReader<'_>) -> Result<(), SavepointError> {
    /// let highest: Vec<(u64, i64)> = operator.reductions("highest")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn reductions<K: Key, V: Value + Clone>(
        &self,
        state: impl Into<StateDescriptor>,
    ) -> Result<Vec<(K, V)>, SavepointError> {
        let state = state.into();
        self.states(
            move |states| states.reducing::<V>(state.clone(), |_, value| value),
            |mut of, handle| of.state(handle).get().cloned(),
        )
    }

    /// The timers of a keyed function, of both kinds of time.
    ///
    /// ```
    /// # use yeoul_stream::{OperatorReader, SavepointError};
    /// # fn f(operator: OperatorReader<'_>) -> Result<(), SavepointError> {
    /// let due: i64 = operator.timers::<u64>()?.iter().map(|timer| timer.time.0).min().unwrap_or(0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`read`](Self::read); also if the operator has no timers because it is no keyed function.
    pub fn timers<K: Key>(&self) -> Result<Vec<SavedTimer<K>>, SavepointError> {
        let known = [EVENT_TIMERS, PROCESSING_TIMERS].into_iter().find(|name| self.has_table(name));
        known.ok_or_else(|| self.no_state(EVENT_TIMERS))?;
        let mut all = Vec::new();
        for part in 0..self.parts() {
            let mut timers = TimerService::<K>::of(self.id);
            self.restore_with(part, Vec::new(), &mut timers)?;
            for (domain, timers) in [(TimeDomain::Event, &timers.event), (TimeDomain::Processing, &timers.processing)] {
                all.extend(timers.iter().map(|timer| SavedTimer { key: timer.key, time: timer.time, domain }));
            }
        }
        Ok(all)
    }

    fn states<K: Key, H, R>(
        &self,
        declare: impl Fn(&mut States<K>) -> H,
        read: impl Fn(KeyedReadContext<'_, K>, &H) -> Option<R>,
    ) -> Result<Vec<(K, R)>, SavepointError> {
        self.read(One { declare, read, handle: None, kind: std::marker::PhantomData }).collect()
    }

    fn part<F: KeyedStateReaderFunction>(&self, part: u16, function: &mut F) -> Result<Vec<F::Out>, SavepointError> {
        let mut states = States::<F::Key>::new(self.id);
        function.open(&mut states)?;
        let mut timers = TimerService::<F::Key>::of(self.id);
        self.restore_with(part, states.tables().collect(), &mut timers)?;
        let (event, processing) = (TimersByKey::of(&timers.event), TimersByKey::of(&timers.processing));
        let mut keys: BTreeMap<KeyHash, Vec<F::Key>> = BTreeMap::new();
        let mut note = |key: &F::Key| {
            let alike = keys.entry(key.hash()).or_default();
            if !alike.contains(key) {
                alike.push(key.clone());
            }
        };
        states.for_each_key(&mut note);
        event.keys().chain(processing.keys()).for_each(&mut note);
        let mut rows = Vec::new();
        for (hash, key) in keys.iter().flat_map(|(hash, keys)| keys.iter().map(move |key| (*hash, key))) {
            states.set_key(key, hash, self.now());
            let (event, processing) = (event.times(key, hash), processing.times(key, hash));
            function.read_key(&mut KeyedReadContext { states: &mut states, event, processing }, &mut rows)?;
        }
        Ok(rows)
    }

    /// Fills tables, and the timers if the operator has such.
    fn restore_with<'t, K: Key>(
        &self,
        part: u16,
        mut tables: Vec<&'t mut dyn StateTable>,
        timers: &'t mut TimerService<K>,
    ) -> Result<(), SavepointError> {
        if self.has_table(EVENT_TIMERS) {
            tables.push(&mut timers.event);
        }
        if self.has_table(PROCESSING_TIMERS) {
            tables.push(&mut timers.processing);
        }
        self.restore(part, &mut tables)
    }
}

/// Reads one state.
struct One<K, H, D, R> {
    declare: D,
    read: R,
    handle: Option<H>,
    kind: std::marker::PhantomData<K>,
}

impl<K: Key, H, O, D, R> KeyedStateReaderFunction for One<K, H, D, R>
where
    D: Fn(&mut States<K>) -> H,
    R: Fn(KeyedReadContext<'_, K>, &H) -> Option<O>,
{
    type Key = K;
    type Out = (K, O);

    fn open(&mut self, states: &mut States<K>) -> Result<(), OperatorError> {
        self.handle = Some((self.declare)(states));
        Ok(())
    }

    fn read_key(&mut self, cx: &mut KeyedReadContext<'_, K>, out: &mut Vec<(K, O)>) -> Result<(), OperatorError> {
        let key = cx.key().clone();
        let KeyedReadContext { states, event, processing } = cx;
        let Some(handle) = &self.handle else { return Ok(()) };
        out.extend((self.read)(KeyedReadContext { states, event, processing }, handle).map(|row| (key, row)));
        Ok(())
    }
}
