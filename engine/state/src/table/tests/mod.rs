//! Tables against a model: reads, writes, freezes, drains, restores and removals in any order.

mod model;
mod single;
