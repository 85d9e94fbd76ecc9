//! The conformance tests of sources and sinks: our own pass, and each of a row of broken ones is found by the rule that it breaks.

mod broken_sinks;
mod broken_sources;
mod own;
mod threads;
