//! Bugs put in on purpose: a campaign that does not find each of them within 100 seeds tests nothing.
//!
//! Those that a disk can act out are done by the simulated disk: the engine is sound, but its calls do not reach the disk as it made
//! them, which shows the same as if it had not made them. The others need a hook in the engine, under the name given here.

use std::fmt;
use std::str::FromStr;

use yeoul_sys::planted::Bug;

/// A bug that can be switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Planted {
    /// `sync_data` does nothing and says that it did.
    SkipFsync,
    /// `sync_dir` does nothing and says that it did.
    SkipFolderSync,
    /// A file with a temporary name is synced after its rename, not before.
    RenameBeforeSync,
    /// `sync_data` says that it is done some calls before it is.
    AcknowledgeEarly,
    /// An operator reads on from an input that has delivered its barrier.
    BarrierOvertaken,
    /// Blocks are used whatever their checksum.
    ChecksumIgnored,
    /// After a restart the first epoch has the number of the last one before.
    EpochReused,
    /// An old process goes on writing beside the new one.
    OldProducerKept,
    /// Timers come back empty.
    TimerNotRestored,
    /// A write after a barrier does not put its record on the dirty list.
    DirtyBitLost,
    /// Compaction frees a segment that still holds a record's newest state.
    CompactionDropsLive,
    /// The marker names an epoch before its output is visible.
    MarkerAfterCommit,
    /// A shard that has put something into another's ring does not wake it.
    BellNotRung,
}

/// Where a planted bug is acted out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// By the simulated disk: works with any engine.
    Disk,
    /// By a hook in the engine, in builds with the feature `planted`.
    Engine(Bug),
    /// By the simulator's supervisor.
    Supervisor,
}

/// A sync that comes late comes after this many further calls to the disk.
pub const LATE_BY: u64 = 40;

/// What the last part of a path holds if the file is to be renamed once complete.
pub const TEMPORARY: [&str; 5] = ["tmp", "part", "new", "progress", "pending"];

impl Planted {
    /// All bugs.
    pub const ALL: [Self; 13] = {
        use Planted::*;
        [
            SkipFsync,
            SkipFolderSync,
            RenameBeforeSync,
            AcknowledgeEarly,
            BarrierOvertaken,
            ChecksumIgnored,
            EpochReused,
            OldProducerKept,
            TimerNotRestored,
            DirtyBitLost,
            CompactionDropsLive,
            MarkerAfterCommit,
            BellNotRung,
        ]
    };

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SkipFsync => "skip-fsync",
            Self::SkipFolderSync => "skip-folder-sync",
            Self::RenameBeforeSync => "rename-before-sync",
            Self::AcknowledgeEarly => "acknowledge-early",
            Self::BarrierOvertaken => "barrier-overtaken",
            Self::ChecksumIgnored => "checksum-ignored",
            Self::EpochReused => "epoch-reused",
            Self::OldProducerKept => "old-producer-kept",
            Self::TimerNotRestored => "timer-not-restored",
            Self::DirtyBitLost => "dirty-bit-lost",
            Self::CompactionDropsLive => "compaction-drops-live",
            Self::MarkerAfterCommit => "marker-after-commit",
            Self::BellNotRung => "bell-not-rung",
        }
    }

    /// Who acts it out.
    #[must_use]
    pub fn place(self) -> Place {
        match self {
            Self::SkipFsync | Self::SkipFolderSync | Self::RenameBeforeSync | Self::AcknowledgeEarly => Place::Disk,
            Self::OldProducerKept => Place::Supervisor,
            Self::BarrierOvertaken => Place::Engine(Bug::BarrierOvertaken),
            Self::ChecksumIgnored => Place::Engine(Bug::ChecksumIgnored),
            Self::EpochReused => Place::Engine(Bug::EpochReused),
            Self::TimerNotRestored => Place::Engine(Bug::TimerNotRestored),
            Self::DirtyBitLost => Place::Engine(Bug::DirtyBitLost),
            Self::CompactionDropsLive => Place::Engine(Bug::CompactionDropsLive),
            Self::MarkerAfterCommit => Place::Engine(Bug::MarkerAfterCommit),
            Self::BellNotRung => Place::Engine(Bug::BellNotRung),
        }
    }
}

impl fmt::Display for Planted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Planted {
    type Err = UnknownBug;

    fn from_str(name: &str) -> Result<Self, UnknownBug> {
        Self::ALL.into_iter().find(|bug| bug.name() == name).ok_or_else(|| UnknownBug { name: name.to_owned() })
    }
}

/// A name that no planted bug has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownBug {
    name: String,
}

impl fmt::Display for UnknownBug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<&str> = Planted::ALL.iter().map(|bug| bug.name()).collect();
        write!(f, "there is no planted bug {:?}; the known ones are {}", self.name, known.join(", "))
    }
}

impl std::error::Error for UnknownBug {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_unknown_ones_are_refused_with_the_list() {
        for bug in Planted::ALL {
            assert_eq!(bug.name().parse(), Ok(bug));
        }
        let refusal = "skip".parse::<Planted>().unwrap_err().to_string();
        assert!(refusal.contains("skip-fsync"), "{refusal}");
    }
}
