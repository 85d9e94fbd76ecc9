//! Bad scripts, each with the whole of its error. None may panic or plan.
//!
//! `bad_scripts.txt` holds a script a block, after `####`, with `\\n` for a new line, and below it what is said of it. To
//! accept new texts: `ACCEPT=1 cargo test -p yeoul-sql --test bad_scripts`, then read the difference.

use std::fmt::Write;
use std::path::Path;

use yeoul_sql::session::Session;

const PRELUDE: &str = include_str!("prelude.sql");

#[test]
fn each_bad_script_says_what_is_wrong_with_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_scripts.txt");
    let expected = std::fs::read_to_string(&path).expect("the scripts");
    let (mut found, mut cases) = (String::new(), 0);
    for script in expected.lines().filter_map(|line| line.strip_prefix("#### ")) {
        let mut session = Session::default();
        session.script(PRELUDE, |_, _| {}).expect("the prelude is good");
        let said = match session.script(&script.replace("\\n", "\n"), |_, _| {}) {
            Ok(()) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        };
        writeln!(found, "#### {script}\n{said}\n").expect("text grows");
        cases += 1;
        assert!(said.lines().count() <= 12, "more than a screen is said of {script}:\n{said}");
        assert!(
            std::env::var_os("ACCEPT").is_some() || said.contains("(line "),
            "no place is named in what is said of {script}:\n{said}"
        );
    }
    assert!(cases >= 40, "only {cases} bad scripts");
    if std::env::var_os("ACCEPT").is_some() {
        std::fs::write(&path, &found).expect("the texts are written");
    }
    assert_eq!(found, expected);
}
