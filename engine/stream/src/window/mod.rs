//! Windows: which there are, what they hold, and when they give their results.

pub mod assigner;
mod grid;
pub mod time_window;
