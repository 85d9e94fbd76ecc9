//! Drives the last operator of a graph by hand, over frames in memory: what the operator costs by itself, without exchange and checkpoints.

use std::sync::Arc;
use std::time::{Duration, Instant};

use yeoul::frame::{Frame, KeyGroups, OperatorId, Pool, Timestamp};
use yeoul::operator::{
    Context, Counters, InputId, NodeKind, OpenContext, Operator, OutputId, Progress, Services, Subtask, Waker,
};
use yeoul::stream::StreamEnvironment;

/// An operator of the node that was added last.
///
/// # Panics
/// If the graph is not sound, or its last node is a source.
#[must_use]
pub fn last_operator(env: &StreamEnvironment) -> Box<dyn Operator> {
    let graph = env.build().expect("the graph is sound");
    match &graph.nodes.last().expect("it has an operator").kind {
        NodeKind::Operator { make } => make(),
        _ => panic!("the last node is no operator"),
    }
}

/// Runs frames, each of an input, through a fresh operator. Whenever event time has risen by 200 ms, a watermark comes that is `bound`
/// milliseconds behind it, as sources send them. Returns the time that it took and how many records came out.
///
/// # Panics
/// If the operator fails.
pub fn drive(operator: Box<dyn Operator>, frames: &[(InputId, Frame)], bound: i64) -> (Duration, u64) {
    drive_after(operator, &[], frames, bound)
}

/// As [`drive`], after frames that build up state and whose time does not count.
///
/// # Panics
/// If the operator fails.
pub fn drive_after(
    mut operator: Box<dyn Operator>,
    before: &[(InputId, Frame)],
    frames: &[(InputId, Frame)],
    bound: i64,
) -> (Duration, u64) {
    let (pool, counters) = (Pool::new(), Arc::new(Counters::default()));
    let mut cx = OpenContext {
        operator: OperatorId(1),
        name: "bench",
        subtask: Subtask { index: 0, parallelism: 1 },
        key_groups: KeyGroups::DEFAULT,
        services: &Services::default(),
        pool: &pool,
        counters: counters.clone(),
        waker: Waker::default(),
    };
    operator.open(&mut cx).expect("it opens");
    let mut emitted: Vec<(OutputId, Frame)> = Vec::new();
    let (mut results, mut watermark) = (0, Timestamp::MIN);
    let mut start = Instant::now();
    for (at, (input, frame)) in before.iter().chain(frames).enumerate() {
        if at == before.len() {
            (start, results) = (Instant::now(), 0);
        }
        let mut cx = Context::new(&mut emitted, watermark, Timestamp(0), &pool, &counters);
        operator.process(*input, frame, &mut cx).expect("it works");
        while operator.has_more() {
            results += emitted.drain(..).map(|(_, frame)| frame.len() as u64).sum::<u64>();
            let mut cx = Context::new(&mut emitted, watermark, Timestamp(0), &pool, &counters);
            operator.go_on(&mut cx).expect("it works");
        }
        results += emitted.drain(..).map(|(_, frame)| frame.len() as u64).sum::<u64>();
        let risen = frame.times()[frame.len() - 1].minus(bound);
        if risen >= watermark.plus(200) {
            watermark = risen;
            loop {
                let mut cx = Context::new(&mut emitted, watermark, Timestamp(0), &pool, &counters);
                let progress = operator.on_watermark(watermark, &mut cx).expect("it works");
                results += emitted.drain(..).map(|(_, frame)| frame.len() as u64).sum::<u64>();
                if progress == Progress::Done {
                    break;
                }
            }
        }
    }
    (start.elapsed(), results)
}
