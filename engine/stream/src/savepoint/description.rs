//! What a savepoint holds, by names: its operators, their tables and what they noted.

use yeoul_frame::OperatorId;
use yeoul_state::SavedState;
use yeoul_state::catalog::TableEntry;

use crate::timer_service::{EVENT_TIMERS, PROCESSING_TIMERS};

/// An operator of a savepoint.
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
