//! The jobs of the campaign: one for each way in which the file sink shows its results.
//!
//! Invariants:
//! 1. A job's result is the same bag of lines on any number of shards, and each key's lines stand in one order.

use std::io;
use std::path::{Path, PathBuf};

use super::input;

/// A job under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Bids in sliding windows; each epoch is a part.
    HotBids,
    /// The same over parts of several epochs, with small segments of the log, a small manifest, little memory and savepoints.
    RolledBids,
    /// Delays by the hour and late flights; one file each.
    Delays,
}

/// How a sink shows its results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// Each epoch is a part: all instances together show a prefix by whole epochs.
    Epochs,
    /// Parts of several epochs: what each instance shows is a prefix.
    Parts,
    /// One file, at the end.
    Once,
}

impl Job {
    /// All jobs, in the order in which rounds take them.
    pub const ALL: [Self; 3] = [Self::HotBids, Self::RolledBids, Self::Delays];

    /// The name of its program.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HotBids => "hot_bids",
            Self::RolledBids => "rolled_bids",
            Self::Delays => "delays",
        }
    }

    /// The package that holds its program.
    #[must_use]
    pub fn package(self) -> &'static str {
        match self {
            Self::HotBids | Self::Delays => "yeoul-examples",
            Self::RolledBids => "yeoul-ci",
        }
    }

    /// How it shows its results.
    #[must_use]
    pub fn shows(self) -> Shows {
        match self {
            Self::HotBids => Shows::Epochs,
            Self::RolledBids => Shows::Parts,
            Self::Delays => Shows::Once,
        }
    }

    /// Writes its input into a folder, if it is not there yet.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn input(self, seed: u64, lines: u64, folder: &Path) -> io::Result<PathBuf> {
        let (name, write) = match self {
            Self::HotBids | Self::RolledBids => ("bids.ndjson", input::bids as fn(u64, u64, &Path) -> io::Result<()>),
            Self::Delays => ("departures.csv", input::departures as fn(u64, u64, &Path) -> io::Result<()>),
        };
        let path = folder.join(name);
        if !path.exists() {
            write(seed, lines, &path)?;
        }
        Ok(path)
    }

    /// The key and the order of a line of its result, if its keys have an order.
    #[must_use]
    pub fn key_and_order(self, line: &str) -> Option<(&str, &str)> {
        let mut cells = line.split(',');
        match self {
            // auction,start,...
            Self::HotBids | Self::RolledBids => Some((cells.next()?, cells.next()?)),
            // origin,hour,...; a late flight begins with its number.
            Self::Delays => {
                let (origin, hour) = (cells.next()?, cells.next()?);
                origin.starts_with(|first: char| first.is_ascii_alphabetic()).then_some((origin, hour))
            }
        }
    }

    /// Whether its rounds are stopped with savepoints now and then, from which the next process begins.
    #[must_use]
    pub fn takes_savepoints(self) -> bool {
        self == Self::RolledBids
    }

    /// Whether its program comes to a point, in a process that begins from a savepoint or in another. What it cannot reach is not aimed at.
    #[must_use]
    pub fn reaches(self, label: &str, imports: bool) -> bool {
        if IMPORT.contains(&label) && !imports {
            return false;
        }
        let only_small_limits = ["savepoint.", "compact.", "evict."].iter().any(|part| label.starts_with(part))
            || ["commit.before-cleanup", "manifest.before-remove", "manifest.after-remove", "disk.after-remove"]
                .contains(&label);
        self == Self::RolledBids || !only_small_limits
    }
}

/// Points that are met while a store begins from a savepoint.
pub const IMPORT: [&str; 3] = ["savepoint.after-mark", "savepoint.before-copy", "savepoint.after-copy"];
