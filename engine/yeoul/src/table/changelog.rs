//! A changelog folded: the rows that are there in the end.
//!
//! Rows are told apart by their text, so this knows no types: `+I` and `+U` add a row, `-U` and `-D` take one away.

use std::collections::HashMap;
use std::fmt;

/// A text that is no changelog of a table.
///
/// ```
/// use yeoul::table::{Unfolded, final_table};
///
/// assert_eq!(final_table(b"+I7\n-D8\n"), Err(Unfolded::NotThere("8".to_owned())));
/// assert!(matches!(final_table(b"7\n"), Err(Unfolded::NoKind(_))));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfolded {
    /// A line does not begin with the kind of a change.
    NoKind(String),
    /// A row was taken away more often than it came.
    NotThere(String),
}

impl fmt::Display for Unfolded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKind(line) => write!(f, "a change begins with none of +I, -U, +U, -D: {line}"),
            Self::NotThere(row) => write!(f, "a row was taken away that was not there: {row}"),
        }
    }
}

impl std::error::Error for Unfolded {}

/// The final table of a changelog whose lines are a kind and then the row as CSV: its rows, sorted by bytes, a line each.
///
/// ```
/// use yeoul::table::final_table;
///
/// let changelog = "+Ib,1\n+Ia,1\n-Ub,1\n+Ub,2\n";
/// assert_eq!(final_table(changelog.as_bytes()).unwrap(), b"a,1\nb,2\n");
/// ```
///
/// # Errors
/// A text that is no changelog, or one that takes away what is not there.
pub fn final_table(changelog: &[u8]) -> Result<Vec<u8>, Unfolded> {
    let shown = |line: &[u8]| String::from_utf8_lossy(line).trim_end().to_owned();
    let mut rows: HashMap<&[u8], i64> = HashMap::new();
    for line in Lines(changelog) {
        let (kind, row) = line.split_at_checked(2).unwrap_or((line, &[]));
        let change = match kind {
            b"+I" | b"+U" => 1,
            b"-U" | b"-D" => -1,
            _ => return Err(Unfolded::NoKind(shown(line))),
        };
        *rows.entry(row).or_default() += change;
    }
    let mut there: Vec<&[u8]> = Vec::with_capacity(rows.len());
    let mut size = 0;
    for (row, count) in rows {
        // Rows of different shards may be taken away before they come; at the end no count is below zero.
        let count = usize::try_from(count).map_err(|_| Unfolded::NotThere(shown(row)))?;
        there.extend(std::iter::repeat_n(row, count));
        size += count * row.len();
    }
    // The line end stands below all other bytes of text but tabs; rows are compared without it.
    there.sort_unstable_by_key(|line| bare(line));
    let mut table = Vec::with_capacity(size);
    there.into_iter().for_each(|row| table.extend_from_slice(row));
    Ok(table)
}

/// A line without its end.
fn bare(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// Lines with their ends; an LF in quotes ends none.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut quoted = false;
        let end = self.0.iter().position(|byte| {
            quoted ^= *byte == b'"';
            *byte == b'\n' && !quoted
        });
        let end = end.map_or(self.0.len(), |end| end + 1);
        let (line, rest) = self.0.split_at(end);
        self.0 = rest;
        (!line.is_empty()).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_in_the_end_is_sorted() {
        let check = |changelog: &str, table: Result<&str, Unfolded>| {
            let folded = final_table(changelog.as_bytes()).map(|table| String::from_utf8(table).unwrap());
            assert_eq!(folded, table.map(str::to_owned));
        };
        check("+Ib,2\n+Ia,1\n+Ib,2\n-Ua,1\n+Ua,3\n", Ok("a,3\nb,2\nb,2\n"));
        check("-Dx\n+Ix\n", Ok(""));
        // A tab is less than an LF.
        check("+Ia\n+Ia\t\n+I\n", Ok("\na\na\t\n"));
        check("+I\"two\nlines\"\n+I\"say \"\"\n\"\"\"\n", Ok("\"say \"\"\n\"\"\"\n\"two\nlines\"\n"));
        check("+Ia\n-Db\n", Err(Unfolded::NotThere("b".to_owned())));
        check("?Ia\n", Err(Unfolded::NoKind("?Ia".to_owned())));
        check("", Ok(""));
    }
}
