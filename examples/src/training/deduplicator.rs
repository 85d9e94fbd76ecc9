//! A value for each key, with a time to live: the first of equal records.

use std::time::Duration;

use yeoul::operator::OpenContext;
use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul::state::{StateDescriptor, States, Ttl, ValueHandle};

/// Lets the first record of each key pass; it forgets a key that was let pass this long ago.
#[derive(Clone)]
pub struct Deduplicator {
    remember: Option<Duration>,
    seen: ValueHandle<bool>,
}

impl Deduplicator {
    /// Remembers for ever, or for so long on the machine's clock.
    #[must_use]
    pub fn new(remember: Option<Duration>) -> Self {
        Self { remember, seen: ValueHandle::default() }
    }
}

impl KeyedProcessFunction for Deduplicator {
    type Key = u64;
    type In = u64;
    type Out = u64;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let seen = StateDescriptor::new("seen");
        self.seen = states.value(match self.remember {
            None => seen,
            Some(remember) => seen.ttl(Ttl::millis(remember.as_millis() as i64)),
        });
        Ok(())
    }

    fn process(
        &mut self,
        id: &Archived<u64>,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<u64>,
    ) -> Result<(), OperatorError> {
        if cx.state(&self.seen).get().is_none() {
            cx.state(&self.seen).update(true);
            out.collect(id.to_native());
        }
        Ok(())
    }
}

/// The first of equal records.
#[must_use]
pub fn deduplicated(ids: &DataStream<u64>, remember: Option<Duration>) -> DataStream<u64> {
    ids.key_by(|id| id.to_native()).process(Deduplicator::new(remember)).uid("deduplicated")
}
