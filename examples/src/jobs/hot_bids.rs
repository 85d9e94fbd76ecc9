//! Bids per auction in windows of ten seconds that slide by two.

use std::time::Duration;

use yeoul::prelude::*;

use crate::options::Options;
use crate::records::{ArchivedAuctionEvent, AuctionEvent};

/// How far a bid may lie behind the latest one.
pub const BOUND: Duration = Duration::from_secs(4);

/// An auction's bids in one window.
#[record]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BidsOfAuction {
    /// The auction.
    pub auction: u64,
    /// When the window began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// How many bids.
    pub bids: u64,
}

/// When an event happened, whichever of the three it is.
#[must_use]
pub fn time_of(event: &ArchivedAuctionEvent) -> Timestamp {
    let bid = event.bid().map(|bid| bid.date_time());
    let rest = || event.auction().or_else(|| event.person()).map(|when| when.date_time());
    bid.or_else(rest).unwrap_or(Timestamp::MIN)
}

/// Builds the job: `bids` below the folder for results.
pub fn build(env: &Environment, options: &Options) {
    let events = env.from_source(
        FileSource::ndjson::<AuctionEvent>(&options.input),
        WatermarkStrategy::for_bounded_out_of_orderness(BOUND).with_timestamp_assigner(time_of),
        "events",
    );
    events
        .filter(|event| event.bid().is_some())
        .key_by(|event| event.bid().map_or(0, |bid| bid.auction()))
        .window(SlidingEventTimeWindows::of(Duration::from_secs(10), Duration::from_secs(2)))
        .aggregate_with(Count::new(), |auction, window, bids, out| {
            out.collect(BidsOfAuction { auction: *auction, start: window.start, end: window.end, bids });
        })
        .name("bids")
        .sink_to(FileSink::csv::<BidsOfAuction>(options.result("bids")).overwrite())
        .name("bids.csv");
}
