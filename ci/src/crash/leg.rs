//! What one process of a round begins from and where it ends: a round that takes savepoints is a chain of stores, each begun from the
//! savepoint with which the one before was stopped.
//!
//! Invariants:
//! 1. A store is begun from one savepoint, however often its processes are killed.
//! 2. Each process that is to stop has a folder of its own for its savepoint: what a killed one left of it is in nobody's way.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use yeoul::sys::Random;

/// With this code a process ends that has stopped with a savepoint.
pub const STOPPED: u8 = 3;
/// Stops of one round.
const STOPS: usize = 3;

/// Where a round stands, over its processes.
#[derive(Debug)]
pub struct Legs {
    folder: PathBuf,
    /// Savepoints with which the round was stopped.
    stops: Vec<PathBuf>,
    /// Stops that are still to come.
    left: usize,
    processes: usize,
    next: Option<PathBuf>,
}

impl Legs {
    /// Of a round in this folder.
    #[must_use]
    pub fn new(folder: &Path, takes_savepoints: bool) -> Self {
        let left = if takes_savepoints { STOPS } else { 0 };
        Self { folder: folder.to_owned(), stops: Vec::new(), left, processes: 0, next: None }
    }

    fn store(&self, number: usize) -> PathBuf {
        self.folder.join(if number == 0 { "data".to_owned() } else { format!("data-{number}") })
    }

    /// All stores so far.
    #[must_use]
    pub fn stores(&self) -> Vec<PathBuf> {
        (0..=self.stops.len()).map(|number| self.store(number)).collect()
    }

    /// Whether the next process works on a store that begins from a savepoint.
    #[must_use]
    pub fn imports(&self) -> bool {
        !self.stops.is_empty()
    }

    /// How many times it was stopped.
    #[must_use]
    pub fn stopped(&self) -> usize {
        self.stops.len()
    }

    /// Adds the next process's options. It is to stop, if it is, after some part of `span`.
    pub fn begin(&mut self, random: &mut Random, span: Duration, command: &mut Command) {
        self.processes += 1;
        command.arg("--data").arg(self.store(self.stops.len()));
        if let Some(from) = self.stops.last() {
            command.arg("--from").arg(from);
        }
        self.next = (self.left > 0).then(|| self.folder.join(format!("stopped-{}", self.processes)));
        if let Some(into) = &self.next {
            let after = random.below(span.as_millis() as u64 / 4 + 1);
            command.arg("--stop-into").arg(into).arg("--stop-after").arg(after.to_string());
        }
    }

    /// The process that was begun last has stopped with its savepoint.
    ///
    /// # Errors
    /// It was not to stop.
    pub fn stop(&mut self) -> Result<(), String> {
        let savepoint = self.next.take().ok_or("a process says that it has stopped, which it was not to do")?;
        self.stops.push(savepoint);
        self.left -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(legs: &mut Legs) -> Vec<String> {
        let mut command = Command::new("job");
        legs.begin(&mut Random::new(1), Duration::ZERO, &mut command);
        command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_store_begins_from_the_savepoint_before_it_until_it_is_stopped_itself() {
        let mut legs = Legs::new(Path::new("r"), true);
        assert_eq!(options(&mut legs).join(" "), "--data r/data --stop-into r/stopped-1 --stop-after 0");
        assert_eq!(options(&mut legs).join(" "), "--data r/data --stop-into r/stopped-2 --stop-after 0");
        assert!(!legs.imports());
        legs.stop().unwrap();
        assert!(legs.imports());
        let again = "--data r/data-1 --from r/stopped-2 --stop-into";
        assert!(options(&mut legs).join(" ").starts_with(again) && options(&mut legs).join(" ").starts_with(again));
        legs.stop().unwrap();
        assert!(legs.stop().is_err());
        options(&mut legs);
        legs.stop().unwrap();
        assert_eq!(options(&mut legs).join(" "), "--data r/data-3 --from r/stopped-5");
        assert!(legs.stop().is_err());
        assert_eq!(legs.stores().len(), 4);
        assert_eq!(options(&mut Legs::new(Path::new("r"), false)).join(" "), "--data r/data");
    }
}
