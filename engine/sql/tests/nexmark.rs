//! Every NEXMark query plans, and its plan is the one in `plans/`.
//!
//! To accept new plans: `ACCEPT=1 cargo test -p yeoul-sql --test nexmark`, then read the difference.

use std::path::Path;

use yeoul_sql::session::{Session, Step};
use yeoul_sql::variables::substitute;

/// The plan of a script's last job, with its changes, what it keeps, and its warnings.
fn planned(script: &str) -> String {
    let filled = substitute(script, &|_| None).expect("variables have defaults");
    let mut jobs = Vec::new();
    let result = Session::default().script(&filled, |_, step| {
        if let Step::Job(job) = step {
            jobs.push(job);
        }
    });
    if let Err(error) = result {
        return format!("refused: {error}\n");
    }
    let job = jobs.last().expect("the script ends in a query");
    format!("{}\n{}", job.plan.explain(true), job.plan.explain_state())
}

#[test]
fn every_query_has_its_plan() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut scripts: Vec<_> = std::fs::read_dir(here.join("../../examples/nexmark"))
        .expect("the queries")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    scripts.sort();
    assert_eq!(scripts.len(), 27, "q0 to q23 and three patterns");
    let mut wrong = Vec::new();
    for script in scripts {
        let name = script.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
        let found = planned(&std::fs::read_to_string(&script).expect("a script"));
        let expected = here.join("tests/plans").join(format!("{name}.txt"));
        if std::env::var_os("ACCEPT").is_some() {
            std::fs::write(&expected, &found).expect("the plan is written");
        }

        if std::fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("{name}:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{} plans differ:\n{}", wrong.len(), wrong.join("\n"));
}
