//! Two keyed streams that share the state of their keys.

use std::sync::Arc;

use yeoul_frame::Record;
use yeoul_operator::{InputId, OutputId};
use yeoul_state::Key;

use crate::key_selector::FrameKeys;
use crate::keyed_operator::{KeyedOperator, TwoInputs};
use crate::tag::Sides;
use crate::{DataStream, KeyedCoProcessFunction, KeyedStream};

/// Two keyed streams that share the state of their keys (Flink's `ConnectedStreams`).
pub struct KeyedConnectedStreams<K: Key, A: Record, B: Record> {
    first: KeyedStream<K, A>,
    second: KeyedStream<K, B>,
}

impl<K: Key + Sync, A: Record, B: Record> KeyedConnectedStreams<K, A, B> {
    pub(crate) fn of(first: KeyedStream<K, A>, second: KeyedStream<K, B>) -> Self {
        if !first.stream.env.is(&second.stream.env) {
            first.stream.env.mistake("streams of two environments are connected; build both with one".to_owned());
        }
        Self { first, second }
    }

    /// Works on the records of both with state and timers of their keys.
    pub fn process<P>(&self, function: P) -> DataStream<P::Out>
    where
        P: KeyedCoProcessFunction<Key = K, In1 = A, In2 = B> + Clone + Sync,
    {
        let sides = Sides::default();
        let (selectors, declared) = ([self.first.selector.clone(), self.second.selector.clone()], sides.clone());
        let make = Arc::new(move || {
            let keys = selectors.iter().cloned().map(FrameKeys::new).collect();
            Box::new(KeyedOperator::new(TwoInputs(function.clone()), keys, declared.clone())) as _
        });
        let env = &self.first.stream.env;
        // The nodes of another environment are not in this graph, which will not be built.
        let second = if env.is(&self.second.stream.env) { self.second.ports() } else { Default::default() };
        let inputs = [(InputId(0), &self.first.ports()[..]), (InputId(1), &second[..])];
        let node = env.operator("Co-Process", make, &inputs, &sides);
        env.output(node, OutputId::MAIN)
    }
}
