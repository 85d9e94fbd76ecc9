//! The house's manners, as far as a program can check them. Only tightens.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("ci lies in the workspace").to_owned()
}

fn rust_files() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder of the workspace can be read") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                walk(&path, found);
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found.sort();
    assert!(found.len() > 50, "only {} files found", found.len());
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).expect("below the root").display().to_string()
}

/// What each crate of the workspace may depend on, besides what those depend on. Dependencies point down only.
const LAYERS: &[(&str, &[&str])] = &[
    ("sys", &[]),
    ("derive", &[]),
    ("frame", &["sys", "derive"]),
    ("ring", &["sys", "frame"]),
    ("state", &["sys", "frame"]),
    ("operator", &["sys", "frame", "state"]),
    ("runtime", &["sys", "frame", "ring", "state", "operator"]),
    ("stream", &["sys", "frame", "state", "operator"]),
    ("relational", &["sys", "frame", "state", "operator"]),
    ("sql", &["frame", "operator", "relational"]),
    ("formats", &["sys", "frame"]),
    ("file", &["sys", "frame", "state", "operator", "formats"]),
    ("print", &["frame", "operator", "formats"]),
    ("datagen", &["frame", "operator"]),
    ("nexmark", &["frame", "operator", "datagen"]),
    ("tables", &["frame", "operator", "formats", "file", "print", "datagen", "nexmark"]),
    (
        "yeoul",
        &[
            "sys", "frame", "state", "operator", "runtime", "stream", "sql", "formats", "file", "print", "tables",
            "derive",
        ],
    ),
    ("daemon", &["yeoul"]),
    ("sim", &["sys", "frame", "ring", "state", "operator", "runtime", "stream", "formats", "file"]),
];

#[test]
fn dependencies_point_down() {
    let mut folders: BTreeMap<String, PathBuf> = BTreeMap::new();
    for group in ["engine", "connectors"] {
        for entry in fs::read_dir(root().join(group)).expect("the group's folder") {
            let path = entry.expect("an entry").path();
            folders.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), path);
        }
    }
    let allowed: BTreeMap<_, BTreeSet<_>> =
        LAYERS.iter().map(|(name, below)| (*name, below.iter().copied().collect::<BTreeSet<_>>())).collect();
    for (name, folder) in folders {
        let below =
            allowed.get(name.as_str()).unwrap_or_else(|| panic!("crate '{name}' has no layer; give it one here"));
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
        let normal = manifest.split("[dev-dependencies]").next().expect("the first part");
        for line in normal.lines() {
            let Some(rest) = line.strip_prefix("yeoul-") else { continue };
            let dependency = rest.split(['.', ' ', '=']).next().expect("a name");
            assert!(
                below.contains(dependency),
                "'{name}' must not depend on '{dependency}': dependencies point down only"
            );
        }
    }
}

#[test]
fn modules_begin_with_what_they_are() {
    for path in rust_files().iter().filter(|path| shown(path).contains("src/")) {
        let text = fs::read_to_string(path).expect("a source file");
        assert!(
            text.starts_with("//!") || text.starts_with("#![cfg(test)]"),
            "{} does not begin with a sentence about itself (//!)",
            shown(path)
        );
    }
}

#[test]
fn files_have_one_subject() {
    const MOST_LINES: usize = 600;
    for path in rust_files() {
        let lines = fs::read_to_string(&path).expect("a source file").lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines; past {MOST_LINES} it has two subjects", shown(&path));
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        assert!(
            !["util", "utils", "common", "helper", "helpers", "misc"].contains(&stem),
            "{}: name a file by its subject",
            shown(&path)
        );
    }
}

#[test]
fn unsafe_code_stays_in_its_rooms() {
    let rooms = ["engine/sys/", "engine/frame/", "engine/ring/"];
    for path in rust_files() {
        let name = shown(&path);
        // What `#[record]` writes into a user's crate is text here, and the reason stands beside it.
        let written = name == "engine/derive/src/expand.rs";
        if written
            || rooms.iter().any(|room| name.starts_with(room))
            || name.starts_with("fuzz/")
            || name == "ci/tests/tidy.rs"
        {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let found = ["unsafe {", "unsafe impl", "unsafe fn"].iter().any(|form| code.contains(form));
            assert!(!found, "{name}:{} has unsafe code; it belongs into engine/sys, frame or ring", number + 1);
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    for path in rust_files() {
        let name = shown(&path);
        if name == "ci/tests/tidy.rs" {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        for form in ["todo!(", "unimplemented!(", "#[ignore", "FIXME", "XXX"] {
            assert!(!text.contains(form), "{name} holds {form}");
        }
    }
}

#[test]
fn only_sys_touches_clock_files_and_threads() {
    // Tests, benches and the campaigns in ci/ are outside of the engine; the façade starts the job's supervisor.
    let doors = ["engine/sys/", "ci/", "bench/", "fuzz/", "examples/"];
    for path in rust_files() {
        let name = shown(&path);
        let test = name.contains("/tests/")
            || name.contains("/benches/")
            || name.ends_with("/harness.rs")
            || name.ends_with("/tests.rs");
        if test || doors.iter().any(|door| name.starts_with(door)) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        for (number, line) in without_tests(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for form in OUTSIDE {
                assert!(!names(code, form), "{name}:{}: {form} outside of engine/sys", number + 1);
            }
        }
    }
}

/// What only `engine/sys` names.
const OUTSIDE: [&str; 9] = [
    "Instant::now",
    "SystemTime::now",
    "fs::",
    "std::fs",
    "File::open(",
    "File::create(",
    "thread::spawn(",
    "thread::scope(",
    "thread::Builder",
];

/// Whether a line of code names this, and not a longer word that ends alike.
fn names(code: &str, form: &str) -> bool {
    code.match_indices(form)
        .any(|(at, _)| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
}

/// A file's text without the module of tests at its end. What else is only for tests is held to the same rule.
fn without_tests(text: &str) -> &str {
    let begin = text.match_indices("#[cfg(test)]\n").find(|(at, mark)| {
        let rest = &text[at + mark.len()..];
        // Attributes may stand between.
        let item = rest.lines().find(|line| !line.starts_with("#["));
        item.is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    });
    begin.map_or(text, |(at, _)| &text[..at])
}

#[test]
fn code_below_a_line_for_tests_is_looked_at() {
    let file = "#[cfg(test)]\nmod harness;\nuse std::fs;\n\n#[cfg(test)]\n#[allow(dead_code)]\nmod tests {\n    fs::read(\"\");\n}\n";
    assert_eq!(without_tests(file), "#[cfg(test)]\nmod harness;\nuse std::fs;\n\n");
    for (code, form) in [
        ("    fs::read(path)?", "fs::"),
        ("use std::fs;", "std::fs"),
        ("x = thread::Builder::new()", "thread::Builder"),
    ] {
        assert!(names(code, form) && OUTSIDE.contains(&form), "{code}");
    }
    assert!(!names("simfs::read()", "fs::") && !names("let myfs::x", "fs::"));
}
