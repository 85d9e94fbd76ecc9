//! Turns a bus error on mapped bytes into a message that names the file, and an exit.
//!
//! Reading a mapped page that the disk cannot give, or that was cut off the file, raises SIGBUS. There is no value to go
//! on with, so the process says which file and where, and ends; whoever supervises it starts it again from the last
//! manifest. Not here: the decision to restart.
//!
//! Invariants:
//! 1. A slot whose `start` is not zero names a range that is mapped, and its `name` is alive. So the handler may read the
//!    name of the slot whose range holds the fault: the reader that faulted still holds the mapping.
//! 2. Blocks of slots are never freed, so the handler may walk them without a lock.
//! 3. The handler calls only what is safe in a signal handler: loads, `write`, `sigaction`, `_exit`.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

/// The process's exit status after a bus error on a mapped file: what a shell shows for death by SIGBUS on Linux.
pub const EXIT_STATUS: i32 = 128 + 7;

/// Ranges a block can hold. A store maps a segment for each 64 MiB, so one block serves 4 GiB.
const SLOTS: usize = 64;

struct Block {
    slots: [Slot; SLOTS],
    next: AtomicPtr<Block>,
}

struct Slot {
    start: AtomicUsize,
    end: AtomicUsize,
    name: AtomicPtr<u8>,
    name_len: AtomicUsize,
}

impl Slot {
    const fn new() -> Self {
        Self {
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            name: AtomicPtr::new(std::ptr::null_mut()),
            name_len: AtomicUsize::new(0),
        }
    }
}

impl Block {
    const fn new() -> Self {
        Self { slots: [const { Slot::new() }; SLOTS], next: AtomicPtr::new(std::ptr::null_mut()) }
    }

    fn next(&self) -> Option<&'static Block> {
        // Acquire: pairs with the Release store in `claim`, so that the block's slots are seen as made.
        let next = self.next.load(Ordering::Acquire);
        // SAFETY: null, or from `Box::leak` in `claim`: never freed (invariant 2).
        unsafe { next.as_ref() }
    }
}

static FIRST: Block = Block::new();
/// Held while a slot is claimed or given back; the handler never takes it.
static CHANGES: Mutex<()> = Mutex::new(());

/// Makes bus errors name their file. Call once, early; further calls do nothing.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(imp::install);
}

/// A range's place in the registry, given back when dropped.
pub(crate) struct Registration {
    slot: &'static Slot,
    /// Keeps the name that the slot points to; freed after `drop` has cleared the slot.
    _name: Box<[u8]>,
}

/// Makes a mapped range known by a file's name.
pub(crate) fn register(range: Range<usize>, path: &Path) -> Registration {
    let name: Box<[u8]> = path.as_os_str().as_encoded_bytes().into();
    let _changes = CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
    let slot = claim();
    slot.name.store(name.as_ptr().cast_mut(), Ordering::Relaxed);
    slot.name_len.store(name.len(), Ordering::Relaxed);
    slot.end.store(range.end, Ordering::Relaxed);
    // Release: pairs with the Acquire load in `find`, which must see the end and the name of what it finds.
    slot.start.store(range.start, Ordering::Release);
    Registration { slot, _name: name }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let _changes = CHANGES.lock().unwrap_or_else(PoisonError::into_inner);
        self.slot.start.store(0, Ordering::Relaxed);
    }
}

/// A free slot; only under `CHANGES`.
fn claim() -> &'static Slot {
    let mut block = &FIRST;
    loop {
        if let Some(slot) = block.slots.iter().find(|slot| slot.start.load(Ordering::Relaxed) == 0) {
            return slot;
        }
        block = block.next().unwrap_or_else(|| {
            let new: &'static mut Block = Box::leak(Box::new(Block::new()));
            // Release: pairs with the Acquire load in `Block::next`.
            block.next.store(new, Ordering::Release);
            block.next().expect("just stored")
        });
    }
}

/// The name of the file mapped at `address`, and the offset into the mapping.
#[cfg_attr(miri, allow(dead_code, reason = "Miri has no signals, so only the tests look"))]
fn find(address: usize) -> Option<(&'static Slot, usize)> {
    let mut block = Some(&FIRST);
    while let Some(here) = block {
        for slot in &here.slots {
            // Acquire: pairs with the Release store in `register`.
            let start = slot.start.load(Ordering::Acquire);
            if start != 0 && start <= address && address < slot.end.load(Ordering::Relaxed) {
                return Some((slot, address - start));
            }
        }
        block = here.next();
    }
    None
}

#[cfg(not(miri))]
mod imp {
    use super::*;
    use std::cell::UnsafeCell;
    use std::mem::MaybeUninit;

    /// What handled the signal before us (std's stack overflow handler, as a rule).
    struct Previous(UnsafeCell<MaybeUninit<libc::sigaction>>);
    // SAFETY: written once, before the handler that reads it is in place.
    unsafe impl Sync for Previous {}
    static PREVIOUS: Previous = Previous(UnsafeCell::new(MaybeUninit::uninit()));

    pub(super) fn install() {
        // SAFETY: called once, under a `Once`. The first call only reads the present action into PREVIOUS, so that it is whole
        // before our handler can run. A zeroed sigaction is a valid one, and its fields are set before use.
        unsafe {
            if libc::sigaction(libc::SIGBUS, std::ptr::null(), (*PREVIOUS.0.get()).as_mut_ptr()) != 0 {
                return;
            }
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_bus_error as *const () as libc::sighandler_t;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
        }
    }

    extern "C" fn on_bus_error(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: with SA_SIGINFO the kernel passes a valid siginfo.
        let address = unsafe { (*info).si_addr() }.addr();
        let Some((slot, offset)) = find(address) else {
            // Not a mapped file of ours. Put the former handler back and return: the instruction faults again, into it.
            // SAFETY: PREVIOUS was filled before this handler was installed.
            unsafe { libc::sigaction(libc::SIGBUS, (*PREVIOUS.0.get()).as_ptr(), std::ptr::null_mut()) };
            return;
        };
        // SAFETY: the slot's range holds the faulting address, so its mapping is being read and its name is alive (invariant 1).
        let name = unsafe {
            std::slice::from_raw_parts(slot.name.load(Ordering::Relaxed), slot.name_len.load(Ordering::Relaxed))
        };
        say(b"yeoul: bus error at byte ");
        say(decimal(offset, &mut [0; 20]));
        say(b" of the mapped file ");
        say(name);
        say(b": it was cut while in use, or its disk failed. The process ends; restart it to go on from the last manifest.\n");
        // SAFETY: _exit takes no pointer and does not return.
        unsafe { libc::_exit(EXIT_STATUS) }
    }

    fn say(text: &[u8]) {
        // SAFETY: the pointer and length are one slice's. Nothing can be done about a message that cannot be written.
        unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
    }

    fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return &digits[at..];
            }
        }
    }
}

#[cfg(miri)]
mod imp {
    pub(super) fn install() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Addresses that no mapping of another test can have.
    const FAR: usize = 1 << 60;

    #[test]
    fn ranges_are_found_while_registered_past_one_block() {
        let count = SLOTS * 2 + 5;
        let mut registrations: Vec<_> =
            (0..count).map(|i| register(FAR + i * 100..FAR + i * 100 + 50, Path::new("segment"))).collect();
        for i in 0..count {
            assert_eq!(find(FAR + i * 100 + 49).map(|(_, offset)| offset), Some(49));
            assert!(find(FAR + i * 100 + 50).is_none());
        }
        drop(registrations.remove(70));
        assert!(find(FAR + 7000).is_none());
        assert!(find(FAR + 7100).is_some());
    }
}
