//! The crash test: the real binary, real files, SIGKILL at random times and at labelled points.
//!
//! One job, one input, one oracle: a run without faults on one shard. After every kill and at the end an outside reader looks at the result:
//! nothing that it ever saw may change or go, the end must equal the oracle, and nothing may be left over.

pub mod input;
pub mod output;
pub mod round;
