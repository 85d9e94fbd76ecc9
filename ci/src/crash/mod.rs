//! The crash test: real binaries, real files, SIGKILL at random times and at labelled points.
//!
//! A job for each kind of sink, one input each, one oracle: a run without faults on one shard. While a job runs and after every kill an
//! outside reader looks at the result: nothing that it ever saw may change or go, it must be a prefix by whole epochs, the end must
//! equal the oracle with each key in order, and nothing may be left over. A process that ends in another way than by a planned kill
//! or by being done fails the campaign.

pub mod input;
pub mod job;
pub mod aim;
pub mod leg;
pub mod output;
pub mod reader;
pub mod round;
