//! The operator of each kind of node.

use std::sync::{Arc, Mutex, PoisonError};

use yeoul_frame::Frame;
use yeoul_operator::{Context, InputId, NodeKind, OpenContext, Operator as Running, OperatorError};

use super::{Builder, checked};
use crate::error::{Result, SqlError};
use crate::lower::{Node, Operator};

impl Builder<'_> {
    /// How a node's operator is made.
    pub(super) fn recipe(&self, node: &Node, inputs: &[&Node]) -> Result<NodeKind> {
        macro_rules! of {
            ($spec:expr) => {{
                let spec = Arc::new($spec.clone());
                checked(move || Arc::clone(&spec).operator())?
            }};
        }
        Ok(match &node.operator {
            Operator::Calc(spec) => of!(spec),
            Operator::GroupAggregate(spec) => of!(spec),
            Operator::WindowAggregate(spec) => of!(spec),
            Operator::RegularJoin(spec) => of!(spec),
            Operator::Rank(spec) => of!(spec),
            Operator::Deduplicate(spec) => of!(spec),
            Operator::Union(spec) => of!(spec),
            Operator::ShiftTimes(spec) => of!(spec),
            Operator::WindowAssign(spec) => of!(spec),
            Operator::Expand(spec) => of!(spec),
            Operator::IntervalJoin(spec) => of!(spec),
            Operator::TemporalJoin(spec) => of!(spec),
            Operator::WindowJoin(spec) => of!(spec),
            Operator::WindowEndJoin(spec) => of!(spec),
            Operator::OverAggregate(spec) => of!(spec),
            Operator::ChangelogNormalize(spec) => of!(spec),
            Operator::SortLimit(spec) => of!(spec),
            Operator::TemporalSort(spec) => of!(spec),
            Operator::Unnest(spec) => of!(spec),
            Operator::Repeat(spec) => of!(spec),
            Operator::MatchRecognize(spec) => of!(spec),
            Operator::LookupJoin(spec) => self.lookup(spec, inputs[0])?,
            Operator::Scan(_)
            | Operator::Values(_)
            | Operator::AssignTimes(_)
            | Operator::Late(_)
            | Operator::Errors(_)
            | Operator::Sink(_) => {
                return Err(SqlError::unsupported(format!("{} in the middle of a plan", node.operator.name())));
            }
        })
    }
}

/// An operator that could not be made after all: it says so when it is opened.
pub(super) fn refusing(error: OperatorError) -> Box<dyn Running> {
    Box::new(Refusing(Mutex::new(Some(error))))
}

struct Refusing(Mutex<Option<OperatorError>>);

impl Refusing {
    fn error(&self) -> OperatorError {
        let error = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        error.unwrap_or_else(|| OperatorError::new("the operator could not be made"))
    }
}

impl Running for Refusing {
    fn open(&mut self, _: &mut OpenContext<'_>) -> std::result::Result<(), OperatorError> {
        Err(self.error())
    }

    fn process(&mut self, _: InputId, _: &Frame, _: &mut Context<'_>) -> std::result::Result<(), OperatorError> {
        Err(self.error())
    }
}
