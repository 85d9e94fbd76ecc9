//! What goes wrong in a run, as a list of values: it can be drawn, printed, read back, and made smaller.
//!
//! One fault is one line of text. A run is determined by its seed, its workload and this list.
//!
//! Invariants:
//! 1. Reading what [`Fault`] prints gives the same fault.

use std::fmt;
use std::str::FromStr;

/// The calls that the simulated disk counts and can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallKind {
    /// `Storage::create`
    Create,
    /// `Storage::open`
    Open,
    /// `Storage::rename`
    Rename,
    /// `Storage::remove`
    Remove,
    /// `Storage::list`
    List,
    /// `Storage::create_dir_all`
    CreateDir,
    /// `Storage::sync_dir`
    SyncDir,
    /// `Storage::lock`
    Lock,
    /// `File::write_at`
    Write,
    /// `File::read_at`
    Read,
    /// `File::sync_data`
    Sync,
    /// `File::len`
    Len,
    /// `File::allocate`
    Allocate,
    /// `File::set_len`
    SetLen,
    /// `File::map`
    Map,
}

/// What a failing call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// EIO. On a sync, the unsynced changes are also lost or kept at random and marked clean, as Linux does.
    Eio,
    /// ENOSPC. On a sync, as for `Eio`.
    Enospc,
    /// EINTR: nothing was done. Writes and reads carry on from it, as [`yeoul_sys::File`] promises.
    Eintr,
    /// EMFILE, for calls that open a file; others fail with EIO.
    Emfile,
    /// A write leaves a part and then meets a full disk; a read gives a part; other calls fail with EIO.
    Short,
    /// A write succeeds, but cannot be written back: the file's next sync fails as for `Eio`. Other calls fail with EIO.
    LateSync,
    /// A read or a map shows one bit flipped: this one of all its bits, counted round. Other calls are not harmed.
    FlipBit(u64),
    /// The process dies before the call is done.
    KillBefore,
    /// The process dies when the call is done.
    KillAfter,
    /// The power fails before the call is done.
    PowerBefore,
    /// The power fails when the call is done.
    PowerAfter,
}

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A call to the disk fails.
    Call {
        /// Only calls of this kind count; `None` is any.
        kind: Option<CallKind>,
        /// Only calls on paths that hold this text count; `None` is any.
        path: Option<String>,
        /// The first call that fails, counted from 1 among those that count, across restarts.
        nth: u64,
        /// Whether all later ones fail too.
        onwards: bool,
        /// How it fails.
        effect: Effect,
    },
    /// The process dies before this step of the scheduler; the page cache stays.
    Kill {
        /// Counted from 0, across restarts.
        step: u64,
    },
    /// The power fails before this step of the scheduler.
    Power {
        /// Counted from 0, across restarts.
        step: u64,
    },
    /// The wall clock is set before this step of the scheduler.
    Wall {
        /// Counted from 0, across restarts.
        step: u64,
        /// By how much, forwards or back.
        by_millis: i64,
    },
    /// A user asks for a savepoint before this step of the scheduler. Nothing goes wrong, but much is written.
    Savepoint {
        /// Counted from 0, across restarts.
        step: u64,
    },
    /// A user stops the job before this step of the scheduler, and starts it again.
    Stop {
        /// Counted from 0, across restarts.
        step: u64,
    },
    /// A bit of a file is flipped at rest, before this step of the scheduler.
    Rot {
        /// Counted from 0, across restarts.
        step: u64,
        /// Chooses the file and the bit, counted round.
        at: u64,
    },
}

impl Fault {
    /// True if the fault ends the process by itself.
    #[must_use]
    pub fn is_crash(&self) -> bool {
        match self {
            Self::Call { effect, .. } => effect.is_crash(),
            Self::Kill { .. } | Self::Power { .. } => true,
            Self::Wall { .. } | Self::Rot { .. } | Self::Savepoint { .. } | Self::Stop { .. } => false,
        }
    }
}

impl Effect {
    /// True if the process or the machine goes down.
    #[must_use]
    pub fn is_crash(self) -> bool {
        matches!(self, Self::KillBefore | Self::KillAfter | Self::PowerBefore | Self::PowerAfter)
    }

    /// All effects that a call can answer with an error.
    pub const ERRORS: [Self; 6] = [Self::Eio, Self::Enospc, Self::Eintr, Self::Emfile, Self::Short, Self::LateSync];
}

impl CallKind {
    /// All kinds.
    pub const ALL: [Self; 15] = {
        use CallKind::*;
        [Create, Open, Rename, Remove, List, CreateDir, SyncDir, Lock, Write, Read, Sync, Len, Allocate, SetLen, Map]
    };

    /// The word for it in traces and fault lists.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Open => "open",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::List => "list",
            Self::CreateDir => "create_dir",
            Self::SyncDir => "sync_dir",
            Self::Lock => "lock",
            Self::Write => "write",
            Self::Read => "read",
            Self::Sync => "sync",
            Self::Len => "len",
            Self::Allocate => "allocate",
            Self::SetLen => "set_len",
            Self::Map => "map",
        }
    }
}

const PLAIN_EFFECTS: [(Effect, &str); 10] = [
    (Effect::Eio, "EIO"),
    (Effect::Enospc, "ENOSPC"),
    (Effect::Eintr, "EINTR"),
    (Effect::Emfile, "EMFILE"),
    (Effect::Short, "short"),
    (Effect::LateSync, "late-sync"),
    (Effect::KillBefore, "kill-before"),
    (Effect::KillAfter, "kill-after"),
    (Effect::PowerBefore, "power-before"),
    (Effect::PowerAfter, "power-after"),
];

impl fmt::Display for CallKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FlipBit(bit) => write!(f, "flip:{bit}"),
            other => {
                f.write_str(PLAIN_EFFECTS.iter().find(|(effect, _)| effect == other).map_or("?", |(_, word)| word))
            }
        }
    }
}

impl fmt::Display for Fault {
    /// `call sync 3 late-sync`, `call any 17 onwards ENOSPC in state/`, `power 120`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { kind, path, nth, onwards, effect } => {
                let onwards = if *onwards { " onwards" } else { "" };
                write!(f, "call {} {nth}{onwards} {effect}", kind.map_or("any", CallKind::word))?;
                path.as_ref().map_or(Ok(()), |path| write!(f, " in {path}"))
            }
            Self::Kill { step } => write!(f, "kill {step}"),
            Self::Power { step } => write!(f, "power {step}"),
            Self::Wall { step, by_millis } => write!(f, "wall {step} {by_millis}"),
            Self::Rot { step, at } => write!(f, "rot {step} {at}"),
            Self::Savepoint { step } => write!(f, "savepoint {step}"),
            Self::Stop { step } => write!(f, "stop {step}"),
        }
    }
}

/// A line that is not a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAFault {
    line: String,
}

impl fmt::Display for NotAFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line } = self;
        write!(
            f,
            "{line:?} is not a fault; write for example \"call sync 3 EIO\", \"call any 9 onwards ENOSPC in state\", \"power 120\" or \"kill 120\""
        )
    }
}

impl std::error::Error for NotAFault {}

impl FromStr for Fault {
    type Err = NotAFault;

    fn from_str(line: &str) -> Result<Self, NotAFault> {
        parse(line.trim()).ok_or_else(|| NotAFault { line: line.to_owned() })
    }
}

fn parse(line: &str) -> Option<Fault> {
    let (rule, path) = match line.split_once(" in ") {
        Some((rule, path)) if line.starts_with("call ") => (rule, Some(path.to_owned())),
        _ => (line, None),
    };
    let mut words = rule.split(' ');
    let fault = match words.next()? {
        "call" => {
            let kind = match words.next()? {
                "any" => None,
                word => Some(*CallKind::ALL.iter().find(|kind| kind.word() == word)?),
            };
            let nth = words.next()?.parse().ok()?;
            let mut word = words.next()?;
            let onwards = word == "onwards";
            if onwards {
                word = words.next()?;
            }
            let effect = match word.strip_prefix("flip:") {
                Some(bit) => Effect::FlipBit(bit.parse().ok()?),
                None => PLAIN_EFFECTS.iter().find(|(_, known)| *known == word)?.0,
            };
            Fault::Call { kind, path, nth, onwards, effect }
        }
        "kill" => Fault::Kill { step: words.next()?.parse().ok()? },
        "power" => Fault::Power { step: words.next()?.parse().ok()? },
        "wall" => Fault::Wall { step: words.next()?.parse().ok()?, by_millis: words.next()?.parse().ok()? },
        "savepoint" => Fault::Savepoint { step: words.next()?.parse().ok()? },
        "stop" => Fault::Stop { step: words.next()?.parse().ok()? },
        "rot" => Fault::Rot { step: words.next()?.parse().ok()?, at: words.next()?.parse().ok()? },
        _ => return None,
    };
    words.next().is_none().then_some(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_back() {
        let lines = [
            "call sync 3 EIO",
            "call any 17 onwards ENOSPC in state/a b",
            "call write 1 short",
            "call map 2 flip:77",
            "call sync_dir 1 power-after in out",
            "kill 12",
            "power 0",
            "wall 5 -3600000",
            "rot 5 991",
            "savepoint 7",
            "stop 9",
        ];
        for line in lines {
            assert_eq!(line.parse::<Fault>().unwrap().to_string(), line);
        }
        for effect in PLAIN_EFFECTS.map(|(effect, _)| effect) {
            for kind in CallKind::ALL {
                let fault = Fault::Call { kind: Some(kind), path: None, nth: 1, onwards: false, effect };
                assert_eq!(fault.to_string().parse(), Ok(fault));
            }
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for line in ["", "call", "call sync", "call sync x EIO", "call sync 1 EWHAT", "power", "power 1 2", "melt 3"] {
            let error = line.parse::<Fault>().unwrap_err();
            assert!(error.to_string().contains("for example"), "{error}");
        }
    }
}
