//! Savepoints of whole jobs: read as records, written from data, changed, migrated, damaged.

mod program;
mod reading;
mod writing;
mod migrating;
mod damage;
mod windows;
mod evicted;
