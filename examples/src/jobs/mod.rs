//! The jobs.

pub mod delays;
pub mod hot_bids;
