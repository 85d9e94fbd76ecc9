//! The one record type of all simulated jobs, and its text forms for file sources.

use std::fmt::Write;

/// A record of a simulated input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Event {
    /// Unlike any other record's, in all sources; increases along each source.
    pub id: u64,
    /// What it is keyed by.
    pub key: u64,
    /// Event time in milliseconds.
    pub time: i64,
    /// What is summed.
    pub value: i64,
}

/// The events as NDJSON, one a line, keys in the order of the fields.
///
/// ```
/// use yeoul_sim::workload::event::{Event, ndjson};
/// let event = Event { id: 1, key: 2, time: 3, value: -4 };
/// assert_eq!(ndjson(&[event]), "{\"id\":1,\"key\":2,\"time\":3,\"value\":-4}\n");
/// ```
#[must_use]
pub fn ndjson(events: &[Event]) -> String {
    let mut text = String::new();
    for Event { id, key, time, value } in events {
        writeln!(text, "{{\"id\":{id},\"key\":{key},\"time\":{time},\"value\":{value}}}")
            .expect("a string takes all text");
    }
    text
}

/// The events as CSV with a header.
#[must_use]
pub fn csv(events: &[Event]) -> String {
    let mut text = String::from("id,key,time,value\n");
    for Event { id, key, time, value } in events {
        writeln!(text, "{id},{key},{time},{value}").expect("a string takes all text");
    }
    text
}
