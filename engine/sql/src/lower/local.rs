//! Windows of local time: their rows' times and watermarks are told by the zone's clock before them, and by UTC again after.
//!
//! The bounds of a window are of the zone's clock then, and its time is an instant, as in Flink. What is above knows the bounds as plain
//! columns: nothing else than the window itself waits by the zone's clock.

use std::fmt;
use std::sync::Arc;

use arrow_schema::DataType;
use yeoul_relational::{Clock, ShiftTimes, TimeOrder};

use super::Lowering;
use super::graph::{Exchange, Input, Node, NodeId, Operator};
use crate::functions::calendar::{from_wall, to_wall};
use crate::settings::Zone;

const MINUTE: i64 = 60_000;
/// Clocks are set at whole quarters of an hour of UTC, and not twice a day, nor twice in what is [`STEADY`](yeoul_relational::STEADY).
const QUARTER: i64 = 15 * MINUTE;
const DAY: i64 = 24 * 60 * MINUTE;
const _: () = assert!(yeoul_relational::STEADY <= DAY);

/// The clock on the wall, of times of UTC.
#[derive(Debug)]
struct Wall(Zone);

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UTC to {:?}", self.0)
    }
}

impl Clock for Wall {
    fn time(&self, time: i64) -> i64 {
        to_wall(time, self.0)
    }

    /// A clock that will be set back shows times again: those have not passed.
    fn watermark(&self, watermark: i64) -> i64 {
        let here = to_wall(watermark, self.0);
        if to_wall(watermark.saturating_add(DAY), self.0) >= here.saturating_add(DAY) {
            return here;
        }
        let first = watermark.div_euclid(QUARTER) * QUARTER;
        let again = (1..=DAY / QUARTER).map(|quarter| to_wall(first + quarter * QUARTER, self.0) - 1).min();
        again.map_or(here, |again| here.min(again))
    }
}

/// UTC, of times on the wall.
#[derive(Debug)]
struct Instant(Zone);

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} to UTC", self.0)
    }
}

impl Clock for Instant {
    /// The first of two instants; a time that the clock leaves out is when it was set.
    fn time(&self, local: i64) -> i64 {
        let found = from_wall(local, self.0);
        let ahead = to_wall(found, self.0) - found;
        if found.saturating_add(ahead) == local {
            return found;
        }
        // The last instant before the clock was set, and the first after.
        let (mut before, mut after) = (found - DAY, found);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if to_wall(middle, self.0) - middle == ahead { after = middle } else { before = middle }
        }
        after
    }

    fn watermark(&self, watermark: i64) -> i64 {
        self.time(watermark)
    }
}

impl Lowering<'_> {
    /// Whether windows over this time are cut by another clock than UTC's.
    pub(super) fn is_local(&self, order: TimeOrder, of: &DataType) -> bool {
        order == TimeOrder::RowTime && matches!(of, DataType::Timestamp(_, Some(_))) && !self.settings.zone().is_utc()
    }

    /// Rows whose event times are those that the zone's clock shows at the times of a column.
    pub(super) fn by_wall(&mut self, input: NodeId, from: Option<usize>) -> NodeId {
        let clock = Arc::new(Wall(self.settings.zone()));
        self.shifted(input, clock, from, None)
    }

    /// Rows of windows whose times are instants again; `time` is the column of the window's time. Their bounds are plain columns.
    pub(super) fn by_instants(&mut self, input: NodeId, time: Option<usize>) -> NodeId {
        let clock = Arc::new(Instant(self.settings.zone()));
        self.shifted(input, clock, None, time)
    }

    /// Rows of windows that end by the zone's clock still, with the window's time as an instant in its column.
    pub(super) fn with_instant(&mut self, input: NodeId, time: usize) -> NodeId {
        let of = &self.plan.nodes[input];
        let clock = Arc::new(Instant(self.settings.zone()));
        let spec = ShiftTimes { clock, from: None, to: Some(time), shows: true, schema: Arc::clone(&of.schema) };
        self.add(Node::over(Operator::ShiftTimes(spec), vec![Input { node: input, exchange: Exchange::Forward }], of))
    }

    fn shifted(&mut self, input: NodeId, clock: Arc<dyn Clock>, from: Option<usize>, to: Option<usize>) -> NodeId {
        let of = &self.plan.nodes[input];
        let spec = ShiftTimes { clock, from, to, shows: false, schema: Arc::clone(&of.schema) };
        let mut node =
            Node::over(Operator::ShiftTimes(spec), vec![Input { node: input, exchange: Exchange::Forward }], of);
        for of in &mut node.traits {
            of.window = None;
        }
        self.add(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 60 * MINUTE;

    /// In Berlin clocks were set back at 01:00 UTC on 2026-10-25, from 03:00 to 02:00, and ahead at 01:00 UTC on 2026-03-29.
    const BACK: i64 = 1_792_890_000_000;
    const AHEAD: i64 = 1_774_746_000_000;

    #[test]
    fn what_a_clock_shows_twice_has_passed_the_second_time() {
        let zone = crate::settings::zone("Europe/Berlin").unwrap();
        let (wall, instant) = (Wall(zone), Instant(zone));
        let two = BACK + HOUR;
        assert_eq!((wall.time(BACK - 1), wall.time(BACK)), (two + HOUR - 1, two));
        for (watermark, passed) in [
            (BACK - 2 * HOUR, two - HOUR),
            (BACK - HOUR - 1, two - 1),
            (BACK - HOUR, two - 1),
            (BACK - 1, two - 1),
            (BACK, two),
            (BACK + HOUR, two + HOUR),
        ] {
            assert_eq!(wall.watermark(watermark), passed, "at {}", watermark - BACK);
            assert!(instant.watermark(passed) <= watermark, "at {}", watermark - BACK);
        }
        let three = AHEAD + 2 * HOUR;
        assert_eq!((wall.time(AHEAD - 1), wall.time(AHEAD)), (three - HOUR - 1, three));
        for (local, time) in [
            (three - HOUR - 1, AHEAD - 1),
            (three - HOUR, AHEAD),
            (three - 1, AHEAD),
            (three, AHEAD),
            (three + 1, AHEAD + 1),
        ] {
            assert_eq!(instant.time(local), time, "at {}", local - three);
        }
        assert_eq!(wall.watermark(AHEAD - 1), three - HOUR - 1);
        assert_eq!(wall.watermark(AHEAD), three);
    }
}
