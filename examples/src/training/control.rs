//! Two streams that share a key's state: words, and words that are not to pass.

use yeoul::operator::OpenContext;
use yeoul::prelude::*;
use yeoul::rkyv::Archived;
use yeoul::state::{States, ValueHandle};

/// Lets words pass that the first stream has not blocked before.
#[derive(Clone, Default)]
struct Control(ValueHandle<bool>);

impl KeyedCoProcessFunction for Control {
    type Key = KeyStr;
    type In1 = String;
    type In2 = String;
    type Out = String;

    fn open(&mut self, states: &mut States<KeyStr>, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        self.0 = states.value("blocked");
        Ok(())
    }

    fn process1(
        &mut self,
        _: &Archived<String>,
        cx: &mut KeyedContext<'_, KeyStr>,
        _: &mut Collector<String>,
    ) -> Result<(), OperatorError> {
        cx.state(&self.0).update(true);
        Ok(())
    }

    fn process2(
        &mut self,
        word: &Archived<String>,
        cx: &mut KeyedContext<'_, KeyStr>,
        out: &mut Collector<String>,
    ) -> Result<(), OperatorError> {
        if cx.state(&self.0).get().is_none() {
            out.collect(word.as_str().to_owned());
        }
        Ok(())
    }
}

/// The words that are not blocked when they come. Between the two streams there is no order.
#[must_use]
pub fn allowed(blocked: &DataStream<String>, words: &DataStream<String>) -> DataStream<String> {
    let key = |word: &Archived<String>| KeyStr::from(word.as_str());
    blocked.key_by(key).connect(&words.key_by(key)).process(Control::default()).uid("control")
}
