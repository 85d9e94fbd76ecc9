//! Opens a savepoint and finds its operators' state by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use yeoul_frame::{OperatorId, Timestamp};
use yeoul_operator::Services;
use yeoul_state::catalog::{Misfit, TableEntry};
use yeoul_state::{SavedState, StateTable};

use super::description::{SavedOperator, describe};
use super::error::SavepointError;
use crate::StateRecord;
use crate::owned_state::take;

/// A savepoint, or the store of a job that is not running, to read (Flink's `SavepointReader`).
///
/// ```
/// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
/// # let folder = std::env::temp_dir().join(format!("yeoul-reader-doc-{}", std::process::id()));
/// # let _ = std::fs::remove_dir_all(&folder);
///
/// SavepointWriter::new().with_operator("rules", Bootstrap::broadcast("limits", [(7u64, 100i64)])).write(&folder)?;
///
/// let savepoint = SavepointReader::open(&folder)?;
/// let limits = savepoint.operator("rules")?.broadcast_state::<u64, i64>("limits")?;
/// assert_eq!(limits[&7], 100);
/// let error = savepoint.operator("rulse").err().unwrap().to_string();
/// assert!(error.contains("no operator 'rulse'") && error.contains("it has 'rules'"));
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<_, yeoul_stream::SavepointError>(())
/// ```
pub struct SavepointReader {
    folder: PathBuf,
    pub(super) saved: SavedState,
    now: Timestamp,
    parts: u16,
    names_matter: bool,
}

impl SavepointReader {
    /// Opens the folder of a savepoint, or of a job's store. A store is locked as long as it is open here.
    ///
    /// ```
    /// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-open-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// SavepointWriter::new().with_operator("planes", Bootstrap::list("seen", [7u64, 9])).write(&folder)?;
    /// assert!(SavepointReader::open(&folder)?.operator("planes").is_ok());
    /// assert!(SavepointReader::open(folder.join("another")).is_err());
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    ///
    /// # Errors
    /// If the folder holds neither, a job uses it, or it is damaged.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, SavepointError> {
        Self::open_with(folder, &Services::default())
    }

    /// As [`open`](Self::open), with another clock and other files than the machine's.
    ///
    /// ```
    /// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-open-with-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// # SavepointWriter::new().with_operator("planes", Bootstrap::list("seen", [7u64, 9])).write(&folder)?;
    /// let savepoint = SavepointReader::open_with(&folder, &yeoul_operator::Services::default())?;
    /// assert_eq!(savepoint.operators()?.len(), 1);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(folder: impl AsRef<Path>, services: &Services) -> Result<Self, SavepointError> {
        let folder = folder.as_ref();
        let failed = |cause| SavepointError::Storage { folder: folder.to_owned(), cause };
        let storage = services.files.existing(folder).map_err(failed)?;
        let saved = SavedState::open(storage, "").map_err(failed)?;
        let now = Timestamp(services.clock.wall_millis());
        let parts = saved.commit().job.shards.max(1);
        Ok(Self { folder: folder.to_owned(), saved, now, parts, names_matter: true })
    }

    /// The same, at this processing time, in milliseconds since 1970: what has expired by then is not read. By default the machine's.
    ///
    /// ```
    /// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-reader-time-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// # SavepointWriter::new().with_operator("planes", Bootstrap::list("seen", [7u64, 9])).write(&folder)?;
    /// let savepoint = SavepointReader::open(&folder)?.processing_time(1_700_000_000_000);
    /// assert_eq!(savepoint.operators()?.len(), 1);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    #[must_use]
    pub fn processing_time(mut self, now: i64) -> Self {
        self.now = Timestamp(now);
        self
    }

    /// The same, reading keyed state in so many parts, one after another: the more there are, the less memory is taken. By default as many as
    /// the job had shards; there are no more than key groups.
    ///
    /// ```
    /// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-reader-parts-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// # SavepointWriter::new().with_operator("planes", Bootstrap::list("seen", [7u64, 9])).write(&folder)?;
    /// // A quarter of the keys at a time.
    /// let savepoint = SavepointReader::open(&folder)?.parts(4);
    /// assert_eq!(savepoint.operators()?.len(), 1);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    #[must_use]
    pub fn parts(mut self, parts: u16) -> Self {
        self.parts = parts.clamp(1, self.saved.commit().job.key_groups.count());
        self
    }

    /// The same, whatever types are called: a type may have been moved or renamed since, if its encoding is what it was. By default a state is
    /// refused whose types had other names when it was written.
    ///
    /// ```
    /// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-reader-types-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// # SavepointWriter::new().with_operator("planes", Bootstrap::list("seen", [7u64, 9])).write(&folder)?;
    /// let savepoint = SavepointReader::open(&folder)?.whatever_types_are_called();
    /// assert_eq!(savepoint.operator("planes")?.list::<u64>("seen")?, [7, 9]);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    #[must_use]
    pub fn whatever_types_are_called(mut self) -> Self {
        self.names_matter = false;
        self
    }

    /// What there is, by name. Reads the whole log to count entries.
    ///
    /// ```
    /// # use yeoul_stream::{SavepointError, SavepointReader};
    /// # fn f(savepoint: &SavepointReader) -> Result<(), SavepointError> {
    /// for operator in savepoint.operators()? {
    ///     for table in &operator.tables {
    ///         println!("{:?} {}: {:?}, {} entries of {:?}", operator.uid, table.name, table.kind, table.entries, table.types);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If a file is damaged.
    pub fn operators(&self) -> Result<Vec<SavedOperator>, SavepointError> {
        describe(&self.saved).map_err(|cause| SavepointError::Storage { folder: self.folder.clone(), cause })
    }

    /// The state of an operator, by its uid. An example stands above.
    ///
    /// # Errors
    /// Names the operators that there are, if it is none of them.
    pub fn operator(&self, uid: &str) -> Result<OperatorReader<'_>, SavepointError> {
        let reader = OperatorReader { from: self, id: OperatorId::of(uid) };
        if self.saved.catalog().operators.contains_key(&reader.id) || reader.has_state() {
            return Ok(reader);
        }
        let mut there: Vec<String> = self.saved.catalog().operators.values().map(|uid| format!("'{uid}'")).collect();
        there.sort();
        Err(SavepointError::Unknown { what: format!("operator '{uid}'"), there })
    }
}

/// One operator of a savepoint, whose states are read by their names and types.
///
/// ```
/// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
/// # let folder = std::env::temp_dir().join(format!("yeoul-operator-reader-doc-{}", std::process::id()));
/// # let _ = std::fs::remove_dir_all(&folder);
///
/// SavepointWriter::new().with_operator("planes", Bootstrap::list("seen", [7u64, 9])).write(&folder)?;
/// let savepoint = SavepointReader::open(&folder)?;
/// let planes = savepoint.operator("planes")?;
/// assert_eq!(planes.list::<u64>("seen")?, [7, 9]);
/// assert!(planes.list::<u64>("sene").unwrap_err().to_string().contains("'list seen'"));
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<_, yeoul_stream::SavepointError>(())
/// ```
#[derive(Clone, Copy)]
pub struct OperatorReader<'a> {
    pub(super) from: &'a SavepointReader,
    pub(super) id: OperatorId,
}

impl OperatorReader<'_> {
    /// The operator's id.
    ///
    /// ```
    /// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-operator-id-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// # SavepointWriter::new().with_operator("planes", Bootstrap::list("seen", [7u64, 9])).write(&folder)?;
    /// let savepoint = SavepointReader::open(&folder)?;
    /// assert_eq!(savepoint.operator("planes")?.id(), yeoul_frame::OperatorId::of("planes"));
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    #[must_use]
    pub fn id(&self) -> OperatorId {
        self.id
    }

    /// The elements of a list of the operator's own, of all subtasks in their order.
    ///
    /// ```
    /// # use yeoul_stream::{OperatorReader, SavepointError};
    /// # fn f(operator: OperatorReader<'_>) -> Result<(), SavepointError> {
    /// let seen: Vec<u64> = operator.list("seen")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If there is no such list, or its elements are no `T`s.
    pub fn list<T: StateRecord>(&self, name: &str) -> Result<Vec<T>, SavepointError> {
        self.elements("list", name)
    }

    /// The elements of a union list, of all subtasks in their order.
    ///
    /// ```
    /// # use yeoul_stream::{OperatorReader, SavepointError};
    /// # fn f(operator: OperatorReader<'_>) -> Result<(), SavepointError> {
    /// let splits: Vec<(String, u64)> = operator.union_list("splits")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If there is no such list, or its elements are no `T`s.
    pub fn union_list<T: StateRecord>(&self, name: &str) -> Result<Vec<T>, SavepointError> {
        self.elements("union", name)
    }

    /// A map of broadcast state.
    ///
    /// ```
    /// # use yeoul_stream::{OperatorReader, SavepointError};
    /// # fn f(operator: OperatorReader<'_>) -> Result<(), SavepointError> {
    /// let limits = operator.broadcast_state::<u64, i64>("limits")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If there is no such map, or its entries have other types.
    pub fn broadcast_state<K: StateRecord + Ord, V: StateRecord>(
        &self,
        name: &str,
    ) -> Result<BTreeMap<K, V>, SavepointError> {
        let name = format!("broadcast {name}");
        // All subtasks have the same.
        let Some(mut bytes) = self.noted(&name).next() else { return Err(self.no_state(&name)) };
        let mut entries = BTreeMap::new();
        while !bytes.is_empty() {
            let entry = take(&mut bytes).and_then(|key| take(&mut bytes).map(|value| (key, value)));
            let (key, value) = entry.map_err(|error| self.damaged(&name, &error))?;
            entries.insert(key, value);
        }
        Ok(entries)
    }

    /// The bytes that each subtask noted under a name, in the order of subtasks: what sources and built-in operators keep beside their tables.
    /// [`SavepointReader::operators`] tells the names.
    ///
    /// ```
    /// # use yeoul_stream::{OperatorReader, SavepointError};
    /// # fn f(operator: OperatorReader<'_>) -> Result<(), SavepointError> {
    /// let positions: Vec<Vec<u8>> = operator.raw_state("positions")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If nothing was noted under it.
    pub fn raw_state(&self, name: &str) -> Result<Vec<Vec<u8>>, SavepointError> {
        let noted: Vec<Vec<u8>> = self.noted(name).map(<[u8]>::to_vec).collect();
        if noted.is_empty() { Err(self.no_state(name)) } else { Ok(noted) }
    }

    fn elements<T: StateRecord>(&self, kind: &str, name: &str) -> Result<Vec<T>, SavepointError> {
        let name = format!("{kind} {name}");
        if self.noted(&name).next().is_none() {
            return Err(self.no_state(&name));
        }
        let mut elements = Vec::new();
        for mut bytes in self.noted(&name) {
            while !bytes.is_empty() {
                elements.push(take(&mut bytes).map_err(|error| self.damaged(&name, &error))?);
            }
        }
        Ok(elements)
    }

    fn noted<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s [u8]> {
        let of = self.from.saved.operator_states().iter();
        of.filter(move |state| state.operator == self.id && state.name == name).map(|state| state.bytes.as_slice())
    }

    fn has_state(&self) -> bool {
        let (catalog, states) = (self.from.saved.catalog(), self.from.saved.operator_states());
        catalog.tables.values().any(|entry| entry.operator == self.id)
            || states.iter().any(|state| state.operator == self.id)
    }

    /// At which processing time values are read.
    pub(super) fn now(&self) -> Timestamp {
        self.from.now
    }

    /// In how many parts keyed state is read.
    pub(super) fn parts(&self) -> u16 {
        self.from.parts
    }

    /// Whether the operator has a table of this name.
    pub(super) fn has_table(&self, name: &str) -> bool {
        let catalog = self.from.saved.catalog();
        catalog.tables.is_empty() || catalog.tables.contains_key(&self.id.table(name))
    }

    /// Fills empty tables with a part of the keys, once it is known that they are what was saved.
    pub(super) fn restore(&self, part: u16, tables: &mut [&mut dyn StateTable]) -> Result<(), SavepointError> {
        for table in tables.iter() {
            self.check(&TableEntry::of(self.id, &**table))?;
        }
        let restored = self.from.saved.restore(self.id, (part, self.parts()), tables);
        restored.map_err(|error| SavepointError::saved(&self.from.folder, error))
    }

    fn check(&self, asked: &TableEntry) -> Result<(), SavepointError> {
        let catalog = self.from.saved.catalog();
        if !self.has_table(&asked.name) {
            return Err(self.no_state(&asked.name));
        }
        let Some(saved) = catalog.tables.get(&self.id.table(&asked.name)) else { return Ok(()) };
        // Of another version it is migrated, or refused with its types by those who know the migrations.
        let differ = saved.version == asked.version && !saved.is_called_as(asked);
        if !self.from.names_matter || !differ {
            return Ok(());
        }
        let shown = |entry: &TableEntry| match &entry.types {
            Some((key, value)) => format!("{key} to {value}"),
            None => "types that are not known".to_owned(),
        };
        Err(SavepointError::Misfit(Misfit::new(format!(
            "state '{}' of {} was saved as {} and is read as {}\n  hint: ask for the types that it was saved with (a state with a time to live \
             is declared with it; a list, map or reducing state is asked for as one), or, if they have only been renamed, for whatever \
             types are called",
            asked.name,
            catalog.name_of(self.id),
            shown(saved),
            shown(asked)
        ))))
    }

    pub(super) fn no_state(&self, name: &str) -> SavepointError {
        let catalog = self.from.saved.catalog();
        let tables = catalog.tables.values().filter(|entry| entry.operator == self.id);
        let mut there: Vec<String> = tables
            .map(|entry| match &entry.types {
                Some((key, value)) => format!("'{}' ({key} to {value})", entry.name),
                None => format!("'{}'", entry.name),
            })
            .collect();
        let states = self.from.saved.operator_states().iter().filter(|state| state.operator == self.id);
        there.extend(states.map(|state| format!("'{}'", state.name)));
        there.sort();
        there.dedup();
        SavepointError::Unknown { what: format!("state '{name}' of {}", catalog.name_of(self.id)), there }
    }

    fn damaged(&self, name: &str, error: &yeoul_state::log::Corrupt) -> SavepointError {
        let name_of = self.from.saved.catalog().name_of(self.id);
        SavepointError::Misfit(Misfit::new(format!(
            "state '{name}' of {name_of} does not read as asked for: {}",
            error.what
        )))
    }
}
