//! Time to live: how long a value may be used after it was written or read, in processing time.
//!
//! The time stands beside the value in its slot and in the log. What has expired is removed a few buckets at a time
//! ([`Table::sweep`](crate::Table::sweep)); until then it is hidden or not, as the user chose.

use yeoul_frame::Timestamp;
use yeoul_sys::Region;

use crate::log::Corrupt;
use crate::stored::Stored;

/// What renews a value's life (Flink's `UpdateType`).
///
/// ```
/// use yeoul_frame::{OperatorId, Timestamp};
/// use yeoul_state::{Key, StateDescriptor, States, Ttl, TtlUpdate};
///
/// let mut states = States::<u64>::new(OperatorId::of("doc"));
/// let seen = states.value::<u64>(StateDescriptor::new("seen").ttl(Ttl::millis(1_000).update(TtlUpdate::OnReadAndWrite)));
/// states.set_key(&7, 7u64.hash(), Timestamp(0));
/// states.of(&seen).update(1);
/// states.set_key(&7, 7u64.hash(), Timestamp(900));
/// assert_eq!(states.of(&seen).get(), Some(&1));
/// // Read at 900 ms, it lives until 1,900.
/// states.set_key(&7, 7u64.hash(), Timestamp(1_800));
/// assert_eq!(states.of(&seen).get(), Some(&1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TtlUpdate {
    /// Being created or written.
    #[default]
    OnCreateAndWrite,
    /// That, and being read.
    OnReadAndWrite,
}

/// Whether what has expired can still be seen (Flink's `StateVisibility`).
///
/// ```
/// use yeoul_frame::{OperatorId, Timestamp};
/// use yeoul_state::{Key, StateDescriptor, States, Ttl, TtlVisibility};
///
/// let mut states = States::<u64>::new(OperatorId::of("doc"));
/// let seen = states.value::<u64>(StateDescriptor::new("seen").ttl(Ttl::millis(1_000).visibility(TtlVisibility::ReturnExpiredIfNotCleanedUp)));
/// states.set_key(&7, 7u64.hash(), Timestamp(0));
/// states.of(&seen).update(1);
/// // It has expired, and no one has removed it yet.
/// states.set_key(&7, 7u64.hash(), Timestamp(1_000));
/// assert_eq!(states.of(&seen).get(), Some(&1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TtlVisibility {
    /// Never.
    #[default]
    NeverReturnExpired,
    /// Until it is removed.
    ReturnExpiredIfNotCleanedUp,
}

/// How long values of a state live.
///
/// ```
/// use yeoul_state::{Ttl, TtlUpdate};
/// let an_hour = Ttl::millis(3_600_000).update(TtlUpdate::OnReadAndWrite);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl {
    pub(crate) millis: i64,
    pub(crate) update: TtlUpdate,
    pub(crate) visibility: TtlVisibility,
}

impl Ttl {
    /// Values expire when they were not written for `millis` of processing time.
    ///
    /// ```
    /// use yeoul_frame::{OperatorId, Timestamp};
    /// use yeoul_state::{Key, StateDescriptor, States, Ttl};
    ///
    /// let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let seen = states.value::<u64>(StateDescriptor::new("seen").ttl(Ttl::millis(1_000)));
    /// states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&seen).update(1);
    /// states.set_key(&7, 7u64.hash(), Timestamp(999));
    /// assert_eq!(states.of(&seen).get(), Some(&1));
    /// states.set_key(&7, 7u64.hash(), Timestamp(1_000));
    /// assert_eq!(states.of(&seen).get(), None);
    /// ```
    ///
    /// # Panics
    /// If `millis` is not positive.
    #[must_use]
    pub fn millis(millis: i64) -> Self {
        assert!(millis > 0, "a time to live of {millis} ms: give at least 1 ms");
        Self { millis, update: TtlUpdate::default(), visibility: TtlVisibility::default() }
    }

    /// What renews a value's life.
    ///
    /// ```
    /// use yeoul_frame::{OperatorId, Timestamp};
    /// use yeoul_state::{Key, StateDescriptor, States, Ttl, TtlUpdate};
    ///
    /// let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let seen = states.value::<u64>(StateDescriptor::new("seen").ttl(Ttl::millis(1_000).update(TtlUpdate::OnReadAndWrite)));
    /// states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&seen).update(1);
    /// states.set_key(&7, 7u64.hash(), Timestamp(900));
    /// assert_eq!(states.of(&seen).get(), Some(&1));
    /// states.set_key(&7, 7u64.hash(), Timestamp(1_800));
    /// assert_eq!(states.of(&seen).get(), Some(&1));
    /// ```
    #[must_use]
    pub fn update(mut self, update: TtlUpdate) -> Self {
        self.update = update;
        self
    }

    /// Whether what has expired can still be seen.
    ///
    /// ```
    /// use yeoul_frame::{OperatorId, Timestamp};
    /// use yeoul_state::{Key, StateDescriptor, States, Ttl, TtlVisibility};
    ///
    /// let mut states = States::<u64>::new(OperatorId::of("doc"));
    /// let seen = states.value::<u64>(StateDescriptor::new("seen").ttl(Ttl::millis(1_000).visibility(TtlVisibility::ReturnExpiredIfNotCleanedUp)));
    /// states.set_key(&7, 7u64.hash(), Timestamp(0));
    /// states.of(&seen).update(1);
    /// states.set_key(&7, 7u64.hash(), Timestamp(1_000));
    /// assert_eq!(states.of(&seen).get(), Some(&1));
    /// ```
    #[must_use]
    pub fn visibility(mut self, visibility: TtlVisibility) -> Self {
        self.visibility = visibility;
        self
    }

    pub(crate) fn is_expired(&self, since: Timestamp, now: Timestamp) -> bool {
        since.plus(self.millis) <= now
    }

    pub(crate) fn hides_expired(&self) -> bool {
        self.visibility == TtlVisibility::NeverReturnExpired
    }

    pub(crate) fn renews_on_read(&self) -> bool {
        self.update == TtlUpdate::OnReadAndWrite
    }
}

/// A value and when its life was last renewed. Encoded with the time behind the value, so that the value keeps its alignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timed<V> {
    pub(crate) value: V,
    pub(crate) since: Timestamp,
}

impl<V: Stored> Stored for Timed<V> {
    const WIDTH: Option<usize> = <(V, Timestamp)>::WIDTH;

    fn vacant() -> Self {
        Self { value: V::vacant(), since: Timestamp(0) }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.value.encode(out);
        self.since.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, Corrupt> {
        let all = std::mem::take(bytes);
        let Some((mut value, mut since)) = all.len().checked_sub(8).map(|at| all.split_at(at)) else {
            return Err(Corrupt::new(format!("{} bytes are left where a value with its time takes more", all.len())));
        };
        let timed = Self { value: V::decode(&mut value)?, since: Timestamp::decode(&mut since)? };
        *bytes = value;
        Ok(timed)
    }

    fn heap_bytes(&self) -> usize {
        self.value.heap_bytes()
    }

    const SPILLS: bool = V::SPILLS;

    fn evict(&mut self, bytes: Region) -> usize {
        // A record of before a migration may be of any length.
        bytes.len().checked_sub(8).map_or(0, |value| self.value.evict(bytes.slice(0..value)))
    }
}
