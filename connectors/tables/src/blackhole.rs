//! `blackhole`: takes rows and does nothing with them.

use std::sync::Arc;

use yeoul_frame::Frame;
use yeoul_operator::{Accepts, Context, InputId, NodeKind, Operator, OperatorError, TableSink};

struct Blackhole;

impl Operator for Blackhole {
    fn process(&mut self, _: InputId, _: &Frame, _: &mut Context<'_>) -> Result<(), OperatorError> {
        Ok(())
    }
}

pub(crate) fn sink() -> TableSink {
    let kind = NodeKind::Operator { make: Arc::new(|| Box::new(Blackhole)) };
    TableSink { kind, accepts: Accepts::Changes, parallelism: None }
}
