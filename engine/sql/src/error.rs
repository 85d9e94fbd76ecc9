//! What is wrong with a script, where, and what to write instead.
//!
//! An error is made where it is found, with a place if one is known; the script's text is put to it once, at the top,
//! so that the line and a caret can be shown. User input ends here, never in a panic.

use std::fmt;

use datafusion_sql::sqlparser::tokenizer::{Location, Span};

/// A line and a column of the script, both counted from one; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        Self { line: location.line as usize, column: location.column as usize }
    }
}

/// Why a script is refused: what, with which value, where, and a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    message: String,
    position: Option<Position>,
    line: Option<String>,
    hint: Option<String>,
}

/// The result of everything that reads a script.
pub type Result<T> = std::result::Result<T, SqlError>;

impl SqlError {
    /// An error that says what is wrong.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), position: None, line: None, hint: None }
    }

    /// Something of Flink's that is understood and refused by its name.
    #[must_use]
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(format!("{what} is not supported yet"))
    }

    /// Puts the place, if none is known yet. An empty place (line 0) is none.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        if self.position.is_none() && location.line > 0 {
            self.position = Some(location.into());
        }
        self
    }

    /// Puts the start of `span` as the place, if none is known yet.
    #[must_use]
    pub fn on(self, span: Span) -> Self {
        self.at(span.start)
    }

    /// Puts a place, if none is known yet.
    #[must_use]
    pub fn near(mut self, position: Option<Position>) -> Self {
        self.position = self.position.or(position);
        self
    }

    /// Says what can be done, if nothing was said yet.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert(hint.into());
        self
    }

    /// Says what can be done, if there is something to say.
    #[must_use]
    pub fn maybe_hint(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Takes the line that the place names from the script.
    #[must_use]
    pub fn in_script(mut self, script: &str) -> Self {
        if let (None, Some(position)) = (&self.line, self.position) {
            self.line = script.lines().nth(position.line - 1).map(str::to_owned);
        }
        self
    }

    /// What is wrong, without place and hint.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where, if it is known.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.position
    }
}

/// A line is cut to this many characters around the caret, so that the error stays on one screen.
const SHOWN_CHARACTERS: usize = 120;

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, " (line {line}, column {column})")?;
            if let Some(text) = &self.line {
                let start = column.saturating_sub(SHOWN_CHARACTERS / 2);
                let shown: String =
                    text.chars().skip(start).take(SHOWN_CHARACTERS).map(|c| if c == '\t' { ' ' } else { c }).collect();
                let number = line.to_string();
                let caret = (column - 1).saturating_sub(start);
                write!(f, "\n  {number} | {}", shown.trim_end())?;
                write!(f, "\n  {:number$} | {:caret$}^", "", "", number = number.len())?;
            }
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SqlError {}

/// The name among `known` that `wanted` was most likely meant to be.
#[must_use]
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = wanted.to_lowercase();
    known
        .into_iter()
        .map(|name| (distance(&folded, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1 + wanted.chars().count().max(name.chars().count()) / 4)
        .min()
        .map(|(_, name)| name)
}

/// `did you mean 'x'?`, or the list of what there is.
#[must_use]
pub fn did_you_mean<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(name) = nearest(wanted, known.clone()) {
        return Some(format!("did you mean '{name}'?"));
    }
    /// More names than these are not listed.
    const LISTED: usize = 12;
    let mut names: Vec<&str> = known.into_iter().collect();
    names.sort_unstable();
    if names.is_empty() {
        return None;
    }
    let more = if names.len() > LISTED { ", …" } else { "" };
    names.truncate(LISTED);
    Some(format!("there is {}{more}", names.join(", ")))
}

/// Levenshtein's distance, with a swap of neighbours as one step.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spot_is_shown_under_its_line() {
        let error = SqlError::new("unknown table 'bids'")
            .at(Location { line: 2, column: 6 })
            .hint("did you mean 'bid'?")
            .in_script("SELECT *\nFROM bids");
        assert_eq!(
            error.to_string(),
            "unknown table 'bids' (line 2, column 6)\n  2 | FROM bids\n    |      ^\n  hint: did you mean 'bid'?"
        );
    }

    #[test]
    fn the_nearest_name_is_near() {
        assert_eq!(nearest("bids", ["bid", "auction"]), Some("bid"));
        assert_eq!(nearest("PRICE", ["price"]), Some("price"));
        assert_eq!(nearest("xyzzy", ["price"]), None);
        assert_eq!(nearest("acution", ["auction", "action"]), Some("action"));
    }
}
