//! Which rows in a row fit a pattern: the automaton of MATCH_RECOGNIZE, without rows, state tables or clocks.
//!
//! A run is a choice of a first row and of a variable for each row from there on. Each row ends runs, extends them, or splits them in two.
//! Runs, what a greedy variable keeps for itself and when a match is given are Flink's (its `NFA` and `NFACompiler`, after J. Agrawal,
//! Y. Diao, D. Gyllstrom, N. Immerman, "Efficient Pattern Matching over Event Streams", SIGMOD 2008).
//!
//! Invariants:
//! 1. Runs stand in the order of their first rows.
//! 2. A match is given once no run that began before it is left; what is skipped after it is neither given nor extended.
//! 3. A run is not longer than `within`: it ends before a row whose time is `within` or more after its first row's.

use yeoul_operator::OperatorError;

use super::{AfterMatch, MatchRecognize, Pattern};

/// The number of a row in its partition, counted from the partition's first.
pub(super) type Place = u64;

/// A pattern as a line of variables, each some number of times.
#[derive(Debug, Clone)]
pub(super) struct Automaton {
    elements: Vec<Element>,
    after: AfterMatch,
    /// What the variable is called that AFTER MATCH SKIP TO names.
    skips_to: String,
    within: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Element {
    variable: u16,
    least: u32,
    most: Option<u32>,
    /// Rows that fit it are its own: the next variable gets none of them.
    greedy: bool,
}

/// A match that is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: Place,
    pub(super) start_time: i64,
    /// The variable of each row from `start` on.
    pub(super) variables: Vec<u16>,
    /// Which element the last row is of, and how many rows that has.
    pub(super) element: u16,
    pub(super) count: u32,
}

/// A match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) start: Place,
    pub(super) variables: Vec<u16>,
}

/// The matches of a partition under way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Runs {
    /// In the order of their first rows.
    pub(super) open: Vec<Run>,
    /// Complete, but an earlier run may still become a match that skips them.
    pub(super) complete: Vec<Match>,
}

/// What is asked of a row: whether it fits `variable`, after rows with these variables from `start` on.
pub(super) struct Test<'a> {
    pub(super) variable: u16,
    pub(super) start: Place,
    pub(super) variables: &'a [u16],
}

impl Automaton {
    /// # Errors
    /// A pattern that Flink refuses too: one that may match no rows, a greedy variable at the end, a group that is repeated.
    pub(super) fn new(spec: &MatchRecognize) -> Result<Self, OperatorError> {
        let mut elements = Vec::new();
        flatten(&spec.pattern, &mut elements)?;
        if elements.iter().all(|element| element.least == 0) {
            return Err(refused(spec, "may match no rows at all", "make one variable necessary"));
        }
        if elements.last().is_some_and(|last| last.greedy) {
            return Err(refused(
                spec,
                "ends with a greedy variable, which would never be complete",
                "make it reluctant (A+?), or let a variable follow that says where it ends",
            ));
        }
        let named = |variable: usize| elements.iter().any(|element| usize::from(element.variable) == variable);
        if let AfterMatch::First(variable) | AfterMatch::Last(variable) = spec.after
            && !named(variable)
        {
            return Err(refused(
                spec,
                "has not the variable that AFTER MATCH SKIP TO names",
                "name one of the pattern",
            ));
        }
        let skips_to = match spec.after {
            AfterMatch::First(variable) | AfterMatch::Last(variable) => {
                spec.variables.get(variable).map_or_else(|| format!("v{variable}"), |(name, _)| name.clone())
            }
            AfterMatch::PastLastRow | AfterMatch::NextRow => String::new(),
        };
        Ok(Self { elements, after: spec.after, skips_to, within: spec.within })
    }

    /// Extends runs by a row, and begins one at it. Matches that are certain now go to `found`.
    ///
    /// # Errors
    /// A condition that has no value, a skip to no row or that would not go forward, or runs that are of another pattern.
    pub(super) fn step(
        &self,
        runs: &mut Runs,
        place: Place,
        time: i64,
        fits: &mut dyn FnMut(&Test<'_>) -> Result<bool, OperatorError>,
        found: &mut Vec<Match>,
    ) -> Result<(), OperatorError> {
        self.expire(runs, time, found)?;
        let before = std::mem::take(&mut runs.open);
        for run in &before {
            self.extend(runs, Some(run), place, time, fits)?;
        }
        self.extend(runs, None, place, time, fits)?;
        self.give(runs, found)
    }

    /// Ends the runs that are too long at this time.
    ///
    /// # Errors
    /// A skip to no row, or that would not go forward.
    pub(super) fn expire(&self, runs: &mut Runs, time: i64, found: &mut Vec<Match>) -> Result<(), OperatorError> {
        let Some(within) = self.within else { return Ok(()) };
        runs.open.retain(|run| time.saturating_sub(run.start_time) < within);
        self.give(runs, found)
    }

    /// When the next run is too long, if there is one.
    pub(super) fn expiry(&self, runs: &Runs) -> Option<i64> {
        let within = self.within?;
        runs.open.iter().map(|run| run.start_time.saturating_add(within)).min()
    }

    /// All ways in which the row goes on with `run`, or begins one.
    fn extend(
        &self,
        runs: &mut Runs,
        run: Option<&Run>,
        place: Place,
        time: i64,
        fits: &mut dyn FnMut(&Test<'_>) -> Result<bool, OperatorError>,
    ) -> Result<(), OperatorError> {
        let start = run.map_or(place, |run| run.start);
        let variables = run.map_or(&[][..], |run| &run.variables);
        let mut fits = |element: &Element| fits(&Test { variable: element.variable, start, variables });
        let mut takes: Vec<(usize, u32)> = Vec::with_capacity(2);
        // A greedy variable that was or could have been before this row keeps it from those after it.
        let mut next = 0;
        let mut goes_on = true;
        if let Some(run) = run {
            let at = usize::from(run.element);
            let element = self.elements.get(at).ok_or_else(|| of_another_pattern(at, self.elements.len()))?;
            let again = element.most.is_none_or(|most| run.count < most);
            let is_own = if again || element.greedy { fits(element)? } else { false };
            if again && is_own {
                takes.push((at, run.count + 1));
            }
            goes_on = run.count >= element.least && !(element.greedy && is_own);
            next = at + 1;
        }
        while goes_on && next < self.elements.len() {
            let element = &self.elements[next];
            let is_own = fits(element)?;
            if is_own {
                takes.push((next, 1));
            }
            goes_on = element.least == 0 && !(element.greedy && is_own);
            next += 1;
        }
        for (at, count) in takes {
            let mut variables = variables.to_vec();
            variables.push(self.elements[at].variable);
            if self.is_complete(at, count) {
                runs.complete.push(Match { start, variables: variables.clone() });
            }
            if self.may_go_on(at, count) {
                let start_time = run.map_or(time, |run| run.start_time);
                runs.open.push(Run { start, start_time, variables, element: at as u16, count });
            }
        }
        Ok(())
    }

    fn is_complete(&self, at: usize, count: u32) -> bool {
        count >= self.elements[at].least && self.elements[at + 1..].iter().all(|element| element.least == 0)
    }

    fn may_go_on(&self, at: usize, count: u32) -> bool {
        at + 1 < self.elements.len() || self.elements[at].most.is_none_or(|most| count < most)
    }

    /// Gives the complete matches before which no run is left, and skips.
    fn give(&self, runs: &mut Runs, found: &mut Vec<Match>) -> Result<(), OperatorError> {
        loop {
            // The first of those that begin first: the others among them are less preferred.
            let Some(first) = (0..runs.complete.len()).min_by_key(|&at| runs.complete[at].start) else { return Ok(()) };
            if runs.open.first().is_some_and(|run| run.start < runs.complete[first].start) {
                return Ok(());
            }
            let given = runs.complete.remove(first);
            let skipped = self.skipped(&given)?;
            runs.open.retain(|run| !(given.start..skipped).contains(&run.start));
            runs.complete.retain(|other| !(given.start..skipped).contains(&other.start));
            found.push(given);
        }
    }

    /// Matches and runs that begin before this row are skipped.
    fn skipped(&self, given: &Match) -> Result<Place, OperatorError> {
        let mut variables = given.variables.iter().map(|variable| usize::from(*variable));
        let to = match self.after {
            AfterMatch::PastLastRow => return Ok(given.start + given.variables.len() as u64),
            AfterMatch::NextRow => return Ok(given.start + 1),
            AfterMatch::First(variable) => variables.position(|of| of == variable),
            AfterMatch::Last(variable) => variables.rposition(|of| of == variable),
        };
        forward(given, given.start + to.ok_or_else(|| self.skips_nowhere())? as u64)
    }

    /// As in Flink, where nothing says either what the next row would be.
    #[cold]
    fn skips_nowhere(&self) -> OperatorError {
        let name = &self.skips_to;
        OperatorError::new(format!("AFTER MATCH SKIP TO {name}: a match has no row of {name}"))
            .hint(format!("skip to a variable of which every match has a row, or make {name} necessary in the pattern"))
            .permanent()
    }
}

/// A skip to a match's own first row would find the same match again.
fn forward(given: &Match, to: Place) -> Result<Place, OperatorError> {
    if to > given.start {
        return Ok(to);
    }
    Err(OperatorError::new("AFTER MATCH SKIP goes to the first row of the match, which would be found again and again")
        .hint("skip to a later variable, TO NEXT ROW or PAST LAST ROW")
        .permanent())
}

#[cold]
fn of_another_pattern(element: usize, elements: usize) -> OperatorError {
    OperatorError::new(format!(
        "a match under way was kept at element {element} of its pattern, counted from 0, and the pattern has {elements}"
    ))
    .hint("the state is of another MATCH_RECOGNIZE: begin without it")
    .permanent()
}

fn flatten(pattern: &Pattern, elements: &mut Vec<Element>) -> Result<(), OperatorError> {
    match pattern {
        Pattern::Variable(variable) => elements.push(Element {
            variable: u16::try_from(*variable)
                .map_err(|_| OperatorError::new("a pattern has more than 65,536 variables"))?,
            least: 1,
            most: Some(1),
            greedy: false,
        }),
        Pattern::Sequence(parts) => parts.iter().try_for_each(|part| flatten(part, elements))?,
        Pattern::Repeat { pattern: of, least, most, greedy } => {
            if most.is_some_and(|most| most < *least || most == 0) {
                return Err(OperatorError::new(format!(
                    "{pattern} repeats no row, or fewer rows at most than at least"
                ))
                .hint("write {least,most} with 1 ≤ most and least ≤ most"));
            }
            let Pattern::Variable(_) = of.as_ref() else {
                return Err(OperatorError::new(format!(
                    "a group of variables is repeated in {pattern}, which is not supported yet"
                ))
                .hint("write the variables one after the other"));
            };
            let before = elements.len();
            flatten(of, elements)?;
            // As in Flink, a variable that may be there once or not at all does not keep rows from the next.
            let greedy = *greedy && *most != Some(*least) && (*least, *most) != (0, Some(1));
            elements[before] = Element { least: *least, most: *most, greedy, ..elements[before] };
        }
    }
    Ok(())
}

fn refused(spec: &MatchRecognize, what: &str, hint: &str) -> OperatorError {
    OperatorError::new(format!("the pattern ({}) {what}", spec.pattern)).hint(hint)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::Schema;

    use super::*;
    use crate::OrderTime;

    /// A pattern over variables `A` to `Z` with quantifiers `?*+` and a `?` behind for reluctant.
    fn pattern(text: &str) -> Pattern {
        let mut parts: Vec<Pattern> = Vec::new();
        let letters: Vec<char> = text.chars().collect();
        let mut at = 0;
        while at < letters.len() {
            let variable = Pattern::Variable((letters[at] as u8 - b'A').into());
            at += 1;
            let (least, most) = match letters.get(at) {
                Some('?') => (0, Some(1)),
                Some('*') => (0, None),
                Some('+') => (1, None),
                Some('2') => (2, Some(2)),
                Some('3') => (1, Some(3)),
                _ => {
                    parts.push(variable);
                    continue;
                }
            };
            at += 1;
            let greedy = letters.get(at) != Some(&'?');
            at += usize::from(!greedy);
            parts.push(Pattern::Repeat { pattern: Box::new(variable), least, most, greedy });
        }
        Pattern::Sequence(parts)
    }

    fn automaton(text: &str, after: AfterMatch, within: Option<i64>) -> Result<Automaton, OperatorError> {
        Automaton::new(&MatchRecognize {
            partition: vec![],
            order: OrderTime::ProcTime,
            pattern: pattern(text),
            variables: vec![],
            references: vec![],
            measures: vec![],
            within,
            after,
            input_schema: Arc::new(Schema::empty()),
            schema: Arc::new(Schema::empty()),
        })
    }

    /// Rows are words of the variables that they fit (`-`: none), one millisecond apart; matches are `first row:variables`.
    fn check(text: &str, after: AfterMatch, within: Option<i64>, rows: &str, expected: &str) {
        let automaton = automaton(text, after, within).unwrap();
        let (mut runs, mut found) = (Runs::default(), Vec::new());
        let rows: Vec<&str> = rows.split_whitespace().collect();
        for (place, row) in rows.iter().enumerate() {
            let mut fits = |test: &Test<'_>| Ok(row.contains((b'A' + test.variable as u8) as char));
            automaton.step(&mut runs, place as u64, place as i64, &mut fits, &mut found).unwrap();
            assert!(runs.open.is_sorted_by_key(|run| run.start), "runs stand in the order of their first rows");
        }
        automaton.expire(&mut runs, i64::MAX, &mut found).unwrap();
        let name = |variable: &u16| (b'A' + *variable as u8) as char;
        let shown: Vec<String> = found
            .iter()
            .map(|found| format!("{}:{}", found.start, found.variables.iter().map(name).collect::<String>()))
            .collect();
        assert_eq!(shown.join(" "), expected, "{text} over {rows:?}");
    }

    #[test]
    fn variables_follow_each_other_without_a_gap() {
        let past = AfterMatch::PastLastRow;
        check("AB", past, None, "A B A - B A B", "0:AB 5:AB");
        check("AA", past, None, "A A A A A", "0:AA 2:AA");
        check("AA", AfterMatch::NextRow, None, "A A A A", "0:AA 1:AA 2:AA");
    }

    #[test]
    fn quantifiers_take_as_many_rows_as_they_may() {
        let past = AfterMatch::PastLastRow;
        check("AB+C", past, None, "A B B C A C A B C", "0:ABBC 6:ABC");
        check("AB*C", past, None, "A C A B B C", "0:AC 2:ABBC");
        check("AB?C", past, None, "A C A B C A B B C", "0:AC 2:ABC");
        check("A2B", past, None, "A A B A B A A A B", "0:AAB 6:AAB");
        check("A3B", past, None, "A A A A B", "1:AAAB");
    }

    #[test]
    fn a_greedy_variable_keeps_its_rows_from_the_next_and_a_reluctant_one_does_not() {
        let past = AfterMatch::PastLastRow;
        check("A+B", past, None, "A AB AB B", "0:AAAB");
        check("A+?B", past, None, "A AB AB B", "0:AB 2:AB");
        check("A+B", past, None, "A AB -", "");
        check("AB*C", past, None, "A BC C", "0:ABC");
        check("AB?C", past, None, "A BC", "0:AC");
        check("A+?", past, None, "A A", "0:A 1:A");
    }

    #[test]
    fn a_match_waits_for_runs_that_began_before_it() {
        // From 0 on there may be A B B B C; B C from 2 on is complete before that is settled.
        check("AB+C", AfterMatch::PastLastRow, None, "A AB B C", "0:ABBC");
        check("AB+?C", AfterMatch::NextRow, None, "A AB B C", "0:ABBC 1:ABC");
        check("A+B", AfterMatch::NextRow, None, "A A A B", "0:AAAB 1:AAB 2:AB");
    }

    #[test]
    fn skips_go_to_a_variable() {
        check("AB+C", AfterMatch::Last(2), None, "A B AC B C", "0:ABC 2:ABC");
        check("AB+C", AfterMatch::First(1), None, "A AB AB C", "0:ABBC 1:ABC");
        let back = automaton("AB", AfterMatch::First(0), None).unwrap();
        let (mut runs, mut found) = (Runs::default(), vec![]);
        back.step(&mut runs, 0, 0, &mut |_| Ok(true), &mut found).unwrap();
        let error = back.step(&mut runs, 1, 1, &mut |_| Ok(true), &mut found).unwrap_err().to_string();
        assert!(error.contains("again and again"), "{error}");
    }

    #[test]
    fn a_skip_to_a_variable_without_a_row_fails() {
        for after in [AfterMatch::First(1), AfterMatch::Last(1)] {
            check("AB*C", after, None, "A B B C", "0:ABBC");
            let automaton = automaton("AB*C", after, None).unwrap();
            let (mut runs, mut found) = (Runs::default(), vec![]);
            automaton.step(&mut runs, 0, 0, &mut |test| Ok(test.variable == 0), &mut found).unwrap();
            let error = automaton.step(&mut runs, 1, 1, &mut |test| Ok(test.variable == 2), &mut found).unwrap_err();
            assert!(error.to_string().contains("a match has no row of v1"), "{error}");
        }
    }

    #[test]
    fn a_run_of_another_pattern_is_refused() {
        let automaton = automaton("AB", AfterMatch::PastLastRow, None).unwrap();
        let foreign = Run { start: 0, start_time: 0, variables: vec![0], element: 2, count: 1 };
        let mut runs = Runs { open: vec![foreign], complete: vec![] };
        let error = automaton.step(&mut runs, 1, 1, &mut |_| Ok(true), &mut vec![]).unwrap_err().to_string();
        assert!(error.contains("element 2") && error.contains("has 2"), "{error}");
    }

    #[test]
    fn a_run_that_is_too_long_ends_and_frees_those_behind_it() {
        let past = AfterMatch::PastLastRow;
        check("AB", past, Some(1), "A B", "");
        check("AB", past, Some(2), "A B", "0:AB");
        check("A+B", past, Some(3), "A A A B", "1:AAB");
    }

    #[test]
    fn patterns_that_cannot_be_complete_are_refused() {
        for text in ["A*", "AB+", "A?"] {
            assert!(automaton(text, AfterMatch::PastLastRow, None).is_err(), "{text}");
        }
    }
}
