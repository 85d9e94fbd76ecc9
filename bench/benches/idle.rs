//! What a job costs that has nothing to do. To reach: at most 0.1 % of a core, and no disk writes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use yeoul::operator::{
    Chaining, InputId, JobGraph, Node, NodeKind, OpenContext, OperatorError, OutputId, Partitioning, Services,
    Snapshot, Source, SourceContext, SourcePoll, Subtask, WatermarkSpec,
};
use yeoul::runtime::spawn;
use yeoul_bench::process::{cpu_time, disk_writes, resident};
use yeoul_bench::run::{ByFirstWord, Count, config};

/// Waits for something that does not come.
struct Silent;

impl Source for Silent {
    fn open(&mut self, _cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        Ok(())
    }

    fn poll(&mut self, _cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        Ok(SourcePoll::Pending { until: None })
    }

    fn snapshot(&mut self, _snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        Ok(())
    }

    fn restore(&mut self, _name: &str, _from: Subtask, _bytes: &[u8]) -> Result<(), OperatorError> {
        Ok(())
    }
}

fn main() {
    let node = |uid: &str, kind| Node {
        uid: uid.to_owned(),
        name: uid.to_owned(),
        parallelism: None,
        chaining: Chaining::Always,
        kind,
    };
    let mut graph = JobGraph { name: "idle".to_owned(), ..JobGraph::default() };
    let make = Arc::new(|| Box::new(Silent) as Box<dyn Source>);
    let from = graph.add(node("silent", NodeKind::Source { make, watermarks: WatermarkSpec::default() }));
    let to = graph.add(node("count", NodeKind::Operator { make: Arc::new(|| Box::<Count>::default()) }));
    graph.connect(from, OutputId::MAIN, to, InputId(0), Partitioning::Hash(Arc::new(ByFirstWord)));
    let folder = tempfile::tempdir().expect("a folder for checkpoints");
    let settings = config(2, Some(folder.path().join("data")), Some(Duration::from_millis(10)));
    let job = spawn(graph, settings, Services::default());
    std::thread::sleep(Duration::from_secs(1));
    let (cpu, writes, begun) = (cpu_time(), disk_writes(), Instant::now());
    std::thread::sleep(Duration::from_secs(20));
    let share = (cpu_time() - cpu).as_secs_f64() / begun.elapsed().as_secs_f64();
    println!(
        "idle/checkpoints every 10 ms: {:.3} % of a core, {} bytes written, {} MiB resident",
        100.0 * share,
        disk_writes() - writes,
        resident() >> 20
    );
    job.cancel();
    let _ = job.wait();
}
