//! The sink as a whole: what appears in the folder, and when, whatever fails.

mod crash;
mod parts;
mod single;
mod columns;
#[cfg(feature = "parquet")]
mod parquet;
