//! What fills an operator's state from data before any job has run.

use yeoul_frame::{FRAME_ROWS, OperatorId, Record, Timestamp};
use yeoul_operator::{OperatorError, Snapshot};
use yeoul_state::{Key, NewSavepoint, StateHandle, States};

use super::error::SavepointError;
use crate::operator_state::OperatorStates;
use crate::timer_service::TimerService;
use crate::{DataStream, HarnessError, OperatorHarness, StateRecord};

/// Writes the states and timers of each record's key (Flink's `KeyedStateBootstrapFunction`).
///
/// See [`SavepointWriter`](crate::SavepointWriter) for a whole program.
///
/// ```
/// use yeoul_stream::{Bootstrap, BootstrapContext, KeyedStateBootstrapFunction, SavepointReader, SavepointWriter};
/// # let folder = std::env::temp_dir().join(format!("yeoul-bootstrap-function-doc-{}", std::process::id()));
/// # let _ = std::fs::remove_dir_all(&folder);
/// # use yeoul_frame::Timestamp;
/// # use yeoul_operator::OperatorError;
/// # use yeoul_state::{States, ValueHandle};
/// # #[derive(Default)] struct Balances(ValueHandle<i64>);
/// # impl KeyedStateBootstrapFunction for Balances {
/// #     type Key = u64; type In = (u64, i64);
/// #     fn open(&mut self, states: &mut States<u64>) -> Result<(), OperatorError> { self.0 = states.value("balance"); Ok(()) }
/// // In an `impl KeyedStateBootstrapFunction`:
/// fn process(&mut self, (_, amount): (u64, i64), cx: &mut BootstrapContext<'_, u64>) -> Result<(), OperatorError> {
///     *cx.state(&self.0).get_or(0) += amount;
///     Ok(())
/// }
/// # }
/// SavepointWriter::new().with_operator("accounts", Bootstrap::keyed([(7, 100), (7, -30)], |(account, _)| *account, Balances::default())).write(&folder)?;
/// assert_eq!(SavepointReader::open(&folder)?.operator("accounts")?.values::<u64, i64>("balance")?, [(7, 70)]);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<_, yeoul_stream::SavepointError>(())
/// ```
pub trait KeyedStateBootstrapFunction {
    /// The key of the operator's stream.
    type Key: Key;
    /// A record of the data.
    type In;

    /// Declares the states, as the operator's function will: the same names, types, times to live and versions.
    ///
    /// # Errors
    /// Whatever makes it impossible to write; writing ends with it.
    fn open(&mut self, states: &mut States<Self::Key>) -> Result<(), OperatorError>;

    /// Takes a record.
    ///
    /// # Errors
    /// A failure that ends the writing.
    fn process(&mut self, record: Self::In, cx: &mut BootstrapContext<'_, Self::Key>) -> Result<(), OperatorError>;
}

/// The key of a record that state is made of, its states and timers.
///
/// ```
/// use yeoul_stream::{Bootstrap, BootstrapContext, KeyedStateBootstrapFunction, SavepointReader, SavepointWriter};
/// # let folder = std::env::temp_dir().join(format!("yeoul-bootstrap-context-doc-{}", std::process::id()));
/// # let _ = std::fs::remove_dir_all(&folder);
/// # use yeoul_frame::Timestamp;
/// # use yeoul_operator::OperatorError;
/// # use yeoul_state::{States, ValueHandle};
/// # #[derive(Default)] struct Balances(ValueHandle<i64>);
/// # impl KeyedStateBootstrapFunction for Balances {
/// #     type Key = u64; type In = (u64, i64);
/// #     fn open(&mut self, states: &mut States<u64>) -> Result<(), OperatorError> { self.0 = states.value("balance"); Ok(()) }
/// // In an `impl KeyedStateBootstrapFunction`:
/// fn process(&mut self, (_, amount): (u64, i64), cx: &mut BootstrapContext<'_, u64>) -> Result<(), OperatorError> {
///     *cx.state(&self.0).get_or(0) += amount;
///     // Two of one time are one timer.
///     cx.register_event_time_timer(Timestamp(*cx.key() as i64 * 1_000));
///     Ok(())
/// }
/// # }
/// SavepointWriter::new().with_operator("accounts", Bootstrap::keyed([(7, 100), (7, -30)], |(account, _)| *account, Balances::default())).write(&folder)?;
/// assert_eq!(SavepointReader::open(&folder)?.operator("accounts")?.values::<u64, i64>("balance")?, [(7, 70)]);
/// assert_eq!(SavepointReader::open(&folder)?.operator("accounts")?.timers::<u64>()?.len(), 1);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<_, yeoul_stream::SavepointError>(())
/// ```
pub struct BootstrapContext<'a, K: Key> {
    states: &'a mut States<K>,
    timers: &'a mut TimerService<K>,
    now: Timestamp,
}

impl<K: Key> BootstrapContext<'_, K> {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &K {
        self.states.key()
    }

    /// A state of the key.
    pub fn state<H: StateHandle<K>>(&mut self, handle: &H) -> H::State<'_> {
        self.states.of(handle)
    }

    /// The processing time from which the life of what is written counts.
    ///
    /// ```
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_state::{States, ValueHandle};
    /// # use yeoul_stream::*;
    /// # let folder = std::env::temp_dir().join(format!("yeoul-bootstrap-now-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    /// # #[derive(Default)] struct Seen(ValueHandle<i64>);
    /// # impl KeyedStateBootstrapFunction for Seen {
    /// #     type Key = u64; type In = u64;
    /// #     fn open(&mut self, states: &mut States<u64>) -> Result<(), OperatorError> { self.0 = states.value("seen"); Ok(()) }
    /// // In an `impl KeyedStateBootstrapFunction`: who is known now is forgotten an hour from now.
    /// fn process(&mut self, _: u64, cx: &mut BootstrapContext<'_, u64>) -> Result<(), OperatorError> {
    ///     let now = cx.processing_time();
    ///     cx.state(&self.0).update(now.0);
    ///     cx.register_processing_time_timer(now.plus(3_600_000));
    ///     Ok(())
    /// }
    /// # }
    /// SavepointWriter::new().with_operator("users", Bootstrap::keyed([7, 8], |user| *user, Seen::default())).write(&folder)?;
    /// let savepoint = SavepointReader::open(&folder)?;
    /// let timers = savepoint.operator("users")?.timers::<u64>()?;
    /// assert!(timers.len() == 2 && timers.iter().all(|timer| timer.domain == TimeDomain::Processing));
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    #[must_use]
    pub fn processing_time(&self) -> Timestamp {
        self.now
    }

    /// Sets a timer of the key: due when the job's watermark reaches `time`.
    pub fn register_event_time_timer(&mut self, time: Timestamp) {
        self.timers.event.register(self.states.key(), self.states.key_hash(), 0, time);
    }

    /// Sets a timer of the key: due when the clock reaches `time`.
    pub fn register_processing_time_timer(&mut self, time: Timestamp) {
        self.timers.processing.register(self.states.key(), self.states.key_hash(), 0, time);
    }
}

/// Where a bootstrap writes.
pub(super) struct Target<'a> {
    pub(super) savepoint: &'a mut NewSavepoint,
    pub(super) operator: OperatorId,
    pub(super) now: Timestamp,
}

type Write<'a> = Box<dyn FnOnce(&mut Target<'_>) -> Result<(), Failed> + 'a>;

/// Why a bootstrap failed.
pub(super) enum Failed {
    Disk(std::io::Error),
    Function(OperatorError),
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<OperatorError> for Failed {
    fn from(error: OperatorError) -> Self {
        Self::Function(error)
    }
}

impl From<HarnessError> for Failed {
    fn from(error: HarnessError) -> Self {
        Self::Function(match error {
            HarnessError::Operator(error) => error,
            other => OperatorError::new(other.to_string()),
        })
    }
}

impl Failed {
    pub(super) fn at(self, folder: &std::path::Path) -> SavepointError {
        match self {
            Self::Disk(cause) => SavepointError::Storage { folder: folder.to_owned(), cause },
            Self::Function(error) => SavepointError::Function(error),
        }
    }
}

/// What [`Bootstrap::operator`] writes.
pub(super) const WHOLE: &str = "whole state";

/// Data from which an operator's state is made. An operator may be given several, of different states.
///
/// ```
/// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
/// # let folder = std::env::temp_dir().join(format!("yeoul-bootstrap-doc-{}", std::process::id()));
/// # let _ = std::fs::remove_dir_all(&folder);
///
/// SavepointWriter::new().with_operator("planes", Bootstrap::list("seen", [7u64, 9])).write(&folder)?;
/// assert_eq!(SavepointReader::open(&folder)?.operator("planes")?.list::<u64>("seen")?, [7, 9]);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<_, yeoul_stream::SavepointError>(())
/// ```
pub struct Bootstrap<'a> {
    pub(super) write: Write<'a>,
    /// Which of the operator's states it is, if it is known; of keyed state there can be one only.
    pub(super) state: String,
}

impl<'a> Bootstrap<'a> {
    /// All that an operator of one input keeps, windows above all: the records, each with its event time in milliseconds, are given to it as a job would give
    /// them, but for watermarks, so that nothing falls due. What it gives on meanwhile goes nowhere. With it an operator is
    /// given nothing else.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use yeoul_stream::savepoint::Aggregated;
    /// use yeoul_stream::{Bootstrap, Count, DataStream, SavepointReader, SavepointWriter, TumblingEventTimeWindows};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-bootstrap-operator-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// // The program's own window, which goes on with what came before it.
    /// fn hourly(readings: &DataStream<(u64, i64)>) -> DataStream<u64> {
    ///     readings.key_by(|reading| reading.0.to_native()).window(TumblingEventTimeWindows::of(Duration::from_secs(3_600))).aggregate(Count::new())
    /// }
    ///
    /// let before = [((7, 20), 1_000), ((7, 21), 2_000)];
    /// SavepointWriter::new().with_operator("hourly", Bootstrap::operator(before, |readings| hourly(&readings))).write(&folder)?;
    /// assert_eq!(SavepointReader::open(&folder)?.operator("hourly")?.panes::<u64, Aggregated<u64>>()?[0].content, 2);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    pub fn operator<T: Record + Clone, O: Record>(
        records: impl IntoIterator<Item = (T, i64)> + 'a,
        build: impl FnOnce(DataStream<T>) -> DataStream<O> + 'a,
    ) -> Self {
        let write = move |target: &mut Target<'_>| {
            let mut records = records.into_iter().peekable();
            let key_groups = target.savepoint.key_groups();
            let mut harness = OperatorHarness::known_as(target.operator, key_groups, target.now, build)?;
            while records.peek().is_some() {
                harness.push(records.by_ref().take(FRAME_ROWS))?;
                harness.forget_output();
            }
            let mut operator = harness.into_operator();
            let (mut noted, mut sealed) = (Vec::new(), Vec::new());
            operator.snapshot(&mut Snapshot::new(
                target.savepoint.epoch(),
                target.operator,
                &mut noted,
                &mut sealed,
            ))?;
            for (id, name, bytes) in noted {
                target.savepoint.state(id, &name, &bytes)?;
            }
            let mut written = Ok(());
            operator.tables(&mut |table| {
                if written.is_ok() {
                    written = target.savepoint.table(target.operator, table);
                }
            });
            operator.close();
            Ok(written?)
        };
        Self { write: Box::new(write), state: WHOLE.to_owned() }
    }

    /// Keyed state and timers: each record is given to the function with its key's state. All of the operator's state is in memory until it is
    /// written.
    ///
    /// ```
    /// use yeoul_stream::{Bootstrap, BootstrapContext, KeyedStateBootstrapFunction, SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-bootstrap-keyed-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    /// # use yeoul_frame::Timestamp;
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_state::{States, ValueHandle};
    /// # #[derive(Default)] struct Balances(ValueHandle<i64>);
    /// # impl KeyedStateBootstrapFunction for Balances {
    /// #     type Key = u64; type In = (u64, i64);
    /// #     fn open(&mut self, states: &mut States<u64>) -> Result<(), OperatorError> { self.0 = states.value("balance"); Ok(()) }
    /// # fn process(&mut self, (_, amount): (u64, i64), cx: &mut BootstrapContext<'_, u64>) -> Result<(), OperatorError> {
    /// #     *cx.state(&self.0).get_or(0) += amount;
    /// #     Ok(())
    /// # }
    /// # }
    /// // `Balances`, a `KeyedStateBootstrapFunction`, adds amounts up.
    /// SavepointWriter::new().with_operator("accounts", Bootstrap::keyed([(7, 100), (7, -30)], |(account, _)| *account, Balances::default())).write(&folder)?;
    /// assert_eq!(SavepointReader::open(&folder)?.operator("accounts")?.values::<u64, i64>("balance")?, [(7, 70)]);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    pub fn keyed<F: KeyedStateBootstrapFunction + 'a>(
        records: impl IntoIterator<Item = F::In> + 'a,
        key: impl Fn(&F::In) -> F::Key + 'a,
        mut function: F,
    ) -> Self {
        let write = move |target: &mut Target<'_>| {
            let (operator, now) = (target.operator, target.now);
            let mut states = States::<F::Key>::new(operator);
            function.open(&mut states)?;
            let mut timers = TimerService::of(operator);
            for record in records {
                let key = key(&record);
                states.set_key(&key, key.hash(), now);
                let mut cx = BootstrapContext { states: &mut states, timers: &mut timers, now };
                function.process(record, &mut cx)?;
            }
            for table in states.tables() {
                target.savepoint.table(operator, table)?;
            }
            // An operator without timers need not have the tables.
            for timers in [&mut timers.event, &mut timers.processing] {
                if !timers.is_empty() {
                    target.savepoint.table(operator, timers)?;
                }
            }
            Ok(())
        };
        Self { write: Box::new(write), state: "keyed state".to_owned() }
    }

    /// A list of the operator's own, which its subtasks will share.
    ///
    /// ```
    /// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-bootstrap-list-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// SavepointWriter::new().with_operator("planes", Bootstrap::list("seen", [7u64, 9])).write(&folder)?;
    /// assert_eq!(SavepointReader::open(&folder)?.operator("planes")?.list::<u64>("seen")?, [7, 9]);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    #[must_use]
    pub fn list<T: StateRecord>(name: &str, elements: impl IntoIterator<Item = T>) -> Self {
        let elements: Vec<T> = elements.into_iter().collect();
        Self::noted(name, "list", move |name, states| {
            let list = states.list::<T>(name);
            *states.elements(&list) = elements;
        })
    }

    /// A union list, which each of the operator's subtasks will see whole.
    ///
    /// ```
    /// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-bootstrap-union-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// SavepointWriter::new().with_operator("planes", Bootstrap::union_list("splits", [(0u64, 70u64)])).write(&folder)?;
    /// assert_eq!(SavepointReader::open(&folder)?.operator("planes")?.union_list::<(u64, u64)>("splits")?, [(0, 70)]);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    #[must_use]
    pub fn union_list<T: StateRecord>(name: &str, elements: impl IntoIterator<Item = T>) -> Self {
        let elements: Vec<T> = elements.into_iter().collect();
        Self::noted(name, "union", move |name, states| {
            let list = states.union_list::<T>(name);
            *states.union(&list).own() = elements;
        })
    }

    /// A map of broadcast state, which each of the operator's subtasks will have.
    ///
    /// ```
    /// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-bootstrap-broadcast-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// SavepointWriter::new().with_operator("planes", Bootstrap::broadcast("limits", [(7u64, 100i64)])).write(&folder)?;
    /// assert_eq!(SavepointReader::open(&folder)?.operator("planes")?.broadcast_state::<u64, i64>("limits")?[&7], 100);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    #[must_use]
    pub fn broadcast<K: StateRecord + Ord, V: StateRecord>(
        name: &str,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let entries: Vec<(K, V)> = entries.into_iter().collect();
        Self::noted(name, "broadcast", move |name, states| {
            let map = states.broadcast::<K, V>(name);
            states.entries_mut(&map).extend(entries);
        })
    }

    fn noted(name: &str, kind: &str, fill: impl FnOnce(&str, &mut OperatorStates) + 'static) -> Self {
        let state = format!("{kind} {name}");
        let name = name.to_owned();
        let write = move |target: &mut Target<'_>| {
            let mut states = OperatorStates::default();
            fill(&name, &mut states);
            let (mut noted, mut sealed) = (Vec::new(), Vec::new());
            states.snapshot(&mut Snapshot::new(target.savepoint.epoch(), target.operator, &mut noted, &mut sealed));
            for (operator, name, bytes) in noted {
                target.savepoint.state(operator, &name, &bytes)?;
            }
            Ok(())
        };
        Self { write: Box::new(write), state }
    }
}
