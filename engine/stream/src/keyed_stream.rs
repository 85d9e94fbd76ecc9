//! A stream of which all records of one key come to one place, and what can be done with it.

use std::sync::Arc;

use yeoul_frame::Record;
use yeoul_operator::{InputId, MakeOperator, OutputId, Partitioning};
use yeoul_state::Key;

use crate::environment::Port;
use crate::key_selector::{KeyRouter, KeySelector};
use crate::tag::Sides;
use crate::{DataStream, WindowAssigner, WindowedStream};

/// A stream of which all records of one key come to one place (Flink's `KeyedStream`).
pub struct KeyedStream<K: Key, T: Record> {
    pub(crate) stream: DataStream<T>,
    pub(crate) selector: Arc<dyn KeySelector<K>>,
}

impl<K: Key, T: Record> Clone for KeyedStream<K, T> {
    fn clone(&self) -> Self {
        Self { stream: self.stream.clone(), selector: self.selector.clone() }
    }
}

impl<K: Key + Sync, T: Record> KeyedStream<K, T> {
    pub(crate) fn of(stream: DataStream<T>, selector: Arc<dyn KeySelector<K>>) -> Self {
        Self { stream, selector }
    }

    /// Cuts the stream into windows.
    pub fn window(&self, assigner: impl Into<WindowAssigner>) -> WindowedStream<K, T> {
        WindowedStream::of(self.clone(), assigner.into())
    }

    /// The stream's ports, by which records go to their key's place.
    pub(crate) fn ports(&self) -> Vec<Port> {
        let router = Partitioning::Hash(Arc::new(KeyRouter(self.selector.clone())));
        self.stream.ports.iter().map(|port| Port { partitioning: router.clone(), ..port.clone() }).collect()
    }

    /// Adds an operator with this stream as its only input.
    pub(crate) fn one_input<O: Record>(&self, name: &str, make: MakeOperator, sides: &Sides) -> DataStream<O> {
        let env = &self.stream.env;
        let node = env.operator(name, make, &[(InputId(0), &self.ports())], sides);
        env.output(node, OutputId::MAIN)
    }
}
