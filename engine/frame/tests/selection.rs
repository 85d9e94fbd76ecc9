//! Selections against a model: a plain list of row numbers.

use proptest::prelude::*;
use yeoul_frame::{Frame, Pool, RowBuilder, RowKind, Scatter, Selection, Timestamp, hash_u64};

const ROWS: u32 = 100;

/// One step of narrowing a selection.
#[derive(Debug, Clone)]
enum Step {
    Slice(usize, usize),
    Refine(u32),
    Select(Vec<u32>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (any::<prop::sample::Index>(), any::<prop::sample::Index>())
            .prop_map(|(a, b)| Step::Slice(a.index(ROWS as usize + 1), b.index(ROWS as usize + 1))),
        (1..10u32).prop_map(Step::Refine),
        proptest::collection::vec(0..ROWS, 0..30).prop_map(Step::Select),
    ];
    proptest::collection::vec(step, 0..6)
}

fn frame() -> Frame {
    let mut rows = RowBuilder::<u64>::new(&Pool::new(), ROWS as usize);
    for n in 0..u64::from(ROWS) {
        rows.push(&n, Timestamp(n as i64), RowKind::Insert).unwrap();
    }
    rows.finish()
}

fn check(frame: &Frame, model: &[u32]) {
    assert_eq!(frame.len(), model.len());
    assert_eq!(frame.is_empty(), model.is_empty());
    assert_eq!(frame.indices().len(), model.len());
    assert_eq!(frame.indices().collect::<Vec<_>>(), model);
    assert_eq!(frame.selection(), &Selection::rows(model));
    assert!(model.iter().all(|&row| row < frame.selection().bound()));
    let view = frame.rows::<u64>();
    let by_next: Vec<_> = view.into_iter().map(|(row, n)| (row, n.to_native())).collect();
    let mut by_fold = vec![];
    view.iter().for_each(|(row, n)| by_fold.push((row, n.to_native())));
    let expected: Vec<_> = model.iter().map(|&row| (row, u64::from(row))).collect();
    assert_eq!((&by_next, &by_fold), (&expected, &expected));
    if let Some(hashes) = frame.hashes() {
        assert_eq!(hashes, model.iter().map(|&row| hash_u64(row.into())).collect::<Vec<_>>());
    }
}

proptest! {
    #[test]
    fn a_selection_is_a_list_of_rows(steps in steps(), hashed in any::<bool>()) {
        let mut frame = frame();
        let mut model: Vec<u32> = (0..ROWS).collect();
        for step in steps {
            if hashed {
                let hashes: Vec<_> = model.iter().map(|&row| hash_u64(row.into())).collect();
                frame = frame.with_hashes(hashes);
            }
            match step {
                Step::Slice(a, b) => {
                    let (a, b) = (a.min(b).min(model.len()), a.max(b).min(model.len()));
                    frame = frame.slice(a..b);
                    model = model[a..b].to_vec();
                    prop_assert_eq!(frame.hashes().is_some(), hashed);
                }
                Step::Refine(by) => {
                    frame = frame.select(frame.selection().refine(|row| row % by == 0));
                    model.retain(|row| row % by == 0);
                }
                Step::Select(rows) => {
                    frame = frame.select(Selection::rows(&rows));
                    model = rows;
                }
            }
            check(&frame, &model);
        }
    }

    #[test]
    fn filters_agree(values in proptest::collection::vec(any::<i16>(), 0..300), limit in any::<i16>()) {
        let expected: Vec<u32> = (0..).zip(&values).filter(|&(_, &value)| value < limit).map(|(row, _)| row).collect();
        let by_value = Selection::matching_values(&values, |value| value < limit);
        let by_row = Selection::matching(values.len() as u32, |row| values[row as usize] < limit);
        prop_assert_eq!(by_value.iter().collect::<Vec<_>>(), &expected[..]);
        prop_assert_eq!(by_value, by_row);
    }

    #[test]
    fn scattered_parts_are_the_whole(steps in steps(), destinations in 1..9usize) {
        let mut frame = frame();
        for step in steps {
            if let Step::Select(rows) = step {
                frame = frame.select(Selection::rows(&rows));
            }
        }
        let hashes: Vec<_> = frame.indices().map(|row| hash_u64(row.into())).collect();
        let mut parts: Vec<(usize, Frame)> = vec![];
        let destination = |hash: yeoul_frame::KeyHash| hash.0 as usize % destinations;
        Scatter::new(destinations).split(&frame, &hashes, destination, |to, part| parts.push((to, part)));
        prop_assert!(parts.is_sorted_by(|a, b| a.0 < b.0));
        prop_assert!(parts.iter().all(|(_, part)| !part.is_empty() && part.hashes().is_some()));
        for to in 0..destinations {
            let expected: Vec<u32> = frame.indices().filter(|&row| destination(hash_u64(row.into())) == to).collect();
            match parts.iter().find(|(at, _)| *at == to) {
                Some((_, part)) => check(part, &expected),
                None => prop_assert!(expected.is_empty()),
            }
        }
    }
}

#[test]
fn a_filter_that_keeps_all_is_a_range() {
    assert_eq!(format!("{:?}", Selection::matching(5, |_| true)), "Selection(0..5)");
    assert_eq!(format!("{:?}", Selection::matching(5, |row| row != 1)), "Selection([0, 2, 3, 4])");
    assert_eq!(Selection::span(3..5), Selection::rows(&[3, 4]));
}

#[test]
#[should_panic(expected = "positions 1..4 of a selection of 3 rows")]
fn a_slice_stays_within() {
    let _ = Selection::rows(&[5, 6, 7]).slice(1..4);
}
