//! What a user's path means: the folder that must exist, and what is looked for in it.
//!
//! Files go by the path as the user wrote it, tidied: relative paths stay relative, so that a savepoint can be restored
//! where the same folders lie elsewhere.

use std::path::{Path, PathBuf};

use crate::glob::{self, BadGlob, Segment};

/// A path to read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputPath {
    /// The path, tidied.
    pub(crate) text: String,
    /// The folder in which all of it lies.
    pub(crate) base: PathBuf,
    /// What is looked for there.
    pub(crate) wanted: Wanted,
}

/// What is looked for in the base folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A file of this name, or the files in a folder of this name.
    Named(String),
    /// The files of the base folder itself.
    Folder,
    /// Files that match.
    Matching(Vec<Segment>),
}

impl InputPath {
    /// Takes a path or a pattern apart.
    pub(crate) fn parse(path: &str) -> Result<Self, BadGlob> {
        let absolute = path.starts_with('/');
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
        let text = format!("{}{}", if absolute { "/" } else { "" }, names.join("/"));
        let first_pattern = names.iter().position(|name| glob::is_pattern(name));
        let (fixed, wanted) = match (first_pattern, names.split_last()) {
            (Some(at), _) => (&names[..at], Wanted::Matching(glob::parse(names[at..].iter().copied(), path)?)),
            (None, Some((name, above))) if *name != ".." => (above, Wanted::Named((*name).to_owned())),
            (None, _) => (&names[..], Wanted::Folder),
        };
        let base = match (absolute, fixed.is_empty()) {
            (true, _) => Path::new("/").join(fixed.join("/")),
            (false, true) => PathBuf::from("."),
            (false, false) => PathBuf::from(fixed.join("/")),
        };
        Ok(Self { text, base, wanted })
    }

    /// The path, as the user would write it, of what lies at `inside` the base folder.
    pub(crate) fn display(&self, inside: &str) -> String {
        match self.base.to_str() {
            Some(".") | None => inside.to_owned(),
            Some("/") => format!("/{inside}"),
            Some(base) => format!("{base}/{inside}"),
        }
    }

    /// The opposite of [`display`](Self::display); none if the path does not lie in the base folder.
    pub(crate) fn inside<'a>(&self, path: &'a str) -> Option<&'a str> {
        match self.base.to_str() {
            Some(".") | None => Some(path),
            Some("/") => path.strip_prefix('/'),
            Some(base) => path.strip_prefix(base)?.strip_prefix('/'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, base: &str, wanted: &str, display: &str) {
        let input = InputPath::parse(path).unwrap();
        assert_eq!(input.base, Path::new(base), "{path}");
        let kind = match &input.wanted {
            Wanted::Named(name) => name.clone(),
            Wanted::Folder => "<folder>".to_owned(),
            Wanted::Matching(segments) => format!("<{} segments>", segments.len()),
        };
        assert_eq!(kind, wanted, "{path}");
        assert_eq!(input.display("x"), display, "{path}");
        assert_eq!(input.inside(display), Some("x"), "{path}");
    }

    #[test]
    fn a_path_falls_into_a_folder_and_what_is_wanted_there() {
        check("events.ndjson", ".", "events.ndjson", "x");
        check("./data//events.ndjson", "data", "events.ndjson", "data/x");
        check("/var/data/", "/var", "data", "/var/x");
        check("/data", "/", "data", "/x");
        check("../in", "..", "in", "../x");
        check("../..", "../..", "<folder>", "../../x");
        check(".", ".", "<folder>", "x");
        check("/", "/", "<folder>", "/x");
        check("data/2013-*/[a-z].csv", "data", "<2 segments>", "data/x");
        check("*.csv", ".", "<1 segments>", "x");
        check("/**/a.csv", "/", "<2 segments>", "/x");
    }
}
