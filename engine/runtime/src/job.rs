//! A job over all its attempts: runs one, and after a failure waits as the restart strategy says and runs the next from the last checkpoint.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use yeoul_frame::Epoch;
use yeoul_operator::{JobGraph, Services};
use yeoul_sys::thread::spawn_pinned;

use crate::attempt::{prepare, settle};
use crate::config::JobConfig;
use crate::error::JobError;
use crate::request::{Outcome, Pending, Request};
use crate::restart::{RestartStrategy, Restarts};
use crate::threads;
use crate::watch::JobWatch;

/// A job that runs on threads of its own.
pub struct JobHandle {
    requests: Sender<Request>,
    watch: Arc<JobWatch>,
    thread: io::Result<JoinHandle<Result<Outcome, JobError>>>,
}

impl JobHandle {
    /// What may be watched of it.
    #[must_use]
    pub fn watch(&self) -> &Arc<JobWatch> {
        &self.watch
    }

    /// Whether it has ended, one way or the other.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().map_or(true, JoinHandle::is_finished)
    }

    /// Takes a savepoint into a folder that does not exist yet, while the job goes on.
    ///
    /// # Errors
    /// The savepoint could not be written, or the job has ended meanwhile.
    pub fn savepoint(&self, folder: &str) -> Result<Epoch, JobError> {
        let (reply, answer) = bounded(1);
        self.ask(Request::Savepoint(folder.to_owned(), reply), &answer, "the job ended before it took the savepoint")
    }

    fn ask(&self, request: Request, answer: &Receiver<Result<Epoch, JobError>>, gone: &str) -> Result<Epoch, JobError> {
        self.watch.ask();
        let answered = self.requests.send(request).ok().and_then(|()| answer.recv().ok());
        self.watch.answered();
        answered.unwrap_or_else(|| Err(JobError::Settings(gone.to_owned())))
    }

    /// Stops the job after an epoch of its own, with a savepoint if a folder is given, and returns that epoch once it is committed, delivered
    /// and saved. With `drain`, event time runs to its end first, so that windows and timers fire; then the savepoint should not be used to
    /// go on. A failure in between does not make the job forget that it is to stop.
    ///
    /// # Errors
    /// The folder cannot take a savepoint (then the job goes on), the savepoint could not be written, or the job had ended or failed.
    pub fn stop(&self, savepoint: Option<&str>, drain: bool) -> Result<Epoch, JobError> {
        let (reply, answer) = bounded(1);
        let request = Request::Stop { savepoint: savepoint.map(str::to_owned), drain, reply };
        self.ask(request, &answer, "the job ended before it was stopped")
    }

    /// Ends the job at once. What is not committed is found again by the next run.
    pub fn cancel(&self) {
        self.watch.ask();
        let _ = self.requests.send(Request::Cancel);
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Why the job failed.
    pub fn wait(self) -> Result<Outcome, JobError> {
        let thread = self.thread.map_err(|cause| JobError::Storage { doing: "starting the job's thread", cause })?;
        match thread.join() {
            Ok(result) => result,
            Err(panic) => {
                Err(JobError::Panic { operator: "engine".to_owned(), message: crate::chain::panic_message(&*panic) })
            }
        }
    }
}

/// Starts a job on threads of its own.
#[must_use]
pub fn spawn(graph: JobGraph, config: JobConfig, services: Services) -> JobHandle {
    let (requests, asked) = unbounded();
    let watch = Arc::new(JobWatch::default());
    let seen = watch.clone();
    let thread = spawn_pinned("job", None, move || run(&graph, &config, &services, &watch, &asked));
    JobHandle { requests, watch: seen, thread }
}

/// Runs a job to its end on this thread and those that it starts.
///
/// # Errors
/// Why the job failed, once no restart is left.
pub fn run(
    graph: &JobGraph,
    config: &JobConfig,
    services: &Services,
    watch: &Arc<JobWatch>,
    requests: &Receiver<Request>,
) -> Result<Outcome, JobError> {
    // Without a data folder there is nothing to restart from that would not deliver output twice.
    let strategy = if config.data.is_some() { config.restart.clone() } else { RestartStrategy::None };
    let mut restarts = Restarts::new(strategy);
    let mut pending = Pending::default();
    let mut first = true;
    loop {
        // Only names the run in its log blocks, so that blocks of different runs are told apart.
        let run_seed = services.clock.monotonic_nanos() ^ (services.clock.wall_millis() as u64).rotate_left(32);
        let mut refused = false;
        let result = match pending.decided {
            // The last epoch is committed. No shard runs again; what is left is to deliver it.
            Some(outcome) => settle(graph, config, services, &mut pending, run_seed).map(|()| outcome),
            None => match prepare(graph, config, services, watch, run_seed) {
                Ok(attempt) => threads::run(attempt, requests, &mut pending, config.pin),
                Err(error) => {
                    refused = true;
                    Err(error)
                }
            },
        };
        let error = match result {
            Ok(outcome) => return Ok(outcome),
            Err(error) => error,
        };
        // What cannot even begin has something wrong with it that a person must see.
        let refused = std::mem::replace(&mut pending.refused, false) || refused;
        if !error.is_worth_a_restart() || (refused && first) {
            return Err(error);
        }
        first = false;
        let now = Duration::from_nanos(services.clock.monotonic_nanos());
        let Some(delay) = restarts.failed(now) else { return Err(error) };
        watch.failed(&error, delay);
        threads::pause(delay, requests, &mut pending, &*services.clock)?;
    }
}
