//! Whether an output is one that the job may have.

use std::collections::BTreeSet;

use super::{Event, JobKind, Workload};
use crate::compare::{Difference, compare, out_of_order};
use crate::oracle::lateness::{may_be_late, may_be_late_beside_idle};
use crate::oracle::{clock, join, session, timers, ttl, window};
use crate::row::Row;

/// What a job has put out, in the order in which a reader meets it.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// The main output.
    pub main: Vec<Row>,
    /// Late records, as rows `id, key, time, value`.
    pub late: Vec<Row>,
}

impl Workload {
    /// What is wrong with an output. The late records of `WindowCount` and `Idle` are as the output says, if they may be; all else is
    /// determined.
    #[must_use]
    pub fn judge(&self, output: &Output) -> Difference {
        let mut difference = self.judge_late(&output.late);
        match self.kind {
            JobKind::Ttl => difference.extend(self.judge_ttl(&output.main)),
            kind @ (JobKind::Clock | JobKind::ClockWindows) => {
                difference.extend(compare(&self.expected(&[]), &clock::totals(&output.main), identity(kind)));
            }
            kind => difference.extend(compare(&self.expected(&output.late), &output.main, identity(kind))),
        }
        if let Some(order) = order(self.kind) {
            let wrong = out_of_order(&output.main, 0, order);
            difference.different.extend(wrong.into_iter().map(|(before, after)| (Some(before), after)));
        }
        difference
    }

    /// The main output, sorted, given which records were late. For `Ttl`, without times and counts: rows `key, id`.
    #[must_use]
    pub fn expected(&self, late: &[Row]) -> Vec<Row> {
        let late: BTreeSet<u64> =
            late.iter().filter_map(|row| row.cells().first()).map(|id| id.cast_unsigned()).collect();
        let events = || self.events().filter(|event| !late.contains(&event.id));
        match self.kind {
            JobKind::WindowCount | JobKind::Sliding | JobKind::Union | JobKind::Idle => {
                window::windows(events(), self.size, self.slide)
            }
            JobKind::Sessions => session::sessions(events(), self.size),
            JobKind::Clock => clock::counts(events(), 1),
            JobKind::ClockWindows => clock::counts(events(), self.size / self.slide),
            JobKind::Timers => timers::running_totals(events(), self.size),
            JobKind::Join => join::pairs(self.left(), self.right(), self.size),
            JobKind::Ttl => {
                let mut rows: Vec<Row> =
                    events().map(|event| Row::of([window::key_cell(event.key), event.id.cast_signed()])).collect();
                rows.sort_unstable();
                rows
            }
        }
    }

    /// Late records must be records, each once, and some schedule must make them late.
    fn judge_late(&self, late: &[Row]) -> Difference {
        let allowed = match self.kind {
            JobKind::WindowCount => may_be_late(&self.sources, self.bound, self.size, self.slide),
            JobKind::Idle => may_be_late_beside_idle(&self.sources, self.bound, self.size, self.slide),
            _ => BTreeSet::new(),
        };
        let told: BTreeSet<&Row> = late.iter().collect();
        // Of those that may be late, exactly those that the output names: what is missing shows in the main output.
        let expected: Vec<Row> = self
            .events()
            .filter(|event| allowed.contains(&event.id))
            .map(late_row)
            .filter(|row| told.contains(row))
            .collect();
        compare(&expected, late, 1)
    }

    /// Each record gives one row, and each row's count is what the rows before it say.
    fn judge_ttl(&self, rows: &[Row]) -> Difference {
        let records: Vec<Row> = rows
            .iter()
            .map(|row| match row.cells() {
                &[key, id, _, _] => Row::of([key, id]),
                _ => row.clone(),
            })
            .collect();
        let mut difference = compare(&self.expected(&[]), &records, 2);
        let expected = ttl::expected_counts(rows, self.size);
        let wrong = expected.into_iter().zip(rows).filter(|(expected, row)| expected != *row);
        difference.different.extend(wrong.map(|(expected, row)| (Some(expected), row.clone())));
        difference
    }
}

/// A record as a row of the late output.
#[must_use]
pub(super) fn late_row(event: &Event) -> Row {
    Row::of([event.id.cast_signed(), window::key_cell(event.key), event.time, event.value])
}

/// How many cells of a row say what it is about.
fn identity(kind: JobKind) -> usize {
    match kind {
        JobKind::Timers => 2,
        // Count and sum are wrong together: one total that differs is one difference.
        JobKind::Clock | JobKind::ClockWindows => 1,
        _ => 3,
    }
}

/// The cell that never decreases along the rows of one key, if there is one.
fn order(kind: JobKind) -> Option<usize> {
    match kind {
        JobKind::WindowCount | JobKind::Sliding | JobKind::Union | JobKind::Sessions | JobKind::Idle => Some(2),
        JobKind::Timers => Some(1),
        // Wall time may be set back.
        JobKind::Ttl | JobKind::Join | JobKind::Clock | JobKind::ClockWindows => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Chance, Rng};

    fn in_order(workload: &Workload, mut rows: Vec<Row>) -> Vec<Row> {
        if let Some(order) = order(workload.kind) {
            rows.sort_by_key(|row| row.cells()[order]);
        }
        rows
    }

    fn main(output: &mut Output) -> &mut Vec<Row> {
        &mut output.main
    }

    fn late(output: &mut Output) -> &mut Vec<Row> {
        &mut output.late
    }

    /// A correct output: some of what may be late is, and the rest as the oracle says.
    fn correct(workload: &Workload, rng: &mut Rng) -> Output {
        if workload.kind == JobKind::Ttl {
            let rows = workload.expected(&[]);
            let mut now = 0;
            let told: Vec<Row> = rows
                .iter()
                .map(|row| {
                    now += rng.between(0, workload.size / 2);
                    Row::of([row.cells()[0], row.cells()[1], now, 0])
                })
                .collect();
            return Output { main: ttl::expected_counts(&told, workload.size), late: Vec::new() };
        }
        let allowed = may_be_late(&workload.sources, workload.bound, workload.size, workload.slide);
        let late = workload.events().filter(|event| allowed.contains(&event.id) && rng.in_cases(1, 2));
        let late: Vec<Row> = if matches!(workload.kind, JobKind::WindowCount | JobKind::Idle) {
            late.map(late_row).collect()
        } else {
            Vec::new()
        };
        Output { main: in_order(workload, workload.expected(&late)), late }
    }

    #[test]
    fn a_correct_output_passes_and_each_spoiled_one_does_not() {
        let mut late_seen = false;
        for kind in JobKind::ALL {
            for seed in 0..10 {
                let workload = Workload::draw(kind, seed, 400);
                let mut rng = Rng::new(seed);
                let output = correct(&workload, &mut rng);
                assert!(workload.judge(&output).is_empty(), "{kind} {seed}: {}", workload.judge(&output));
                late_seen |= !output.late.is_empty();
                for part in [main as fn(&mut Output) -> &mut Vec<Row>, late] {
                    let count = part(&mut output.clone()).len() as u64;
                    if count == 0 {
                        continue;
                    }
                    let at = rng.below(count) as usize;
                    let mut lost = output.clone();
                    part(&mut lost).remove(at);
                    let difference = workload.judge(&lost);
                    assert!(!difference.is_empty(), "{kind} {seed}");
                    let mut twice = output.clone();
                    let row = part(&mut twice)[at].clone();
                    part(&mut twice).insert(at, row);
                    assert!(!workload.judge(&twice).is_empty(), "{kind} {seed}");
                }
            }
        }
        assert!(late_seen);
    }

    #[test]
    fn a_record_that_cannot_be_late_must_not_be() {
        let workload = Workload::draw(JobKind::WindowCount, 3, 200);
        let allowed = may_be_late(&workload.sources, workload.bound, workload.size, workload.slide);
        let event = workload.events().find(|event| !allowed.contains(&event.id)).unwrap();
        let late = vec![late_row(event)];
        let output = Output { main: in_order(&workload, workload.expected(&late)), late };
        assert_eq!(workload.judge(&output).different.len(), 1);
    }

    #[test]
    fn nothing_but_window_count_and_idle_may_have_late_records() {
        let lates = [JobKind::WindowCount, JobKind::Idle];
        for kind in JobKind::ALL.into_iter().filter(|kind| !lates.contains(kind)) {
            for seed in 0..20 {
                let workload = Workload::draw(kind, seed, 300);
                let late = may_be_late(&workload.sources, workload.bound, workload.size, workload.slide);
                assert!(late.is_empty(), "{kind} {seed}: {late:?}");
            }
        }
    }
}
