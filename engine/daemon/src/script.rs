//! Scripts: read, filled with variables, parsed, a statement after the other.

use std::path::Path;

use yeoul::operator::Services;
use yeoul::sql::statement::Located;
use yeoul::sql::variables::substitute;
use yeoul::sql::{SqlError, parse};

use crate::arguments::Options;
use crate::{Failure, place};

/// A script with its statements.
pub(crate) struct Script {
    /// Its path, for messages.
    pub(crate) path: String,
    /// Its text, filled.
    pub(crate) text: String,
    pub(crate) statements: Vec<Located>,
}

impl Script {
    /// An error of the script with its line and its file.
    pub(crate) fn refuses(&self, error: SqlError) -> Failure {
        Failure::Refused(format!("{}: {}", self.path, error.in_script(&self.text)))
    }
}

/// Reads all scripts of a command line.
pub(crate) fn read(services: &Services, options: &Options) -> Result<Vec<Script>, Failure> {
    options.files.iter().map(|path| read_one(services, options, path)).collect()
}

fn read_one(services: &Services, options: &Options, path: &str) -> Result<Script, Failure> {
    let bytes = place::read(services, Path::new(path)).map_err(|error| {
        Failure::Refused(format!(
            "the script '{path}' cannot be read: {error}\n  hint: yeoul run takes the paths of files"
        ))
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Failure::Refused(format!("{path}: line {line} is no UTF-8\n  hint: save the script as UTF-8"))
    })?;
    let known = |name: &str| {
        let set = options.set.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        set.or_else(|| std::env::var(name).ok())
    };
    let filled =
        substitute(&text, &known).map_err(|error| Failure::Refused(format!("{path}: {}", error.in_script(&text))))?;
    let statements =
        parse::parse(&filled).map_err(|error| Failure::Refused(format!("{path}: {}", error.in_script(&filled))))?;
    Ok(Script { path: path.to_owned(), text: filled, statements })
}
