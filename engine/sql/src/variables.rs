//! `${NAME}` in a script, filled from what the caller knows (settings of the command line, then the environment).
//!
//! `$$` before a brace stands for one dollar sign; a name that is not known is refused, as is a brace left open.

use datafusion_sql::sqlparser::tokenizer::Location;

use crate::error::{Result, SqlError};

/// The script with every `${NAME}` replaced by what `lookup` knows. `${NAME:-word}` stands for `word` if it is not known.
///
/// # Errors
/// If a name is not known and has no default, or a brace is left open.
pub fn substitute(script: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String> {
    let mut filled = String::with_capacity(script.len());
    let mut rest = script;
    while let Some(at) = rest.find("${") {
        let place = || location(&script[..script.len() - rest.len() + at]);
        filled.push_str(&rest[..at]);
        if rest[..at].ends_with('$') {
            filled.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        let inner = &rest[at + 2..];
        let end = inner.find(['}', '\n']).filter(|end| inner[*end..].starts_with('}')).ok_or_else(|| {
            SqlError::new("a variable is not closed").at(place()).hint("write ${NAME}; $${ stands for the text ${")
        })?;
        let (name, default) = match inner[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (&inner[..end], None),
        };
        let value = lookup(name).or(default).ok_or_else(|| {
            SqlError::new(format!("the variable '{name}' has no value"))
                .at(place())
                .hint(format!("give it in the environment or with --set {name}=…, or write ${{{name}:-default}}"))
        })?;
        filled.push_str(&value);
        rest = &inner[end + 1..];
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Where the text after `before` begins.
pub(crate) fn location(before: &str) -> Location {
    let line = before.matches('\n').count() as u64 + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() as u64 + 1;
    Location { line, column }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled() {
        let known = |name: &str| (name == "DIR").then(|| "/data".to_owned());
        let filled = |text: &str| substitute(text, &known).map_err(|error| error.in_script(text).to_string());
        assert_eq!(filled("a '${DIR}/x' ${N:-7} $${DIR}").unwrap(), "a '/data/x' 7 ${DIR}");
        assert_eq!(
            filled("a\n b ${MISSING}").unwrap_err(),
            "the variable 'MISSING' has no value (line 2, column 4)\n  2 |  b ${MISSING}\n    |    ^\n  hint: give it in \
             the environment or with --set MISSING=…, or write ${MISSING:-default}"
        );
        assert!(filled("${A\n}").unwrap_err().starts_with("a variable is not closed (line 1, column 1)"));
    }
}
