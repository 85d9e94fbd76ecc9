//! Page views by windows of each kind.

use std::time::Duration;

use yeoul::prelude::*;
use yeoul::state::ValueHandle;

/// Someone looks at a page.
#[record]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The page.
    pub page: u64,
    /// Who.
    pub user: u64,
    /// When.
    pub at: Timestamp,
}

/// How often, in a window that ends there.
#[record]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Views {
    /// The page or the user.
    pub of: u64,
    /// Where the window ends.
    pub end: Timestamp,
    /// How often.
    pub views: u64,
}

/// A user who is silent for so long has left.
pub const GAP: Duration = Duration::from_secs(30 * 60);

const MINUTE: Duration = Duration::from_secs(60);

fn counted(windows: &WindowedStream<u64, View>) -> DataStream<Views> {
    windows
        .aggregate_with(Count::new(), |of, window, views, out| out.collect(Views { of: *of, end: window.end, views }))
}

/// Each page's views of each minute.
#[must_use]
pub fn a_minute(views: &DataStream<View>) -> DataStream<Views> {
    counted(&views.key_by(|view| view.page()).window(TumblingEventTimeWindows::of(MINUTE))).uid("a minute")
}

/// Each page's views of a minute, every ten seconds.
#[must_use]
pub fn a_minute_every_ten_seconds(views: &DataStream<View>) -> DataStream<Views> {
    let windows = SlidingEventTimeWindows::of(MINUTE, Duration::from_secs(10));
    counted(&views.key_by(|view| view.page()).window(windows)).uid("ten seconds")
}

/// Each user's views of each visit.
#[must_use]
pub fn a_session(views: &DataStream<View>) -> DataStream<Views> {
    counted(&views.key_by(|view| view.user()).window(EventTimeSessionWindows::with_gap(GAP))).uid("a session")
}

/// A record of each page's every hundredth view. What is not a hundred yet waits without end.
#[must_use]
pub fn each_hundred(views: &DataStream<View>) -> DataStream<u64> {
    let hundreds = views.key_by(|view| view.page()).count_window(100);
    hundreds.aggregate_with(Count::new(), |page, _, _, out| out.collect(*page)).uid("each hundred")
}

/// All views of each minute.
#[must_use]
pub fn of_all_pages(views: &DataStream<View>) -> DataStream<Views> {
    views
        .window_all(TumblingEventTimeWindows::of(MINUTE))
        .aggregate_with(Count::new(), |window, views, out| out.collect(Views { of: 0, end: window.end, views }))
        .uid("all pages")
}

/// How a page's minute stands to those before it, each time it fires.
#[record]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    /// The page.
    pub page: u64,
    /// The views of the minute.
    pub views: u64,
    /// How often this minute has fired: more than once if there was a late view.
    pub firings: u64,
    /// The most views of any minute of the page so far.
    pub most: u64,
}

/// Counts firings in the window's state, and keeps the most views in the key's.
#[derive(Clone, Default)]
struct Record {
    firings: ValueHandle<u64>,
    most: ValueHandle<u64>,
}

impl ProcessWindowFunction for Record {
    type Key = u64;
    type In = u64;
    type Out = Standing;

    fn declare(&mut self, states: &mut WindowStates<u64>) {
        self.firings = states.window.value("firings");
        self.most = states.global.value("most");
    }

    fn process(
        &mut self,
        page: &u64,
        cx: &mut WindowContext<'_, u64>,
        views: &[u64],
        out: &mut Collector<Standing>,
    ) -> Result<(), OperatorError> {
        let views: u64 = views.iter().sum();
        let firings = {
            let firings = cx.window_state(&self.firings).get_or(0);
            *firings += 1;
            *firings
        };
        let most = cx.global_state(&self.most).get_or(0);
        *most = views.max(*most);
        out.collect(Standing { page: *page, views, firings, most: *most });
        Ok(())
    }

    fn clear(&mut self, _: &u64, cx: &mut WindowContext<'_, u64>) -> Result<(), OperatorError> {
        cx.window_state(&self.firings).clear();
        Ok(())
    }
}

/// With each firing of a page's minute how it stands; late views of `lateness` make it fire again.
#[must_use]
pub fn records_of_the_day(views: &DataStream<View>, lateness: Duration) -> DataStream<Standing> {
    let minutes =
        views.key_by(|view| view.page()).window(TumblingEventTimeWindows::of(MINUTE)).allowed_lateness(lateness);
    minutes.aggregate_process(Count::new(), Record::default()).uid("records of the day")
}
