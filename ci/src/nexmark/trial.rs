//! One run of a script by the real binary, perhaps killed on the way.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use yeoul::sys::Random;

/// A process that does not end in this time is stuck.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at a process.
const LOOK: Duration = Duration::from_millis(1);

/// The binary and what it works on.
#[derive(Debug, Clone)]
pub struct Runner {
    /// The `yeoul` binary.
    pub binary: PathBuf,
    /// Where runs keep their state and results.
    pub folder: PathBuf,
    /// Given to all runs.
    pub settings: Vec<(String, String)>,
}

/// What a run gave.
#[derive(Debug, Clone)]
pub struct Given {
    /// The final table, or what the binary said.
    pub table: Result<Vec<u8>, String>,
    /// From its start to its end.
    pub took: Duration,
}

impl Runner {
    /// Runs a script to its end.
    ///
    /// # Errors
    /// The binary cannot be run.
    pub fn run(&self, script: &Path, events: &Path, shards: u16) -> io::Result<Given> {
        let begun = Instant::now();
        self.forget()?;
        let child = self.start(script, events, shards)?;
        let told = child.wait_with_output()?;
        let took = begun.elapsed();
        if !told.status.success() {
            let said = String::from_utf8_lossy(&told.stderr).into_owned();
            return Ok(Given { table: Err(format!("{}: {}", told.status, said.trim_end())), took });
        }
        Ok(Given { table: Ok(std::fs::read(self.table())?), took })
    }

    /// Runs a script to its end, killed `kills` times on the way. After a run that ended before it was killed
    /// the script begins anew; what each gave is returned.
    ///
    /// # Errors
    /// The binary cannot be run.
    pub fn run_killed(
        &self,
        script: &Path,
        events: &Path,
        shards: u16,
        kills: u32,
        longest: Duration,
        random: &mut Random,
    ) -> io::Result<Vec<Given>> {
        let begun = Instant::now();
        self.forget()?;
        let (mut killed, mut all) = (0, Vec::new());
        loop {
            let mut child = self.start(script, events, shards)?;
            let at = Instant::now();
            let after = (killed < kills).then(|| longest.mul_f64(0.02 + 0.98 * random.unit()));
            let status = loop {
                if let Some(status) = child.try_wait()? {
                    break Some(status);
                }
                if after.is_some_and(|after| at.elapsed() >= after) || at.elapsed() > PATIENCE {
                    child.kill()?;
                    child.wait()?;
                    break None;
                }
                std::thread::sleep(LOOK);
            };
            match status {
                None if after.is_none() => {
                    all.push(Given { table: Err("it did not end".to_owned()), took: begun.elapsed() });
                    return Ok(all);
                }
                None => killed += 1,
                Some(status) if !status.success() => {
                    let told = child.wait_with_output()?;
                    let said = String::from_utf8_lossy(&told.stderr).into_owned();
                    let table = Err(format!("{status} after {killed} kills: {}", said.trim_end()));
                    all.push(Given { table, took: begun.elapsed() });
                    return Ok(all);
                }
                Some(_) => {
                    all.push(Given { table: Ok(std::fs::read(self.table())?), took: begun.elapsed() });
                    if killed >= kills {
                        return Ok(all);
                    }
                }
            }
        }
    }

    fn table(&self) -> PathBuf {
        self.folder.join("final.csv")
    }

    fn forget(&self) -> io::Result<()> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::create_dir_all(&self.folder)
    }

    fn start(&self, script: &Path, events: &Path, shards: u16) -> io::Result<Child> {
        let mut command = Command::new(&self.binary);
        command.arg("run").arg(script).arg("--quiet").arg("--shards").arg(shards.to_string());
        command.arg("--data").arg(self.folder.join("data")).arg("--final").arg(self.table());
        command.arg("--set").arg(format!("NEXMARK={}", events.display()));
        for (key, value) in &self.settings {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
    }
}
