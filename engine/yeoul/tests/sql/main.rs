//! SQL by scripts: for each kind of query, what it gives by Flink's documents, in every form of a run.
//!
//! `scripts/KIND.slt` is a file of cases, which `script.rs` reads; `case.rs` runs them. Each query is run with all rows at once, row by
//! row on two shards, twice with its rows in another order within their watermark's bound, and with a crash after each checkpoint: it has
//! to give the same table each time, and its operators' counters have to add up.
//!
//! Answers are worked out by hand. Where ours differs, the answer stays and the case says `@known` and why; it fails once it is right.

mod account;
mod case;
mod form;
mod inline;
mod script;

macro_rules! kinds {
    ($($kind:ident),* $(,)?) => {
        const KINDS: &[&str] = &[$(stringify!($kind)),*];
        $(
            #[test]
            fn $kind() {
                let file = concat!(stringify!($kind), ".slt");
                case::check(file, include_str!(concat!("scripts/", stringify!($kind), ".slt")));
            }
        )*
    };
}

kinds!(
    projection,
    filter,
    tumble,
    hop,
    cumulate,
    session_window,
    grouping_sets,
    window_cascade,
    window_join,
    window_rank,
    legacy_window,
    group,
    retraction,
    over,
    top_n,
    deduplicate,
    join,
    interval_join,
    temporal_join,
    lookup_join,
    union,
    common_type,
    naming,
    unnest,
    sort,
    nested,
    match_recognize,
    functions,
    cast,
    insert,
);

#[test]
fn every_script_is_run() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sql/scripts");
    assert_eq!(case::unlisted(folder, KINDS), Vec::<String>::new(), "each script stands in the list of kinds");
}
