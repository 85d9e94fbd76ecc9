//! Identities as newtypes, so that no two integers of one meaning-less type meet in a signature.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($repr:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $repr);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// A checkpoint's number. Epoch 0 is the empty state before any checkpoint; the first checkpoint is epoch 1.
    Epoch(u64), "epoch ");
id!(
    /// The place of a shard in its job, from 0.
    ShardId(u16), "shard ");
id!(
    /// One of the fixed number of groups into which a job's key space is divided (Flink's key group).
    KeyGroup(u16), "key group ");
id!(
    /// Names an operator across restarts: a stable hash of its uid.
    OperatorId(u64), "operator ");
id!(
    /// Names a state table across restarts: a stable hash of its operator's uid and its own name.
    TableId(u64), "table ");

impl Epoch {
    /// The checkpoint after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl OperatorId {
    /// The id of the operator with this uid: the stable hash of its bytes.
    #[must_use]
    pub fn of(uid: &str) -> Self {
        Self(crate::hash_bytes(uid.as_bytes()).0)
    }

    /// The id of this operator's table `name`.
    #[must_use]
    pub fn table(self, name: &str) -> TableId {
        TableId(crate::hash_u64(self.0 ^ crate::hash_bytes(name.as_bytes()).0.rotate_left(17)).0)
    }
}
