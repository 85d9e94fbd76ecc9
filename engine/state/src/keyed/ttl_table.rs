//! A table whose values may have a time to live.
//!
//! Without one it is the plain table, at its cost and its width in the log.

use yeoul_frame::{Epoch, KeyHash, TableId, Timestamp};
use yeoul_sys::Region;

use crate::key::Key;
use crate::log::{BlockView, Corrupt, LogAddress, LogBuffer};
use crate::migration::NotMigrated;
use crate::state_table::{Drained, StateTable, TableDescription};
use crate::stored::Value;
use crate::table::{Restored, Table};
use crate::ttl::{Timed, Ttl};

use super::StateDescriptor;

pub(super) enum TtlTable<K, V> {
    Plain(Table<K, V>),
    Timed(Table<K, Timed<V>>, Ttl),
}

/// Calls the same method of either table.
macro_rules! either {
    ($self:expr, $table:ident => $call:expr) => {
        match $self {
            TtlTable::Plain($table) => $call,
            TtlTable::Timed($table, _) => $call,
        }
    };
}

impl<K: Key, V: Value> TtlTable<K, V> {
    pub(super) fn new(id: TableId, state: &StateDescriptor) -> Self {
        let (name, migrations) = (&state.name, &state.migrations);
        match state.ttl {
            None => Self::Plain(Table::new(id, name).migrated_by(migrations)),
            Some(ttl) => Self::Timed(Table::new(id, name).migrated_by(migrations), ttl),
        }
    }

    /// Calls `visit` for each key, be its value expired.
    pub(super) fn for_each_key(&self, visit: impl FnMut(&K)) {
        either!(self, table => table.keys().for_each(visit));
    }

    /// The value of a key. Reading renews its life where that was asked for, which is a write.
    #[inline]
    pub(super) fn get(&mut self, key: &K, hash: KeyHash, now: Timestamp) -> Option<&V> {
        match self {
            Self::Plain(table) => table.get(key, hash),
            Self::Timed(table, ttl) => {
                let expired = ttl.is_expired(table.get(key, hash)?.since, now);
                if expired && ttl.hides_expired() {
                    return None;
                }
                if !expired && ttl.renews_on_read() {
                    table.get_mut(key, hash)?.since = now;
                }
                table.get(key, hash).map(|timed| &timed.value)
            }
        }
    }

    /// The value of a key, to change; it starts as `default()` if there is none.
    #[inline]
    pub(super) fn upsert(&mut self, key: &K, hash: KeyHash, now: Timestamp, default: impl FnOnce() -> V) -> &mut V {
        match self {
            Self::Plain(table) => table.upsert(key, hash, default),
            Self::Timed(table, ttl) => {
                let mut default = Some(default);
                let mut fresh = || default.take().map(|default| default());
                let timed = table.upsert(key, hash, || Timed { value: fresh().expect("called once"), since: now });
                if ttl.is_expired(timed.since, now)
                    && ttl.hides_expired()
                    && let Some(value) = fresh()
                {
                    timed.value = value;
                }
                timed.since = now;
                &mut timed.value
            }
        }
    }

    /// Sets the value of a key. Returns whether the table had none, not even an expired one.
    #[inline]
    pub(super) fn set(&mut self, key: &K, hash: KeyHash, now: Timestamp, value: V) -> bool {
        match self {
            Self::Plain(table) => table.set(key, hash, value).is_none(),
            Self::Timed(table, _) => table.set(key, hash, Timed { value, since: now }).is_none(),
        }
    }

    /// Removes a key. Returns whether the table had it.
    #[inline]
    pub(super) fn remove(&mut self, key: &K, hash: KeyHash) -> bool {
        either!(self, table => table.remove(key, hash).is_some())
    }

    /// Gives what one key has to another, with the life that is left of it. Returns whether there was anything.
    pub(super) fn rename(&mut self, (from, from_hash): (&K, KeyHash), (to, to_hash): (&K, KeyHash)) -> bool {
        either!(self, table => match table.remove(from, from_hash) {
            Some(value) => {
                table.set(to, to_hash, value);
                true
            }
            None => false,
        })
    }

    /// Whether the table has a key, be it expired.
    #[inline]
    pub(super) fn has(&self, key: &K, hash: KeyHash) -> bool {
        either!(self, table => table.contains(key, hash))
    }

    /// Removes what has expired in a few buckets, and tells which keys.
    pub(super) fn sweep(&mut self, buckets: usize, now: Timestamp, mut removed: impl FnMut(&K)) {
        if let Self::Timed(table, ttl) = self {
            table.sweep(buckets, |key, timed| {
                let expired = ttl.is_expired(timed.since, now);
                if expired {
                    removed(key);
                }
                expired
            });
        }
    }

    #[inline]
    pub(super) fn prefetch(&self, hash: KeyHash) {
        either!(self, table => table.prefetch(hash));
    }

    pub(super) fn restore_each(
        &mut self,
        block: &BlockView<'_>,
        owned: &dyn Fn(KeyHash) -> bool,
        retired: &mut dyn FnMut(LogAddress, usize),
        restored: impl FnMut(Restored<'_, K>),
    ) -> Result<(), Corrupt> {
        either!(self, table => table.restore_each(block, owned, retired, restored))
    }
}

impl<K: Key, V: Value> StateTable for TtlTable<K, V> {
    fn id(&self) -> TableId {
        either!(self, table => table.id())
    }

    fn describe(&self) -> TableDescription {
        either!(self, table => table.describe())
    }

    fn freeze(&mut self) {
        either!(self, table => table.freeze());
    }

    fn drain(&mut self, max_records: usize, log: &mut LogBuffer) -> Drained {
        either!(self, table => table.drain(max_records, log))
    }

    fn restore(
        &mut self,
        block: &BlockView<'_>,
        owned: &dyn Fn(KeyHash) -> bool,
        retired: &mut dyn FnMut(LogAddress, usize),
    ) -> Result<(), Corrupt> {
        either!(self, table => table.restore(block, owned, retired))
    }

    fn migrate(&mut self, saved: u32, since: Epoch) -> Result<(), NotMigrated> {
        match self {
            Self::Plain(table) => table.upgrade_from(saved, since, false),
            Self::Timed(table, _) => table.upgrade_from(saved, since, true),
        }
    }

    fn restored(&mut self) {
        either!(self, table => table.restored());
    }

    fn as_any(&mut self) -> Option<&mut dyn std::any::Any> {
        Some(self)
    }

    fn relocate(&mut self, block: &BlockView<'_>) -> Result<usize, Corrupt> {
        either!(self, table => table.relocate(block))
    }

    fn evict(&mut self, block: &BlockView<'_>, segment: &Region, target_bytes: usize) -> Result<usize, Corrupt> {
        either!(self, table => table.evict(block, segment, target_bytes))
    }

    fn cool(&mut self) -> usize {
        either!(self, table => table.cool())
    }

    fn read_bytes(&self) -> usize {
        either!(self, table => table.read_bytes())
    }

    fn memory_bytes(&self) -> usize {
        either!(self, table => table.memory_bytes())
    }

    fn len(&self) -> usize {
        either!(self, table => table.len())
    }

    fn dirty(&self) -> usize {
        either!(self, table => table.dirty())
    }
}
