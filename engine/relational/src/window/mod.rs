//! Aggregation over windows of time: each window of a key gives one row, when it is over.
//!
//! Rows of an aligned window are kept by pane (the longest stretch that lies in the same windows throughout), so that what a row costs
//! does not depend on how many windows it is in.

mod grid;
mod panework;
mod assign;
mod merged;
mod give;
mod aligned;
mod session;
mod spans;
mod session_rows;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, SchemaRef, TimeUnit};
use yeoul_frame::Timestamp;
use yeoul_operator::{Operator, OperatorError, Passed};

use crate::aggregate::{AggregateCall, Plan, by_accumulators, check_distinct, columns, list};
use crate::assign_times::event_times;
use crate::input::Input;
use crate::key::{HashColumns, KeyForm, by_key_form};
use crate::output::types_of;
use crate::time_order::millis;

pub(crate) use merged::merge;
pub(crate) use panework::{Panework, Split};

pub use assign::WindowAssign;

/// How time is cut. All lengths in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// Windows end to end.
    Tumble {
        /// How long a window is.
        size: i64,
        /// Windows begin at multiples of the size, and this much later.
        offset: i64,
    },
    /// A window of `size` begins every `slide`.
    Hop {
        /// How long a window is.
        size: i64,
        /// From one window's start to the next one's.
        slide: i64,
        /// Windows begin at multiples of the slide, and this much later.
        offset: i64,
    },
    /// Windows that begin together and end every `step`, up to `size`.
    Cumulate {
        /// How long the longest window is.
        size: i64,
        /// From one window's end to the next one's; divides the size.
        step: i64,
        /// The longest windows begin at multiples of the size, and this much later.
        offset: i64,
    },
    /// For each key, from a row to `gap` after the last row that follows without such a gap.
    Session {
        /// How long a key is silent before its session is over.
        gap: i64,
    },
}

/// Which time rows have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowTime {
    /// The frame's event times.
    RowTime,
    /// A column of event times (after a join, rows may have several).
    Column(usize),
    /// The time at which they come.
    ProcTime,
    /// Rows are in windows already, and `Window` is not looked at: a window ends with the watermark, or a little after it by the clock.
    Windowed {
        /// The column of the window's start.
        start: usize,
        /// The column of the window's end.
        end: usize,
        /// Whether windows are of processing time: then no row is late, and what comes after its window makes another row of it.
        by_clock: bool,
    },
}

/// A column that says something of the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowProperty {
    /// Its first millisecond.
    Start,
    /// The first one after it.
    End,
    /// Its last millisecond: the row's event time.
    Time,
}

/// Aggregates by key and window. Late rows are counted, and go to [`LATE`](crate::LATE).
#[derive(Debug, Clone)]
pub struct WindowAggregate {
    /// How time is cut.
    pub window: Window,
    /// Which time is cut.
    pub time: WindowTime,
    /// The group's columns beside the window.
    pub keys: Vec<usize>,
    /// What is computed.
    pub calls: Vec<AggregateCall>,
    /// Which columns of the window come out, last.
    pub properties: Vec<WindowProperty>,
    /// What comes in.
    pub input_schema: SchemaRef,
    /// Whether rows may be taken back: then only counts, sums and averages can be computed.
    pub retracting_input: bool,
    /// What comes out: keys, results, properties.
    pub schema: SchemaRef,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = |offset: i64| if offset == 0 { String::new() } else { format!(", offset {}", millis(offset)) };
        match *self {
            Self::Tumble { size, offset: by } => write!(f, "TUMBLE({}{})", millis(size), offset(by)),
            Self::Hop { size, slide, offset: by } => {
                write!(f, "HOP(size {}, slide {}{})", millis(size), millis(slide), offset(by))
            }
            Self::Cumulate { size, step, offset: by } => {
                write!(f, "CUMULATE(size {}, step {}{})", millis(size), millis(step), offset(by))
            }
            Self::Session { gap } => write!(f, "SESSION(gap {})", millis(gap)),
        }
    }
}

impl fmt::Display for WindowAggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WindowAggregate(groupBy=[{}], window=[", columns(&self.keys))?;
        match self.time {
            WindowTime::Windowed { start, end, .. } => write!(f, "win_start=[${start}], win_end=[${end}]")?,
            _ => write!(f, "{}", self.window)?,
        }
        write!(f, "], select=[{}])", list(&self.calls))
    }
}

impl WindowAggregate {
    /// By what rows are exchanged before it: the keys, and the window where rows bring it along.
    #[must_use]
    pub fn exchange(&self) -> HashColumns {
        HashColumns { columns: self.state_keys() }
    }

    pub(crate) fn state_keys(&self) -> Vec<usize> {
        let mut keys = self.keys.clone();
        if let WindowTime::Windowed { start, end, .. } = self.time {
            keys.extend([start, end]);
        }
        keys
    }

    /// An instance.
    ///
    /// # Errors
    /// A call, key or window for which there is none, or a schema that is not that of the results.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let plan = Plan::new(&self.input_schema, &self.calls, self.retracting_input, false)?;
        check_distinct(&plan)?;
        if plan.multisets > 0 {
            return Err(OperatorError::new(format!("{self} over rows that may be taken back")).hint(
                "over a changelog a window computes COUNT, SUM, AVG, STDDEV and VAR; aggregate without a window first",
            ));
        }
        if self.retracting_input && plan.feeds.iter().any(|feed| feed.distinct.is_some()) && !self.is_tumbling() {
            return Err(OperatorError::new(format!("{self} over rows that may be taken back, with DISTINCT")));
        }
        self.check()?;
        let form = KeyForm::of(&self.input_schema, &self.state_keys());
        by_key_form!(form, K => by_accumulators!(plan, A => match self.window {
            Window::Session { gap } if !matches!(self.time, WindowTime::Windowed { .. }) => {
                Ok(Box::new(session::SessionOperator::<K, A>::new(self, plan, gap)?))
            }
            _ => Ok(Box::new(aligned::AlignedOperator::<K, A>::new(self, plan)?)),
        }))
    }

    fn is_tumbling(&self) -> bool {
        matches!(self.time, WindowTime::Windowed { .. }) || matches!(self.window, Window::Tumble { .. })
    }

    fn check(&self) -> Result<(), OperatorError> {
        check_lengths(self.window)?;
        let fields = self.schema.fields();
        let mut expected = types_of(&self.input_schema, &self.keys);
        expected.extend(self.calls.iter().map(|call| call.result.clone()));
        let (given, properties) = fields.split_at(expected.len().min(fields.len()));
        let same = given.iter().map(|field| field.data_type()).eq(&expected);
        let times = properties.iter().all(|field| is_millis(field.data_type()));
        if !same || !times || properties.len() != self.properties.len() {
            return Err(OperatorError::new(format!("{self} does not give {:?}", self.schema))
                .hint("keys, results, then the window's properties as timestamps in milliseconds"));
        }
        Ok(())
    }
}

fn check_lengths(window: Window) -> Result<(), OperatorError> {
    let (positive, divides) = match window {
        Window::Tumble { size, .. } => (size > 0, true),
        Window::Hop { size, slide, .. } => (size > 0 && slide > 0, true),
        Window::Cumulate { size, step, .. } => (size > 0 && step > 0, step > 0 && size % step == 0),
        Window::Session { gap } => (gap > 0, true),
    };
    if positive && divides {
        return Ok(());
    }
    Err(OperatorError::new(format!("{window} is no window"))
        .hint("lengths are above 0, and the step of CUMULATE divides its size"))
}

/// The times by which the rows of a frame are in windows; `fired` is up to where these have fired.
fn times_of(
    time: WindowTime,
    input: &Input<'_>,
    now: Timestamp,
    fired: &Passed,
) -> Result<Vec<Timestamp>, OperatorError> {
    if time == WindowTime::ProcTime {
        // The clock may go back; windows that have fired, for whichever key, stay so.
        let now = now.0.max(fired.furthest().saturating_add(1));
        return Ok(vec![Timestamp(now); input.rows()]);
    }
    row_times(time, input)
}

/// The times that rows have of themselves.
pub(crate) fn row_times(time: WindowTime, input: &Input<'_>) -> Result<Vec<Timestamp>, OperatorError> {
    let times = match time {
        WindowTime::RowTime | WindowTime::ProcTime => input.times().into_owned(),
        WindowTime::Column(column) | WindowTime::Windowed { end: column, .. } => event_times(&input.column(column)?)?,
    };
    if times.contains(&Timestamp::MIN) {
        return Err(no_event_time());
    }
    Ok(times)
}

#[cold]
fn no_event_time() -> OperatorError {
    OperatorError::new("a row has no event time, and windows need one")
        .hint("declare a WATERMARK on a column of the source, or use a window over PROCTIME()")
}

pub(crate) fn is_millis(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(TimeUnit::Millisecond, _))
}
