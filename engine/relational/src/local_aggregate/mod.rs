//! Aggregation before the exchange: a frame's rows become one partial row a key, so that fewer rows change shards, and a key that all
//! rows have does not keep all shards but one idle.
//!
//! The aggregate behind it takes both, by one input: rows as they came, which it folds itself, and partial ones, which it merges. There
//! are partial rows only where the result is the same to the last bit, and where no row in them can be late.

mod layout;
mod distinct;
mod intake;
mod operator;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use yeoul_frame::{Frame, KeyHash};
use yeoul_operator::{Operator, OperatorError, Router};

use crate::aggregate::{AggregateCall, GroupAggregate, Plan, columns, list};
use crate::key::{HashColumns, KeyForm, by_key_form};
use crate::window::{Window, WindowAggregate, WindowTime};

pub(crate) use intake::Intake;
pub(crate) use layout::Layout;

/// Aggregates the rows of each frame, for the aggregate behind the exchange.
#[derive(Debug, Clone)]
pub struct LocalAggregate {
    keys: Vec<usize>,
    calls: Vec<AggregateCall>,
    input_schema: SchemaRef,
    retracting_input: bool,
    ttl: bool,
    panes: Option<(Window, WindowTime)>,
    phases: Phases,
}

/// Whether rows are aggregated before they change shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phases {
    /// They are sent on as they came.
    One,
    /// Frames are that become at most half as long, where there are several shards.
    Auto,
    /// All frames are.
    Two,
}

impl LocalAggregate {
    /// Before `of`. None: its calls cannot be computed in parts, or its rows may be taken back; what takes back what a group does not
    /// know is left out, which must be looked at row by row.
    #[must_use]
    pub fn before_groups(of: &GroupAggregate, phases: Phases) -> Option<Self> {
        let local = Self {
            keys: of.keys.clone(),
            calls: of.calls.clone(),
            input_schema: of.input_schema.clone(),
            retracting_input: of.retracting_input,
            ttl: of.ttl.is_some(),
            panes: None,
            phases,
        };
        (!local.retracting_input && local.layout().is_ok()).then_some(local)
    }

    /// Before `of`. None: its calls cannot be computed in parts, or its windows are not of event time and aligned.
    #[must_use]
    pub fn before_windows(of: &WindowAggregate, phases: Phases) -> Option<Self> {
        let is_aligned = match of.time {
            WindowTime::RowTime | WindowTime::Column(_) => !matches!(of.window, Window::Session { .. }),
            WindowTime::Windowed { by_clock, .. } => !by_clock,
            WindowTime::ProcTime => false,
        };
        let local = Self {
            keys: of.state_keys(),
            calls: of.calls.clone(),
            input_schema: of.input_schema.clone(),
            retracting_input: of.retracting_input,
            ttl: false,
            panes: Some((of.window, of.time)),
            phases,
        };
        (is_aligned && local.layout().is_ok()).then_some(local)
    }

    /// Exchanges rows and partial rows: by the same hash of the same key.
    #[must_use]
    pub fn router(&self) -> Arc<dyn Router> {
        let rows = HashColumns { columns: self.keys.clone() };
        Arc::new(EitherRouter { rows, partial: HashColumns { columns: (0..self.keys.len()).collect() } })
    }

    fn layout(&self) -> Result<(Plan, Layout), OperatorError> {
        let plan = Plan::new(&self.input_schema, &self.calls, self.retracting_input, self.ttl)?;
        let layout = Layout::of(&plan, self.keys.len(), self.panes.is_some())
            .ok_or_else(|| OperatorError::new(format!("{self} of calls that cannot be computed in parts")))?;
        Ok((plan, layout))
    }

    /// An instance.
    ///
    /// # Errors
    /// A call or key over a type for which there is none.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let (plan, layout) = self.layout()?;
        let form = KeyForm::of(&self.input_schema, &self.keys);
        by_key_form!(form, K => Ok(Box::new(operator::LocalOperator::<K>::new(self, plan, layout)?)))
    }
}

/// Routes rows as they came, and partial ones.
struct EitherRouter {
    rows: HashColumns,
    partial: HashColumns,
}

impl Router for EitherRouter {
    fn hash(&self, frame: &Frame, hashes: &mut Vec<KeyHash>) {
        if Layout::is_of(frame) { self.partial.hash(frame, hashes) } else { self.rows.hash(frame, hashes) }
    }
}

impl fmt::Display for LocalAggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.panes.is_some() { "LocalWindowAggregate" } else { "LocalGroupAggregate" };
        write!(f, "{name}(groupBy=[{}], select=[{}])", columns(&self.keys), list(&self.calls))
    }
}
