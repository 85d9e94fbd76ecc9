//! Starts threads, pinned to a core where one is asked for.

use std::io;
use std::sync::OnceLock;
use std::thread::{Builder, JoinHandle};

/// The cores that this process may use: those of its affinity mask, but no more than its share of processor time (a
/// container's quota). At least 1.
#[must_use]
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| {
        let share = std::thread::available_parallelism().map_or(1, usize::from);
        share.min(allowed().len().max(1))
    })
}

/// Starts a thread that runs `f`; pinned to a core if one is given, else free to move.
///
/// `core` counts the cores that this process may use, from 0, and starts over past the last one; so the third thread of a
/// job shares a core with the first on a machine of two. Where the system refuses to pin, the thread runs unpinned: slower
/// in the worst case, never wrong.
pub fn spawn_pinned<T, F>(name: impl Into<String>, core: Option<usize>, f: F) -> io::Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let core = core.and_then(|nth| allowed().get(nth % allowed().len().max(1)).copied());
    Builder::new().name(name.into()).spawn(move || {
        if let Some(core) = core {
            core_affinity::set_for_current(core);
        }
        f()
    })
}

/// The process's cores, read once: a pinned thread that asked again would see only its own.
fn allowed() -> &'static [core_affinity::CoreId] {
    static ALLOWED: OnceLock<Vec<core_affinity::CoreId>> = OnceLock::new();
    ALLOWED.get_or_init(|| core_affinity::get_core_ids().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_sees_its_core_alone_and_keeps_its_name() {
        assert!(cores() >= 1);
        let thread = spawn_pinned("shard-5", Some(cores() + 3), || {
            (std::thread::current().name().map(str::to_owned), core_affinity::get_core_ids().map(|ids| ids.len()))
        });
        let (name, seen) = thread.unwrap().join().unwrap();
        assert_eq!(name.as_deref(), Some("shard-5"));
        if cfg!(target_os = "linux") {
            assert_eq!(seen, Some(1));
        }
        let free = spawn_pinned("io", None, || core_affinity::get_core_ids().map(|ids| ids.len()));
        assert_eq!(free.unwrap().join().unwrap(), Some(allowed().len()));
    }
}
