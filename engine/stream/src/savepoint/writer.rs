//! Puts a savepoint together: new, or another one with operators taken out and put in.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use yeoul_frame::{KeyGroups, OperatorId, Timestamp};
use yeoul_operator::Services;
use yeoul_state::NewSavepoint;
use yeoul_sys::Storage;

use super::bootstrap::{Bootstrap, Target, WHOLE};
use super::error::SavepointError;
use super::reader::SavepointReader;

/// The note by which a restore knows how many subtasks an operator had; docs/format.md, *Operator states*.
const WATERMARK_STATE: &str = "@watermark";

/// Writes a savepoint from data, from which a job starts with state (Flink's `SavepointWriter`).
///
/// ```
/// use yeoul_operator::OperatorError;
/// use yeoul_state::{States, ValueHandle};
/// use yeoul_stream::{Bootstrap, BootstrapContext, KeyedStateBootstrapFunction, SavepointReader, SavepointWriter};
/// # let folder = std::env::temp_dir().join(format!("yeoul-writer-doc-{}", std::process::id()));
/// # let _ = std::fs::remove_dir_all(&folder);
///
/// /// Balances (account, amount) that were kept elsewhere until today.
/// #[derive(Default)]
/// struct Balances {
///     balance: ValueHandle<i64>,
/// }
///
/// impl KeyedStateBootstrapFunction for Balances {
///     type Key = u64;
///     type In = (u64, i64);
///
///     fn open(&mut self, states: &mut States<u64>) -> Result<(), OperatorError> {
///         self.balance = states.value("balance");
///         Ok(())
///     }
///
///     fn process(&mut self, (_, amount): (u64, i64), cx: &mut BootstrapContext<'_, u64>) -> Result<(), OperatorError> {
///         *cx.state(&self.balance).get_or(0) += amount;
///         Ok(())
///     }
/// }
///
/// let amounts = [(7, 100), (8, 20), (7, -30)];
/// SavepointWriter::new()
///     .with_operator("accounts", Bootstrap::keyed(amounts, |(account, _)| *account, Balances::default()))
///     .write(&folder)?;
///
/// // A job with an operator of this uid starts with these balances: `JobConfig::from_savepoint`.
/// let mut balances = SavepointReader::open(&folder)?.operator("accounts")?.values::<u64, i64>("balance")?;
/// balances.sort();
/// assert_eq!(balances, [(7, 70), (8, 20)]);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<_, yeoul_stream::SavepointError>(())
/// ```
pub struct SavepointWriter<'a> {
    base: Option<&'a SavepointReader>,
    key_groups: KeyGroups,
    services: Services,
    now: Option<i64>,
    removed: Vec<String>,
    added: Vec<(String, Bootstrap<'a>)>,
}

impl<'a> SavepointWriter<'a> {
    /// Of nothing yet.
    ///
    /// ```
    /// use yeoul_stream::{SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-writer-new-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// SavepointWriter::new().write(&folder)?;
    /// assert!(SavepointReader::open(&folder)?.operators()?.is_empty());
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            base: None,
            key_groups: KeyGroups::DEFAULT,
            services: Services::default(),
            now: None,
            removed: Vec::new(),
            added: Vec::new(),
        }
    }

    /// Of all that another savepoint has, which is not changed.
    ///
    /// ```
    /// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-change-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// let (first, second) = (folder.join("first"), folder.join("second"));
    /// let writer = SavepointWriter::new().with_operator("rules", Bootstrap::broadcast("limits", [(7u64, 100i64)]));
    /// writer.with_operator("seen", Bootstrap::list("planes", [1u64, 2])).write(&first)?;
    ///
    /// let savepoint = SavepointReader::open(&first)?;
    /// SavepointWriter::from_existing(&savepoint)
    ///     .remove_operator("rules")
    ///     .with_operator("rules", Bootstrap::broadcast("limits", [(8u64, 50i64)]))
    ///     .write(&second)?;
    /// let changed = SavepointReader::open(&second)?;
    /// assert_eq!(changed.operator("rules")?.broadcast_state::<u64, i64>("limits")?.into_iter().collect::<Vec<_>>(), [(8, 50)]);
    /// assert_eq!(changed.operator("seen")?.list::<u64>("planes")?, [1, 2]);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    #[must_use]
    pub fn from_existing(savepoint: &'a SavepointReader) -> Self {
        Self { base: Some(savepoint), key_groups: savepoint.saved.commit().job.key_groups, ..Self::new() }
    }

    /// The same, for a job with so many key groups (`JobConfig::key_groups`). One that is made from another savepoint has that one's.
    ///
    /// ```
    /// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-writer-groups-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// # let planes = Bootstrap::list("seen", [7u64, 9]);
    /// let groups = yeoul_frame::KeyGroups::DEFAULT;
    /// SavepointWriter::new().key_groups(groups).with_operator("planes", planes).write(&folder)?;
    /// assert_eq!(SavepointReader::open(&folder)?.operators()?.len(), 1);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    #[must_use]
    pub fn key_groups(mut self, key_groups: KeyGroups) -> Self {
        if self.base.is_none() {
            self.key_groups = key_groups;
        }
        self
    }

    /// The same, written at this processing time, in milliseconds since 1970: from it lives count. By default the machine's.
    ///
    /// ```
    /// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-writer-time-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// # let planes = Bootstrap::list("seen", [7u64, 9]);
    /// SavepointWriter::new().processing_time(1_700_000_000_000).with_operator("planes", planes).write(&folder)?;
    /// assert_eq!(SavepointReader::open(&folder)?.operators()?.len(), 1);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    #[must_use]
    pub fn processing_time(mut self, now: i64) -> Self {
        self.now = Some(now);
        self
    }

    /// The same, with another clock and other files than the machine's.
    ///
    /// ```
    /// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-writer-services-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// # let planes = Bootstrap::list("seen", [7u64, 9]);
    /// let services = yeoul_operator::Services::default();
    /// SavepointWriter::new().services(services).with_operator("planes", planes).write(&folder)?;
    /// assert_eq!(SavepointReader::open(&folder)?.operators()?.len(), 1);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    #[must_use]
    pub fn services(mut self, services: Services) -> Self {
        self.services = services;
        self
    }

    /// The same, without an operator of the savepoint that it is made from.
    ///
    /// ```
    /// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-writer-remove-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// SavepointWriter::new().with_operator("planes", Bootstrap::list("seen", [7u64, 9])).write(folder.join("first"))?;
    /// let first = SavepointReader::open(folder.join("first"))?;
    /// SavepointWriter::from_existing(&first).remove_operator("planes").write(folder.join("second"))?;
    /// assert!(SavepointReader::open(folder.join("second"))?.operator("planes").is_err());
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    #[must_use]
    pub fn remove_operator(mut self, uid: &str) -> Self {
        self.removed.push(uid.to_owned());
        self
    }

    /// The same, with an operator's state: given several times for one uid, with several states of it.
    ///
    /// ```
    /// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-writer-with-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// let writer = SavepointWriter::new().with_operator("planes", Bootstrap::list("seen", [7u64, 9]));
    /// writer.with_operator("planes", Bootstrap::broadcast("limits", [(7u64, 100i64)])).write(&folder)?;
    /// assert_eq!(SavepointReader::open(&folder)?.operator("planes")?.list::<u64>("seen")?, [7, 9]);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    #[must_use]
    pub fn with_operator(mut self, uid: &str, state: Bootstrap<'a>) -> Self {
        self.added.push((uid.to_owned(), state));
        self
    }

    /// Writes it into a folder of its own. Until this returns the folder is no complete savepoint. What was begun of it is removed again if it
    /// fails (as far as the disk lets it be), so that it can be tried again.
    ///
    /// ```
    /// use yeoul_stream::{Bootstrap, SavepointReader, SavepointWriter};
    /// # let folder = std::env::temp_dir().join(format!("yeoul-writer-write-doc-{}", std::process::id()));
    /// # let _ = std::fs::remove_dir_all(&folder);
    ///
    /// SavepointWriter::new().with_operator("planes", Bootstrap::list("seen", [7u64, 9])).write(&folder)?;
    /// // The folder is taken now.
    /// assert!(SavepointWriter::new().write(&folder).is_err());
    /// # let _ = SavepointReader::open(&folder)?;
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, yeoul_stream::SavepointError>(())
    /// ```
    ///
    /// # Errors
    /// If the folder holds anything, an operator that is removed is not there or one that is added is, a function fails, or a disk does.
    pub fn write(self, folder: impl AsRef<Path>) -> Result<(), SavepointError> {
        let folder = folder.as_ref();
        self.check()?;
        let files = self.services.files.folder(folder).map_err(|cause| SavepointError::of(folder, cause))?;
        let is_empty = files.list("").is_ok_and(|there| there.is_empty());
        let written = self.write_to(folder, files.clone());
        if written.is_err() && is_empty {
            // That it failed is what is told, not what is left of it.
            let begun = files.list("").unwrap_or_default();
            begun.iter().for_each(|entry| _ = files.remove(&entry.name));
        }
        written
    }

    fn write_to(self, folder: &Path, to: Arc<dyn Storage>) -> Result<(), SavepointError> {
        let failed = |cause| SavepointError::of(folder, cause);
        let clock = &self.services.clock;
        let now = Timestamp(self.now.unwrap_or_else(|| clock.wall_millis()));
        // Only names the savepoint in its blocks, so that those of different ones are told apart.
        let id = clock.monotonic_nanos() ^ (clock.wall_millis() as u64).rotate_left(32);
        let mut savepoint = match self.base {
            None => NewSavepoint::begin(to, "", id, self.key_groups),
            Some(base) => {
                let without: Vec<OperatorId> = self.removed.iter().map(|uid| OperatorId::of(uid)).collect();
                NewSavepoint::begin_from(&base.saved, &without, to, "", id)
            }
        }
        .map_err(failed)?;
        let mut begun = Vec::new();
        for (uid, Bootstrap { write, .. }) in self.added {
            let operator = savepoint.operator(&uid);
            if !begun.contains(&operator) {
                begun.push(operator);
                let none = Timestamp::MIN.0.to_le_bytes();
                savepoint.state(operator, WATERMARK_STATE, &none).map_err(failed)?;
            }
            let mut target = Target { savepoint: &mut savepoint, operator, now };
            write(&mut target).map_err(|error| error.at(folder))?;
        }
        savepoint.finish().map(|_| ()).map_err(failed)
    }

    fn check(&self) -> Result<(), SavepointError> {
        let Some(first) = self.removed.first().filter(|_| self.base.is_none()) else {
            for uid in &self.removed {
                self.base.map_or(Ok(()), |base| base.operator(uid).map(|_| ()))?;
            }
            return self.check_added();
        };
        Err(SavepointError::Unknown { what: format!("operator '{first}' to remove"), there: Vec::new() })
    }

    fn check_added(&self) -> Result<(), SavepointError> {
        let mut states: BTreeMap<(&str, &str), ()> = BTreeMap::new();
        for (uid, Bootstrap { state, .. }) in &self.added {
            let there = self.base.is_some_and(|base| base.operator(uid).is_ok());
            if there && !self.removed.contains(uid) {
                return Err(SavepointError::Taken(format!(
                    "operator '{uid}' is in the savepoint already\n  hint: remove it first, or give the new one another uid"
                )));
            }
            let whole = self.added.iter().any(|(other, of)| other == uid && of.state == WHOLE && state != WHOLE);
            if states.insert((uid, state), ()).is_some() || whole {
                return Err(SavepointError::Taken(format!(
                    "operator '{uid}' is given its {state} twice\n  hint: write it by one function, from all its data"
                )));
            }
        }
        Ok(())
    }
}

impl Default for SavepointWriter<'_> {
    fn default() -> Self {
        Self::new()
    }
}
