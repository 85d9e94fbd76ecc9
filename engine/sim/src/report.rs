//! What a run and a campaign come to, as JSON lines.

use crate::fault::Fault;
use crate::json::{Object, text};
use crate::workload::JobKind;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The job finished and all output is there.
    Finished,
    /// The job stopped with this error, which is legal only if a fault lasts or a file was damaged.
    Stopped(String),
    /// Nothing moved any more, or it went on without end.
    Stuck(String),
    /// The engine panicked.
    Panicked(String),
}

/// One run.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// The commit tested, if known.
    pub commit: String,
    /// The seed of everything.
    pub seed: u64,
    /// The job.
    pub job: JobKind,
    /// `A` for random runs, `B` for sweeps over calls.
    pub layer: char,
    /// How many shards the job had.
    pub shards: u16,
    /// What went wrong.
    pub faults: Vec<Fault>,
    /// How it ended.
    pub ending: Ending,
    /// Crashes and restarts.
    pub restarts: u32,
    /// Epochs committed.
    pub epochs: u64,
    /// Rows lost.
    pub lost: usize,
    /// Rows duplicated.
    pub duplicated: usize,
    /// Rows different.
    pub different: usize,
    /// Promises to outside readers broken, files left over, locks kept, calls that no correct engine makes.
    pub broken: Vec<String>,
    /// The longest recovery in simulated milliseconds.
    pub recovery_ms: u64,
    /// Steps of the scheduler.
    pub steps: u64,
    /// Calls to the disk.
    pub calls: u64,
    /// The trace's digest.
    pub digest: u64,
}

impl RunReport {
    /// True if nothing is wrong. A job that stopped is right only if `may_stop`.
    #[must_use]
    pub fn is_clean(&self, may_stop: bool) -> bool {
        let ended = match self.ending {
            Ending::Finished => true,
            Ending::Stopped(_) => may_stop,
            Ending::Stuck(_) | Ending::Panicked(_) => false,
        };
        ended && self.lost + self.duplicated + self.different == 0 && self.broken.is_empty()
    }

    /// One line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let (ending, error) = match &self.ending {
            Ending::Finished => ("finished", ""),
            Ending::Stopped(error) => ("stopped", error.as_str()),
            Ending::Stuck(why) => ("stuck", why.as_str()),
            Ending::Panicked(message) => ("panicked", message.as_str()),
        };
        let faults: Vec<String> = self.faults.iter().map(|fault| text(&fault.to_string())).collect();
        let broken: Vec<String> = self.broken.iter().map(|line| text(line)).collect();
        let mut line = Object::new();
        line.add("commit", &text(&self.commit)).add("seed", &self.seed).add("job", &text(self.job.name()));
        line.add("layer", &text(&self.layer.to_string())).add("shards", &self.shards);
        line.add("faults", &format!("[{}]", faults.join(","))).add("ending", &text(ending)).add("error", &text(error));
        line.add("restarts", &self.restarts).add("epochs", &self.epochs);
        line.add("lost", &self.lost).add("duplicated", &self.duplicated).add("different", &self.different);
        line.add("broken", &format!("[{}]", broken.join(","))).add("recovery_ms", &self.recovery_ms);
        line.add("steps", &self.steps).add("calls", &self.calls).add("digest", &text(&format!("{:016x}", self.digest)));
        line.close()
    }
}

/// A campaign's sums.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many runs there were.
    pub runs: usize,
    /// How many of them met at least one crash.
    pub crashed: usize,
    /// How many stopped with an error that the faults allow.
    pub stopped: usize,
    /// Rows lost.
    pub lost: usize,
    /// Rows duplicated.
    pub duplicated: usize,
    /// Rows different.
    pub different: usize,
    /// Runs that got stuck.
    pub stuck: usize,
    /// Runs that panicked, stopped though they should not have, or broke a promise.
    pub failed: usize,
    /// The longest recovery in simulated milliseconds.
    pub recovery_ms: u64,
}

impl Summary {
    /// Adds a run.
    pub fn add(&mut self, run: &RunReport, may_stop: bool) {
        self.runs += 1;
        self.crashed += usize::from(run.restarts > 0);
        self.lost += run.lost;
        self.duplicated += run.duplicated;
        self.different += run.different;
        self.recovery_ms = self.recovery_ms.max(run.recovery_ms);
        let stopped = matches!(run.ending, Ending::Stopped(_));
        self.stopped += usize::from(stopped && may_stop);
        self.stuck += usize::from(matches!(run.ending, Ending::Stuck(_)));
        let unforeseen = matches!(run.ending, Ending::Panicked(_)) || (stopped && !may_stop);
        self.failed += usize::from(unforeseen || !run.broken.is_empty());
    }

    /// True if all runs were as they should be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.lost + self.duplicated + self.different + self.stuck + self.failed == 0
    }

    /// One line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut line = Object::new();
        line.add("runs", &self.runs).add("crashed", &self.crashed).add("stopped", &self.stopped);
        line.add("lost", &self.lost).add("duplicated", &self.duplicated).add("different", &self.different);
        line.add("stuck", &self.stuck).add("failed", &self.failed).add("recovery_ms", &self.recovery_ms);
        line.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(ending: Ending) -> RunReport {
        RunReport {
            commit: String::new(),
            seed: 7,
            job: JobKind::Join,
            layer: 'A',
            shards: 2,
            faults: vec!["power 3".parse().unwrap()],
            ending,
            restarts: 1,
            epochs: 30,
            lost: 0,
            duplicated: 0,
            different: 0,
            broken: Vec::new(),
            recovery_ms: 4,
            steps: 100,
            calls: 50,
            digest: 0xAB,
        }
    }

    #[test]
    fn a_run_is_one_line_of_json() {
        let line = run(Ending::Stopped("disk \"full\"\nhint: \\".to_owned())).to_json();
        let expected = concat!(
            r#"{"commit":"","seed":7,"job":"join","layer":"A","shards":2,"faults":["power 3"],"ending":"stopped","#,
            r#""error":"disk \"full\"\nhint: \\","restarts":1,"epochs":30,"lost":0,"duplicated":0,"different":0,"#,
            r#""broken":[],"recovery_ms":4,"steps":100,"calls":50,"digest":"00000000000000ab"}"#
        );
        assert_eq!(line, expected);
    }

    #[test]
    fn a_summary_counts_what_is_wrong() {
        let mut summary = Summary::default();
        summary.add(&run(Ending::Finished), false);
        summary.add(&run(Ending::Stopped(String::new())), true);
        assert!(summary.is_clean());
        summary.add(&run(Ending::Stopped(String::new())), false);
        summary.add(&RunReport { lost: 2, ..run(Ending::Stuck(String::new())) }, true);
        let expected = r#"{"runs":4,"crashed":4,"stopped":1,"lost":2,"duplicated":0,"different":0,"stuck":1,"failed":1,"recovery_ms":4}"#;
        assert_eq!((summary.to_json().as_str(), summary.is_clean()), (expected, false));
    }
}
