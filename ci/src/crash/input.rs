//! A large input of auction bids: seeded, so that every run of a campaign reads the same bytes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use yeoul::Timestamp;
use yeoul::sys::Random;

/// 2026-01-01 00:00:00 UTC.
const START: i64 = 1_767_225_600_000;

/// Writes `lines` bids in the form of the NEXMark events, ten a millisecond, at most two seconds out of order.
///
/// # Errors
/// The file cannot be written.
pub fn bids(seed: u64, lines: u64, to: &Path) -> std::io::Result<()> {
    let mut random = Random::new(seed);
    let mut out = BufWriter::with_capacity(1 << 20, File::create(to)?);
    for line in 0..lines {
        let late = if random.one_in(20) { random.below(2000) as i64 } else { 0 };
        let time = Timestamp(START + line as i64 / 10 - late);
        // A few auctions are hot; the others change as time goes on.
        let auction = if random.one_in(2) { random.below(8) } else { line / 5000 + random.below(200) };
        let (bidder, price) = (random.below(10_000), random.below(1_000_000));
        writeln!(
            out,
            r#"{{"event_type":2,"person":null,"auction":null,"bid":{{"auction":{auction},"bidder":{bidder},"price":{price},"channel":"channel-{}","dateTime":"{time}"}}}}"#,
            auction % 97
        )?;
    }
    out.flush()
}

/// Writes `lines` departures in the form of the example's flights, ten a minute; one in fifty is too late for its hour.
///
/// # Errors
/// The file cannot be written.
pub fn departures(seed: u64, lines: u64, to: &Path) -> std::io::Result<()> {
    let mut random = Random::new(seed);
    let mut out = BufWriter::with_capacity(1 << 20, File::create(to)?);
    writeln!(
        out,
        "flight_id,carrier,flight,tailnum,origin,dest,distance,sched_dep,dep_delay,reported_at,arr_delay,air_time"
    )?;
    for line in 0..lines {
        let late = if random.one_in(50) { random.below(5 * 3_600_000) as i64 } else { random.below(3_000_000) as i64 };
        let reported = Timestamp(START + line as i64 * 6_000);
        let scheduled = Timestamp(reported.0 - late);
        let (origin, dest, number) = (random.below(60), random.below(200), random.below(9000));
        let delay = if random.one_in(40) { String::new() } else { random.below(90).to_string() };
        writeln!(
            out,
            "{line},YL,{number},N{number},A{origin:02},D{dest},500,{scheduled},{delay},{reported},{delay},90"
        )?;
    }
    out.flush()
}
