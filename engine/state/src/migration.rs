//! Migrations: what makes values of a state's earlier types into values of the type that it is declared with.
//!
//! A program numbers the versions of a state's type, and the catalog of each checkpoint has the number. A restore from an earlier one runs
//! every record's value through the steps from that version on, as it is read; everything migrated is written anew with the next epoch, from
//! which on nothing older counts. Keys are not migrated: they decide where a record is.
//!
//! Invariants:
//! 1. Steps lead from version to version without a gap, each from the type that the one before gives, the last to the declared type.

use std::any::{TypeId, type_name};
use std::fmt;
use std::sync::Arc;

use crate::log::Corrupt;
use crate::stored::{Stored, decode_all};

/// From an encoded value to the next version's.
type Convert = Arc<dyn Fn(&[u8], &mut Vec<u8>) -> Result<(), Corrupt> + Send + Sync>;

/// From one version to the next.
#[derive(Clone)]
struct Step {
    from: u32,
    /// Of an encoded value before it.
    width: Option<usize>,
    old: (TypeId, &'static str),
    new: (TypeId, &'static str),
    convert: Convert,
}

/// The version of a state's values, and how earlier ones become it.
#[derive(Clone, Default)]
pub(crate) struct Migrations {
    version: u32,
    steps: Vec<Step>,
}

impl Migrations {
    pub(crate) fn set_version(&mut self, version: u32) {
        self.version = self.version.max(version);
    }

    pub(crate) fn add<Old: Stored, New: Stored>(
        &mut self,
        from: u32,
        migrate: impl Fn(Old) -> New + Send + Sync + 'static,
    ) {
        let convert = move |bytes: &[u8], out: &mut Vec<u8>| {
            migrate(decode_all::<Old>(bytes)?).encode(out);
            Ok(())
        };
        self.set_version(from.saturating_add(1));
        let step = Step {
            from,
            width: Old::WIDTH,
            old: (TypeId::of::<Old>(), type_name::<Old>()),
            new: (TypeId::of::<New>(), type_name::<New>()),
            convert: Arc::new(convert),
        };
        let at = self.steps.partition_point(|step| step.from < from);
        self.steps.insert(at, step);
    }

    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// Panics unless the steps lead, without a gap, to `V`: a program that says otherwise is wrong whatever is restored.
    pub(crate) fn check<V: Stored>(&self, state: &str) {
        let end = (self.version, (TypeId::of::<V>(), type_name::<V>()));
        let next = self.steps.iter().skip(1).map(|step| (step.from, step.old)).chain([end]);
        for (step, (from, old)) in self.steps.iter().zip(next) {
            assert!(
                step.from + 1 == from,
                "the state {state:?} has a migration from version {} and none from version {}; give one for each version up to {}",
                step.from,
                step.from + 1,
                self.version
            );
            assert!(
                step.new.0 == old.0,
                "the migration of the state {state:?} from version {} gives {}, where version {from} is {}",
                step.from,
                step.new.1,
                old.1
            );
        }
    }

    /// How values of an earlier version are migrated.
    pub(crate) fn from(&self, saved: u32, timed: bool) -> Result<Option<Arc<Upgrade>>, NotMigrated> {
        if saved == self.version {
            return Ok(None);
        }
        let steps: Vec<Step> = self.steps.iter().filter(|step| step.from >= saved).cloned().collect();
        match steps.first() {
            Some(first) if first.from == saved => {
                let width = if timed { first.width.map(|width| width + TIME_BYTES) } else { first.width };
                Ok(Some(Arc::new(Upgrade {
                    width,
                    timed,
                    converts: steps.into_iter().map(|step| step.convert).collect(),
                })))
            }
            _ => Err(NotMigrated::of(saved, self.version)),
        }
    }
}

/// Two of the same versions and types: what the steps do is not looked at.
impl PartialEq for Migrations {
    fn eq(&self, other: &Self) -> bool {
        let types = |of: &Self| of.steps.iter().map(|step| (step.from, step.old, step.new)).collect::<Vec<_>>();
        self.version == other.version && types(self) == types(other)
    }
}

impl Eq for Migrations {}

impl fmt::Debug for Migrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {}", self.version)?;
        self.steps.iter().try_for_each(|step| write!(f, ", {}: {} to {}", step.from, step.old.1, step.new.1))
    }
}

/// Why values are not migrated: what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotMigrated(pub(crate) String);

impl NotMigrated {
    /// For a table whose values have this version only.
    #[must_use]
    pub fn of(saved: u32, declared: u32) -> Self {
        Self(if saved < declared {
            format!(
                "no migration leads from version {saved}\n  hint: give the state one, as StateDescriptor::migrate_from({saved}, |old: Old| new), \
                 and one for each version after it"
            )
        } else {
            format!(
                "there is no way back to an earlier version\n  hint: run the program that wrote it, or declare the state with version {saved} \
                 and its type (StateDescriptor::version)"
            )
        })
    }
}

impl fmt::Display for NotMigrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotMigrated {}

/// Bytes of the time that stands behind a value with a time to live.
const TIME_BYTES: usize = 8;

/// The way from one saved version to the present one.
pub(crate) struct Upgrade {
    /// Of a saved value, if all take the same.
    pub(crate) width: Option<usize>,
    timed: bool,
    converts: Vec<Convert>,
}

impl Upgrade {
    /// The present value of a saved one.
    pub(crate) fn value<V: Stored>(&self, bytes: &[u8]) -> Result<V, Corrupt> {
        let life = if self.timed { TIME_BYTES } else { 0 };
        let Some((value, life)) = bytes.len().checked_sub(life).map(|at| bytes.split_at(at)) else {
            return Err(Corrupt::new(format!("{} bytes are left where a value with its time takes more", bytes.len())));
        };
        let (mut now, mut next) = (value.to_vec(), Vec::new());
        for convert in &self.converts {
            next.clear();
            convert(&now, &mut next)?;
            std::mem::swap(&mut now, &mut next);
        }
        now.extend_from_slice(life);
        decode_all(&now)
    }
}
