//! An aggregate behind local ones against the same aggregate alone, after every step: with late rows, idle subtasks and restores.

#![cfg(test)]

use std::sync::Arc;

use arrow_schema::{DataType, TimeUnit};
use proptest::prelude::*;
use yeoul_operator::{Operator, Subtask};

use super::*;
use crate::LATE;
use crate::aggregate::AggregateFunction as F;
use crate::testing::{Fold, Harness, Saved, Table, fold, rows};
use crate::window::WindowProperty;

const MILLIS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

fn input() -> Table {
    Table::new(&[
        ("k", DataType::Int64),
        ("v", DataType::Int32),
        ("s", DataType::Utf8View),
        ("f", DataType::Boolean),
        ("d", DataType::Decimal128(10, 2)),
        ("start", MILLIS),
        ("end", MILLIS),
    ])
}

fn calls(is_distinct: bool, is_in_order: bool) -> Vec<AggregateCall> {
    let call = |function, argument, result| AggregateCall::new(function, Some(argument), result);
    let mut calls = vec![
        AggregateCall::new(F::CountStar, None, DataType::Int64),
        call(F::Count, 1, DataType::Int64).filter(3),
        call(F::Sum, 1, DataType::Int32),
        call(F::Avg, 4, DataType::Decimal128(38, 6)),
        call(F::Sum, 4, DataType::Decimal128(38, 2)).filter(3),
    ];
    if is_distinct {
        calls.extend([
            call(F::Min, 1, DataType::Int32).filter(3),
            call(F::Max, 4, DataType::Decimal128(10, 2)),
            call(F::Count, 1, DataType::Int64).distinct(),
            call(F::Count, 1, DataType::Int64).distinct().filter(3),
            call(F::Count, 2, DataType::Int64).distinct(),
            call(F::Sum, 1, DataType::Int32).distinct().filter(3),
        ]);
    }
    if is_in_order {
        calls.extend([
            call(F::FirstValue, 1, DataType::Int32),
            call(F::LastValue, 4, DataType::Decimal128(10, 2)).filter(3),
        ]);
    }
    calls
}

/// What is aggregated, and how.
#[derive(Debug, Clone, Copy)]
enum Case {
    Groups { keys: &'static [usize], is_retracting: bool },
    Windows { window: Window, time: WindowTime, is_distinct: bool },
}

const CASES: [Case; 10] = [
    Case::Groups { keys: &[0], is_retracting: false },
    Case::Groups { keys: &[], is_retracting: false },
    Case::Groups { keys: &[2, 0], is_retracting: false },
    Case::Windows { window: Window::Tumble { size: 10, offset: 3 }, time: WindowTime::RowTime, is_distinct: true },
    Case::Windows {
        window: Window::Hop { size: 10, slide: 5, offset: 0 },
        time: WindowTime::RowTime,
        is_distinct: true,
    },
    Case::Windows {
        window: Window::Hop { size: 5, slide: 10, offset: 0 },
        time: WindowTime::RowTime,
        is_distinct: true,
    },
    Case::Windows {
        window: Window::Cumulate { size: 20, step: 5, offset: 0 },
        time: WindowTime::Column(5),
        is_distinct: true,
    },
    Case::Windows {
        window: Window::Tumble { size: 10, offset: 0 },
        time: WindowTime::Windowed { start: 5, end: 6, by_clock: false },
        is_distinct: true,
    },
    Case::Windows { window: Window::Tumble { size: 10, offset: 3 }, time: WindowTime::RowTime, is_distinct: false },
    Case::Windows {
        window: Window::Hop { size: 10, slide: 5, offset: 0 },
        time: WindowTime::RowTime,
        is_distinct: false,
    },
];

type Make = Arc<dyn Fn() -> Result<Box<dyn Operator>, OperatorError>>;

impl Case {
    fn schema(self, keys: &[usize], calls: &[AggregateCall], properties: usize) -> SchemaRef {
        let input = input();
        let fields = keys.iter().map(|&key| input.schema().field(key).clone());
        let results = calls.iter().map(|call| arrow_schema::Field::new("c", call.result.clone(), true));
        let bounds = (0..properties).map(|_| arrow_schema::Field::new("w", MILLIS, false));
        Arc::new(arrow_schema::Schema::new(fields.chain(results).chain(bounds).collect::<Vec<_>>()))
    }

    /// The aggregate, by what its rows are exchanged, and the local one before it.
    fn made(self, phases: Phases) -> (Make, Vec<usize>, Option<LocalAggregate>) {
        match self {
            Self::Groups { keys, is_retracting } => {
                let calls = calls(!is_retracting, !is_retracting);
                let spec = Arc::new(GroupAggregate {
                    keys: keys.to_vec(),
                    schema: self.schema(keys, &calls, 0),
                    calls,
                    input_schema: input().schema().clone(),
                    retracting_input: is_retracting,
                    update_before: true,
                    ttl: None,
                });
                let local = LocalAggregate::before_groups(&spec, phases);
                (Arc::new(move || spec.clone().operator()), keys.to_vec(), local)
            }
            Self::Windows { window, time, is_distinct } => {
                let calls = calls(is_distinct, !is_distinct);
                let spec = Arc::new(WindowAggregate {
                    window,
                    time,
                    keys: vec![0],
                    schema: self.schema(&[0], &calls, 2),
                    calls,
                    properties: vec![WindowProperty::Start, WindowProperty::End],
                    input_schema: input().schema().clone(),
                    retracting_input: false,
                });
                let local = LocalAggregate::before_windows(&spec, phases);
                let keys = spec.exchange().columns;
                (Arc::new(move || spec.clone().operator()), keys, local)
            }
        }
    }
}

/// Two local aggregates with one behind them, and that one alone.
struct Both {
    locals: Vec<Harness>,
    watermarks: [Option<i64>; 2],
    behind: Harness,
    alone: Harness,
    folds: [Fold; 2],
    partials: usize,
}

impl Both {
    fn new(case: Case, phases: Phases) -> Self {
        let (make, keys, local) = case.made(phases);
        let local = Arc::new(local.expect("these calls can be computed in parts"));
        let router = local.router();
        let first = Harness::of(move || local.clone().operator(), &[]);
        let subtask = |index| Subtask { index, parallelism: 2 };
        let [behind, alone] = [make.clone(), make].map(|make| Harness::of(move || make(), &[&keys]));
        let behind = behind.routed(router);
        Self {
            locals: vec![first.restored(subtask(0), &[]), first.restored(subtask(1), &[])],
            watermarks: [Some(i64::MIN); 2],
            behind,
            alone,
            folds: Default::default(),
            partials: 0,
        }
    }

    fn push(&mut self, shard: usize, text: &str) {
        let frame = input().frame(text);
        // Who speaks again is active again.
        let watermark = self.locals[shard].watermark_of();
        self.watermarks[shard].get_or_insert(watermark);
        self.alone.push(0, frame.clone());
        self.locals[shard].push(0, frame);
        for frame in self.locals[shard].take() {
            self.partials += usize::from(Layout::is_of(&frame));
            self.behind.push(0, frame);
        }
    }

    fn watermark(&mut self, shard: usize, watermark: i64) {
        self.locals[shard].watermark(watermark);
        self.watermarks[shard] = Some(self.locals[shard].watermark_of());
        self.rise();
    }

    fn idle(&mut self, shard: usize) {
        self.locals[shard].idle();
        self.watermarks[shard] = None;
        self.rise();
    }

    fn rise(&mut self) {
        if let Some(least) = self.watermarks.iter().flatten().min() {
            self.alone.watermark(*least);
            self.behind.watermark(*least);
        }
    }

    fn restore(&mut self) {
        let saved: Vec<Saved> = self.locals.iter_mut().map(Harness::snapshot).collect();
        let from: Vec<&Saved> = saved.iter().collect();
        let open = |index: u16| self.locals[0].restored(Subtask { index, parallelism: 2 }, &from);
        let locals = vec![open(0), open(1)];
        self.locals = locals;
        // A source says how far it was before it says anything else.
        for (shard, watermark) in self.watermarks.into_iter().enumerate() {
            if let Some(watermark) = watermark {
                self.locals[shard].watermark(watermark);
            }
        }
        for one in [&mut self.behind, &mut self.alone] {
            let saved = one.snapshot();
            let late = one.take_from(LATE);
            let next = one.restored(Subtask { index: 0, parallelism: 1 }, &[&saved]);
            *one = next;
            one.keep(LATE, late);
        }
    }

    fn check(&mut self, at: &dyn std::fmt::Debug) {
        for (one, into) in [&mut self.behind, &mut self.alone].into_iter().zip(&mut self.folds) {
            fold(into, &one.take());
        }
        assert_eq!(self.folds[0], self.folds[1], "after {at:?}");
    }

    /// Lets event time end, and compares what is late too.
    fn end(mut self) -> usize {
        for shard in 0..2 {
            self.watermark(shard, i64::MAX);
        }
        self.check(&"the end");
        let late = |one: &mut Harness| {
            let text = rows(&one.take_from(LATE));
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort_unstable();
            lines
        };
        assert_eq!(late(&mut self.behind), late(&mut self.alone));
        self.partials
    }
}

#[derive(Debug, Clone)]
enum Step {
    Rows(usize, Vec<(u8, u8, u8, bool, i64)>),
    /// Takes rows back that this shard has had.
    Back(usize, Vec<u8>),
    Watermark(usize, i64),
    Idle(usize),
    Restore,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = (0_u8..4, 0_u8..6, 0_u8..4, any::<bool>(), 0_i64..60);
    let step = prop_oneof![
        6 => (0_usize..2, prop::collection::vec(row, 1..24)).prop_map(|(shard, rows)| Step::Rows(shard, rows)),
        2 => (0_usize..2, prop::collection::vec(any::<u8>(), 1..6)).prop_map(|(shard, rows)| Step::Back(shard, rows)),
        3 => (0_usize..2, 0_i64..60).prop_map(|(shard, time)| Step::Watermark(shard, time)),
        1 => (0_usize..2).prop_map(Step::Idle),
        1 => Just(Step::Restore),
    ];
    prop::collection::vec(step, 1..24)
}

fn text((key, value, text, flag, time): &(u8, u8, u8, bool, i64)) -> String {
    let or_null = |number: &u8, none: u8| if *number == none { "null".to_owned() } else { number.to_string() };
    let text = if *text == 3 { "null".to_owned() } else { "ab".repeat(usize::from(*text) * 5 + 1) };
    let (key, value, start) = (or_null(key, 3), or_null(value, 5), time / 10 * 10);
    // Of windows that rows bring along, the time is a column, as is that of CUMULATE here.
    format!("{key} {value} {text} {flag} {value} {start} {} @{time}", start + 10)
}

fn run(case: Case, phases: Phases, steps: &[Step]) {
    let mut both = Both::new(case, phases);
    let is_retracting = matches!(case, Case::Groups { is_retracting: true, .. });
    let mut had: [Vec<String>; 2] = Default::default();
    for step in steps {
        match step {
            Step::Rows(shard, rows) => {
                let lines: Vec<String> = rows.iter().map(text).collect();
                both.push(*shard, &lines.iter().map(|line| format!("+I {line}\n")).collect::<String>());
                had[*shard].extend(lines);
            }
            Step::Back(shard, rows) if is_retracting => {
                let had = &mut had[*shard];
                let mut lines = String::new();
                for row in rows {
                    if !had.is_empty() {
                        let line = had.swap_remove(usize::from(*row) % had.len());
                        lines.push_str(&format!("-U {line}\n"));
                    }
                }
                if !lines.is_empty() {
                    both.push(*shard, &lines);
                }
            }
            Step::Back(..) => {}
            Step::Watermark(shard, time) => both.watermark(*shard, *time),
            Step::Idle(shard) => both.idle(*shard),
            Step::Restore => both.restore(),
        }
        both.check(step);
    }
    both.end();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn results_are_those_of_one_phase(steps in steps(), always: bool) {
        let phases = if always { Phases::Two } else { Phases::Auto };
        CASES.iter().for_each(|case| run(*case, phases, &steps));
    }
}

#[test]
fn rows_of_windows_that_may_have_fired_go_on_as_they_came() {
    for case in &CASES[3..] {
        let mut both = Both::new(*case, Phases::Two);
        let row = |time| text(&(1, 1, 1, true, time));
        both.push(0, &format!("+I {}", row(12)));
        assert_eq!(both.partials, 0, "before the first watermark");
        both.watermark(0, 24);
        both.push(0, &format!("+I {}\n+I {}\n+I {}", row(32), row(1), row(32)));
        assert_eq!(both.partials, 1, "{case:?}");
        both.restore();
        both.push(0, &format!("+I {}", row(32)));
        assert_eq!(both.partials, 2, "{case:?}");
        both.watermark(1, 40);
        both.idle(0);
        both.push(0, &format!("+I {}", row(52)));
        assert_eq!(both.partials, 2, "behind the exchange time has passed without it");
        assert_eq!(both.end(), 2);
    }
}

#[test]
fn frames_that_do_not_become_smaller_are_left_as_they_are() {
    let different: String = (0..40).map(|key| format!("+I {key} 1 a true 1 0 10\n")).collect();
    let equal: String = (0..40).map(|value| format!("+I 7 {value} a true 1 0 10\n")).collect();
    for phases in [Phases::One, Phases::Auto, Phases::Two] {
        let always = phases == Phases::Two;
        let mut both = Both::new(CASES[0], phases);
        both.push(0, &different);
        assert_eq!(both.partials, usize::from(always));
        both.push(0, &different);
        both.push(0, &equal);
        // Each of forty values is distinct.
        assert_eq!(both.partials, 3 * usize::from(always));
        both.end();
    }
}

#[test]
fn calls_that_cannot_be_computed_in_parts_have_no_local_aggregate() {
    let spec = |function: F, argument: usize, result: DataType, is_retracting: bool, is_distinct: bool| {
        let mut call = AggregateCall::new(function, Some(argument), result);
        call.distinct = is_distinct;
        let calls = vec![call];
        GroupAggregate {
            keys: vec![0],
            schema: CASES[0].schema(&[0], &calls, 0),
            calls,
            input_schema: input().schema().clone(),
            retracting_input: is_retracting,
            update_before: true,
            ttl: None,
        }
    };
    let has = |spec: GroupAggregate| LocalAggregate::before_groups(&spec, Phases::Auto).is_some();
    assert!(!has(spec(F::Sum, 1, DataType::Int32, true, false)), "what is not known is not taken back");
    assert!(!has(spec(F::StddevPop, 1, DataType::Float64, false, false)), "sums of floats depend on their order");
    assert!(!has(spec(F::Max, 2, DataType::Utf8View, false, false)), "texts are no words");
    assert!(has(spec(F::LastValue, 1, DataType::Int32, false, false)));
    assert!(!has(spec(F::Max, 1, DataType::Int32, true, false)), "values may be taken back");
    assert!(!has(spec(F::Count, 1, DataType::Int64, true, true)), "values may be taken back");
    assert!(!has(spec(F::FirstValue, 1, DataType::Int32, false, true)), "of distinct values the order is lost");
    let ttl = Some(std::time::Duration::from_secs(1));
    assert!(has(GroupAggregate { ttl, ..spec(F::Sum, 1, DataType::Int32, false, false) }));
}
