//! Which process is killed when: at labelled points until each was hit, three kills of four, then two of three at random times.
//!
//! Invariants:
//! 1. No label is aimed at twice more often than another that the job comes to.
//! 2. A label that was missed is aimed at next at its first arrival; so every label that is reached at all is hit.

use std::time::Duration;

use yeoul::sys::Random;

use super::job::{IMPORT, Job};

/// When a process is killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kill {
    /// After this long.
    At(Duration),
    /// When it comes to this point for this time.
    Label(String, u64),
}

/// So often a label that was never hit is aimed at before others.
const MOST_MISSES: u64 = 5;

/// What is known of a label.
#[derive(Debug, Clone)]
struct Target {
    label: String,
    tries: u64,
    hits: u64,
    misses: u64,
    missed: bool,
}

impl Target {
    /// Whether it is to be hit before others are hit again. One that is missed at its first arrival time and again is not come to.
    fn is_owed(&self) -> bool {
        self.hits == 0 && self.misses < MOST_MISSES
    }
}

/// Draws the kills of a campaign.
#[derive(Debug)]
pub struct Aim {
    random: Random,
    targets: Vec<Target>,
}

impl Aim {
    /// Over these labels.
    #[must_use]
    pub fn new(seed: u64, labels: &[String]) -> Self {
        let targets = labels
            .iter()
            .map(|label| Target { label: label.clone(), tries: 0, hits: 0, misses: 0, missed: false })
            .collect();
        Self { random: Random::new(seed), targets }
    }

    /// The next kill of this job, whose run without faults takes `span`. `imports`: the process begins from a savepoint.
    pub fn draw(&mut self, job: Job, imports: bool, span: Duration) -> Kill {
        let is_import = |of: &Target| IMPORT.contains(&&*of.label);
        let reached: Vec<usize> =
            (0..self.targets.len()).filter(|at| job.reaches(&self.targets[*at].label, imports)).collect();
        let owed = |at: &usize| self.targets[*at].is_owed();
        // A process that begins from a savepoint is rare: its own points come first.
        let rare: Vec<usize> = reached.iter().copied().filter(|at| is_import(&self.targets[*at]) && owed(at)).collect();
        let aims = match (rare.is_empty(), reached.iter().any(owed)) {
            (false, _) => true,
            (true, true) => !self.random.one_in(4),
            (true, false) => self.random.one_in(3),
        };
        let among = if rare.is_empty() { reached } else { rare };
        let fewest = among.iter().map(|at| self.targets[*at].tries).min();
        let Some(fewest) = fewest.filter(|_| aims) else {
            return Kill::At(Duration::from_micros(self.random.below(span.as_micros() as u64 + 1)));
        };
        let due: Vec<usize> = among.into_iter().filter(|at| self.targets[*at].tries == fewest).collect();
        let at = due[self.random.below(due.len() as u64) as usize];
        // Mostly soon, at times late in the run.
        let most = if self.random.one_in(3) { 40 } else { 5 };
        let hit = 1 + self.random.below(most);
        let target = &mut self.targets[at];
        target.tries += 1;
        // Imports are few, and pass some of their points once.
        let is_first = target.missed || is_import(target);
        Kill::Label(target.label.clone(), if is_first { 1 } else { hit })
    }

    /// Where other decisions of the campaign come from.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// Tells what became of a kill.
    pub fn ended(&mut self, kill: &Kill, landed: bool) {
        let Kill::Label(label, _) = kill else { return };
        let Some(target) = self.targets.iter_mut().find(|of| of.label == *label) else { return };
        target.hits += u64::from(landed);
        target.misses += u64::from(!landed);
        target.missed = !landed;
        if !landed && target.is_owed() {
            target.tries -= 1;
        }
    }

    /// How many labels were hit, and those that were not though a job comes to them.
    #[must_use]
    pub fn hit_and_missed(&self) -> (usize, Vec<&str>) {
        let missed: Vec<&str> = self.targets.iter().filter(|of| of.hits == 0).map(|of| of.label.as_str()).collect();
        (self.targets.len() - missed.len(), missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_kills_hit_every_label_though_late_arrivals_are_missed() {
        let labels: Vec<String> = (0..36).map(|number| format!("part.moment-{number}")).collect();
        let mut aim = Aim::new(1, &labels);
        for _ in 0..130 {
            let kill = aim.draw(Job::HotBids, false, Duration::from_secs(1));
            // Nothing is passed more than three times.
            let landed = !matches!(kill, Kill::Label(_, 4..));
            aim.ended(&kill, landed);
        }
        assert_eq!(aim.hit_and_missed(), (36, vec![]));
    }

    #[test]
    fn points_of_an_import_are_aimed_at_only_where_there_is_one() {
        let labels = ["savepoint.before-copy".to_owned()];
        let mut aim = Aim::new(1, &labels);
        let mut aims =
            |job, imports| (0..50).any(|_| matches!(aim.draw(job, imports, Duration::from_secs(1)), Kill::Label(..)));
        assert!(!aims(Job::RolledBids, false) && !aims(Job::HotBids, true));
        assert!(aims(Job::RolledBids, true));
    }
}
