//! What of a file's unsynced changes is on the disk after a crash.
//!
//! Pure: takes the durable bytes, the changes since, and a maker of decisions; returns bytes. The rules, for one file:
//!
//! - A sector (512 bytes) holds some state that it had in the page cache since the last sync: the durable one, or the one after any
//!   later write. Sectors are independent of each other, so of two writes to different sectors either may survive without the other.
//! - One sector of a write may be torn: its first bytes are new, the rest is older.
//! - The length is one that the file had since the last sync, independently of the data. Data past it is gone; a length without its
//!   data shows zeros. A cut ([`Change::SetLen`]) comes with the length it set: if the length goes back, the cut-off bytes are back.
//!
//! Invariants:
//! 1. With everything kept, the result is what the page cache shows (but for pages that an earlier failed sync lost).
//! 2. With nothing kept, the result is the durable bytes.
//! 3. A byte that no change touched, and that no surviving cut took, is the durable byte.

use std::ops::Range;

use crate::content::{Content, SECTOR};
use crate::rng::Chance;

/// One change of a file in the page cache.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    SetLen(u64),
}

impl Change {
    /// Does to the page cache what the call asked for.
    pub(crate) fn apply(&self, cache: &mut Content) {
        match self {
            Self::Write { offset, bytes } => cache.write(bytes, *offset),
            Self::SetLen(len) => cache.set_len(*len),
        }
    }
}

/// The durable bytes after everything in `changes` was written back. `cache` is the page cache before the first change: equal to
/// `durable` unless a failed sync left the cache ahead of the disk.
pub(crate) fn all(durable: &Content, cache: &Content, changes: &[Change]) -> Content {
    settle(durable, cache, changes, &mut Kept::All)
}

/// The durable bytes after a crash: what survives is drawn from `chance`.
pub(crate) fn some(durable: &Content, cache: &Content, changes: &[Change], chance: &mut dyn Chance) -> Content {
    // A mood for the whole file, so that the corners (nothing, everything) are met often enough.
    let mut kept = match chance.below(8) {
        0 => return durable.clone(),
        1 => Kept::All,
        odds => Kept::Some { odds, chance },
    };
    settle(durable, cache, changes, &mut kept)
}

enum Kept<'a> {
    All,
    /// Of eight writes, about `odds` survive whole; the others none, in part, or torn.
    Some {
        odds: u64,
        chance: &'a mut dyn Chance,
    },
}

/// What of one write survives.
enum Fate {
    None,
    Whole,
    /// The first bytes only: the last sector of them is torn unless the cut falls on its edge.
    Prefix(u64),
    /// Whole sectors, chosen one by one.
    Sectors,
    /// Whole sectors, chosen one by one, and one more of which the first bytes are new.
    Torn,
}

fn settle(durable: &Content, cache: &Content, changes: &[Change], kept: &mut Kept<'_>) -> Content {
    let mut image = durable.clone();
    let mut cache = cache.clone();
    let last_len = match kept {
        Kept::All => changes.len(),
        Kept::Some { chance, .. } => chance.below(changes.len() as u64 + 1) as usize,
    };
    let mut len = durable.len();
    for (number, change) in changes.iter().enumerate() {
        change.apply(&mut cache);
        let len_survives = number < last_len;
        if len_survives {
            len = cache.len();
        }
        match change {
            // Zeroes all past the cut; the length itself is set at the end.
            Change::SetLen(cut) if len_survives => image.seal_len(*cut),
            Change::SetLen(_) => {}
            Change::Write { offset, bytes } => {
                let range = *offset..offset + bytes.len() as u64;
                write_back(&mut image, &cache, range, kept);
            }
        }
    }
    image.seal_len(len);
    image
}

/// Brings what survives of one write into the image. A sector is taken from the page cache as it was after this write, so it never
/// shows a write without the earlier ones to the same sector.
fn write_back(image: &mut Content, cache: &Content, range: Range<u64>, kept: &mut Kept<'_>) {
    if range.is_empty() {
        return;
    }
    let Kept::Some { odds, chance } = kept else {
        return image.take(cache, sector_of(range.start).start..sector_of(range.end - 1).end);
    };
    let fate = if chance.in_cases(*odds, 8) {
        Fate::Whole
    } else {
        match chance.below(4) {
            0 => Fate::None,
            1 => Fate::Prefix(chance.below(range.end - range.start)),
            2 => Fate::Sectors,
            _ => Fate::Torn,
        }
    };
    let sectors = range.start / SECTOR as u64..(range.end - 1) / SECTOR as u64 + 1;
    match fate {
        Fate::None => {}
        Fate::Whole => image.take(cache, sector_of(range.start).start..sector_of(range.end - 1).end),
        Fate::Prefix(bytes) => image.take(cache, sector_of(range.start).start..range.start + bytes),
        Fate::Sectors | Fate::Torn => {
            let torn = matches!(fate, Fate::Torn).then(|| sectors.start + chance.below(sectors.end - sectors.start));
            for sector in sectors {
                let whole = sector * SECTOR as u64..(sector + 1) * SECTOR as u64;
                if torn == Some(sector) {
                    let new = chance.below(SECTOR as u64);
                    image.take(cache, whole.start..whole.start + new);
                } else if chance.in_cases(1, 2) {
                    image.take(cache, whole);
                }
            }
        }
    }
}

fn sector_of(at: u64) -> Range<u64> {
    let start = at - at % SECTOR as u64;
    start..start + SECTOR as u64
}
