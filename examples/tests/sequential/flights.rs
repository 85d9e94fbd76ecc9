//! Reads the shipped files with nothing of Yeoul.

use std::io::Read;
use std::path::Path;

/// All text of a gzip file in `examples/data`.
pub(crate) fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name);
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

/// The rows of a CSV file without its header. None of the shipped ones has quotes.
pub(crate) fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().skip(1).map(|line| line.split(',').collect()).collect()
}

/// Milliseconds since 2013-01-01 or any month's beginning are enough to compare times within 2012 to 2014.
pub(crate) fn millis(time: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| time[range].parse::<i64>().unwrap();
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    // No leap day lies in the data; 2012 was a leap year, of which nothing after February is in it but its last hours.
    let days = (year - 2012) * 366 - i64::from(year > 2013)
        + BEFORE[month as usize - 1]
        + i64::from(year == 2012 && month > 2)
        + day
        - 1;
    let seconds = ((days * 24 + number(11..13)) * 60 + number(14..16)) * 60 + number(17..19);
    seconds * 1000 + if time.len() > 20 { number(20..23) } else { 0 }
}

/// As `yyyy-MM-dd HH:mm:ss.SSS`, the form of results.
pub(crate) fn full(time: &str) -> String {
    if time.len() == 19 { format!("{time}.000") } else { time.to_owned() }
}
