//! A handle crosses a ring and no record is copied: the bytes that the receiver sees lie where the sender wrote them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use yeoul_frame::{Frame, Timestamp};
use yeoul_operator::{
    Context, InputId, JobGraph, NodeKind, Operator, OperatorError, OutputId, Partitioning, Services, TimestampAssigner,
    WatermarkSpec,
};
use yeoul_runtime::spawn;

use crate::parts::{ByKey, Numbers, PER_SPLIT, SPLITS, config, node};

type Seen = Arc<Mutex<HashMap<u64, usize>>>;

/// Notes where the source's rows lie, when it assigns their times.
struct Sender(Seen);

impl TimestampAssigner for Sender {
    fn assign(&self, frame: &Frame, _times: &mut [Timestamp]) {
        let mut seen = self.0.lock().unwrap();
        for (row, n) in frame.rows::<u64>().iter() {
            seen.insert(n.to_native(), frame.row_address(row) as usize);
        }
    }
}

struct Receiver {
    sent: Seen,
    checked: Arc<Mutex<u64>>,
}

impl Operator for Receiver {
    fn process(&mut self, _input: InputId, frame: &Frame, _cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let sent = self.sent.lock().unwrap();
        for (row, n) in frame.rows::<u64>().iter() {
            let seen: *const _ = n;
            assert_eq!(sent[&n.to_native()], seen as usize, "record {n} was moved");
            assert_eq!(sent[&n.to_native()], frame.row_address(row) as usize);
        }
        *self.checked.lock().unwrap() += frame.len() as u64;
        Ok(())
    }
}

#[test]
fn the_receiver_reads_the_bytes_that_the_sender_wrote() {
    let (sent, checked) = (Seen::default(), Arc::new(Mutex::new(0)));
    let mut graph = JobGraph::default();
    let watermarks = WatermarkSpec { assigner: Some(Arc::new(Sender(sent.clone()))), ..WatermarkSpec::default() };
    let numbers =
        graph.add(node("numbers", NodeKind::Source { make: Arc::new(|| Box::new(Numbers::new())), watermarks }));
    let check = checked.clone();
    let make = Arc::new(move || Box::new(Receiver { sent: sent.clone(), checked: check.clone() }) as Box<dyn Operator>);
    let receiver = graph.add(node("receiver", NodeKind::Operator { make }));
    graph.connect(numbers, OutputId::MAIN, receiver, InputId(0), Partitioning::Hash(Arc::new(ByKey)));
    spawn(graph, config(3), Services::default()).wait().unwrap();
    assert_eq!(*checked.lock().unwrap(), SPLITS * PER_SPLIT);
}
