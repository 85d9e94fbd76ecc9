//! The source as a whole: exactness, malformed records, compression, watching.

mod exact;
mod faults;
mod malformed;
mod watching;
mod columns;
#[cfg(feature = "parquet")]
mod about;
#[cfg(feature = "parquet")]
mod foreign;
#[cfg(feature = "parquet")]
mod hostile;
#[cfg(feature = "parquet")]
mod parquet;
mod replaced;
