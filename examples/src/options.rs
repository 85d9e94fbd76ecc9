//! What a user may say to an example on its command line.

use std::path::PathBuf;
use std::time::Duration;

use yeoul::{Environment, JobConfig, RestartStrategy};

/// The command line of an example.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where input lies: a file, a glob or a folder.
    pub input: String,
    /// The folder for results.
    pub out: PathBuf,
    /// Number of shards; by default one for each core.
    pub shards: Option<u16>,
    /// Where checkpoints live.
    pub data: Option<PathBuf>,
    /// Between two checkpoints.
    pub interval: Duration,
    /// Stop restarting by itself: a crash test restarts the process.
    pub no_restart: bool,
    /// No progress line.
    pub quiet: bool,
    /// Only list the points at which a test may make this program fail.
    pub labels: bool,
}

/// How to call an example.
pub const USAGE: &str = "options:
  --input PATH         a file, a glob or a folder (.gz and .zst are unpacked)
  --out DIR            where results go
  --data DIR           where checkpoints live; run again with the same folder to go on after a crash
  --shards N           number of shards (default: one for each core)
  --interval MS        milliseconds between checkpoints (default 1000)
  --no-restart         end at the first failure
  --quiet              no line of progress
  --labels             list the points at which YEOUL_FAILPOINT=label:hit kills this program";

impl Options {
    /// Reads the command line over these defaults.
    ///
    /// # Errors
    /// What is wrong with it, and how to call the program.
    pub fn parse(arguments: impl IntoIterator<Item = String>, input: &str, out: &str) -> Result<Self, String> {
        let mut options = Self {
            input: input.to_owned(),
            out: out.into(),
            shards: None,
            data: None,
            interval: Duration::from_secs(1),
            no_restart: false,
            quiet: false,
            labels: false,
        };
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value\n{USAGE}"));
            let number =
                |text: &str| text.parse::<u64>().map_err(|_| format!("{name} needs a number, not '{text}'\n{USAGE}"));
            match name.as_str() {
                "--input" => options.input = value()?,
                "--out" => options.out = value()?.into(),
                "--data" => options.data = Some(value()?.into()),
                "--shards" => {
                    let text = value()?;
                    options.shards =
                        Some(u16::try_from(number(&text)?).map_err(|_| format!("{text} shards are too many"))?);
                }
                "--interval" => options.interval = Duration::from_millis(number(&value()?)?),
                "--no-restart" => options.no_restart = true,
                "--quiet" => options.quiet = true,
                "--labels" => options.labels = true,
                "--help" | "-h" => return Err(USAGE.to_owned()),
                other => return Err(format!("unknown option '{other}'\n{USAGE}")),
            }
        }
        Ok(options)
    }

    /// An environment for a job of this name with these options.
    #[must_use]
    pub fn environment(&self, job: &str) -> Environment {
        let mut config =
            JobConfig { data: self.data.clone(), checkpoint_interval: Some(self.interval), ..JobConfig::default() };
        if let Some(shards) = self.shards {
            config.shards = shards;
        }
        if self.no_restart {
            config.restart = RestartStrategy::None;
        }
        Environment::new(job).with_config(config).with_progress(!self.quiet)
    }

    /// A folder below the one for results.
    #[must_use]
    pub fn result(&self, name: &str) -> String {
        self.out.join(name).display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_mistakes_named() {
        let parse = |line: &str| Options::parse(line.split_whitespace().map(str::to_owned), "in.csv", "out");
        let options = parse("--shards 3 --interval 10 --data d --quiet").unwrap();
        assert_eq!((options.shards, options.interval, options.quiet), (Some(3), Duration::from_millis(10), true));
        assert_eq!(options.result("late"), "out/late");
        assert!(parse("--shards").unwrap_err().starts_with("--shards needs a value"));
        assert!(parse("--shards many").unwrap_err().starts_with("--shards needs a number, not 'many'"));
        assert!(parse("--sards 3").unwrap_err().starts_with("unknown option '--sards'"));
    }
}
