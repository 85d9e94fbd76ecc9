//! What a user sees when things go wrong.

use std::sync::Arc;

use yeoul_frame::Frame;
use yeoul_operator::{Context, InputId, NodeKind, OpenContext, Operator, OperatorError, Services};
use yeoul_runtime::{JobConfig, JobError, RestartStrategy, spawn};

use crate::parts::{Outside, config, graph, graph_with_pass};

#[test]
fn a_panic_in_user_code_fails_the_job_with_the_operators_name() {
    let panics = Arc::new(|seen: u64| if seen > 5000 { panic!("division by {}", 0) } else { Ok(()) });
    let config = JobConfig { restart: RestartStrategy::None, ..config(2) };
    let error = spawn(graph(&Outside::default(), panics), config, Services::default()).wait().unwrap_err();
    let JobError::Panic { operator, message } = &error else { panic!("{error}") };
    assert!(operator.starts_with("count (") && operator.ends_with("/2)"), "{operator}");
    assert_eq!(message, "division by 0");
}

#[test]
fn a_panic_while_an_operator_is_made_fails_the_job_with_its_name() {
    for (node, name) in [(0, "numbers (1/2)"), (1, "count (1/2)")] {
        let mut graph = graph(&Outside::default(), Arc::new(|_| Ok(())));
        match &mut graph.nodes[node].kind {
            NodeKind::Source { make, .. } => *make = Arc::new(|| panic!("no such file")),
            NodeKind::Operator { make } | NodeKind::Sink { make, .. } => *make = Arc::new(|| panic!("no such file")),
        }
        let config = JobConfig { restart: RestartStrategy::None, ..config(2) };
        let error = spawn(graph, config, Services::default()).wait().unwrap_err();
        let JobError::Panic { operator, message } = &error else { panic!("{error}") };
        assert_eq!((operator.as_str(), message.as_str()), (name, "no such file"));
    }
}

#[test]
fn a_job_gives_up_when_its_restarts_are_used_up() {
    let data = tempfile::tempdir().unwrap();
    let fails = Arc::new(|_| Err(OperatorError::new("no such plane 'N0'").hint("look at the planes file")));
    let config = JobConfig { data: Some(data.path().to_owned()), ..config(1) };
    let job = spawn(graph(&Outside::default(), fails), config, Services::default());
    let watch = job.watch().clone();
    let error = job.wait().unwrap_err();
    assert_eq!(watch.attempts(), 4);
    assert_eq!(error.to_string(), "operator 'count (1/1)' failed: no such plane 'N0'\n  hint: look at the planes file");
}

#[test]
fn operators_are_closed_where_they_were_opened_whatever_failed() {
    use std::sync::atomic::Ordering;
    let config = JobConfig { restart: RestartStrategy::None, ..config(2) };
    let fails = Arc::new(|seen| if seen > 500 { Err(OperatorError::new("enough")) } else { Ok(()) });
    let open = Arc::default();
    let graph = graph_with_pass(&Outside::default(), fails, &open);
    spawn(graph, config.clone(), Services::default()).wait().unwrap_err();
    assert_eq!(open.load(Ordering::Relaxed), 0);

    // One that is opened after it cannot open.
    struct Refuses;
    impl Operator for Refuses {
        fn open(&mut self, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
            Err(OperatorError::new("no room"))
        }
        fn process(&mut self, _: InputId, _: &Frame, _: &mut Context<'_>) -> Result<(), OperatorError> {
            Ok(())
        }
        fn close(&mut self) {
            panic!("what was not opened is not closed");
        }
    }
    let mut graph = graph_with_pass(&Outside::default(), Arc::new(|_| Ok(())), &open);
    graph.nodes[1].kind = NodeKind::Operator { make: Arc::new(|| Box::new(Refuses)) };
    let error = spawn(graph, config, Services::default()).wait().unwrap_err();
    assert!(error.to_string().contains("no room"), "{error}");
    assert_eq!(open.load(Ordering::Relaxed), 0);
}

#[test]
fn two_jobs_cannot_share_a_data_folder() {
    let data = tempfile::tempdir().unwrap();
    let slow = Arc::new(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        Ok(())
    });
    let config = JobConfig { data: Some(data.path().to_owned()), restart: RestartStrategy::None, ..config(1) };
    let first = spawn(graph(&Outside::default(), slow.clone()), config.clone(), Services::default());
    while first.watch().attempts() == 0 {
        std::thread::yield_now();
    }
    let second = spawn(graph(&Outside::default(), slow), config, Services::default());
    let error = second.wait().unwrap_err().to_string();
    assert!(error.contains("opening the manifest failed"), "{error}");
    first.cancel();
    assert!(matches!(first.wait(), Err(JobError::Cancelled)));
}

#[test]
fn a_panic_in_a_key_selector_names_the_keyed_operator() {
    struct Picky;
    impl yeoul_operator::Router for Picky {
        fn hash(&self, _: &yeoul_frame::Frame, _: &mut Vec<yeoul_frame::KeyHash>) {
            panic!("no key in this record");
        }
    }
    let mut graph = graph(&Outside::default(), Arc::new(|_| Ok(())));
    graph.edges[0].partitioning = yeoul_operator::Partitioning::Hash(Arc::new(Picky));
    let config = JobConfig { restart: RestartStrategy::None, ..config(2) };
    let error = spawn(graph, config, Services::default()).wait().unwrap_err().to_string();
    assert!(error.contains("operator 'count' panicked: no key in this record"), "{error}");
}

#[test]
fn a_keyed_operator_on_fewer_shards_than_the_job_is_refused() {
    let mut graph = graph(&Outside::default(), Arc::new(|_| Ok(())));
    graph.nodes[1].parallelism = Some(1);
    let error = spawn(graph, config(2), Services::default()).wait().unwrap_err();
    assert!(matches!(error, JobError::Graph(_)), "{error}");
    assert!(error.to_string().contains("'count' is keyed"), "{error}");
}

#[test]
fn rings_that_hold_less_than_two_messages_are_refused() {
    let config = JobConfig { ring_capacity: 1, ..config(2) };
    let error =
        spawn(graph(&Outside::default(), Arc::new(|_| Ok(()))), config, Services::default()).wait().unwrap_err();
    assert!(matches!(error, JobError::Settings(_)), "{error}");
}
