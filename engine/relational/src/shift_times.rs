//! Event times and watermarks told by another clock: windows of a zone's days and hours are cut between two of these.
//!
//! Which clock it is says a [`Clock`]; rows and their columns stay as they are, but for the column that shows the event time.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use yeoul_frame::{Frame, Timestamp};
use yeoul_operator::{Context, InputId, Operator, OperatorError};

use crate::assign_times::event_times;
use crate::input::Input;
use crate::output::emit;
use crate::window::is_millis;
use crate::word::words_to_array;

/// Times in milliseconds by another clock. Within [`STEADY`] it is set once at most: where it shows as much more at the end as at the
/// beginning, it does so between them.
pub trait Clock: fmt::Debug + fmt::Display + Send + Sync {
    /// What it shows at a time.
    fn time(&self, time: i64) -> i64;

    /// The last time that it shows for the last time before or at `watermark`. Rises with it.
    fn watermark(&self, watermark: i64) -> i64;
}

/// In so many milliseconds no clock is set twice.
pub const STEADY: i64 = 12 * 60 * 60 * 1000;

/// Tells rows' event times, and watermarks, by another clock.
#[derive(Debug, Clone)]
pub struct ShiftTimes {
    /// Which clock.
    pub clock: Arc<dyn Clock>,
    /// The column of the times that are meant; none: the frame's event times.
    pub from: Option<usize>,
    /// A column of milliseconds that is to hold the times then.
    pub to: Option<usize>,
    /// Whether that column is all that is told by the other clock: event times and watermarks stay.
    pub shows: bool,
    /// What comes in and out.
    pub schema: SchemaRef,
}

impl fmt::Display for ShiftTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShiftTimes({})", self.clock)
    }
}

impl ShiftTimes {
    /// An instance.
    ///
    /// # Errors
    /// A column that is none of milliseconds.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        let fields = self.schema.fields();
        if self.to.is_some_and(|to| !fields.get(to).is_some_and(|field| is_millis(field.data_type()))) {
            return Err(OperatorError::new(format!("{self} into a column that holds no times in milliseconds")));
        }
        Ok(Box::new(ShiftOperator(self)))
    }
}

struct ShiftOperator(Arc<ShiftTimes>);

impl Operator for ShiftOperator {
    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let spec = &self.0;
        let input = Input::of(frame)?;
        let times = match spec.from {
            Some(column) => event_times(&input.column(column)?)?,
            None => input.times().into_owned(),
        };
        let ahead = ahead(spec.clock.as_ref(), &times);
        let shown = |time: &Timestamp| match (*time, ahead) {
            // No time is none by any clock.
            (Timestamp::MIN, _) => Timestamp::MIN,
            (Timestamp(time), Some(ahead)) => Timestamp(time.saturating_add(ahead)),
            (Timestamp(time), None) => Timestamp(spec.clock.time(time)),
        };
        let times: Vec<Timestamp> = times.iter().map(shown).collect();
        let mut arrays = input.all_columns()?;
        if let Some(to) = spec.to {
            let words = times.iter().map(|time| time.0 as u64).collect();
            arrays[to] = words_to_array(spec.schema.field(to).data_type(), words, None);
        }
        let times = if spec.shows { input.times().into_owned() } else { times };
        let kinds = input.kinds().map(|kinds| kinds.to_vec()).unwrap_or_default();
        emit(cx, &spec.schema, arrays, times, kinds)
    }

    fn output_watermark(&self, watermark: Timestamp) -> Timestamp {
        match watermark {
            Timestamp::MIN | Timestamp::MAX => watermark,
            _ if self.0.shows => watermark,
            Timestamp(watermark) => Timestamp(self.0.clock.watermark(watermark)),
        }
    }
}

/// By how much the clock is ahead at all of these times, if that is one number: rows of a frame lie close together.
fn ahead(clock: &dyn Clock, times: &[Timestamp]) -> Option<i64> {
    let known = || times.iter().map(|time| time.0).filter(|time| *time != Timestamp::MIN.0);
    let (first, last) = (known().min()?, known().max()?);
    if last.saturating_sub(first) > STEADY {
        return None;
    }
    let at = |time: i64| clock.time(time).checked_sub(time);
    at(first).filter(|ahead| at(last) == Some(*ahead))
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, TimeUnit};

    use super::*;
    use crate::testing::{Harness, Table, rows};

    #[derive(Debug)]
    struct Ahead;

    impl fmt::Display for Ahead {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("100 ahead")
        }
    }

    impl Clock for Ahead {
        fn time(&self, time: i64) -> i64 {
            time + 100
        }

        fn watermark(&self, watermark: i64) -> i64 {
            watermark + 90
        }
    }

    fn check(from: Option<usize>, to: Option<usize>, shows: bool, expected: &str) {
        let millis = DataType::Timestamp(TimeUnit::Millisecond, None);
        let table = Table::new(&[("a", DataType::Int64), ("ts", millis)]);
        let spec = Arc::new(ShiftTimes { clock: Arc::new(Ahead), from, to, shows, schema: table.schema().clone() });
        let operator = spec.clone().operator().unwrap();
        assert_eq!(operator.output_watermark(Timestamp(7)), Timestamp(if shows { 7 } else { 97 }));
        assert_eq!(operator.output_watermark(Timestamp::MAX), Timestamp::MAX);
        assert_eq!(operator.output_watermark(Timestamp::MIN), Timestamp::MIN);
        let mut harness = Harness::of(move || spec.clone().operator(), &[]);
        harness.push(0, table.frame("+I 1 5 @9\n-D 2 6 @10"));
        assert_eq!(rows(&harness.take()), expected);
    }

    #[test]
    fn a_clock_is_asked_twice_where_it_is_not_set_between() {
        #[derive(Debug, Default)]
        struct Set(std::sync::atomic::AtomicUsize);

        impl fmt::Display for Set {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("set at 1000")
            }
        }

        impl Clock for Set {
            fn time(&self, time: i64) -> i64 {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if time < 1000 { time + 7 } else { time }
            }

            fn watermark(&self, watermark: i64) -> i64 {
                watermark
            }
        }

        let table = Table::new(&[("a", DataType::Int64)]);
        for (input, asked, expected) in [
            ("+I 1 @3\n+I 2 @5\n+I 3 @999\n+I 4 @4", 2, "+I 1 @10\n+I 2 @12\n+I 3 @1006\n+I 4 @11"),
            ("+I 1 @999\n+I 2 @1000\n+I 3 @998", 5, "+I 1 @1006\n+I 2 @1000\n+I 3 @1005"),
            ("+I 1 @1000\n+I 2 @43201001", 2, "+I 1 @1000\n+I 2 @43201001"),
        ] {
            let clock = Arc::new(Set::default());
            let spec =
                ShiftTimes { clock: clock.clone(), from: None, to: None, shows: false, schema: table.schema().clone() };
            let spec = Arc::new(spec);
            let mut harness = Harness::of(move || spec.clone().operator(), &[]);
            harness.push(0, table.frame(input));
            assert_eq!(rows(&harness.take()), expected);
            assert_eq!(clock.0.load(std::sync::atomic::Ordering::Relaxed), asked, "{input}");
        }
    }

    #[test]
    fn times_are_told_by_the_other_clock() {
        check(None, None, false, "+I 1 5 @109\n-D 2 6 @110");
        check(Some(1), None, false, "+I 1 5 @105\n-D 2 6 @106");
        check(None, Some(1), false, "+I 1 109 @109\n-D 2 110 @110");
        check(None, Some(1), true, "+I 1 109 @9\n-D 2 110 @10");
    }
}
