//! Aggregate calls: what they are, how their accumulators lie in words, how a frame is folded into them, and what comes of them.
//!
//! An accumulator is a row of 64-bit words (and, for texts, of byte strings). A frame is folded by group into partial words, a call at
//! a time; partials are merged into the state's words, a group at a time.

mod call;
mod plan;
mod groups;
mod accumulators;
mod fold;
mod finish;
mod distinct;
mod ordered;
mod group;
#[cfg(test)]
mod tests;

pub use call::{AggregateCall, AggregateFunction};
pub use group::GroupAggregate;

pub(crate) use accumulators::TextValue;
pub(crate) use accumulators::{Accumulators, Mixed};
pub(crate) use call::{columns, list};
pub(crate) use distinct::Distincts;
pub(crate) use distinct::check as check_distinct;
pub(crate) use finish::Finished;
pub(crate) use fold::{Folder, Weights};
pub(crate) use group::{TextRows, merge_text};
pub(crate) use groups::{Groups, Members};
pub(crate) use plan::{Keep, Plan, ROWS, Slot};

/// Evaluates `$make` with `$held` as the smallest type of accumulators that holds a plan's. Few sizes: each is a copy of every
/// aggregating operator to compile.
macro_rules! by_accumulators {
    ($plan:expr, $held:ident => $make:expr) => {
        match ($plan.texts, $plan.words) {
            (0, 0..=2) => {
                type $held = [u64; 2];
                $make
            }
            (0, 3..=4) => {
                type $held = [u64; 4];
                $make
            }
            (0, 5..=16) => {
                type $held = [u64; 16];
                $make
            }
            _ => {
                type $held = $crate::aggregate::Mixed;
                $make
            }
        }
    };
}
pub(crate) use by_accumulators;
