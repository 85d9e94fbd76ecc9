//! The answers, by plain sequential programs over the rows in their order.

use std::collections::{BTreeMap, BTreeSet};

use crate::flights::{full, millis, rows, text};

const HOUR: i64 = 3_600_000;
// Columns of the departures.
const ID: usize = 0;
const TAIL: usize = 3;
const ORIGIN: usize = 4;
const DEST: usize = 5;
const MILES: usize = 6;
const SCHED: usize = 7;
const DELAY: usize = 8;

/// A number as results show it.
fn real(value: f64) -> String {
    let text = format!("{value}");
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// Hours of delays and late flights, both as CSV lines. A flight is late if its hour had ended an hour (and a millisecond)
/// before the latest scheduled departure seen so far.
pub(crate) fn delays() -> (Vec<String>, Vec<String>) {
    let text = text("departures-2013-01.csv.gz");
    let mut hours: BTreeMap<(String, i64), (String, u64, u64, i64, i32)> = BTreeMap::new();
    let (mut late, mut watermark) = (Vec::new(), i64::MIN);
    for row in rows(&text) {
        let time = millis(row[SCHED]);
        let hour = time - time.rem_euclid(HOUR);
        if hour + HOUR - 1 <= watermark {
            let mut cells: Vec<String> = row.iter().map(|cell| (*cell).to_owned()).collect();
            (cells[SCHED], cells[9]) = (full(row[SCHED]), full(row[9]));
            late.push(cells.join(","));
        } else {
            let start = format!("{}:00:00.000", &row[SCHED][..13]);
            let of = hours.entry((row[ORIGIN].to_owned(), hour)).or_insert((start, 0, 0, 0, i32::MIN));
            of.1 += 1;
            match row[DELAY].parse::<i32>() {
                Ok(delay) => (of.3, of.4) = (of.3 + i64::from(delay), of.4.max(delay)),
                Err(_) => of.2 += 1,
            }
        }
        watermark = watermark.max(time - HOUR - 1);
    }
    let lines = hours.into_iter().map(|((origin, _), (start, flights, cancelled, sum, worst))| {
        let left = flights - cancelled;
        let (worst, mean) = match left {
            0 => (String::new(), String::new()),
            _ => (worst.to_string(), real(sum as f64 / left as f64)),
        };
        format!("{origin},{start},{flights},{cancelled},{worst},{mean}")
    });
    (lines.collect(), late)
}

/// Departures by plane, in the order of their schedule.
fn by_plane<'a>(all: &'a [Vec<&'a str>]) -> BTreeMap<&'a str, Vec<(i64, &'a [&'a str])>> {
    let mut planes: BTreeMap<&str, Vec<(i64, &[&str])>> = BTreeMap::new();
    for row in all.iter().filter(|row| !row[TAIL].is_empty()) {
        planes.entry(row[TAIL]).or_default().push((millis(row[SCHED]), row));
    }
    planes.values_mut().for_each(|flights| flights.sort_by_key(|(time, _)| *time));
    planes
}

/// A plane's flights, cut where it stands for more than eight hours: as in Flink, windows that touch are one session.
pub(crate) fn plane_days() -> Vec<String> {
    let text = text("departures-2013-01.csv.gz");
    let all = rows(&text);
    let mut lines = Vec::new();
    for (tail, flights) in by_plane(&all) {
        let days = flights.chunk_by(|(before, _), (after, _)| after - before <= 8 * HOUR);
        for day in days {
            let miles: u64 = day.iter().map(|(_, row)| row[MILES].parse::<u64>().unwrap()).sum();
            let (first, last) = (full(day[0].1[SCHED]), full(day[day.len() - 1].1[SCHED]));
            lines.push(format!("{tail},{first},{last},{},{miles}", day.len()));
        }
    }
    lines
}

/// Each departure after which six hours passed without another of the same plane.
pub(crate) fn unseen_planes() -> Vec<String> {
    let text = text("departures-2013-01.csv.gz");
    let all = rows(&text);
    let mut lines = Vec::new();
    for (tail, mut flights) in by_plane(&all) {
        flights.dedup_by_key(|(time, _)| *time);
        for (at, (time, row)) in flights.iter().enumerate() {
            if flights.get(at + 1).is_none_or(|(next, _)| next - time > 6 * HOUR) {
                lines.push(format!("{tail},{}", full(row[SCHED])));
            }
        }
    }
    lines
}

/// Each departure with the latest observation at its airport at or before its schedule.
pub(crate) fn weather() -> Vec<String> {
    let (flights, weather) = (text("departures-2013-01.csv.gz"), text("weather-2013-01.csv.gz"));
    let mut observed: BTreeMap<(&str, i64), Vec<&str>> = BTreeMap::new();
    for row in rows(&weather) {
        observed.insert((row[0], millis(row[1])), row);
    }
    let number = |text: &str| text.parse::<f64>().map(real).unwrap_or_default();
    let join = |row: Vec<&str>| {
        let time = millis(row[SCHED]);
        let known = observed.range((row[ORIGIN], i64::MIN)..=(row[ORIGIN], time)).next_back();
        let (at, wind, visib) = match known {
            Some((_, of)) => (full(of[1]), number(of[3]), number(of[6])),
            None => Default::default(),
        };
        format!("{},{},{},{},{at},{wind},{visib}", row[ID], row[ORIGIN], full(row[SCHED]), row[DELAY])
    };
    rows(&flights).into_iter().map(join).collect()
}

/// The five routes of each day with the most minutes of delay; among equal ones, the first by name.
pub(crate) fn late_routes() -> Vec<String> {
    let text = text("departures-2013-01.csv.gz");
    let mut days: BTreeMap<&str, BTreeMap<(&str, &str), i64>> = BTreeMap::new();
    for row in rows(&text) {
        if let Ok(delay) = row[DELAY].parse::<i64>() {
            *days.entry(&row[SCHED][..10]).or_default().entry((row[ORIGIN], row[DEST])).or_default() += delay;
        }
    }
    let mut lines = Vec::new();
    for (day, routes) in days {
        let mut routes: Vec<_> = routes.into_iter().collect();
        routes.sort_by_key(|(route, minutes)| (-minutes, *route));
        routes.truncate(5);
        lines.extend(routes.iter().map(|((origin, dest), minutes)| format!("{day},{origin},{dest},{minutes}")));
    }
    lines
}

/// The text of a JSON field, without its quotes, from where `after` stands in the line.
fn field<'a>(line: &'a str, after: &str, name: &str) -> &'a str {
    let from = line.find(after).unwrap() + after.len();
    let key = format!("\"{name}\":");
    let value = &line[from + line[from..].find(&key).unwrap() + key.len()..];
    match value.strip_prefix('"') {
        Some(text) => &text[..text.find('"').unwrap()],
        None => &value[..value.find([',', '}']).unwrap()],
    }
}

/// Bids per auction in windows of ten seconds that slide by two. Nothing is late: event times never go back.
pub(crate) fn hot_bids() -> Vec<String> {
    let text = text("nexmark-20k.ndjson.gz");
    let mut counts: BTreeMap<(u64, i64), u64> = BTreeMap::new();
    let mut auctions = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with("{\"event_type\":2")) {
        let time = field(line, "\"bid\":", "dateTime");
        // All of it lies within one minute: seconds are enough.
        assert!(time.starts_with("2026-01-01 00:00:"), "{time}");
        let second = time[17..19].parse::<i64>().unwrap();
        let auction = field(line, "\"bid\":", "auction").parse().unwrap();
        auctions.insert(auction);
        let last = second - second.rem_euclid(2);
        for start in (last - 8..=last).step_by(2) {
            *counts.entry((auction, start)).or_default() += 1;
        }
    }
    assert!(auctions.len() > 100);
    let clock = |second: i64| match second {
        0.. => format!("2026-01-01 00:00:{second:02}.000"),
        before => format!("2025-12-31 23:59:{:02}.000", 60 + before),
    };
    let line = |((auction, start), bids)| format!("{auction},{},{},{bids}", clock(start), clock(start + 10));
    counts.into_iter().map(line).collect()
}
