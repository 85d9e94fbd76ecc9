//! The NEXMark queries as SQL scripts, against the answers that Apache Flink gives.

pub mod answers;
pub mod sequential;
pub mod trial;
