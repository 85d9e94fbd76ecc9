//! Counts the calls to the simulated disk, decides which of them fail, and keeps the syncs that a planted bug delays.
//!
//! Invariants:
//! 1. Each fault counts the calls that concern it, whoever makes them, from when it was armed; so a fault strikes during recovery as well.
//! 2. One call meets one fault at most: the first in the list.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::disk::{Death, State};
use crate::fault::{CallKind, Effect, Fault};
use crate::names::Inode;
use crate::planted::LATE_BY;

#[derive(Debug, Clone, Default)]
pub(crate) struct Calls {
    count: u64,
    by_kind: BTreeMap<CallKind, u64>,
    armed: Vec<Armed>,
    /// Syncs that were acknowledged but not done: (the call before which they are done, the file).
    late: Vec<(u64, Inode)>,
    /// Files whose sync was acknowledged and is done after their rename.
    held: BTreeSet<Inode>,
}

#[derive(Debug, Clone)]
struct Armed {
    kind: Option<CallKind>,
    path: Option<String>,
    nth: u64,
    onwards: bool,
    effect: Effect,
    seen: u64,
}

impl Calls {
    pub(crate) fn arm(&mut self, faults: &[Fault]) {
        self.armed.extend(faults.iter().filter_map(|fault| match fault {
            Fault::Call { kind, path, nth, onwards, effect } => {
                Some(Armed { kind: *kind, path: path.clone(), nth: *nth, onwards: *onwards, effect: *effect, seen: 0 })
            }
            Fault::Kill { .. } | Fault::Power { .. } | Fault::Wall { .. } | Fault::Rot { .. } => None,
            Fault::Savepoint { .. } | Fault::Stop { .. } => None,
        }));
    }

    pub(crate) fn disarm(&mut self) {
        self.armed.clear();
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn by_kind(&self) -> &BTreeMap<CallKind, u64> {
        &self.by_kind
    }

    /// Counts a call; returns what befalls it.
    pub(crate) fn begin(&mut self, kind: CallKind, path: &str) -> Option<Effect> {
        self.count += 1;
        *self.by_kind.entry(kind).or_default() += 1;
        let mut struck = None;
        for fault in &mut self.armed {
            let concerns = fault.kind.is_none_or(|k| k == kind) && fault.path.as_ref().is_none_or(|p| path.contains(p));
            if !concerns {
                continue;
            }
            fault.seen += 1;
            let strikes = fault.seen == fault.nth || (fault.onwards && fault.seen > fault.nth);
            if strikes && struck.is_none() {
                struck = Some(fault.effect);
            }
        }
        struck
    }

    /// Acknowledges a sync that is done some calls later.
    pub(crate) fn sync_late(&mut self, inode: Inode) {
        self.late.push((self.count + LATE_BY, inode));
    }

    /// Acknowledges a sync that is done after the file's rename.
    pub(crate) fn sync_after_rename(&mut self, inode: Inode) {
        self.held.insert(inode);
    }

    /// A held sync becomes due with the next call.
    pub(crate) fn renamed(&mut self, inode: Inode) {
        if self.held.remove(&inode) {
            self.late.push((self.count + 1, inode));
        }
    }

    /// The files whose late sync is due.
    pub(crate) fn due(&mut self) -> Vec<Inode> {
        let now = self.count;
        self.late.extract_if(.., |(at, _)| *at <= now).map(|(_, inode)| inode).collect()
    }

    pub(crate) fn forget_late_syncs(&mut self) {
        self.late.clear();
        self.held.clear();
    }
}

impl State {
    /// One call by a process: refused if the process is dead, counted, failed if a fault strikes, traced. `body` does it; it gets the
    /// effect if it is one that changes how this kind of call is done.
    pub(crate) fn call<R>(
        &mut self,
        process: u64,
        kind: CallKind,
        path: &str,
        body: impl FnOnce(&mut Self, Option<Effect>) -> io::Result<(R, Shown)>,
    ) -> io::Result<R> {
        if !self.alive.contains(&process) {
            return Err(dead(process, kind, path));
        }
        let effect = self.calls.begin(kind, path);
        match effect {
            Some(Effect::KillBefore) => return self.fall(process, Death::Kill, kind, path),
            Some(Effect::PowerBefore) => return self.fall(process, Death::Power, kind, path),
            _ => {}
        }
        for inode in self.calls.due() {
            self.tree.sync_if_there(inode);
        }
        let result = match effect {
            Some(effect) if !effect.is_crash() => match answer(kind, effect) {
                Answer::Done(how) => body(self, how).map_err(|e| told(&e, kind, path)),
                Answer::Refused(errno) => Err(refused(errno, kind, path)),
            },
            _ => body(self, None).map_err(|e| told(&e, kind, path)),
        };
        match &result {
            Ok((_, shown)) => self.trace.note(format_args!("{process} {kind} {path}{shown}")),
            Err(e) => self.trace.note(format_args!("{process} {kind} {path} failed: {:?}", e.kind())),
        }
        match effect {
            Some(Effect::KillAfter) => self.fall(process, Death::Kill, kind, path),
            Some(Effect::PowerAfter) => self.fall(process, Death::Power, kind, path),
            _ => result.map(|(value, _)| value),
        }
    }

    /// The process dies inside a call. After a power failure no process lives.
    fn fall<R>(&mut self, process: u64, death: Death, kind: CallKind, path: &str) -> io::Result<R> {
        self.trace.note(format_args!("{process} {kind} {path}: {death:?}"));
        self.fell = Some(death);
        self.alive.remove(&process);
        if death == Death::Power {
            self.alive.clear();
        }
        Err(dead(process, kind, path))
    }
}

/// What a trace tells of a call that succeeded.
pub(crate) enum Shown {
    Nothing,
    Number(u64),
    /// Offset or length, and a digest of the bytes.
    Bytes {
        at: u64,
        len: u64,
        digest: u64,
    },
    Name(String),
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Number(number) => write!(f, " {number}"),
            Self::Bytes { at, len, digest } => write!(f, " @{at}+{len} {digest:016x}"),
            Self::Name(name) => write!(f, " {name}"),
        }
    }
}

enum Answer {
    Done(Option<Effect>),
    Refused(Errno),
}

/// An error number of Linux: 4 EINTR, 5 EIO, 24 EMFILE, 28 ENOSPC.
#[derive(Clone, Copy)]
struct Errno(i32, &'static str);

const EINTR: Errno = Errno(4, "interrupted");
const EIO: Errno = Errno(5, "input/output error");
const EMFILE: Errno = Errno(24, "too many open files");
const ENOSPC: Errno = Errno(28, "no space left on the device");

fn answer(kind: CallKind, effect: Effect) -> Answer {
    use CallKind::{Create, List, Lock, Map, Open, Read, Sync, SyncDir, Write};
    match (kind, effect) {
        (Read | Write, Effect::Eintr) => Answer::Done(None),
        (_, Effect::Eintr) => Answer::Refused(EINTR),
        (Read | Map, Effect::FlipBit(_)) | (Write, Effect::Short | Effect::LateSync) | (Read, Effect::Short) => {
            Answer::Done(Some(effect))
        }
        (_, Effect::FlipBit(_)) => Answer::Done(None),
        (Sync | SyncDir, _) => Answer::Done(Some(effect)),
        (_, Effect::Enospc) => Answer::Refused(ENOSPC),
        (Create | Open | List | Lock, Effect::Emfile) => Answer::Refused(EMFILE),
        _ => Answer::Refused(EIO),
    }
}

/// The error of a sync that a fault befell.
pub(crate) fn failed_sync(effect: Effect) -> io::Error {
    let Errno(number, _) = if effect == Effect::Enospc { ENOSPC } else { EIO };
    io::Error::from_raw_os_error(number)
}

/// The error of a write that stopped half-way.
pub(crate) fn disk_full() -> io::Error {
    io::Error::from_raw_os_error(ENOSPC.0)
}

fn refused(Errno(number, what): Errno, kind: CallKind, path: &str) -> io::Error {
    let error = io::Error::from_raw_os_error(number);
    io::Error::new(error.kind(), format!("cannot {kind} {path}: {what} (simulated)"))
}

fn told(error: &io::Error, kind: CallKind, path: &str) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {kind} {path}: {error} (simulated)"))
}

fn dead(process: u64, kind: CallKind, path: &str) -> io::Error {
    io::Error::other(format!("cannot {kind} {path}: the simulated process {process} has ended"))
}
