//! What a checkpoint says of the job that took it: operators by name, their tables, and from which epoch each sink's output is kept.
//!
//! Written as blobs of a commit, so that a restore that does not fit is refused with names, before any state is read.
//! `docs/format.md` has the bytes.
//!
//! Invariants:
//! 1. Entries stand in the order of their ids, each id once.
//! 2. All tables of the job are listed. What the log holds of others is nobody's: their operator was left behind by an earlier restore.

use std::collections::BTreeMap;
use std::fmt;

use yeoul_frame::{Epoch, OperatorId, TableId};

use crate::log::{Corrupt, Layout};
use crate::migration::NotMigrated;
use crate::state_table::{StateTable, TableDescription};

/// The blob that names operators.
const OPERATORS: &str = "operators";
/// The blob that describes tables.
const TABLES: &str = "tables";
/// The blob that names the types of tables.
const TYPES: &str = "types";
/// The blob that says of which version the values of tables are, and since when, for those that were ever migrated or replaced.
const REVISIONS: &str = "revisions";
/// The blob that says from which epoch on sinks' output is in the log.
const SINKS: &str = "sinks";

/// A table of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableEntry {
    /// The operator that has it.
    pub operator: OperatorId,
    /// Its name within the operator.
    pub name: String,
    /// How its records are laid out.
    pub layout: Layout,
    /// What its keys and values were called in the program that declared it, if that is known.
    pub types: Option<(String, String)>,
    /// Of which version its values are: what the program says, 0 if it says nothing.
    pub version: u32,
    /// The first epoch whose records count. Earlier ones are of an earlier version, or of another table of this name, and superseded.
    pub since: Epoch,
}

impl TableEntry {
    /// What a table says of itself, for the catalog. Its records have always counted.
    #[must_use]
    pub fn of(operator: OperatorId, table: &dyn StateTable) -> Self {
        let TableDescription { name, layout, types: (key, value), version, .. } = table.describe();
        let types = Some((key.to_owned(), value.to_owned()));
        Self { operator, name, layout, types, version, since: Epoch(0) }
    }

    /// Whether the types of keys and values are called as another entry calls them, as far as both are known. In which module of the engine or
    /// of the standard library a type stands does not count: it is not the program's to say.
    ///
    /// ```
    /// use yeoul_frame::{OperatorId, TableId};
    /// use yeoul_state::Table;
    /// use yeoul_state::catalog::TableEntry;
    ///
    /// let operator = OperatorId::of("count");
    /// let entry = |types: (&str, &str)| TableEntry {
    ///     types: Some((types.0.to_owned(), types.1.to_owned())),
    ///     ..TableEntry::of(operator, &Table::<u64, u64>::new(TableId(1), "counts"))
    /// };
    /// assert!(entry(("u64", "u64")).is_called_as(&entry(("u64", "u64"))));
    /// assert!(!entry(("u64", "u64")).is_called_as(&entry(("u64", "f64"))));
    /// assert!(entry(("alloc::string::String", "u64")).is_called_as(&entry(("std::string::String", "u64"))));
    /// assert!(!entry(("u64", "first::Visit")).is_called_as(&entry(("u64", "second::Visit"))));
    /// ```
    #[must_use]
    pub fn is_called_as(&self, other: &Self) -> bool {
        match (&self.types, &other.types) {
            (Some((key, value)), Some((other_key, other_value))) => {
                without_places(key) == without_places(other_key) && without_places(value) == without_places(other_value)
            }
            _ => true,
        }
    }
}

/// Crates whose types may move between modules without a program's doing.
const OURS: [&str; 4] = ["yeoul_", "std::", "alloc::", "core::"];

/// A type's name in which types of the engine and the standard library have no path before them.
fn without_places(name: &str) -> String {
    let in_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let (mut out, mut rest) = (String::with_capacity(name.len()), name);
    while let Some(first) = rest.chars().next() {
        let len = if in_path(first) { rest.find(|c| !in_path(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let (part, behind) = rest.split_at(len);
        let ours = OURS.iter().any(|of| part.starts_with(of));
        out.push_str(if ours { part.rsplit("::").next().unwrap_or(part) } else { part });
        rest = behind;
    }
    out
}

/// Why what was saved of a table is not for the table that a program declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit(String);

impl Misfit {
    /// What does not fit, with both sides' names, and a hint.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misfit {}

/// What a checkpoint says of its job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Uids of operators.
    pub operators: BTreeMap<OperatorId, String>,
    /// Tables of all shards.
    pub tables: BTreeMap<TableId, TableEntry>,
    /// For each sink the first epoch whose sealed output it may still ask for.
    pub sinks: BTreeMap<OperatorId, Epoch>,
}

impl Catalog {
    /// Of a job with operators of these uids, whose tables are not known yet.
    #[must_use]
    pub fn of<'a>(uids: impl IntoIterator<Item = &'a str>) -> Self {
        let operators = uids.into_iter().map(|uid| (OperatorId::of(uid), uid.to_owned())).collect();
        Self { operators, ..Self::default() }
    }

    /// What people call an operator.
    #[must_use]
    pub fn name_of(&self, operator: OperatorId) -> String {
        self.operators.get(&operator).map_or_else(|| operator.to_string(), |uid| format!("operator '{uid}'"))
    }

    /// What people call a table.
    #[must_use]
    pub fn name_of_table(&self, table: TableId) -> String {
        match self.tables.get(&table) {
            Some(entry) => format!("table '{}' of {}", entry.name, self.name_of(entry.operator)),
            None => table.to_string(),
        }
    }

    /// Whether tables that a job declares can take what was saved of those of the same name. Values of another version are a
    /// [migration](Self::migrate)'s matter.
    ///
    /// # Errors
    /// The first that cannot, by its names, with both layouts.
    pub fn check(&self, declared: &BTreeMap<TableId, TableEntry>) -> Result<(), Misfit> {
        for (id, now) in declared {
            let Some(saved) = self.tables.get(id) else { continue };
            if saved.version == now.version && saved.layout != now.layout {
                return Err(Misfit(format!(
                    "{} was saved with {} and is declared with {}\n  hint: give it the types that it had, or a new version and a migration of \
                     its values (StateDescriptor::migrate_from; keys cannot be migrated), or another name, or the operator another uid and \
                     allow non-restored state",
                    self.name_of_table(*id),
                    shown(saved),
                    shown(now)
                )));
            }
        }
        Ok(())
    }

    /// Whether tables that a job declares have the types that those of the same name were saved with, by the types' names: bytes of one type
    /// may read as another, and mean something else. Values of another version are a [migration](Self::migrate)'s matter, and types that are
    /// not known are not asked for.
    ///
    /// # Errors
    /// The first that has others, by its names, with both sides' types.
    pub fn check_types(&self, declared: &BTreeMap<TableId, TableEntry>) -> Result<(), Misfit> {
        for (id, now) in declared {
            let Some(saved) = self.tables.get(id) else { continue };
            if saved.version == now.version && !saved.is_called_as(now) {
                return Err(Misfit(format!(
                    "{} was saved with {} and is declared with {}\n  hint: give it the types that it had; or, if a type has only been renamed or \
                     moved, allow that until the next checkpoint (JobConfig::allow_renamed_types); or give it a new version and a migration of its \
                     values (StateDescriptor::migrate_from; keys cannot be migrated), or another name",
                    self.name_of_table(*id),
                    shown(saved),
                    shown(now)
                )));
            }
        }
        Ok(())
    }

    /// Readies a declared table, which is empty, for what was saved of it: values of another version are migrated as they are restored.
    /// Returns the table's entry in the next commit, if the restore is of a commit of `epoch`.
    ///
    /// # Errors
    /// No migration leads from the version that was saved to the one that is declared; named with both types.
    pub fn migrate(
        &self,
        operator: OperatorId,
        table: &mut dyn StateTable,
        epoch: Epoch,
    ) -> Result<TableEntry, Misfit> {
        let mut now = TableEntry::of(operator, table);
        let Some(saved) = self.tables.get(&table.id()) else {
            if !self.tables.is_empty() {
                // What the log may hold of a table that the job did not have is of an operator that was left behind.
                now.since = epoch.next();
                table.migrate(now.version, now.since).map_err(|NotMigrated(why)| Misfit(why))?;
            }
            return Ok(now);
        };
        now.since = if saved.version == now.version { saved.since } else { epoch.next() };
        table.migrate(saved.version, saved.since).map_err(|NotMigrated(why)| {
                let name = self.name_of_table(table.id());
                let (saved_as, declared_as) = (shown(saved), shown(&now));
                let (old, new) = (saved.version, now.version);
                Misfit(format!(
                    "{name} was saved with values of version {old}, {saved_as}, and is declared with version {new}, {declared_as}: {why}"
                ))
        })?;
        Ok(now)
    }

    /// Whether a table that the log names is one of the job's, as far as that is known: a commit without a catalog tells nothing.
    #[must_use]
    pub fn has(&self, table: TableId) -> bool {
        self.tables.is_empty() || self.tables.contains_key(&table)
    }

    /// As a commit's blobs.
    #[must_use]
    pub fn encode(&self) -> BTreeMap<String, Vec<u8>> {
        let [mut operators, mut tables, mut types, mut versions, mut sinks] = [const { Vec::new() }; 5];
        for (id, uid) in &self.operators {
            operators.extend(id.0.to_le_bytes());
            put(&mut operators, uid);
        }
        for (id, entry) in &self.tables {
            let (key, value) = match entry.layout {
                Layout::Fixed { key, value } => (key, value),
                Layout::Variable => (0, 0),
            };
            tables.extend(id.0.to_le_bytes());
            tables.extend(entry.operator.0.to_le_bytes());
            tables.extend(key.to_le_bytes());
            tables.extend(value.to_le_bytes());
            put(&mut tables, &entry.name);
            if let Some((key, value)) = &entry.types {
                types.extend(id.0.to_le_bytes());
                put(&mut types, key);
                put(&mut types, value);
            }
            if (entry.version, entry.since) != (0, Epoch(0)) {
                versions.extend(id.0.to_le_bytes());
                versions.extend(entry.version.to_le_bytes());
                versions.extend(entry.since.0.to_le_bytes());
            }
        }
        for (id, from) in &self.sinks {
            sinks.extend(id.0.to_le_bytes());
            sinks.extend(from.0.to_le_bytes());
        }
        [(OPERATORS, operators), (TABLES, tables), (TYPES, types), (REVISIONS, versions), (SINKS, sinks)]
            .into_iter()
            .filter(|(name, bytes)| *name != REVISIONS || !bytes.is_empty())
            .map(|(name, bytes)| (name.to_owned(), bytes))
            .collect()
    }

    /// From a commit's blobs. What they do not say is not known.
    ///
    /// # Errors
    /// Names the blob that does not read.
    pub fn decode(blobs: &BTreeMap<String, Vec<u8>>) -> Result<Self, Corrupt> {
        let mut catalog = Self::default();
        let read = |name: &str, each: &mut dyn FnMut(&mut &[u8]) -> Option<()>| {
            let mut rest = blobs.get(name).map_or(&[][..], Vec::as_slice);
            while !rest.is_empty() {
                each(&mut rest).ok_or_else(|| {
                    Corrupt::new(format!(
                        "the checkpoint's list of {name} does not read, {} bytes before its end",
                        rest.len()
                    ))
                })?;
            }
            Ok::<_, Corrupt>(())
        };
        read(OPERATORS, &mut |bytes| {
            catalog.operators.insert(OperatorId(long(bytes)?), text(bytes)?);
            Some(())
        })?;
        read(TABLES, &mut |bytes| {
            let (id, operator) = (TableId(long(bytes)?), OperatorId(long(bytes)?));
            let layout = match (int(bytes)?, int(bytes)?) {
                (0, _) => Layout::Variable,
                (key, value) => Layout::Fixed { key, value },
            };
            catalog.tables.insert(
                id,
                TableEntry { operator, name: text(bytes)?, layout, types: None, version: 0, since: Epoch(0) },
            );
            Some(())
        })?;
        read(TYPES, &mut |bytes| {
            let (id, types) = (TableId(long(bytes)?), (text(bytes)?, text(bytes)?));
            catalog.tables.get_mut(&id)?.types = Some(types);
            Some(())
        })?;
        read(REVISIONS, &mut |bytes| {
            let (id, version, since) = (TableId(long(bytes)?), int(bytes)?, Epoch(long(bytes)?));
            let entry = catalog.tables.get_mut(&id)?;
            (entry.version, entry.since) = (version, since);
            Some(())
        })?;
        read(SINKS, &mut |bytes| {
            catalog.sinks.insert(OperatorId(long(bytes)?), Epoch(long(bytes)?));
            Some(())
        })?;
        Ok(catalog)
    }
}

fn shown(entry: &TableEntry) -> String {
    let widths = match entry.layout {
        Layout::Fixed { key, value } => format!("keys of {key} and values of {value} bytes"),
        Layout::Variable => "keys or values of no fixed width".to_owned(),
    };
    match &entry.types {
        Some((key, value)) => format!("{widths} ({key} to {value})"),
        None => widths,
    }
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(head)
}

fn long(bytes: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(take(bytes, 8)?.try_into().ok()?))
}

fn int(bytes: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(take(bytes, 4)?.try_into().ok()?))
}

fn text(bytes: &mut &[u8]) -> Option<String> {
    let len = int(bytes)? as usize;
    String::from_utf8(take(bytes, len)?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_comes_back_whole_or_not_at_all() {
        let (count, sink) = (OperatorId::of("count"), OperatorId::of("sink"));
        let types = |value: &str| Some(("u64".to_owned(), value.to_owned()));
        let entry = |name: &str, layout| TableEntry {
            operator: count,
            name: name.to_owned(),
            layout,
            types: types("()"),
            version: 0,
            since: Epoch(0),
        };
        let catalog = Catalog {
            operators: BTreeMap::from([(count, "count".to_owned()), (sink, "sink".to_owned())]),
            tables: BTreeMap::from([
                (count.table("a"), entry("a", Layout::Fixed { key: 8, value: 0 })),
                (count.table("b"), TableEntry { version: 2, since: Epoch(9), ..entry("b", Layout::Variable) }),
            ]),
            sinks: BTreeMap::from([(sink, Epoch(7))]),
        };
        let blobs = catalog.encode();
        assert_eq!(Catalog::decode(&blobs).unwrap(), catalog);
        for (name, bytes) in &blobs {
            let mut cut = blobs.clone();
            cut.insert(name.clone(), bytes[..bytes.len() - 1].to_vec());
            assert!(Catalog::decode(&cut).unwrap_err().to_string().contains(name.as_str()));
        }
        assert_eq!(Catalog::decode(&BTreeMap::new()).unwrap(), Catalog::default());
        // Declared otherwise than saved.
        let mut declared = catalog.tables.clone();
        catalog.check(&declared).unwrap();
        let other = TableEntry { types: types("u32"), ..entry("a", Layout::Fixed { key: 8, value: 4 }) };
        declared.insert(count.table("a"), other);
        let error = catalog.check(&declared).unwrap_err().to_string();
        let expected = "table 'a' of operator 'count' was saved with keys of 8 and values of 0 bytes (u64 to ()) and is declared with keys of 8 and values of 4 \
                        bytes (u64 to u32)";
        assert!(error.starts_with(expected), "{error}");
        // Of another version: a migration's matter.
        declared.get_mut(&count.table("a")).unwrap().version = 1;
        catalog.check(&declared).unwrap();
        declared.get_mut(&count.table("a")).unwrap().version = 0;
        // What counts.
        assert!(catalog.has(count.table("a")) && !catalog.has(count.table("c")));
        assert!(Catalog::default().has(count.table("c")));
        // A checkpoint of before types were named.
        let mut older = blobs.clone();
        older.remove(TYPES);
        let error = Catalog::decode(&older).unwrap().check(&declared).unwrap_err().to_string();
        assert!(error.contains("values of 0 bytes and is declared"), "{error}");
        // Types of one layout are told apart by their names, unless those of the checkpoint are not known.
        declared.insert(
            count.table("a"),
            TableEntry { types: types("Renamed"), ..catalog.tables[&count.table("a")].clone() },
        );
        catalog.check(&declared).unwrap();
        let error = catalog.check_types(&declared).unwrap_err().to_string();
        let expected = "table 'a' of operator 'count' was saved with keys of 8 and values of 0 bytes (u64 to ()) and is declared with keys of 8 and values \
                        of 0 bytes (u64 to Renamed)";
        assert!(error.starts_with(expected) && error.contains("JobConfig::allow_renamed_types"), "{error}");
        Catalog::decode(&older).unwrap().check_types(&declared).unwrap();
        declared.get_mut(&count.table("a")).unwrap().version = 1;
        catalog.check_types(&declared).unwrap();
        catalog.check_types(&catalog.tables).unwrap();
    }
}
