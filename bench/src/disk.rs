//! What the disk itself takes to make bytes durable.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use crate::histogram::Histogram;

/// How long an append of 4 KiB and its `fdatasync` take, 500 times, in nanoseconds.
///
/// # Panics
/// If no file can be written in `folder`.
#[must_use]
pub fn syncs(folder: &Path) -> Histogram {
    let mut file = std::fs::File::create(folder.join("syncs")).expect("a file");
    let mut seen = Histogram::default();
    for _ in 0..500 {
        let begun = Instant::now();
        file.write_all(&[7; 4096]).and_then(|()| file.sync_data()).expect("an append");
        seen.add(begun.elapsed().as_nanos() as u64, 1);
    }
    seen
}
