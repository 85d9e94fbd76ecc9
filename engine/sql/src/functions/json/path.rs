//! Paths: `$`, `.name`, `['name']`, `[index]`, from the end if it is negative, `[*]` and `.*`, with `lax` or `strict` before them.

use serde_json::Value;

use crate::error::SqlError;

/// A path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// What is not there is empty and no error.
    pub(super) lax: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(i64),
    All,
}

/// Whether a constant is a path.
pub(in crate::functions) fn check(path: &str) -> Result<(), SqlError> {
    Path::of(path).map(|_| ()).ok_or_else(|| no_path(path))
}

pub(super) fn no_path(path: &str) -> SqlError {
    SqlError::new(format!("'{path}' is no JSON path that can be used"))
        .hint("write '$.name', '$.list[0].name', '$.list[*]' or '$[''a b'']'")
}

/// The values at a path; an error if a strict one leads nowhere, or the document is none.
pub(super) fn found_in<'a>(document: Option<&'a Value>, path: &Path) -> Result<Vec<&'a Value>, ()> {
    let mut found: Vec<&Value> = document.into_iter().collect();
    for step in &path.steps {
        found = found.into_iter().flat_map(|value| step.from(value)).collect();
    }
    if path.definite() {
        // JSON's null counts as nothing that is there.
        found.retain(|value| !value.is_null());
        if found.is_empty() && !path.lax {
            return Err(());
        }
    } else if document.is_none() && !path.lax {
        return Err(());
    }
    Ok(found)
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
                name => steps.push(Step::Name(name.to_owned())),
            }
            rest = &after[end..];
        }
        Some(Self { lax, steps })
    }

    /// Whether it leads to one value at most.
    pub(super) fn definite(&self) -> bool {
        !self.steps.contains(&Step::All)
    }
}

impl Step {
    fn from<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Self::Name(name), Value::Object(entries)) => entries.get(name).into_iter().collect(),
            (Self::Index(index), Value::Array(items)) => {
                let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let index = if *index < 0 { length + index } else { *index };
                usize::try_from(index).ok().and_then(|index| items.get(index)).into_iter().collect()
            }
            (Self::All, Value::Array(items)) => items.iter().collect(),
            (Self::All, Value::Object(entries)) => entries.values().collect(),
            _ => Vec::new(),
        }
    }
}
