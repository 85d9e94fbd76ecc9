//! The events of the NEXMark benchmark (an online auction), as columns, made in the process that reads them.
//!
//! Written from the benchmark's definition (P. Tucker et al., "NEXMark: A Benchmark for Queries over Data Streams", and the
//! project nexmark/nexmark): proportions, hot keys, ids, sizes and times are its own, the random numbers are not.
//! Every value follows from the seed, the number of its event and its field alone. So what no one reads is not made, any
//! event can be made first, and a stream cut into splits holds the events of the whole.
//!
//! | module | what |
//! |---|---|
//! | [`model`] | which event is what, and its ids and numbers |
//! | [`words`] | its texts |
//! | [`table`] | events as arrays |
//! | [`source`] | splits, positions, pace |

pub mod model;
pub mod source;
pub mod table;
pub mod words;

pub use model::Settings;
pub use source::NexmarkSource;
pub use table::{EventTable, Events, UnknownColumn, schema};
