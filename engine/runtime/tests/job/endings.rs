//! What ends a job, what does not, and what is refused before it begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use yeoul_frame::{Epoch, Frame, OperatorId, RowBuilder, RowKind, Timestamp};
use yeoul_operator::{
    Committer, Context, InputId, NodeKind, OpenContext, Operator, OperatorError, SealedOutput, Services, Snapshot,
    Source, SourceContext, SourcePoll, SplitId, Subtask, Waker, WatermarkSpec,
};
use yeoul_runtime::{JobConfig, JobError, Outcome, spawn};
use yeoul_state::{StateTable, Table};

use crate::parts::{Deliver, Lines, Outside, config, delivered, graph};

/// Wraps a committer: the first delivery after `armed` fails.
struct Hurt {
    inner: Deliver,
    armed: Arc<AtomicBool>,
}

impl Committer for Hurt {
    fn recover(&mut self, services: &Services, committed: Epoch) -> Result<Epoch, OperatorError> {
        self.inner.recover(services, committed)
    }

    fn deliver(&mut self, epoch: Epoch, outputs: &[SealedOutput]) -> Result<(), OperatorError> {
        if !outputs.is_empty() && self.armed.swap(false, Ordering::Relaxed) {
            return Err(OperatorError::new("the target is away"));
        }
        self.inner.deliver(epoch, outputs)
    }
}

fn slow(_: u64) -> Result<(), OperatorError> {
    std::thread::sleep(Duration::from_micros(200));
    Ok(())
}

#[test]
fn after_a_drain_is_committed_a_failure_only_repeats_its_delivery() {
    let (data, outside) = (tempfile::tempdir().unwrap(), Outside::default());
    let mut graph = graph(&outside, Arc::new(slow));
    let armed = Arc::new(AtomicBool::new(true));
    let (to, hurt) = (outside.clone(), armed.clone());
    graph.nodes[2].kind = NodeKind::Sink {
        make: Arc::new(|| Box::<Lines>::default()),
        committer: Arc::new(move || Box::new(Hurt { inner: Deliver(to.clone()), armed: hurt.clone() })),
    };
    let config = JobConfig { data: Some(data.path().to_owned()), ..config(2) };
    let job = spawn(graph, config, Services::default());
    let watch = job.watch().clone();
    while watch.source_records() < 5_000 {
        std::thread::yield_now();
    }
    let save = data.path().join("save");
    let epoch = job.stop(Some(save.to_str().unwrap()), true).unwrap();
    assert_eq!(job.wait().unwrap(), Outcome::Stopped(epoch));
    assert!(!armed.load(Ordering::Relaxed), "the delivery of the last epoch failed once");
    assert_eq!(watch.attempts(), 1, "no shard ran again");
    assert_eq!(outside.lock().unwrap().0, epoch);
    assert_eq!(delivered(&outside).len(), 257, "each key once: windows fired once");
    assert!(save.join("SAVEPOINT").exists());
}

#[test]
fn a_failure_does_not_make_a_job_forget_that_it_is_to_stop() {
    let (data, outside) = (tempfile::tempdir().unwrap(), Outside::default());
    let failing = Arc::new(AtomicBool::new(false));
    let fails = failing.clone();
    let meddle = move |seen| {
        slow(seen)?;
        if fails.swap(false, Ordering::Relaxed) { Err(OperatorError::new("planted")) } else { Ok(()) }
    };
    // No epochs but those that are asked for.
    let config = JobConfig { data: Some(data.path().to_owned()), checkpoint_interval: None, ..config(2) };
    let job = spawn(graph(&outside, Arc::new(meddle)), config, Services::default());
    let watch = job.watch().clone();
    while watch.source_records() < 1_000 {
        std::thread::yield_now();
    }
    failing.store(true, Ordering::Relaxed);
    while watch.last_failure().is_none() {
        std::thread::yield_now();
    }
    // Between two attempts, or in the next.
    let epoch = job.stop(None, false).unwrap();
    assert_eq!(job.wait().unwrap(), Outcome::Stopped(epoch));
}

#[test]
fn a_stop_into_a_folder_that_is_in_use_is_refused_and_the_job_goes_on() {
    let (data, outside) = (tempfile::tempdir().unwrap(), Outside::default());
    let config = JobConfig { data: Some(data.path().to_owned()), ..config(1) };
    let job = spawn(graph(&outside, Arc::new(slow)), config, Services::default());
    while job.watch().source_records() == 0 {
        std::thread::yield_now();
    }
    let error = job.stop(Some(data.path().to_str().unwrap()), true).unwrap_err().to_string();
    assert!(error.contains("needs an empty folder"), "{error}");
    assert!(!job.has_ended());
    job.cancel();
    assert!(matches!(job.wait(), Err(JobError::Cancelled)));
}

/// Says that it has delivered more than there is.
struct Ahead;

impl Committer for Ahead {
    fn recover(&mut self, _: &Services, _: Epoch) -> Result<Epoch, OperatorError> {
        Ok(Epoch(9))
    }

    fn deliver(&mut self, _: Epoch, _: &[SealedOutput]) -> Result<(), OperatorError> {
        Ok(())
    }
}

/// Cannot be opened.
struct Shut;

impl Operator for Shut {
    fn open(&mut self, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        Err(OperatorError::new("there is no folder 'planes'"))
    }

    fn process(&mut self, _: InputId, _: &Frame, _: &mut Context<'_>) -> Result<(), OperatorError> {
        Ok(())
    }
}

#[test]
fn what_cannot_begin_is_not_tried_again() {
    let run = |change: &dyn Fn(&mut yeoul_operator::JobGraph), meddle: crate::parts::Meddle| {
        let data = tempfile::tempdir().unwrap();
        let mut graph = graph(&Outside::default(), meddle);
        change(&mut graph);
        let job = spawn(graph, JobConfig { data: Some(data.path().to_owned()), ..config(2) }, Services::default());
        let watch = job.watch().clone();
        let error = job.wait().unwrap_err().to_string();
        assert_eq!(watch.last_failure(), None, "{error}");
        error
    };
    let ahead = |graph: &mut yeoul_operator::JobGraph| {
        graph.nodes[2].kind =
            NodeKind::Sink { make: Arc::new(|| Box::<Lines>::default()), committer: Arc::new(|| Box::new(Ahead)) };
    };
    let error = run(&ahead, Arc::new(|_| Ok(())));
    assert!(error.contains("sink 'sink' has delivered up to epoch 9, and the job goes on from epoch 0"), "{error}");
    let shut = |graph: &mut yeoul_operator::JobGraph| {
        graph.nodes[1].kind = NodeKind::Operator { make: Arc::new(|| Box::new(Shut)) };
    };
    let error = run(&shut, Arc::new(|_| Ok(())));
    assert!(error.contains("there is no folder 'planes'"), "{error}");
    let error = run(&|_| {}, Arc::new(|_| Err(OperatorError::new("a setting that cannot be").permanent())));
    assert!(error.contains("a setting that cannot be"), "{error}");
}

/// Keeps counts under the name that `Count` uses, with narrower values.
struct Narrow(Table<u64, u32>);

impl Operator for Narrow {
    fn process(&mut self, _: InputId, _: &Frame, _: &mut Context<'_>) -> Result<(), OperatorError> {
        Ok(())
    }

    fn tables(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        visit(&mut self.0);
    }
}

#[test]
fn state_that_does_not_fit_is_refused_with_names() {
    let data = tempfile::tempdir().unwrap();
    let config = JobConfig { data: Some(data.path().to_owned()), ..config(2) };
    let outside = Outside::default();
    let job = spawn(graph(&outside, Arc::new(slow)), config.clone(), Services::default());
    while job.watch().source_records() < 1_000 {
        std::thread::yield_now();
    }
    job.stop(None, false).unwrap();
    job.wait().unwrap();

    let mut other = graph(&outside, Arc::new(slow));
    let table = || Table::new(OperatorId::of("count").table("counts"), "counts");
    other.nodes[1].kind = NodeKind::Operator { make: Arc::new(move || Box::new(Narrow(table()))) };
    let error = spawn(other, config.clone(), Services::default()).wait().unwrap_err();
    assert!(matches!(error, JobError::Settings(_)), "{error}");
    let expected = "table 'counts' of operator 'count' was saved with keys of 8 and values of 8 bytes (u64 to u64) and is declared with \
                    keys of 8 and values of 4 bytes (u64 to u32)";
    assert!(error.to_string().contains(expected), "{error}");

    let mut renamed = graph(&outside, Arc::new(slow));
    renamed.nodes[1].uid = "counts-by-key".to_owned();
    let error = spawn(renamed, config, Services::default()).wait().unwrap_err().to_string();
    assert!(error.contains("of operator 'count', which this job does not have"), "{error}");
}

/// A source whose records come from a thread of its own.
struct Fed {
    waker: Option<Waker>,
    sender: Option<crossbeam_channel::Sender<u64>>,
    records: crossbeam_channel::Receiver<u64>,
    taken: Arc<AtomicU64>,
}

impl Source for Fed {
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.waker = Some(cx.waker.clone());
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        if let (Some(sender), Some(waker)) = (self.sender.take(), self.waker.take()) {
            let taken = self.taken.clone();
            std::thread::spawn(move || {
                for n in 0..5 {
                    // Only when the one before was taken, so that nothing but the waker brings the shard back.
                    while taken.load(Ordering::Relaxed) < n {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    sender.send(n).unwrap();
                    waker.wake();
                }
                drop(sender);
                waker.wake();
            });
        }
        match self.records.try_recv() {
            Ok(n) => {
                let mut rows = RowBuilder::<u64>::new(cx.pool(), 1);
                rows.push(&n, Timestamp(0), RowKind::Insert).unwrap();
                cx.emit(SplitId(0), rows.finish());
                self.taken.fetch_add(1, Ordering::Relaxed);
                Ok(SourcePoll::Ready)
            }
            Err(crossbeam_channel::TryRecvError::Empty) => Ok(SourcePoll::Pending { until: None }),
            Err(crossbeam_channel::TryRecvError::Disconnected) => Ok(SourcePoll::End),
        }
    }

    fn snapshot(&mut self, _: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        Ok(())
    }

    fn restore(&mut self, _: &str, _: Subtask, _: &[u8]) -> Result<(), OperatorError> {
        Ok(())
    }
}

#[test]
fn a_source_with_a_thread_of_its_own_wakes_its_shard() {
    let outside = Outside::default();
    let mut graph = graph(&outside, Arc::new(|_| Ok(())));
    let make = || {
        let (sender, records) = crossbeam_channel::unbounded();
        Box::new(Fed { waker: None, sender: Some(sender), records, taken: Arc::default() }) as Box<dyn Source>
    };
    graph.nodes[0].kind = NodeKind::Source { make: Arc::new(make), watermarks: WatermarkSpec::default() };
    graph.nodes[0].parallelism = Some(1);
    let config = JobConfig { checkpoint_interval: None, ..config(2) };
    assert_eq!(spawn(graph, config, Services::default()).wait().unwrap(), Outcome::Finished);
    assert_eq!(delivered(&outside).len(), 5);
}
