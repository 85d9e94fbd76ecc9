//! What the user typed, and what it means.

use std::path::PathBuf;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Show this text.
    Help(String),
    /// Run scripts.
    Run(Options),
}

/// The options of `yeoul run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// The scripts, in order: one session.
    pub(crate) files: Vec<String>,
    /// A savepoint to begin from.
    pub(crate) from: Option<PathBuf>,
    /// Number of shards; by default one for each core.
    pub(crate) shards: Option<u16>,
    /// `key = value`, for SET and for `${key}`.
    pub(crate) set: Vec<(String, String)>,
    /// Where checkpoints live.
    pub(crate) data: PathBuf,
    /// Forget what a run that was cut short left.
    pub(crate) fresh: bool,
    /// No progress, no summary.
    pub(crate) quiet: bool,
    /// Rows, progress and summary as JSON.
    pub(crate) json: bool,
    /// Where the last SELECT's final table goes.
    pub(crate) final_table: Option<PathBuf>,
}

const HELP: &str = "yeoul: a stateful stream processor for one machine

usage:
  yeoul run FILE…      run SQL scripts; `yeoul run --help` tells more
  yeoul --version
";

const RUN_HELP: &str = "usage: yeoul run FILE… [options]

Runs the statements of SQL scripts in order, in one session. A job over input that ends runs to its end before the next statement; one over input that does not
goes on beside it. A SELECT prints its changes as they are committed: +I a row, -U and +U an old and a new form of one, -D a row that is gone.

options:
  --from FOLDER        begin from this savepoint
  --shards N           number of shards, each a pinned thread (default: one for each core)
  --set KEY=VALUE      as SET 'KEY' = 'VALUE' before the script, and for ${KEY} in it; may be given often
  --data FOLDER        where checkpoints live (default .yeoul); after a crash the same command goes on from the last one
  --fresh              forget what a run that was cut short left, and begin anew
  --final FILE         write the last SELECT's final table as CSV, sorted by bytes, in place of its changes
  --json               rows, progress and summary as JSON, a line each
  --quiet              no progress and no summary

Ctrl-C stops with a savepoint and prints how to go on from it. Exit status: 0, 1 if a job failed, 2 if a script is wrong.
";

/// Reads the command line.
pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut arguments = arguments.into_iter();
    match arguments.next().as_deref() {
        None | Some("--help" | "-h" | "help") => Ok(Command::Help(HELP.to_owned())),
        Some("--version" | "-V") => Ok(Command::Help(format!("yeoul {}\n", env!("CARGO_PKG_VERSION")))),
        Some("run") => run(arguments),
        Some(other) => Err(format!("there is no command '{other}'\n  hint: yeoul run FILE…")),
    }
}

fn run(arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut options = Options {
        files: Vec::new(),
        from: None,
        shards: None,
        set: Vec::new(),
        data: PathBuf::from(".yeoul"),
        fresh: false,
        quiet: false,
        json: false,
        final_table: None,
    };
    let mut arguments = arguments;
    let mut only_files = false;
    while let Some(argument) = arguments.next() {
        if only_files || !argument.starts_with('-') || argument == "-" {
            options.files.push(argument);
            continue;
        }
        let (name, attached) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        if let Some(flag) = flag(&mut options, &name) {
            if attached.is_some() {
                return Err(format!("{name} takes no value"));
            }
            *flag = true;
            continue;
        }
        match name.as_str() {
            "--help" | "-h" => return Ok(Command::Help(RUN_HELP.to_owned())),
            "--" => only_files = true,
            "--from" | "--shards" | "--set" | "--data" | "--final" => {
                let value = attached.or_else(|| arguments.next()).ok_or_else(|| format!("{name} needs a value"))?;
                valued(&mut options, &name, value)?;
            }
            _ => return Err(format!("there is no option '{name}'\n  hint: yeoul run --help lists them")),
        }
    }
    if options.files.is_empty() {
        return Err("no script is given\n  hint: yeoul run FILE…".to_owned());
    }
    Ok(Command::Run(options))
}

fn flag<'o>(options: &'o mut Options, name: &str) -> Option<&'o mut bool> {
    match name {
        "--fresh" => Some(&mut options.fresh),
        "--quiet" | "-q" => Some(&mut options.quiet),
        "--json" => Some(&mut options.json),
        _ => None,
    }
}

fn valued(options: &mut Options, name: &str, value: String) -> Result<(), String> {
    match name {
        "--from" => options.from = Some(value.into()),
        "--data" => options.data = value.into(),
        "--final" => options.final_table = Some(value.into()),
        "--shards" => {
            let shards = value.parse().ok().filter(|shards| *shards > 0);
            options.shards =
                Some(shards.ok_or_else(|| format!("--shards needs a number from 1 to 65535, not '{value}'"))?);
        }
        _ => {
            let (key, value) = value
                .split_once('=')
                .ok_or_else(|| format!("--set needs KEY=VALUE, not '{value}'\n  hint: --set parallelism.default=2"))?;
            options.set.push((key.trim().to_owned(), value.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    fn options(line: &str) -> Options {
        match parsed(line) {
            Ok(Command::Run(options)) => options,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn options_are_read_in_both_forms() {
        let first = options("run a.sql --shards 3 --set k=v=w --data d --quiet --final out.csv b.sql");
        let second = options("run --shards=3 --set=k=v=w --data=d -q --final=out.csv a.sql -- b.sql");
        assert_eq!(first, second);
        assert_eq!(first.files, ["a.sql", "b.sql"]);
        assert_eq!(first.set, [("k".to_owned(), "v=w".to_owned())]);
        assert_eq!((first.shards, first.quiet, first.json), (Some(3), true, false));
        assert_eq!(options("run x").data, PathBuf::from(".yeoul"));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, named) in [
            ("run", "no script"),
            ("run x --shards", "--shards needs a value"),
            ("run x --shards 0", "not '0'"),
            ("run x --set k", "KEY=VALUE"),
            ("run x --sards 3", "'--sards'"),
            ("run x --quiet=1", "takes no value"),
            ("rum x", "'rum'"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(named), "{line}: {error}");
        }
        assert!(matches!(parsed("run --help"), Ok(Command::Help(_))));
        assert!(matches!(parsed(""), Ok(Command::Help(_))));
    }
}
