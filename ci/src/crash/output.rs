//! What an outside reader sees of a job's results, and how it compares with the oracle.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use yeoul::operator::Services;
use yeoul::state::manifest::{Manifest, ManifestOptions};

/// The visible files below a folder, by name, with their bytes. Names that begin with a dot are not visible.
///
/// # Errors
/// A file cannot be read.
pub fn visible(folder: &Path) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    walk(folder, "", &mut |name, path| {
        let hidden = name.split('/').any(|part| part.starts_with('.'));
        if !hidden {
            files.insert(name.to_owned(), std::fs::read(path)?);
        }
        Ok(())
    })?;
    Ok(files)
}

/// Names below a folder that a finished job should not have left: hidden and temporary ones.
///
/// # Errors
/// A folder cannot be listed.
pub fn left_over(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    walk(folder, "", &mut |name, _| {
        if name.split('/').any(|part| part.starts_with('.')) {
            names.push(name.to_owned());
        }
        Ok(())
    })?;
    Ok(names)
}

/// The names below a folder; hidden ones too, with their lengths, if `all`.
///
/// # Errors
/// A folder cannot be listed.
pub fn names(folder: &Path, all: bool) -> std::io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    walk(folder, "", &mut |name, path| {
        if all {
            // A name that is gone meanwhile has no length.
            names.insert(format!("{name} {}", std::fs::metadata(path).map_or(0, |of| of.len())));
        } else if !name.split('/').any(|part| part.starts_with('.')) {
            names.insert(name.to_owned());
        }
        Ok(())
    })?;
    Ok(names)
}

/// Files in a job's data folder that its retained checkpoints do not need. The folder is listed before the manifest is opened, which
/// puts in order what a crash has left.
///
/// # Errors
/// The folder cannot be listed, or the manifest not be opened.
pub fn left_in_store(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut there = BTreeSet::new();
    walk(folder, "", &mut |name, _| {
        there.insert(name.to_owned());
        Ok(())
    })?;
    let storage = Services::default().files.folder(folder)?;
    let options = ManifestOptions { retained: usize::MAX, ..ManifestOptions::default() };
    let (manifest, _) = Manifest::open(storage, "", options)?;
    for commit in manifest.retained() {
        for segment in commit.segments() {
            there.remove(&segment.file_name());
        }
    }
    there.remove(yeoul::state::manifest::MANIFEST);
    there.remove("LOCK");
    Ok(there.into_iter().collect())
}

fn walk(folder: &Path, prefix: &str, visit: &mut dyn FnMut(&str, &Path) -> std::io::Result<()>) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{name}/"), visit)?;
        } else {
            visit(&name, &entry.path())?;
        }
    }
    Ok(())
}

/// All lines of all files, sorted. The first line of a CSV file is its header and does not count.
#[must_use]
pub fn lines(files: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, bytes) in files {
        let text = String::from_utf8_lossy(bytes);
        // Results of different sinks are told apart by their folder.
        let sink = name.split_once('/').map_or("", |(sink, _)| sink);
        let header = usize::from(name.ends_with(".csv"));
        lines.extend(text.lines().skip(header).map(|line| format!("{sink}: {line}")));
    }
    lines.sort_unstable();
    lines
}

/// How a result differs from the oracle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Difference {
    /// Lines of the oracle that are missing.
    pub lost: usize,
    /// Lines that are there more often than in the oracle, and are in it.
    pub duplicated: usize,
    /// Lines that are not in the oracle at all.
    pub different: usize,
}

/// Compares two sorted lists of lines as bags.
#[must_use]
pub fn compare(oracle: &[String], seen: &[String]) -> Difference {
    let mut counts: HashMap<&str, i64> = HashMap::new();
    for line in oracle {
        *counts.entry(line).or_default() += 1;
    }
    let mut difference = Difference::default();
    for line in seen {
        match counts.get_mut(line.as_str()) {
            None => difference.different += 1,
            Some(count) => {
                *count -= 1;
                difference.duplicated += usize::from(*count < 0);
            }
        }
    }
    difference.lost = counts.values().filter(|count| **count > 0).map(|count| *count as usize).sum();
    difference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bags_are_compared_line_by_line() {
        let bag = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let check = |oracle: &str, seen: &str, lost, duplicated, different| {
            assert_eq!(
                compare(&bag(oracle), &bag(seen)),
                Difference { lost, duplicated, different },
                "{oracle} / {seen}"
            );
        };
        check("a b b", "b a b", 0, 0, 0);
        check("a b b", "a b", 1, 0, 0);
        check("a b b", "a a b b", 0, 1, 0);
        check("a b b", "a b x", 1, 0, 1);
    }
}
