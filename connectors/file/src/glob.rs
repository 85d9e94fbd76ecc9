//! Shell patterns over paths: `*`, `?`, `[a-z]`, `[!a-z]` within a name, and `**` for any number of folders.
//!
//! A wildcard does not match a dot at the start of a name, as in a shell: hidden files must be asked for. A backslash
//! takes the next character as it is. Matching a name costs at most its length times the pattern's.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

/// One name of a pattern's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// `**`: any number of folders, none included.
    AnyFolders,
    /// One name.
    Name(Vec<Token>),
}

/// A piece of a name's pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// This character.
    Literal(char),
    /// `?`: any one character.
    AnyOne,
    /// `*`: any characters, or none.
    AnyRun,
    /// `[…]`: a character in one of the ranges, or in none of them.
    Class {
        /// Both ends included.
        ranges: Vec<(char, char)>,
        /// `[!…]`.
        negated: bool,
    },
}

/// A pattern that means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadGlob {
    /// A `[` without its `]`.
    UnclosedClass {
        /// The pattern.
        pattern: String,
    },
    /// A range such as `[z-a]`.
    EmptyRange {
        /// The pattern.
        pattern: String,
    },
    /// `**` beside other characters of a name.
    FoldersWithinName {
        /// The pattern.
        pattern: String,
    },
    /// `..` after a wildcard.
    ParentAfterWildcard {
        /// The pattern.
        pattern: String,
    },
}

impl fmt::Display for BadGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnclosedClass { pattern } => {
                write!(
                    f,
                    "the pattern {pattern:?} opens a `[` and never closes it; write `\\[` for the character itself"
                )
            }
            Self::EmptyRange { pattern } => {
                write!(f, "a range in the pattern {pattern:?} runs backwards; write the lower character first")
            }
            Self::FoldersWithinName { pattern } => write!(
                f,
                "`**` in the pattern {pattern:?} stands within a name; it means folders and must stand between slashes"
            ),
            Self::ParentAfterWildcard { pattern } => {
                write!(f, "the pattern {pattern:?} goes up (`..`) after a wildcard; write the folder that is meant")
            }
        }
    }
}

impl std::error::Error for BadGlob {}

/// Whether a name in a path has a wildcard or an escape, so that it is a pattern rather than a name.
pub(crate) fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '[', '\\'])
}

/// Reads the names of a pattern's path. `pattern` is the whole, for messages.
pub(crate) fn parse<'a>(names: impl Iterator<Item = &'a str>, pattern: &str) -> Result<Vec<Segment>, BadGlob> {
    let pattern = || pattern.to_owned();
    names
        .map(|name| match name {
            "**" => Ok(Segment::AnyFolders),
            ".." => Err(BadGlob::ParentAfterWildcard { pattern: pattern() }),
            name if name.contains("**") => Err(BadGlob::FoldersWithinName { pattern: pattern() }),
            name => tokens(name).map(Segment::Name).map_err(|fault| match fault {
                Fault::Unclosed => BadGlob::UnclosedClass { pattern: pattern() },
                Fault::Empty => BadGlob::EmptyRange { pattern: pattern() },
            }),
        })
        .collect()
}

enum Fault {
    Unclosed,
    Empty,
}

fn tokens(name: &str) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::new();
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::AnyRun,
            '?' => Token::AnyOne,
            '[' => class(&mut chars)?,
            '\\' => Token::Literal(chars.next().unwrap_or('\\')),
            c => Token::Literal(c),
        });
    }
    Ok(tokens)
}

fn class(chars: &mut Peekable<Chars<'_>>) -> Result<Token, Fault> {
    let negated = chars.next_if(|&c| c == '!' || c == '^').is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match chars.next().ok_or(Fault::Unclosed)? {
            // A `]` in the first place is a member.
            ']' if !ranges.is_empty() => return Ok(Token::Class { ranges, negated }),
            '\\' => chars.next().ok_or(Fault::Unclosed)?,
            c => c,
        };
        let mut high = low;
        if chars.peek() == Some(&'-') {
            let mut ahead = chars.clone();
            ahead.next();
            // A `-` in the last place is a member.
            if let Some(&c) = ahead.peek()
                && c != ']'
            {
                *chars = ahead;
                chars.next();
                high = if c == '\\' { chars.next().ok_or(Fault::Unclosed)? } else { c };
            }
        }
        if low > high {
            return Err(Fault::Empty);
        }
        ranges.push((low, high));
    }
}

/// Whether a name fits a pattern of one name.
pub(crate) fn matches(tokens: &[Token], name: &str) -> bool {
    if name.starts_with('.') && !matches!(tokens.first(), Some(Token::Literal('.'))) {
        return false;
    }
    let name: Vec<char> = name.chars().collect();
    let (mut token, mut at) = (0, 0);
    // Where to go on if what follows the last `*` does not fit: the `*` takes one more character. An earlier `*` need
    // never be tried again, so this is all the memory that is needed.
    let mut retry = None;
    loop {
        let fits = match (tokens.get(token), name.get(at)) {
            (None, None) => return true,
            (Some(Token::AnyRun), _) => {
                retry = Some((token + 1, at + 1));
                token += 1;
                continue;
            }
            (Some(pattern), Some(&c)) => fits(pattern, c),
            _ => false,
        };
        if fits {
            (token, at) = (token + 1, at + 1);
        } else {
            match retry {
                Some((after, from)) if from <= name.len() => {
                    (token, at) = (after, from);
                    retry = Some((after, from + 1));
                }
                _ => return false,
            }
        }
    }
}

fn fits(token: &Token, c: char) -> bool {
    match token {
        Token::Literal(literal) => *literal == c,
        Token::AnyOne => true,
        Token::Class { ranges, negated } => ranges.iter().any(|&(low, high)| (low..=high).contains(&c)) != *negated,
        Token::AnyRun => unreachable!("a run is not matched against one character"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let Ok(tokens) = tokens(pattern) else { panic!("{pattern} is a pattern") };
        for name in yes {
            assert!(matches(&tokens, name), "{pattern} should match {name}");
        }
        for name in no {
            assert!(!matches(&tokens, name), "{pattern} should not match {name}");
        }
    }

    #[test]
    fn names_match_as_in_a_shell() {
        check("*.ndjson", &["a.ndjson", "a.b.ndjson"], &["a.ndjson.gz", ".ndjson", ".a.ndjson", "ndjson"]);
        check("a*b*c", &["abc", "axbxc", "abbbcc", "a-b-bc"], &["ab", "abcd", "xabc"]);
        check("?[0-9][!a-c]", &["x1d", "ü9é"], &["x1a", "1d", ".1d"]);
        check("[]x]", &["]", "x"], &["[", ""]);
        check("[a-]", &["a", "-"], &["b"]);
        check(r"\*[\]]", &["*]"], &["a]"]);
        check("*", &["a", "日本"], &[".hidden"]);
        check(".*", &[".hidden", "."], &["a"]);
        check("**", &["a", ""], &[]);
    }

    #[test]
    fn a_bad_pattern_says_what_is_wrong() {
        for (pattern, what) in
            [("a[b", "never closes"), ("[z-a]", "backwards"), ("a**", "stands within a name"), ("*/../b", "goes up")]
        {
            let error = parse(pattern.split('/'), pattern).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
            assert!(error.contains(pattern), "{error}");
        }
    }

    #[test]
    fn many_stars_take_time_in_proportion_only() {
        let pattern = "a*".repeat(50) + "b";
        check(&pattern, &[], &["a".repeat(2000).as_str()]);
    }
}
