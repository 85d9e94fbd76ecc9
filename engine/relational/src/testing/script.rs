//! One script of rows and watermarks, run however it may be cut: what comes out is the same.

use super::{Harness, Step, Table, rows, run_with_restores};

/// How a script's rows become frames.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// Rows that follow each other by one input are a frame.
    Whole,
    /// Each row is a frame.
    Single,
    /// Each row is a frame, and after it come a snapshot and a restore by another number of instances.
    Restored,
}

/// Runs lines `0 +I 1 2 @5` (a row by input 0) and `w 10` (a watermark), cut in every way, and compares all that came out, sorted, and then
/// the late rows as `late …`, with `expected`. Returns how many entries of state are left.
pub(crate) fn check(open: impl Fn() -> Harness, tables: &[&Table], script: &str, expected: &str) -> usize {
    let mut left = 0;
    for cut in [Cut::Whole, Cut::Single, Cut::Restored] {
        let mut out = Vec::new();
        let ended = run_with_restores(open(), &steps(cut, tables, script), |_, frames| {
            out.extend(rows(frames).lines().map(str::to_owned));
        });
        let mut late = Vec::new();
        let (mut counted, mut entries) = (0, 0);
        for mut one in ended {
            counted += one.counters.late.get();
            late.extend(rows(&one.take_from(crate::LATE)).lines().map(|line| format!("late {line}")));
            entries += one.state_entries();
        }
        // Counters begin anew with each restore.
        assert!(!matches!(cut, Cut::Whole | Cut::Single) || counted == late.len() as u64, "late rows are counted");
        out.sort();
        late.sort();
        out.extend(late);
        let mut wanted: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        wanted.sort_by_key(|line| (line.starts_with("late"), *line));
        assert_eq!(out.join("\n"), wanted.join("\n"), "{cut:?}");
        left = entries;
    }
    left
}

fn steps(cut: Cut, tables: &[&Table], script: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut pending: (usize, String) = (0, String::new());
    let mut instances = 1;
    let mut flush = |pending: &mut (usize, String), steps: &mut Vec<Step>| {
        if !pending.1.is_empty() {
            steps.push(Step::Push(pending.0 as u8, tables[pending.0].frame(&pending.1)));
            if let Cut::Restored = cut {
                instances = instances % 3 + 1;
                steps.push(Step::Restore(instances));
            }
        }
        pending.1.clear();
    };
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (what, rest) = line.split_once(' ').expect("an input or 'w', and the rest");
        if what == "w" {
            flush(&mut pending, &mut steps);
            steps.push(Step::Watermark(rest.parse().expect("a watermark")));
            continue;
        }
        let input = what.parse().expect("the number of an input");
        if input != pending.0 || !matches!(cut, Cut::Whole) {
            flush(&mut pending, &mut steps);
        }
        pending.0 = input;
        pending.1.push_str(rest);
        pending.1.push('\n');
    }
    flush(&mut pending, &mut steps);
    steps
}
