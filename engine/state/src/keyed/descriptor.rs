//! What a state is declared with.

use crate::migration::Migrations;
use crate::stored::Value;
use crate::ttl::Ttl;

/// A state's name, which finds it again after a restart, and its time to live if it has one.
///
/// ```
/// use yeoul_state::{StateDescriptor, Ttl};
/// let plain: StateDescriptor = "last seen".into();
/// let expiring = StateDescriptor::new("last seen").ttl(Ttl::millis(60_000));
/// assert_eq!(plain.name(), expiring.name());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDescriptor {
    pub(super) name: String,
    pub(super) ttl: Option<Ttl>,
    pub(super) migrations: Migrations,
}

impl StateDescriptor {
    /// A state of this name, whose values live until they are removed.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ttl: None, migrations: Migrations::default() }
    }

    /// The same, whose values expire. For lists and maps each element and entry does so by itself.
    #[must_use]
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The same, of this version of the type of its values (for lists of the elements, for maps of the entries' values, for aggregates of the
    /// accumulator). Versions count from 0, which need not be said. A checkpoint has the number; restored from an earlier one the values
    /// are [migrated](Self::migrate_from), and from a later one refused.
    ///
    /// ```
    /// use yeoul_state::StateDescriptor;
    /// // Once no checkpoint of version 0 is left, its migration can go, and the number stays.
    /// let visits = StateDescriptor::new("visits").version(1);
    /// ```
    #[must_use]
    pub fn version(mut self, version: u32) -> Self {
        self.migrations.set_version(version);
        self
    }

    /// The same, whose values of version `from` become those of the next version by `migrate`, when they are restored. A chain of them leads
    /// from any version over each to the present one. A key cannot be migrated (nor a map's entry's): it decides where a record is.
    ///
    /// `Old` is the type as it was, with the encoding that it had: for a record whose fields have changed keep the old `struct` under another
    /// name. Whatever was migrated is in memory until the next checkpoint, which writes it anew.
    ///
    /// ```
    /// use yeoul_frame::OperatorId;
    /// use yeoul_state::{Row, StateDescriptor, States};
    ///
    /// type VisitV0 = (String, u32);
    /// type Visit = (String, u64, bool);
    ///
    /// let visits = StateDescriptor::new("last visit").migrate_from(0, |old: Row<VisitV0>| {
    ///     let old = old.get();
    ///     Row::<Visit>::new(&(old.0.to_string(), u64::from(old.1.to_native()) * 1_000, false))
    /// });
    /// let mut states = States::<u64>::new(OperatorId::of("visits"));
    /// let visits = states.value::<Row<Visit>>(visits);
    /// # let _ = visits;
    /// ```
    ///
    /// # Panics
    /// When the state is declared: if the steps leave out a version, or one gives another type than the next one takes.
    #[must_use]
    pub fn migrate_from<Old: Value, New: Value>(
        mut self,
        from: u32,
        migrate: impl Fn(Old) -> New + Send + Sync + 'static,
    ) -> Self {
        self.migrations.add(from, migrate);
        self
    }

    /// The same, once it is known that its migrations lead to values of this type.
    pub(super) fn leading_to<V: Value>(self) -> Self {
        self.migrations.check::<V>(&self.name);
        self
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl From<&str> for StateDescriptor {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}
