//! What travels on a ring: frames and signals in one order.

use yeoul_frame::{Frame, Signal};

/// One element of a ring.
#[derive(Debug, Clone)]
pub enum Message {
    /// Records.
    Frame(Frame),
    /// A mark between records.
    Signal(Signal),
}
