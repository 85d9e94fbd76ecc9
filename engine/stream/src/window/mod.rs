//! Windows: which there are, what they hold, and when they give their results.

pub mod assigner;
pub mod time_window;
mod grid;
pub(crate) mod panes_of_frame;
pub mod function;
pub(crate) mod content;
mod results;
pub(crate) mod aligned;
mod firing;
pub(crate) mod session;
