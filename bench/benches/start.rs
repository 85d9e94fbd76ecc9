//! How long `yeoul run` takes to its first row, for a script over a small file: from the start of the process, and beside it what a process
//! costs that only prints its help.
//!
//! Builds the binary first. `YEOUL_STARTS` sets how often each is started (40).

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

/// Lines of the file.
const LINES: usize = 100;

const SCRIPT: &str = "\
CREATE TABLE bid (auction BIGINT, price BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '${BIDS}', 'format' = 'json');
SELECT auction, COUNT(*), MAX(price), window_start FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(ts), INTERVAL '10' SECOND))
  GROUP BY auction, window_start, window_end;
";

fn main() -> Result<(), Failure> {
    let binary = build()?;
    let times: usize = std::env::var("YEOUL_STARTS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let folder = tempfile::tempdir()?;
    let (bids, script) = (folder.path().join("bids.ndjson"), folder.path().join("bids.sql"));
    let line = |n: usize| {
        format!("{{\"auction\":{},\"price\":{n},\"ts\":\"2026-01-01 00:{:02}:{:02}\"}}\n", n % 7, n / 60, n % 60)
    };
    std::fs::write(&bids, (0..LINES).map(line).collect::<String>())?;
    std::fs::write(&script, SCRIPT)?;
    let path = |path: &Path| path.display().to_string();
    let state = folder.path().join("state");
    let set = format!("BIDS={}", path(&bids));
    let run = ["run", &path(&script), "--set", &set, "--data", &path(&state), "--fresh", "--json"].map(str::to_owned);
    let start = |arguments: &[String]| {
        let mut spent: Vec<Duration> =
            (0..times).map(|_| first_line(&binary, arguments)).collect::<Result<_, Failure>>()?;
        spent.sort_unstable();
        Ok::<_, Failure>((spent[times / 2], spent[times - 1]))
    };
    let (help, _) = start(&["--help".to_owned()])?;
    let (median, most) = start(&run)?;
    println!(
        "start/first row of {LINES} lines: median {median:.1?}, most {most:.1?} of {times}; a process that prints its help: {help:.1?}"
    );
    Ok(())
}

/// From the start of a process to its first line.
fn first_line(binary: &Path, arguments: &[String]) -> Result<Duration, Failure> {
    let begin = Instant::now();
    let mut process = Command::new(binary).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut out = BufReader::new(process.stdout.take().ok_or("a process without output")?);
    let mut line = String::new();
    out.read_line(&mut line)?;
    let took = begin.elapsed();
    std::io::copy(&mut out, &mut std::io::sink())?;
    let status = process.wait()?;
    if !status.success() || line.is_empty() {
        return Err(format!("{} {} ended with {status}", binary.display(), arguments.join(" ")).into());
    }
    Ok(took)
}

fn build() -> Result<PathBuf, Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["build", "--release", "--quiet", "-p", "yeoul-daemon", "--bin", "yeoul"];
    if !Command::new(cargo).current_dir(&root).args(build).status()?.success() {
        return Err("the binary does not build".into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/yeoul"))
}
