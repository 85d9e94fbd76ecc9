//! Numbers from 0 on, of one split, by frames; they end when the test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use yeoul_frame::{RowBuilder, RowKind, Timestamp};
use yeoul_operator::{
    MakeSource, OpenContext, OperatorError, Snapshot, Source, SourceContext, SourcePoll, SourceSpec, SplitId, Subtask,
};

/// Records in a frame.
pub(crate) const FRAME: u64 = 500;

/// So many numbers; the event time of each is the number.
#[derive(Clone)]
pub(crate) struct Numbers {
    pub(crate) count: u64,
    pub(crate) over: Arc<AtomicBool>,
}

impl Numbers {
    pub(crate) fn to(count: u64, over: bool) -> Self {
        Self { count, over: Arc::new(AtomicBool::new(over)) }
    }
}

impl SourceSpec for Numbers {
    type Out = u64;
    type Error = ();

    fn make(&self) -> MakeSource {
        let of = self.clone();
        Arc::new(move || Box::new(Reader { of: of.clone(), next: 0 }))
    }

    fn parallelism(&self) -> Option<u16> {
        Some(1)
    }
}

struct Reader {
    of: Numbers,
    next: u64,
}

impl Source for Reader {
    fn open(&mut self, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        Ok(())
    }

    fn poll(&mut self, cx: &mut SourceContext<'_>) -> Result<SourcePoll, OperatorError> {
        let end = (self.next + FRAME).min(self.of.count);
        if self.next == end {
            let until = Some(cx.now().plus(1));
            return Ok(if self.of.over.load(Ordering::Relaxed) {
                SourcePoll::End
            } else {
                SourcePoll::Pending { until }
            });
        }
        let mut rows = RowBuilder::<u64>::new(cx.pool(), FRAME as usize);
        for n in self.next..end {
            rows.push(&n, Timestamp(n as i64), RowKind::Insert).expect("a frame has room for its rows");
        }
        self.next = end;
        cx.emit(SplitId(0), rows.finish());
        Ok(SourcePoll::Ready)
    }

    fn snapshot(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), OperatorError> {
        snapshot.state("next", self.next.to_le_bytes().to_vec());
        Ok(())
    }

    fn restore(&mut self, _: &str, _: Subtask, bytes: &[u8]) -> Result<(), OperatorError> {
        self.next = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        Ok(())
    }
}
