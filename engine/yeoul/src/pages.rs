//! The pages of documentation whose programs are compiled and run as this crate's examples are.

#[doc = include_str!("../../../README.md")]
pub struct Readme;

#[doc = include_str!("../../../docs/datastream.md")]
pub struct DataStream;
