//! What makes records of a window's reduction or aggregate: a closure, or a function that is given it as its only element.

use std::slice;

use yeoul_frame::Record;
use yeoul_operator::{OpenContext, OperatorError};
use yeoul_state::Key;

use crate::window::function::{ProcessWindowFunction, WindowContext};
use crate::{Collector, TimeWindow, WindowStates};

/// Makes records of `O` of a result.
pub(crate) trait Outcome<K: Key, R, O: Record>: Send + 'static {
    fn declare(&mut self, states: &mut WindowStates<K>) {
        let _ = states;
    }

    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let _ = cx;
        Ok(())
    }

    fn give(
        &mut self,
        key: &K,
        result: R,
        cx: &mut WindowContext<'_, K>,
        out: &mut Collector<O>,
    ) -> Result<(), OperatorError>;

    fn clear(&mut self, key: &K, cx: &mut WindowContext<'_, K>) -> Result<(), OperatorError> {
        let _ = (key, cx);
        Ok(())
    }

    fn close(&mut self) {}
}

/// A closure of key, window and result.
#[derive(Clone)]
pub(crate) struct ByClosure<F>(pub(crate) F);

impl<K, R, O, F> Outcome<K, R, O> for ByClosure<F>
where
    K: Key,
    O: Record,
    F: Fn(&K, TimeWindow, R, &mut Collector<O>) + Send + 'static,
{
    #[inline]
    fn give(
        &mut self,
        key: &K,
        result: R,
        cx: &mut WindowContext<'_, K>,
        out: &mut Collector<O>,
    ) -> Result<(), OperatorError> {
        (self.0)(key, cx.window(), result, out);
        Ok(())
    }
}

/// A window function that is given the result itself.
#[derive(Clone)]
pub(crate) struct ByFunction<P>(pub(crate) P);

/// A window function that is given the result where it lies.
#[derive(Clone)]
pub(crate) struct ByFunctionInPlace<P>(pub(crate) P);

macro_rules! by_function {
    ($name:ident, $given:ty, $result:ident => $element:expr) => {
        impl<P: ProcessWindowFunction> Outcome<P::Key, $given, P::Out> for $name<P> {
            fn declare(&mut self, states: &mut WindowStates<P::Key>) {
                self.0.declare(states);
            }

            fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
                self.0.open(cx)
            }

            fn give(
                &mut self,
                key: &P::Key,
                $result: $given,
                cx: &mut WindowContext<'_, P::Key>,
                out: &mut Collector<P::Out>,
            ) -> Result<(), OperatorError> {
                self.0.process(key, cx, slice::from_ref($element), out)
            }

            fn clear(&mut self, key: &P::Key, cx: &mut WindowContext<'_, P::Key>) -> Result<(), OperatorError> {
                self.0.clear(key, cx)
            }

            fn close(&mut self) {
                self.0.close();
            }
        }
    };
}
by_function!(ByFunction, P::In, result => &result);
by_function!(ByFunctionInPlace, &P::In, result => result);
