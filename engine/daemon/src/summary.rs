//! What a job did, once it is over: for people or as JSON.

use std::collections::BTreeMap;

use yeoul::Figures;
use yeoul::figures::{bytes, grouped, json_text, per_second};
use yeoul::runtime::JobWatch;

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Finished,
    Stopped,
    Failed,
}

impl Ending {
    fn word(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// The last word on a job.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    name: String,
    ending: Ending,
    figures: Figures,
    rows_out: u64,
    /// Late and malformed rows of operators that had any, by name.
    late: BTreeMap<String, u64>,
    errors: BTreeMap<String, u64>,
}

impl Summary {
    /// Of a job whose operators have these names, by their place in the graph; those at `sinks` are its ends.
    pub(crate) fn new(
        name: &str,
        ending: Ending,
        figures: Figures,
        watch: &JobWatch,
        names: &[String],
        sinks: &[usize],
    ) -> Self {
        let (mut rows_out, mut late, mut errors) = (0, BTreeMap::new(), BTreeMap::new());
        for operator in watch.operators() {
            let counters = &operator.counters;
            if sinks.contains(&operator.node.0) {
                rows_out += counters.records_in.get();
            }
            let name = names.get(operator.node.0).cloned().unwrap_or_default();
            for (of, count) in [(&mut late, counters.late.get()), (&mut errors, counters.errors.get())] {
                if count > 0 {
                    *of.entry(name.clone()).or_default() += count;
                }
            }
        }
        Self { name: name.to_owned(), ending, figures, rows_out, late, errors }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let figures = &self.figures;
        let mut text = format!(
            "{}: {} after {:.2} s: {} records in ({}), {} changes out, {} late, {} malformed, {} checkpoints, state {} in {} entries",
            self.name,
            self.ending.word(),
            figures.elapsed,
            grouped(figures.records),
            per_second(figures.rate),
            grouped(self.rows_out),
            grouped(figures.late),
            grouped(figures.errors),
            grouped(figures.checkpoints),
            bytes(figures.state_bytes),
            grouped(figures.state_entries),
        );
        for (what, of) in [("late rows", &self.late), ("malformed records", &self.errors)] {
            for (operator, count) in of {
                text.push_str(&format!("\n  {what} at {operator}: {}", grouped(*count)));
            }
        }
        text
    }

    /// For programs.
    pub(crate) fn json(&self) -> String {
        let map = |of: &BTreeMap<String, u64>| {
            let fields: Vec<String> = of.iter().map(|(name, count)| format!("{}:{count}", json_text(name))).collect();
            format!("{{{}}}", fields.join(","))
        };
        format!(
            "{{\"job\":{},\"outcome\":\"{}\",\"rows_out\":{},\"late_by_operator\":{},\"errors_by_operator\":{},\"figures\":{}}}",
            json_text(&self.name),
            self.ending.word(),
            self.rows_out,
            map(&self.late),
            map(&self.errors),
            self.figures.json()
        )
    }
}
