//! The engine under one seeded scheduler: simulated time, a disk that loses, tears and flips what real ones do, and an oracle.
//!
//! One seed, one workload and one list of faults determine a run: its trace, its output and its verdict. Nothing here is part of
//! the engine; the engine does not know that it is simulated.
//!
//! In reading order: where decisions come from, what is written down, time, what goes wrong, the disk, what the jobs read, what
//! they must answer, how answers are compared, how a failing run is made smaller, and at last the runner: the jobs as the engine
//! runs them, their settings, a supervisor that starts them again after each crash, and the verdict on one seed.

pub mod rng;

pub mod trace;

pub mod clock;

pub mod fault;
pub mod planted;

mod content;
mod image;

mod file;
mod names;

mod tree;

mod calls;

pub mod disk;
pub mod storage;

pub mod campaign;
pub mod schedule;

mod files;
mod parts;
mod feed;
mod world;

pub mod row;
pub mod workload;

pub mod oracle;

pub mod compare;
pub mod visible;

pub mod json;
pub mod report;
pub mod shrink;

pub mod machine;
pub mod paced;

mod job;
pub mod setting;
pub mod supervisor;
pub mod run;
