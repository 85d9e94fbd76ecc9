//! Clicks on pages, counted: the job of Flink's operations playground, in a first version and in the one that takes its place.

use std::time::Duration;

use yeoul::operator::OpenContext;
use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul::state::{StateDescriptor, States, ValueHandle};

/// The length of a window.
pub const WINDOW: Duration = Duration::from_secs(15);
/// Clicks on each page in a window: exactly so many, so that a wrong count is seen at once.
pub const CLICKS: u64 = 100;
/// Pages.
pub const PAGES: u64 = 6;

/// A click.
#[record]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Click {
    /// On which page.
    pub page: u64,
    /// When.
    pub time: Timestamp,
}

/// The clicks on a page up to the end of a window.
#[record]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clicks {
    /// The page.
    pub page: u64,
    /// The window's last millisecond.
    pub until: Timestamp,
    /// In the window.
    pub count: u64,
    /// In it and all before it.
    pub total: u64,
    /// The windows that the program knows of: 0 in its first version.
    pub windows: u64,
}

/// The clicks of so many windows: on each page as often, evenly in time.
#[must_use]
pub fn clicks(windows: u64) -> Vec<Click> {
    let a_window = PAGES * CLICKS;
    let time = |number: u64| Timestamp((number * WINDOW.as_millis() as u64 / a_window) as i64);
    (0..windows * a_window).map(|number| Click { page: number % PAGES, time: time(number) }).collect()
}

fn counts(clicks: &DataStream<Click>) -> DataStream<(u64, u64)> {
    clicks
        .key_by(|click| click.page())
        .window(TumblingEventTimeWindows::of(WINDOW))
        .aggregate_with(Count::new(), |page, _, count, out| out.collect((*page, count)))
        .uid("counts")
}

/// The first version: of each page the clicks of a window, and of all.
#[must_use]
pub fn version_1(clicks: &DataStream<Click>) -> DataStream<Clicks> {
    counts(clicks).key_by(page).process(Totals::default()).uid("totals")
}

/// The second version: no clicks on page 5 any more, and how many windows a page has had. Its state is another type, which is made of the
/// first version's.
#[must_use]
pub fn version_2(clicks: &DataStream<Click>) -> DataStream<Clicks> {
    let clicks = clicks.filter(|click| click.page() != 5);
    counts(&clicks).key_by(page).process(TotalsAndWindows::default()).uid("totals")
}

fn page(count: &Archived<(u64, u64)>) -> u64 {
    count.0.to_native()
}

#[derive(Clone, Default)]
struct Totals(ValueHandle<u64>);

impl KeyedProcessFunction for Totals {
    type Key = u64;
    type In = (u64, u64);
    type Out = Clicks;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.0 = states.value("total");
        Ok(())
    }

    fn process(
        &mut self,
        count: &Archived<(u64, u64)>,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<Clicks>,
    ) -> Result<(), OperatorError> {
        let count = count.1.to_native();
        let total = cx.state(&self.0).get_or(0);
        *total += count;
        let total = *total;
        out.collect(Clicks { page: *cx.key(), until: cx.timestamp(), count, total, windows: 0 });
        Ok(())
    }
}

#[derive(Clone, Default)]
struct TotalsAndWindows(ValueHandle<(u64, u64)>);

impl KeyedProcessFunction for TotalsAndWindows {
    type Key = u64;
    type In = (u64, u64);
    type Out = Clicks;

    fn open(&mut self, states: &mut States<u64>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let total = StateDescriptor::new("total").migrate_from(0, |total: u64| (total, total / CLICKS));
        self.0 = states.value(total);
        Ok(())
    }

    fn process(
        &mut self,
        count: &Archived<(u64, u64)>,
        cx: &mut KeyedContext<'_, u64>,
        out: &mut Collector<Clicks>,
    ) -> Result<(), OperatorError> {
        let count = count.1.to_native();
        let known = cx.state(&self.0).get_or((0, 0));
        *known = (known.0 + count, known.1 + 1);
        let (total, windows) = *known;
        out.collect(Clicks { page: *cx.key(), until: cx.timestamp(), count, total, windows });
        Ok(())
    }
}
