//! Paths: `$`, `.name`, `['name']`, `[index]`, from the end if it is negative, `[*]` and `.*`, with `lax` or `strict` before them.

use super::document::{Json, Step, part, read};
use crate::error::SqlError;

/// A path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// What is not there is empty and no error.
    pub(super) lax: bool,
    steps: Vec<Step>,
}

/// What is at a path.
pub(super) enum Found<'a> {
    /// Nothing, or JSON's null.
    Nothing,
    One(Json<'a>),
    /// What a path to all of something leads to, be it none.
    Many(Vec<Json<'a>>),
}

/// Signs that make more than a name of it: calls, filters, lists of names, quotes.
const NO_NAME: &[char] = &['(', ')', '\'', '"', '*', '?', '@', ','];

/// Whether a constant is a path.
pub(in crate::functions) fn check(path: &str) -> Result<(), SqlError> {
    Path::of(path).map(|_| ()).ok_or_else(|| no_path(path))
}

pub(super) fn no_path(path: &str) -> SqlError {
    SqlError::new(format!("'{path}' is no JSON path that can be used"))
        .hint("write '$.name', '$.list[0].name', '$.list[*]' or '$[''a b'']'")
}

/// What is at a path of a text; an error if a strict one leads nowhere, or the text is no JSON.
pub(super) fn found_in<'a>(text: &'a str, path: &Path) -> Result<Found<'a>, ()> {
    let nothing = if path.lax { Ok(Found::Nothing) } else { Err(()) };
    let definite = path.steps.iter().position(|step| *step == Step::All).unwrap_or(path.steps.len());
    let (before, after) = path.steps.split_at(definite);
    let found = if before.iter().all(Step::goes_forward) {
        match part(text, before) {
            None => return nothing,
            Some(found) => found,
        }
    } else {
        let Some(document) = read(text) else { return nothing };
        before.iter().try_fold(document, |value, step| step.from(value).pop())
    };
    match found {
        None if after.is_empty() => nothing,
        None if path.lax => Ok(Found::Many(Vec::new())),
        None => Err(()),
        Some(Json::Null) if after.is_empty() => Ok(Found::Nothing),
        Some(value) if after.is_empty() => Ok(Found::One(value)),
        Some(value) => {
            let each =
                |values: Vec<Json<'a>>, step: &Step| values.into_iter().flat_map(|value| step.from(value)).collect();
            Ok(Found::Many(after.iter().fold(vec![value], each)))
        }
    }
}

impl Path {
    pub(super) fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        let (mode, rest) = text.split_once(char::is_whitespace).unwrap_or(("", text));
        let (lax, text) = match mode.to_ascii_lowercase().as_str() {
            "lax" => (true, rest),
            "strict" => (false, rest),
            _ => (false, text),
        };
        let mut rest = text.trim_start().strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let after = rest.strip_prefix('.').filter(|after| after.starts_with('[')).unwrap_or(rest);
            if let Some(inner) = after.strip_prefix('[') {
                let quote = inner.chars().next().filter(|first| matches!(first, '\'' | '"'));
                if let Some(quote) = quote {
                    let (name, after) = inner[1..].split_once(quote)?;
                    steps.push(Step::Name(name.to_owned()));
                    rest = after.strip_prefix(']')?;
                } else {
                    let (index, after) = inner.split_once(']')?;
                    let index = index.trim();
                    steps.push(if index == "*" { Step::All } else { Step::Index(index.parse().ok()?) });
                    rest = after;
                }
                continue;
            }
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            match &after[..end] {
                "" => return None,
                "*" => steps.push(Step::All),
                name if name.contains(NO_NAME) || name.contains(char::is_whitespace) => return None,
                name => steps.push(Step::Name(name.to_owned())),
            }
            rest = &after[end..];
        }
        Some(Self { lax, steps })
    }
}

impl Step {
    fn from<'a>(&self, value: Json<'a>) -> Vec<Json<'a>> {
        match (self, value) {
            (Self::Name(wanted), Json::Object(members)) => {
                members.into_iter().find(|(name, _)| name == wanted).map(|(_, value)| value).into_iter().collect()
            }
            (Self::Index(index), Json::Array(mut items)) => {
                let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let index = if *index < 0 { length.saturating_add(*index) } else { *index };
                match usize::try_from(index) {
                    Ok(index) if index < items.len() => vec![items.swap_remove(index)],
                    _ => Vec::new(),
                }
            }
            (Self::All, Json::Array(items)) => items,
            (Self::All, Json::Object(members)) => members.into_iter().map(|(_, value)| value).collect(),
            _ => Vec::new(),
        }
    }
}
