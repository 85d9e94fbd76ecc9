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
    ("yeoul", &["sys", "frame", "state", "operator", "runtime", "stream", "formats", "file", "print", "derive"]),
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
        let test = name.contains("/tests/") || name.ends_with("/harness.rs") || name.ends_with("/tests.rs");
        if test || doors.iter().any(|door| name.starts_with(door)) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        let engine = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in engine.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for form in ["Instant::now", "SystemTime::now", "std::fs::", "File::open(", "thread::spawn("] {
                assert!(!code.contains(form), "{name}:{}: {form} outside of engine/sys", number + 1);
            }
        }
    }
}
