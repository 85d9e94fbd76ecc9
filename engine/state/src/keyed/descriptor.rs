//! What a state is declared with.

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
}

impl StateDescriptor {
    /// A state of this name, whose values live until they are removed.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ttl: None }
    }

    /// The same, whose values expire. For lists and maps each element and entry does so by itself.
    #[must_use]
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
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
