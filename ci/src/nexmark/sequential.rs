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
        let Some(bidder) = number(bid, "bidder") else { return Some(format!("a bid without a bidder: {bid}")) };
        *expected.entry(bidder).or_default() += 1;
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

/// What is wrong with a table of q6 (seller, average price), if anything.
///
/// There is a row for each auction's winning bid: the average price of it and of up to ten before it, in the order of the times of
/// the seller's winning bids. Bids that won at one time may stand in any order, but in one and the same for all rows of the seller.
#[must_use]
pub fn q6(events: &str, table: &str) -> Option<String> {
    q6_judged(events, table).err()
}

fn q6_judged(events: &str, table: &str) -> Result<(), String> {
    let mut found: BTreeMap<i64, BTreeMap<i64, u32>> = BTreeMap::new();
    for line in table.lines() {
        let cells = line.split_once(',').and_then(|(seller, price)| Some((seller.parse().ok()?, price.parse().ok()?)));
        let (seller, average) = cells.ok_or_else(|| format!("no seller and price: {line}"))?;
        *found.entry(seller).or_default().entry(average).or_default() += 1;
    }
    for (seller, mut bids) in winning_bids(events)? {
        let averages = found.remove(&seller).unwrap_or_default();
        let (rows, expected) = (averages.values().sum::<u32>() as usize, bids.len());
        if rows != expected {
            return Err(format!("seller {seller} has {rows} rows, expected {expected}"));
        }
        bids.sort_unstable();
        let mut search = Search { bids, averages, furthest: 0 };
        if !search.fits(0) {
            let (time, _) = search.bids[search.furthest];
            return Err(format!("seller {seller}: no order of the winning bids gives its averages, from {time} on"));
        }
    }
    found.keys().next().map_or(Ok(()), |seller| Err(format!("seller {seller} has rows and sold nothing")))
}

/// By seller, the time and the price of each auction's winning bid.
fn winning_bids(events: &str) -> Result<BTreeMap<i64, Vec<(&str, i64)>>, String> {
    let auction_of = |row| {
        let times = (field(row, "dateTime")?, field(row, "expires")?);
        Some((number(row, "id")?, (number(row, "seller")?, times)))
    };
    let mut auctions: BTreeMap<i64, (i64, (&str, &str))> = BTreeMap::new();
    for row in rows(events, "auction") {
        auctions.extend([auction_of(row).ok_or_else(|| format!("no auction: {row}"))?]);
    }
    let bid_of = |row| Some((number(row, "auction")?, field(row, "dateTime")?, number(row, "price")?));
    let mut highest: BTreeMap<i64, Vec<(&str, i64)>> = BTreeMap::new();
    for row in rows(events, "bid") {
        let (auction, time, price) = bid_of(row).ok_or_else(|| format!("no bid: {row}"))?;
        if !auctions.get(&auction).is_some_and(|(_, (start, end))| (*start..=*end).contains(&time)) {
            continue;
        }
        let bids = highest.entry(auction).or_default();
        bids.retain(|(_, other)| *other >= price);
        if bids.first().is_none_or(|(_, other)| *other == price) {
            bids.push((time, price));
        }
    }
    let mut sellers: BTreeMap<i64, Vec<(&str, i64)>> = BTreeMap::new();
    for (auction, bids) in highest {
        // The query does not say which of them wins, and so not when: its answers would be too many to be told.
        if bids.iter().any(|bid| *bid != bids[0]) {
            return Err(format!("auction {auction} has two highest bids at two times: which of them wins is open"));
        }
        sellers.entry(auctions[&auction].0).or_default().push(bids[0]);
    }
    Ok(sellers)
}

/// Looks for an order of one seller's winning bids that gives these averages.
///
/// It tries all of them; an order that is wrong soon asks for an average that the table has not, so that few are tried far.
struct Search<'e> {
    /// Time and price, in the order of their times. Those before the one that is looked at have their places.
    bids: Vec<(&'e str, i64)>,
    /// The averages that no bid has claimed, and how many rows have them.
    averages: BTreeMap<i64, u32>,
    /// How many bids have had a place at most.
    furthest: usize,
}

impl Search<'_> {
    /// Whether the bids from `at` on can be put into an order that gives the averages that are left.
    fn fits(&mut self, at: usize) -> bool {
        self.furthest = self.furthest.max(at);
        let Some((time, _)) = self.bids.get(at).copied() else { return true };
        let tied = self.bids[at..].iter().take_while(|(other, _)| *other == time).count();
        for next in at..at + tied {
            // Bids that are alike change places for nothing, and ten of them have 3,628,800 orders.
            if self.bids[at..next].contains(&self.bids[next]) {
                continue;
            }
            self.bids.swap(at, next);
            let frame = &self.bids[at.saturating_sub(10)..=at];
            let average = frame.iter().map(|(_, price)| price).sum::<i64>() / frame.len() as i64;
            if self.claim(average) {
                if self.fits(at + 1) {
                    return true;
                }
                *self.averages.entry(average).or_default() += 1;
            }
            self.bids.swap(at, next);
        }
        false
    }

    fn claim(&mut self, average: i64) -> bool {
        let left = self.averages.get_mut(&average).filter(|rows| **rows > 0);
        let is_there = left.is_some();
        left.into_iter().for_each(|rows| *rows -= 1);
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seller 7's winning bids as `time:price`, each of an auction of its own, and the seller's averages. What is said holds `expected`.
    fn check(bids: &str, averages: &str, expected: Option<&str>) {
        let mut events = String::new();
        for (id, bid) in bids.split(' ').enumerate() {
            let (time, price) = bid.split_once(':').unwrap();
            events += &auction(id, "a", "z");
            events += &bid_on(id, time, price);
        }
        let rows: Vec<String> = averages.split(' ').map(|average| format!("7,{average}\n")).collect();
        judge(&events, &rows.concat(), expected);
    }

    fn auction(id: usize, start: &str, end: &str) -> String {
        format!(
            "{{\"auction\":{{\"id\":{id},\"dateTime\":\"{start}\",\"expires\":\"{end}\",\"seller\":7}},\"bid\":null}}\n"
        )
    }

    fn bid_on(id: usize, time: &str, price: &str) -> String {
        format!("{{\"auction\":null,\"bid\":{{\"auction\":{id},\"price\":{price},\"dateTime\":\"{time}\"}}}}\n")
    }

    fn judge(events: &str, table: &str, expected: Option<&str>) {
        match (q6(events, table), expected) {
            (None, None) => {}
            (Some(said), Some(expected)) if said.contains(expected) => {}
            (said, _) => panic!("{said:?} of {table:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn bids_that_won_one_after_the_other_have_one_answer() {
        check("b:10 c:20 d:31", "10 15 20", None);
        check("d:31 c:20 b:10", "20 10 15", None);
        check("b:10 c:20", "20 15", Some("no order of the winning bids gives its averages, from b on"));
        check("b:10 c:20", "10 16", Some("from c on"));
        check("b:10 c:20", "10", Some("1 rows, expected 2"));
        check("b:10", "ten", Some("no seller and price"));
        judge(&(auction(1, "a", "z") + &bid_on(1, "b", "3")), "7,3\n8,3\n", Some("seller 8"));
    }

    #[test]
    fn bids_that_won_at_one_time_stand_in_either_order() {
        check("b:10 b:20 c:30", "10 15 20", None);
        check("b:10 b:20 c:30", "20 15 20", None);
        // Each of the two as if it were the first.
        check("b:10 b:20 c:30", "10 20 20", Some("no order"));
        check("b:10 b:20 c:30", "15 15 20", Some("no order"));
        check("b:1 b:2 b:6", "6 3 3", None);
        check("b:1 b:2 b:6", "6 4 3", None);
        check("b:1 b:2 b:6", "6 1 3", Some("no order"));
    }

    #[test]
    fn all_rows_of_a_seller_see_one_order() {
        // The twelfth row sees eleven bids: all but the first. So it tells which that was, and has to agree with the first row.
        let bids = format!("b:0 b:110{}", " c:0".repeat(10));
        let between = "55 36 27 22 18 15 13 12 11 10";
        check(&bids, &format!("0 {between} 10"), None);
        check(&bids, &format!("110 {between} 0"), None);
        check(&bids, &format!("0 {between} 0"), Some("no order"));
        check(&bids, &format!("110 {between} 10"), Some("no order"));
    }

    #[test]
    fn the_highest_bid_within_the_auctions_time_wins() {
        let auction = auction(1, "c", "e");
        let bids = [("b", "90"), ("c", "10"), ("e", "20"), ("d", "15"), ("f", "90")];
        let events = bids.iter().fold(auction, |events, (time, price)| events + &bid_on(1, time, price));
        judge(&events, "7,20\n", None);
        judge(&events, "7,90\n", Some("no order"));
        judge(&(events.clone() + &bid_on(1, "e", "20")), "7,20\n", None);
        judge(&(events + &bid_on(1, "d", "20")), "7,20\n", Some("which of them wins is open"));
    }
}
