//! What each relational operator is told, and what an expression is to it: the words in which a plan is written.
//!
//! Plain data: it knows no SQL text, no connector and no planner. `engine/relational` holds the operators; its own specifications are
//! close to these, and nothing translates one into the other yet.

pub mod expression;
pub mod pattern;
pub mod spec;

pub use expression::{EvaluationTime, Expression};
