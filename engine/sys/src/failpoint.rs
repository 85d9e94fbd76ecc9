//! Named points at which a test makes the process fail: where the crash test kills it, and where an error is planted.
//!
//! A point is [`failpoint!("manifest.before-append")`](macro@crate::failpoint), anywhere in any crate. With nothing armed it
//! costs one relaxed load and a branch. `YEOUL_FAILPOINT=label:hit[:kill|error|panic]` (several separated by commas) arms
//! points for the process's life: the `hit`-th arrival, counted from 1, does what is asked; `kill` is the default and is
//! SIGKILL, so that nothing is flushed and no destructor runs. [`labels`] lists every point that the binary holds.
//!
//! Labels are `part.moment`, in lower case with hyphens; a label may stand at more than one place.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The environment variable that arms points.
pub const VARIABLE: &str = "YEOUL_FAILPOINT";

/// A point at which a test can make the process fail; an `io::Result<()>` to be passed on with `?`.
///
/// ```
/// fn append(record: &[u8]) -> std::io::Result<()> {
///     yeoul_sys::failpoint!("doc.before-append")?;
///     // write it
///     # let _ = record;
///     Ok(())
/// }
///
/// append(b"x").unwrap();
/// yeoul_sys::failpoint::arm("doc.before-append:2:error").unwrap();
/// append(b"x").unwrap();
/// assert!(append(b"x").is_err());
/// # yeoul_sys::failpoint::disarm();
/// ```
#[macro_export]
macro_rules! failpoint {
    ($label:literal) => {{
        $crate::__failpoint_label!($label);
        if $crate::failpoint::is_live() { $crate::failpoint::reach($label) } else { ::std::io::Result::Ok(()) }
    }};
}

/// As [`failpoint!`], where no error can be passed on: `()`. Asked for an error, it panics.
#[macro_export]
macro_rules! crashpoint {
    ($label:literal) => {{
        $crate::__failpoint_label!($label);
        if $crate::failpoint::is_live() {
            $crate::failpoint::reach($label).expect("this point has no way to return an error");
        }
    }};
}

// The linker gathers the labels of all crates: each is a static in one section, whose bounds it gives names to. So the
// list is complete without a registration that could be forgotten, and before any point is reached.
#[doc(hidden)]
#[macro_export]
macro_rules! __failpoint_label {
    ($label:literal) => {
        #[cfg(not(miri))]
        const _: () = {
            #[used]
            #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,yeoul_points"))]
            #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = "yeoul_points"))]
            static LABEL: &str = $label;
        };
    };
}

/// What an armed point does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Ends the process by SIGKILL.
    Kill,
    /// Returns an error of kind `Other` that names the point.
    Error,
    /// Panics with a message that names the point.
    Panic,
}

/// One armed point: the `hit`-th arrival at `label` takes `action`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Which point.
    pub label: String,
    /// On which arrival, counted from 1.
    pub hit: u64,
    /// What it does.
    pub action: Action,
}

/// Why a trigger cannot be armed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadTrigger {
    /// Not of the form `label:hit[:action]`.
    Form {
        /// The text given.
        text: String,
    },
    /// No point has this label.
    Unknown {
        /// The label given.
        label: String,
    },
}

impl FromStr for Trigger {
    type Err = BadTrigger;

    fn from_str(text: &str) -> Result<Self, BadTrigger> {
        let bad = || BadTrigger::Form { text: text.to_owned() };
        let mut parts = text.trim().split(':');
        let label = parts.next().filter(|label| !label.is_empty()).ok_or_else(bad)?.to_owned();
        let hit = parts.next().and_then(|hit| hit.parse().ok()).filter(|&hit| hit >= 1).ok_or_else(bad)?;
        let action = match parts.next() {
            None | Some("kill") => Action::Kill,
            Some("error") => Action::Error,
            Some("panic") => Action::Panic,
            Some(_) => return Err(bad()),
        };
        if parts.next().is_some() { Err(bad()) } else { Ok(Self { label, hit, action }) }
    }
}

impl fmt::Display for BadTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form { text } => {
                write!(f, "{text:?} is no failpoint; write label:hit or label:hit:kill|error|panic, with hit from 1")
            }
            Self::Unknown { label } => {
                write!(f, "this program has no failpoint {label:?}; it has: {}", labels().join(", "))
            }
        }
    }
}

impl std::error::Error for BadTrigger {}

/// Arms points, beside those armed already: triggers separated by commas. Arrivals are counted from now on.
/// Affects the whole process.
pub fn arm(triggers: &str) -> Result<(), BadTrigger> {
    let plan = PLAN.lock().unwrap_or_else(PoisonError::into_inner);
    add(plan, triggers)
}

/// Disarms all points, those of the environment too.
pub fn disarm() {
    let mut plan = PLAN.lock().unwrap_or_else(PoisonError::into_inner);
    plan.clear();
    // Relaxed: a point that is reached at this moment may fall on either side.
    STATE.store(OFF, Ordering::Relaxed);
}

/// Arms what the environment asks for. A program calls this once at its start, to refuse a mistyped label at once; without
/// it, the first point that is reached does, and panics on a mistake.
pub fn arm_from_environment() -> Result<(), BadTrigger> {
    let mut plan = PLAN.lock().unwrap_or_else(PoisonError::into_inner);
    if STATE.load(Ordering::Relaxed) != UNREAD {
        return Ok(());
    }
    match std::env::var(VARIABLE) {
        Ok(triggers) if !triggers.is_empty() => {
            plan.clear();
            add(plan, &triggers)
        }
        _ => {
            STATE.store(OFF, Ordering::Relaxed);
            Ok(())
        }
    }
}

/// The labels of all points in this binary, sorted, each once. Empty under Miri.
#[must_use]
pub fn labels() -> Vec<&'static str> {
    let mut labels = section::labels().to_vec();
    labels.sort_unstable();
    labels.dedup();
    labels
}

/// Whether a point needs more than a look: something is armed, or the environment was not read yet. For code that does
/// work only to reach a point, such as a write in two halves.
#[inline(always)]
#[must_use]
pub fn is_live() -> bool {
    // Relaxed: what is armed is read under a lock; this only says whether to look.
    STATE.load(Ordering::Relaxed) != OFF
}

/// Counts an arrival and does what is armed. Called by the macros.
#[doc(hidden)]
#[cold]
pub fn reach(label: &'static str) -> io::Result<()> {
    if STATE.load(Ordering::Relaxed) == UNREAD
        && let Err(bad) = arm_from_environment()
    {
        panic!("{VARIABLE}: {bad}");
    }
    let mut action = None;
    for armed in PLAN.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
        if armed.trigger.label == label {
            armed.arrivals += 1;
            if armed.arrivals == armed.trigger.hit {
                action = Some(armed.trigger.action);
            }
        }
    }
    match action {
        None => Ok(()),
        Some(Action::Kill) => kill(),
        Some(Action::Error) => Err(io::Error::other(format!("failpoint {label}: this error was asked for"))),
        Some(Action::Panic) => panic!("failpoint {label}: this panic was asked for"),
    }
}

struct Armed {
    trigger: Trigger,
    arrivals: u64,
}

/// The environment was not looked at yet.
const UNREAD: u8 = 0;
/// Nothing is armed.
const OFF: u8 = 1;
/// Something is.
const ON: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(UNREAD);
static PLAN: Mutex<Vec<Armed>> = Mutex::new(Vec::new());

fn add(mut plan: MutexGuard<'_, Vec<Armed>>, triggers: &str) -> Result<(), BadTrigger> {
    let triggers: Vec<Trigger> = triggers.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let known = labels();
    if let Some(unknown) = triggers.iter().find(|t| !known.is_empty() && !known.contains(&t.label.as_str())) {
        return Err(BadTrigger::Unknown { label: unknown.label.clone() });
    }
    plan.extend(triggers.into_iter().map(|trigger| Armed { trigger, arrivals: 0 }));
    STATE.store(ON, Ordering::Relaxed);
    Ok(())
}

fn kill() -> ! {
    // SAFETY: both calls take numbers only.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    // The signal may take a moment to arrive; nothing more of this thread may happen.
    loop {
        std::thread::park();
    }
}

#[cfg(not(miri))]
mod section {
    unsafe extern "C" {
        #[cfg_attr(target_vendor = "apple", link_name = "\u{1}section$start$__DATA$yeoul_points")]
        #[cfg_attr(not(target_vendor = "apple"), link_name = "__start_yeoul_points")]
        static START: u8;
        #[cfg_attr(target_vendor = "apple", link_name = "\u{1}section$end$__DATA$yeoul_points")]
        #[cfg_attr(not(target_vendor = "apple"), link_name = "__stop_yeoul_points")]
        static STOP: u8;
    }

    pub(super) fn labels() -> &'static [&'static str] {
        let (start, stop) = (&raw const START, &raw const STOP);
        let count = (stop.addr() - start.addr()) / size_of::<&'static str>();
        // SAFETY: between the two symbols the linker put the statics of `__failpoint_label!` and nothing else: each is one
        // `&'static str`, of a size that is a multiple of its alignment, so there are no gaps. The disk's labels are always
        // among them, so the section exists.
        unsafe { std::slice::from_raw_parts(start.cast::<&'static str>(), count) }
    }
}

#[cfg(miri)]
mod section {
    pub(super) fn labels() -> &'static [&'static str] {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triggers_are_read_or_refused() {
        let check = |text: &str, expected: Option<(&str, u64, Action)>| {
            let read = text.parse::<Trigger>();
            let expected = expected.map(|(label, hit, action)| Trigger { label: label.to_owned(), hit, action });
            assert_eq!(read.ok(), expected, "{text}");
        };
        check("a.b:1", Some(("a.b", 1, Action::Kill)));
        check(" a.b:12:error", Some(("a.b", 12, Action::Error)));
        check("a.b:3:panic", Some(("a.b", 3, Action::Panic)));
        check("a.b:3:kill", Some(("a.b", 3, Action::Kill)));
        for bad in ["", "a.b", "a.b:0", "a.b:x", ":1", "a.b:1:explode", "a.b:1:kill:more"] {
            check(bad, None);
        }
    }
}
