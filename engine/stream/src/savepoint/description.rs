//! What a savepoint holds, by names: its operators, their tables and what they noted.

use yeoul_frame::OperatorId;
use yeoul_state::SavedState;
use yeoul_state::catalog::TableEntry;

use crate::timer_service::{EVENT_TIMERS, PROCESSING_TIMERS};

/// An operator of a savepoint.
///
/// ```
/// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
/// # let folder = std::env::temp_dir().join(format!("yeoul-saved-operator-doc-{}", std::process::id()));
/// # let _ = std::fs::remove_dir_all(&folder);
///
/// # SavepointWriter::new().with_operator("planes", Bootstrap::list("seen", [7u64, 9])).write(&folder)?;
/// let operators = SavepointReader::open(&folder)?.operators()?;
/// assert_eq!((operators[0].uid.as_deref(), operators[0].tables.len()), (Some("planes"), 0));
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<_, yeoul_stream::SavepointError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedOperator {
    /// Its id, which is made of its uid.
    pub id: OperatorId,
    /// Its uid, if the savepoint tells it.
    pub uid: Option<String>,
    /// Its tables of keyed state, by name.
    pub tables: Vec<SavedTable>,
    /// What it noted beside them, by name.
    pub states: Vec<SavedOperatorState>,
}

/// A table of keyed state.
///
/// ```
/// use yeoul_stream::{Bootstrap, BootstrapContext, KeyedStateBootstrapFunction, SavepointReader, SavepointWriter};
/// # let folder = std::env::temp_dir().join(format!("yeoul-saved-table-doc-{}", std::process::id()));
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
/// # SavepointWriter::new().with_operator("accounts", Bootstrap::keyed([(7, 100), (7, -30)], |(account, _)| *account, Balances::default())).write(&folder)?;
/// let operators = SavepointReader::open(&folder)?.operators()?;
/// let table = &operators[0].tables[0];
/// assert_eq!((table.name.as_str(), table.version, table.entries), ("balance", 0, 1));
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<_, yeoul_stream::SavepointError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedTable {
    /// The state's name.
    pub name: String,
    /// What kind of state it is.
    pub kind: StateKind,
    /// What its keys and its values were called in the program that wrote it, if that is known.
    pub types: Option<(String, String)>,
    /// Of which version its values are.
    pub version: u32,
    /// How many values, elements, entries or timers it has; see [`SavedState::count_entries`].
    pub entries: u64,
}

/// What kind of state a table holds, as far as its keys tell.
///
/// ```
/// use yeoul_stream::{Bootstrap, BootstrapContext, KeyedStateBootstrapFunction, SavepointReader, SavepointWriter};
/// # let folder = std::env::temp_dir().join(format!("yeoul-state-kind-doc-{}", std::process::id()));
/// # let _ = std::fs::remove_dir_all(&folder);
/// use yeoul_stream::savepoint::StateKind;
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
/// # SavepointWriter::new().with_operator("accounts", Bootstrap::keyed([(7, 100), (7, -30)], |(account, _)| *account, Balances::default())).write(&folder)?;
/// let operators = SavepointReader::open(&folder)?.operators()?;
/// let table = &operators[0].tables[0];
/// assert_eq!(table.kind, StateKind::Value);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<_, yeoul_stream::SavepointError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateKind {
    /// One value a key: value, reducing and aggregating state, and the state of built-in operators.
    Value,
    /// Elements in the order of numbers: list state, or a map with keys of type `u64`.
    List,
    /// Entries by a key of their own: map state.
    Map,
    /// Timers for event time.
    EventTimeTimers,
    /// Timers for processing time.
    ProcessingTimeTimers,
}

impl StateKind {
    fn of(entry: &TableEntry) -> Self {
        let compound = std::any::type_name::<yeoul_state::Compound<(), ()>>();
        let compound = &compound[..compound.find('<').unwrap_or(compound.len())];
        match (entry.name.as_str(), &entry.types) {
            (EVENT_TIMERS, _) => Self::EventTimeTimers,
            (PROCESSING_TIMERS, _) => Self::ProcessingTimeTimers,
            (_, Some((key, _))) if !key.starts_with(compound) => Self::Value,
            (_, Some((key, _))) if key.ends_with(", u64>") => Self::List,
            (_, Some(_)) => Self::Map,
            (_, None) => Self::Value,
        }
    }
}

/// A piece of state that an operator noted beside its tables: its lists and broadcast state, the offsets of a source.
///
/// ```
/// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
/// # let folder = std::env::temp_dir().join(format!("yeoul-saved-state-doc-{}", std::process::id()));
/// # let _ = std::fs::remove_dir_all(&folder);
///
/// # SavepointWriter::new().with_operator("planes", Bootstrap::list("seen", [7u64, 9])).write(&folder)?;
/// let operators = SavepointReader::open(&folder)?.operators()?;
/// assert!(operators[0].states.iter().any(|state| state.name == "list seen" && state.subtasks == 1));
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<_, yeoul_stream::SavepointError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedOperatorState {
    /// Its name, with its kind before it if it is a function's: `list seen`, `union splits`, `broadcast rules`.
    pub name: String,
    /// How many subtasks noted it.
    pub subtasks: usize,
    /// Bytes of all of them.
    pub bytes: usize,
}

/// All operators that a savepoint names, by uid.
pub(super) fn describe(saved: &SavedState) -> std::io::Result<Vec<SavedOperator>> {
    let (catalog, counts) = (saved.catalog(), saved.count_entries()?);
    let mut ids: Vec<OperatorId> = catalog.operators.keys().copied().collect();
    ids.extend(catalog.tables.values().map(|entry| entry.operator));
    ids.extend(saved.operator_states().iter().map(|state| state.operator));
    ids.sort();
    ids.dedup();
    let describe = |id: OperatorId| {
        let of = catalog.tables.iter().filter(|(_, entry)| entry.operator == id);
        let table = |(id, entry): (_, &TableEntry)| SavedTable {
            name: entry.name.clone(),
            kind: StateKind::of(entry),
            types: entry.types.clone(),
            version: entry.version,
            entries: counts.get(id).copied().unwrap_or(0),
        };
        let mut tables: Vec<SavedTable> = of.map(table).collect();
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        let mut states: Vec<SavedOperatorState> = Vec::new();
        for state in saved.operator_states().iter().filter(|state| state.operator == id) {
            match states.iter_mut().find(|known| known.name == state.name) {
                Some(known) => (known.subtasks, known.bytes) = (known.subtasks + 1, known.bytes + state.bytes.len()),
                None => {
                    states.push(SavedOperatorState { name: state.name.clone(), subtasks: 1, bytes: state.bytes.len() });
                }
            }
        }
        states.sort_by(|a, b| a.name.cmp(&b.name));
        SavedOperator { id, uid: catalog.operators.get(&id).cloned(), tables, states }
    };
    let mut operators: Vec<SavedOperator> = ids.into_iter().map(describe).collect();
    operators.sort_by(|a, b| (&a.uid, a.id).cmp(&(&b.uid, b.id)));
    Ok(operators)
}
