//! What the user typed, and what it means.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

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

/// Where checkpoints live if nothing is said.
const DATA: &str = ".yeoul";

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

/// The arguments as text.
pub(crate) fn given(arguments: impl IntoIterator<Item = OsString>) -> Result<Vec<String>, String> {
    let text = |argument: OsString| {
        let wrong = |argument: OsString| format!("the argument '{}' is no UTF-8", argument.to_string_lossy());
        argument.into_string().map_err(wrong)
    };
    arguments.into_iter().map(text).collect()
}

impl Options {
    /// The arguments that go on from a savepoint, as a shell takes them.
    pub(crate) fn resuming(&self, from: &Path) -> String {
        let mut words = vec!["run".to_owned()];
        // A name that begins with a dash would be an option.
        words.extend(
            self.files.iter().map(|file| if file.starts_with('-') { format!("./{file}") } else { file.clone() }),
        );
        words.extend(["--from".to_owned(), from.display().to_string()]);
        if self.data != Path::new(DATA) {
            words.extend(["--data".to_owned(), self.data.display().to_string()]);
        }
        if let Some(shards) = self.shards {
            words.extend(["--shards".to_owned(), shards.to_string()]);
        }
        for (key, value) in &self.set {
            words.extend(["--set".to_owned(), format!("{key}={value}")]);
        }
        if let Some(to) = &self.final_table {
            words.extend(["--final".to_owned(), to.display().to_string()]);
        }
        for (given, name) in [(self.json, "--json"), (self.quiet, "--quiet")] {
            words.extend(given.then(|| name.to_owned()));
        }
        words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_-./=:,+@%".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

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
        data: PathBuf::from(DATA),
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
    fn how_to_go_on_is_what_was_given() {
        let shown = |line: &[&str]| match parse(line.iter().map(|word| (*word).to_owned())) {
            Ok(Command::Run(options)) => options.resuming(Path::new("d/savepoints/s-1")),
            other => panic!("{line:?}: {other:?}"),
        };
        assert_eq!(shown(&["run", "s.sql", "--fresh"]), "run s.sql --from d/savepoints/s-1");
        assert_eq!(
            shown(&[
                "run",
                "--set",
                "A=it's 1",
                "--json",
                "--shards=2",
                "--data",
                "my d",
                "--final",
                "t.csv",
                "--",
                "-s.sql"
            ]),
            r"run ./-s.sql --from d/savepoints/s-1 --data 'my d' --shards 2 --set 'A=it'\''s 1' --final t.csv --json"
        );
        assert_eq!(shown(&["run", "a b.sql", "-q", "--from", "x"]), "run 'a b.sql' --from d/savepoints/s-1 --quiet");
    }

    #[test]
    fn an_argument_that_is_no_text_is_named() {
        use std::os::unix::ffi::OsStringExt;
        let error = given([OsString::from("run"), OsString::from_vec(vec![b'a', 0xff])]).unwrap_err();
        assert!(error.contains("no UTF-8") && error.contains('a'), "{error}");
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
