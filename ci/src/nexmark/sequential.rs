//! Answers that Flink does not give, by plain sequential programs: q6, which it cannot plan, and q12, whose windows are of the clock.

use std::collections::BTreeMap;

/// The text of a field of the event's own row, without its quotes.
fn field<'a>(row: &'a str, name: &str) -> Option<&'a str> {
    let key = format!("\"{name}\":");
    let value = row[row.find(&key)? + key.len()..].trim_start();
    match value.strip_prefix('"') {
        Some(text) => text.split('"').next(),
        None => value.split([',', '}']).next().map(str::trim),
    }
}

fn number(row: &str, name: &str) -> Option<i64> {
    field(row, name)?.parse().ok()
}

/// The rows of one kind (`auction`, `bid`), as the text from where they begin.
fn rows<'a>(events: &'a str, kind: &str) -> impl Iterator<Item = &'a str> {
    let key = format!("\"{kind}\":");
    events.lines().filter_map(move |line| {
        let at = line.find(&key)? + key.len();
        let row = line[at..].trim_start();
        row.starts_with('{').then_some(row)
    })
}

/// What is wrong with a table of q12 (bidder, bids, start, end of the window), if anything.
#[must_use]
pub fn q12(events: &str, table: &str) -> Option<String> {
    let mut expected: BTreeMap<i64, i64> = BTreeMap::new();
    for bid in rows(events, "bid") {
        *expected.entry(number(bid, "bidder")?).or_default() += 1;
    }
    let mut found: BTreeMap<i64, i64> = BTreeMap::new();
    for line in table.lines() {
        let cells: Vec<&str> = line.split(',').collect();
        let [bidder, bids, start, end] = cells.as_slice() else { return Some(format!("four columns, not {line}")) };
        let (Ok(bidder), Ok(bids)) = (bidder.parse::<i64>(), bids.parse::<i64>()) else {
            return Some(format!("no numbers: {line}"));
        };
        if !start.ends_with("0.000") || !end.ends_with("0.000") || start >= end {
            return Some(format!("no window of ten seconds: {line}"));
        }
        *found.entry(bidder).or_default() += bids;
    }
    (found != expected).then(|| format!("{} bidders with bids, expected {}", found.len(), expected.len()))
}

/// What is wrong with a table of q6, if anything.
#[must_use]
pub fn q6_difference(events: &str, table: &str) -> Option<String> {
    let Some(expected) = q6(events) else {
        return Some("two winning bids of one seller have one time: the answer is open".to_owned());
    };
    (table != expected).then(|| format!("{} rows, expected {}", table.lines().count(), expected.lines().count()))
}

/// The table of q6: for each auction's winning bid, in the order of their times by seller, the average price of it and of up to ten
/// before it; sorted. `None` if two winning bids of a seller have one time: then their order is open.
#[must_use]
pub fn q6(events: &str) -> Option<String> {
    let mut auctions: BTreeMap<i64, (i64, String, String)> = BTreeMap::new();
    for auction in rows(events, "auction") {
        let times = (field(auction, "dateTime")?.to_owned(), field(auction, "expires")?.to_owned());
        auctions.insert(number(auction, "id")?, (number(auction, "seller")?, times.0, times.1));
    }
    // Among equal prices the first to arrive wins.
    let mut winners: BTreeMap<i64, (i64, String)> = BTreeMap::new();
    for bid in rows(events, "bid") {
        let (auction, price, time) = (number(bid, "auction")?, number(bid, "price")?, field(bid, "dateTime")?);
        let Some((_, start, end)) = auctions.get(&auction) else { continue };
        if time < start.as_str() || time > end.as_str() {
            continue;
        }
        let best = winners.entry(auction).or_insert_with(|| (i64::MIN, String::new()));
        if price > best.0 {
            *best = (price, time.to_owned());
        }
    }
    let mut sellers: BTreeMap<i64, Vec<(String, i64)>> = BTreeMap::new();
    for (auction, (price, time)) in winners {
        sellers.entry(auctions[&auction].0).or_default().push((time, price));
    }
    let mut lines = Vec::new();
    for (seller, mut won) in sellers {
        won.sort();
        if won.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return None;
        }
        for at in 0..won.len() {
            let frame = &won[at.saturating_sub(10)..=at];
            let sum: i64 = frame.iter().map(|(_, price)| price).sum();
            lines.push(format!("{seller},{}", sum / frame.len() as i64));
        }
    }
    lines.sort();
    Some(lines.join("\n") + "\n")
}
