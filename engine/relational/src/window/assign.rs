//! Rows with the bounds of their windows, one row a window.
//!
//! A row's event time is then its window's last millisecond. Nothing is kept: a row goes out as often as there are windows that it is in,
//! late or not. But a session's rows wait until it is over.

use std::fmt;
use std::sync::Arc;

use arrow_array::UInt32Array;
use arrow_schema::SchemaRef;
use yeoul_frame::{Frame, RowKind, Timestamp};
use yeoul_operator::{Context, InputId, Operator, OperatorError};

use super::grid::Grid;
use super::session_rows::SessionRowsOperator;
use super::{Window, WindowTime, is_millis};
use crate::assign_times::event_times;
use crate::input::{Input, gather};
use crate::key::{KeyForm, by_key_form};
use crate::output::{OUTPUT_ROWS, emit};
use crate::word::words_to_array;

/// Adds window columns to rows, one row a window. Windows that rows bring along are none of its business.
#[derive(Debug, Clone)]
pub struct WindowAssign {
    /// How time is cut.
    pub window: Window,
    /// Which time is cut.
    pub time: WindowTime,
    /// The session's key.
    pub keys: Vec<usize>,
    /// What comes in.
    pub input_schema: SchemaRef,
    /// What comes out: the input's columns, then the window's start, end and time.
    pub schema: SchemaRef,
}

impl fmt::Display for WindowAssign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WindowTableFunction(window=[{}])", self.window)
    }
}

impl WindowAssign {
    /// An instance.
    ///
    /// # Errors
    /// A window that is none, one that rows bring along, or a schema that is not that of the result.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        super::check_lengths(self.window)?;
        if matches!(self.time, WindowTime::Windowed { .. }) {
            return crate::refusal::not_supported(&format!("{self} over rows that are in windows"));
        }
        let types =
            |schema: &SchemaRef| schema.fields().iter().map(|field| field.data_type().clone()).collect::<Vec<_>>();
        let (given, input) = (types(&self.schema), types(&self.input_schema));
        if !given.starts_with(&input) || given.len() != input.len() + 3 || !given[input.len()..].iter().all(is_millis) {
            return Err(OperatorError::new(format!("{self} does not give {:?}", self.schema))
                .hint("the input's columns, then the window's start, end and time as timestamps in milliseconds"));
        }
        if let Window::Session { gap } = self.window {
            let form = KeyForm::of(&self.input_schema, &self.keys);
            return by_key_form!(form, K => Ok(Box::new(SessionRowsOperator::<K>::new(self, gap)?)));
        }
        let grid = Grid::of(self.window).expect("only sessions are not aligned");
        Ok(Box::new(AssignOperator { spec: self, grid }))
    }
}

struct AssignOperator {
    spec: Arc<WindowAssign>,
    grid: Grid,
}

impl Operator for AssignOperator {
    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let input = Input::of(frame)?;
        let times = match self.spec.time {
            WindowTime::Column(column) => event_times(&input.column(column)?)?,
            WindowTime::ProcTime => vec![cx.now(); input.rows()],
            _ => input.times().into_owned(),
        };
        if times.contains(&Timestamp::MIN) {
            return Err(super::no_event_time());
        }
        let columns = input.all_columns()?;
        let kinds = input.kinds();
        let (mut rows, mut ends) = (Vec::with_capacity(times.len()), Vec::with_capacity(times.len()));
        for (row, time) in times.iter().enumerate() {
            for end in self.grid.ends_of(self.grid.pane_of(time.0), i64::MIN) {
                rows.push(row as u32);
                ends.push(end);
            }
        }
        let is_same = rows.len() == times.len() && rows.iter().zip(0..).all(|(row, at)| *row == at);
        for (rows, ends) in rows.chunks(OUTPUT_ROWS).zip(ends.chunks(OUTPUT_ROWS)) {
            let mut arrays = columns.clone();
            if !is_same || rows.len() != times.len() {
                let positions = UInt32Array::from(rows.to_vec());
                arrays = columns.iter().map(|column| gather(column, &positions)).collect::<Result<_, _>>()?;
            }
            let bounds: [&dyn Fn(&i64) -> i64; 3] =
                [&|end| self.grid.start_of(*end), &|end| *end, &|end| end.saturating_sub(1)];
            for bound in bounds {
                let data_type = self.spec.schema.field(arrays.len()).data_type();
                arrays.push(words_to_array(data_type, ends.iter().map(|end| bound(end) as u64).collect(), None));
            }
            let times = ends.iter().map(|end| Timestamp(end.saturating_sub(1))).collect();
            let kinds: Vec<RowKind> =
                kinds.iter().flat_map(|kinds| rows.iter().map(|row| kinds[*row as usize])).collect();
            emit(cx, &self.spec.schema, arrays, times, kinds)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, TimeUnit};

    use super::*;
    use crate::testing::{Harness, Table, rows};

    fn check(window: Window, time: WindowTime, input: &str, expected: &str) {
        let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
        let columns = [("a", DataType::Int64), ("ts", millis.clone())];
        let bounds = ["window_start", "window_end", "window_time"].map(|name| (name, millis.clone()));
        let (table, given) = (Table::new(&columns), Table::new(&[&columns[..], &bounds[..]].concat()));
        let spec = Arc::new(WindowAssign {
            window,
            time,
            keys: vec![],
            input_schema: table.schema().clone(),
            schema: given.schema().clone(),
        });
        let mut harness = Harness::of(move || spec.clone().operator(), &[]);
        harness.processing_time(17);
        harness.push(0, table.frame(input));
        assert_eq!(rows(&harness.take()), expected, "{window}");
    }

    #[test]
    fn a_row_goes_out_once_for_each_window() {
        let tumble = Window::Tumble { size: 10, offset: 3 };
        check(tumble, WindowTime::RowTime, "+I 1 5 @5\n-D 2 5 @13", "+I 1 5 3 13 12 @12\n-D 2 5 13 23 22 @22");
        check(tumble, WindowTime::Column(1), "+I 1 2 @5", "+I 1 2 -7 3 2 @2");
        check(tumble, WindowTime::ProcTime, "+I 1 2 @5", "+I 1 2 13 23 22 @22");
        let hop = Window::Hop { size: 10, slide: 5, offset: 0 };
        check(hop, WindowTime::RowTime, "+I 1 0 @7", "+I 1 0 0 10 9 @9\n+I 1 0 5 15 14 @14");
        let gaps = Window::Hop { size: 5, slide: 10, offset: 0 };
        check(gaps, WindowTime::RowTime, "+I 1 0 @7\n+I 2 0 @14", "+I 2 0 10 15 14 @14");
        let cumulate = Window::Cumulate { size: 10, step: 5, offset: 0 };
        check(cumulate, WindowTime::RowTime, "+I 1 0 @2", "+I 1 0 0 5 4 @4\n+I 1 0 0 10 9 @9");
    }

    #[test]
    fn a_row_without_time_is_an_error() {
        let table = Table::new(&[("a", DataType::Int64)]);
        let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
        let spec = Arc::new(WindowAssign {
            window: Window::Tumble { size: 10, offset: 0 },
            time: WindowTime::RowTime,
            keys: vec![],
            input_schema: table.schema().clone(),
            schema: Table::new(&[("a", DataType::Int64), ("s", millis.clone()), ("e", millis.clone()), ("t", millis)])
                .schema()
                .clone(),
        });
        let windowed = WindowTime::Windowed { start: 1, end: 2, by_clock: false };
        let given = Arc::new(WindowAssign { time: windowed, ..spec.as_ref().clone() });
        assert!(given.operator().err().unwrap().to_string().contains("not supported yet"));
        let mut harness = Harness::of(move || spec.clone().operator(), &[]);
        let error = harness.try_push(0, table.frame(&format!("+I 1 @{}", i64::MIN))).unwrap_err();
        assert!(error.to_string().contains("event time"), "{error}");
    }
}
