//! tmp
use std::sync::Arc;
use yeoul_frame::Record;
use yeoul_state::Key;
use crate::DataStream;
use crate::key_selector::KeySelector;
/// A stream of which all records of one key come to one place.
pub struct KeyedStream<K: Key, T: Record> {
    pub(crate) stream: DataStream<T>,
    pub(crate) selector: Arc<dyn KeySelector<K>>,
}
impl<K: Key, T: Record> KeyedStream<K, T> {
    pub(crate) fn of(stream: DataStream<T>, selector: Arc<dyn KeySelector<K>>) -> Self { Self { stream, selector } }
}
