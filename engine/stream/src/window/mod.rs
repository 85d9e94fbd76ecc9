//! Windows: which there are, what they hold, and when they give their results.

pub mod time_window;
pub mod stagger;
pub mod assigner;
pub mod custom;
mod grid;
pub(crate) mod panes_of_frame;
pub mod states;
pub mod function;
pub(crate) mod outcome;
pub(crate) mod content;
mod results;
pub(crate) mod aligned;
mod firing;
pub(crate) mod session;
pub mod trigger;
pub mod evictor;
pub(crate) mod general;
