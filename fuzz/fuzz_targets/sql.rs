//! Scripts of SQL from arbitrary text: parsed, declared, planned and explained against a few tables. What is refused is refused with
//! its place; nothing panics.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use yeoul_sql::session::{Session, Step};

/// The tables that there are before a script begins: those of the planner's own tests, or NEXMark's for a script that names it.
const TABLES: &str = include_str!("../../engine/sql/tests/prelude.sql");
const NEXMARK: &str = include_str!("../../examples/nexmark/q0.sql");

/// Planning takes time by the length of a script: what is longer teaches no more.
const MOST_BYTES: usize = 2_000;

static TESTS: LazyLock<Session> = LazyLock::new(|| session(TABLES));
static BENCHMARK: LazyLock<Session> = LazyLock::new(|| {
    let declared = NEXMARK.find(";\n").expect("the first statement declares the table");
    session(&NEXMARK[..=declared])
});

fn session(tables: &str) -> Session {
    let mut session = Session::default();
    session.script(tables, |_, _| {}).expect("the tables are good");
    session
}

fuzz_target!(|bytes: &[u8]| {
    let bytes = &bytes[..bytes.len().min(MOST_BYTES)];
    let script = String::from_utf8_lossy(bytes);
    let mut session = if script.contains("nexmark") { BENCHMARK.clone() } else { TESTS.clone() };
    let result = session.script(&script, |_, step| {
        if let Step::Job(job) = step {
            // Of state there may be none to show.
            std::hint::black_box(job.plan.explain_state());
            let shown = [job.plan.explain(false), job.plan.explain(true), job.plan.json()];
            assert!(shown.iter().all(|text| !text.is_empty()), "a plan can be shown");
        }
    });
    if let Err(error) = result {
        assert!(error.position().is_some(), "an error without its place: {error}");
        assert!(error.to_string().contains("(line "), "an error that does not say its place: {error}");
    }
});
