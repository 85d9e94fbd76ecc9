//! Yeoul: a stateful stream processor for one machine, exactly once.
//!
//! This crate is all that a program needs: sources and sinks, the DataStream API, and the environment that runs a job on every core.
//!
//! ```
//! use yeoul::prelude::*;
//!
//! let env = Environment::new("lengths");
//! let words = env.from_collection(["swift", "shallow"].map(str::to_owned), WatermarkStrategy::no_watermarks());
//! let (sink, lengths) = yeoul::stream::collect();
//! words.map(|word| word.len() as u64).sink_to(sink);
//! env.execute()?;
//! # Ok::<_, yeoul::Error>(())
//! ```

pub mod environment;
pub mod records;
pub mod figures;
pub mod progress;
#[cfg(feature = "sql")]
pub mod table;
#[cfg(doctest)]
mod pages;

pub use environment::{Environment, Error};
pub use figures::Figures;
pub use progress::Progress;
pub use records::Records;
#[cfg(feature = "sql")]
pub use table::TableEnvironment;
pub use yeoul_derive::record_facade as record;
pub use yeoul_frame::{Timestamp, rkyv};
pub use yeoul_runtime::{CheckpointingMode, JobConfig, JobError, JobHandle, JobWatch, Outcome, RestartStrategy};
pub use {
    yeoul_file as file, yeoul_formats as formats, yeoul_frame as frame, yeoul_operator as operator,
    yeoul_print as print, yeoul_runtime as runtime, yeoul_state as state, yeoul_stream as stream, yeoul_sys as sys,
    yeoul_tables as tables,
};

#[cfg(feature = "sql")]
pub use yeoul_sql as sql;
#[cfg(feature = "allocator")]
pub use yeoul_sys::allocator;

/// What `#[record]` names in the code that it writes. Not for use by hand.
#[doc(hidden)]
pub use yeoul_frame as __private;

/// The names that most programs use.
pub mod prelude {
    pub use crate::{CheckpointingMode, Environment, JobConfig, Outcome, RestartStrategy, Timestamp, record};
    pub use yeoul_file::*;
    pub use yeoul_operator::OperatorError;
    pub use yeoul_print::Print;
    pub use yeoul_state::{Key, KeyStr};
    pub use yeoul_stream::*;
}
