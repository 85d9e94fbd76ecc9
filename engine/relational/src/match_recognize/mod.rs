//! MATCH_RECOGNIZE: rows in a row that fit a pattern.
//!
//! Conditions and measures are expressions over *references*: column `i` of their input is what `references[i]` picks from
//! the rows matched so far, the row under test included.

mod automaton;
mod operator;
mod partition;
mod references;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, SchemaRef};

use crate::aggregate::{AggregateFunction, columns};
use crate::expression::Expression;
use crate::time_order::{OrderTime, millis};

/// Finds rows in a row that fit a pattern.
#[derive(Debug, Clone)]
pub struct MatchRecognize {
    /// The partition.
    pub partition: Vec<usize>,
    /// The time in which rows are ordered.
    pub order: OrderTime,
    /// The pattern.
    pub pattern: Pattern,
    /// The pattern's variables, with their conditions; none is true for every row.
    pub variables: Vec<(String, Option<Arc<dyn Expression>>)>,
    /// What conditions and measures read.
    pub references: Vec<Reference>,
    /// The output after the partition.
    pub measures: Vec<Arc<dyn Expression>>,
    /// The longest time from a match's first row to its last, in milliseconds.
    pub within: Option<i64>,
    /// Where the search goes on.
    pub after: AfterMatch,
    /// What comes in.
    pub input_schema: SchemaRef,
    /// The partition's columns, then the measures.
    pub schema: SchemaRef,
}

/// A pattern over variables, named by number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// A row that fits a variable.
    Variable(usize),
    /// One after the other.
    Sequence(Vec<Pattern>),
    /// Some number of times.
    Repeat {
        /// What.
        pattern: Box<Pattern>,
        /// At least.
        least: u32,
        /// At most; without bound if none.
        most: Option<u32>,
        /// Whether as often as possible, else as seldom.
        greedy: bool,
    },
}

/// Which value of the matched rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Rows of this variable; of all if none.
    pub variable: Option<usize>,
    /// Which of them.
    pub pick: Pick,
    /// The input column.
    pub column: usize,
    /// Its type.
    pub data_type: DataType,
}

/// Which of a variable's rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pick {
    /// The first and so many after it.
    First(u32),
    /// The last and so many before it.
    Last(u32),
    /// All, aggregated.
    Aggregate(AggregateFunction),
    /// The event time of the match's last row.
    Rowtime,
}

/// Where the search goes on after a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AfterMatch {
    /// After its last row.
    PastLastRow,
    /// At the row after its first.
    NextRow,
    /// At the first row of a variable.
    First(usize),
    /// At the last row of a variable.
    Last(usize),
}

impl fmt::Display for MatchRecognize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Match(partitionBy=[{}], orderBy=[{}], pattern=[", columns(&self.partition), self.order)?;
        f.write_str(&self.pattern.named(&|variable| self.variables[variable].0.clone()))?;
        f.write_str("], define=[")?;
        let defined = self.variables.iter().filter_map(|(name, condition)| Some((name, condition.as_ref()?)));
        for (at, (name, condition)) in defined.enumerate() {
            write!(f, "{}{name} AS {condition}", if at == 0 { "" } else { ", " })?;
        }
        write!(f, "], after=[{:?}]", self.after)?;
        if let Some(within) = self.within {
            write!(f, ", within=[{}]", millis(within))?;
        }
        f.write_str(")")
    }
}

impl Pattern {
    /// The pattern in words, with these names of variables.
    #[must_use]
    pub fn named(&self, name: &dyn Fn(usize) -> String) -> String {
        match self {
            Self::Variable(variable) => name(*variable),
            Self::Sequence(parts) => parts.iter().map(|part| part.named(name)).collect::<Vec<_>>().join(" "),
            Self::Repeat { pattern, least, most, greedy } => {
                let most = most.map_or_else(String::new, |most| most.to_string());
                format!("{}{{{least},{most}}}{}", pattern.named(name), if *greedy { "" } else { "?" })
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.named(&|variable| format!("v{variable}")))
    }
}
