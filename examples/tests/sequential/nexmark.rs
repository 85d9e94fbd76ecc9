//! NEXMark queries over the shipped events, by plain sequential programs. (`ci/nexmark` compares all queries with Flink's answers, where
//! those are at hand.)

use std::collections::{BTreeMap, BTreeSet};

use crate::flights::text;

/// An event's own row as names and values, by its kind (0 person, 1 auction, 2 bid). No value holds a quote or a brace.
fn events() -> Vec<(u8, BTreeMap<String, String>)> {
    let text = text("nexmark-20k.ndjson.gz");
    let event = |line: &str| {
        let kind = ["person", "auction", "bid"].iter().position(|kind| line.contains(&format!("\"{kind}\":{{")))?;
        let from = line.rfind('{')?;
        let row = &line[from + 1..line[from..].find('}')? + from];
        let mut fields = BTreeMap::new();
        let mut rest = row;
        while let Some((name, value)) = rest.split_once("\":") {
            let name = name.trim_start_matches([',', ' ', '"']);
            let value = value.trim_start();
            let (value, after) = match value.strip_prefix('"') {
                Some(text) => text.split_once('"')?,
                None => value.split_once(',').unwrap_or((value, "")),
            };
            fields.insert(name.to_owned(), value.to_owned());
            rest = after;
        }
        Some((kind as u8, fields))
    };
    text.lines().map(|line| event(line).unwrap_or_else(|| panic!("an event: {line}"))).collect()
}

fn number(row: &BTreeMap<String, String>, name: &str) -> i64 {
    row[name].parse().unwrap_or_else(|_| panic!("{name} of {row:?}"))
}

/// Milliseconds within the minute in which all of the events lie.
fn millis(row: &BTreeMap<String, String>, name: &str) -> i64 {
    let time = &row[name];
    assert!(time.starts_with("2026-01-01 00:0"), "{time}");
    let part = |range: std::ops::Range<usize>| time[range].parse::<i64>().unwrap();
    (part(15..16) * 60 + part(17..19)) * 1000 + if time.len() > 20 { part(20..23) } else { 0 }
}

/// Auction and price of bids on auctions whose number 123 divides.
pub(crate) fn q2() -> Vec<String> {
    let bids = events().into_iter().filter(|(kind, bid)| *kind == 2 && number(bid, "auction") % 123 == 0);
    bids.map(|(_, bid)| format!("{},{}", bid["auction"], bid["price"])).collect()
}

/// Sellers of three states with their auctions of category 10.
pub(crate) fn q3() -> Vec<String> {
    let events = events();
    let mut lines = Vec::new();
    for (_, auction) in events.iter().filter(|(kind, auction)| *kind == 1 && auction["category"] == "10") {
        let seller = events.iter().find(|(kind, person)| *kind == 0 && person["id"] == auction["seller"]);
        let Some((_, seller)) = seller.filter(|(_, seller)| ["OR", "ID", "CA"].contains(&seller["state"].as_str()))
        else {
            continue;
        };
        lines.push(format!("{},{},{},{}", seller["name"], seller["city"], seller["state"], auction["id"]));
    }
    lines
}

/// By category, the average over its auctions of the highest bid made in time.
pub(crate) fn q4() -> Vec<String> {
    let events = events();
    let mut best: BTreeMap<i64, i64> = BTreeMap::new();
    let auctions: BTreeMap<i64, &BTreeMap<String, String>> =
        events.iter().filter(|(kind, _)| *kind == 1).map(|(_, auction)| (number(auction, "id"), auction)).collect();
    for (_, bid) in events.iter().filter(|(kind, _)| *kind == 2) {
        let Some(auction) = auctions.get(&number(bid, "auction")) else { continue };
        if (millis(auction, "dateTime")..=millis(auction, "expires")).contains(&millis(bid, "dateTime")) {
            let best = best.entry(number(bid, "auction")).or_default();
            *best = number(bid, "price").max(*best);
        }
    }
    let mut categories: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for (auction, price) in best {
        let of = categories.entry(&auctions[&auction]["category"]).or_default();
        (of.0, of.1) = (of.0 + price, of.1 + 1);
    }
    categories.into_iter().map(|(category, (sum, count))| format!("{category},{}", sum / count)).collect()
}

/// In windows of ten seconds that slide by two, the auctions with the most bids.
pub(crate) fn q5() -> Vec<String> {
    let mut counts: BTreeMap<i64, BTreeMap<i64, i64>> = BTreeMap::new();
    for (_, bid) in events().iter().filter(|(kind, _)| *kind == 2) {
        let time = millis(bid, "dateTime");
        let last = time - time.rem_euclid(2000);
        for start in (0..5).map(|back| last - back * 2000) {
            *counts.entry(start).or_default().entry(number(bid, "auction")).or_default() += 1;
        }
    }
    let mut lines = Vec::new();
    for auctions in counts.values() {
        let most = auctions.values().max().copied().unwrap_or(0);
        let hot = auctions.iter().filter(|(_, bids)| **bids == most);
        lines.extend(hot.map(|(auction, bids)| format!("{auction},{bids}")));
    }
    lines
}

/// Persons who opened an auction in the ten seconds in which they joined, with the start of those.
pub(crate) fn q8() -> Vec<String> {
    let events = events();
    let window = |row: &BTreeMap<String, String>| millis(row, "dateTime") / 10_000;
    let sellers: BTreeSet<(i64, i64)> = events
        .iter()
        .filter(|(kind, _)| *kind == 1)
        .map(|(_, auction)| (number(auction, "seller"), window(auction)))
        .collect();
    let joined =
        events.iter().filter(|(kind, person)| *kind == 0 && sellers.contains(&(number(person, "id"), window(person))));
    let line = |person: &BTreeMap<String, String>| {
        let start = window(person) * 10;
        format!("{},{},2026-01-01 00:{:02}:{:02}.000", person["id"], person["name"], start / 60, start % 60)
    };
    joined.map(|(_, person)| line(person)).collect()
}
