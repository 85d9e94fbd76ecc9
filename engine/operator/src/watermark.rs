//! How a source's event times and watermarks come about (Flink's `WatermarkStrategy`).
//!
//! Watermarks are generated a split at a time and in the split's own order, at positions that depend on the records only: the
//! same input gives the same watermarks between the same records, however frames and shards fall. (Flink emits them by the clock.)

use std::sync::Arc;
use std::time::Duration;

use yeoul_frame::{Frame, Timestamp};

/// Gives each selected row of a frame its event time.
///
/// ```
/// use yeoul_frame::{Frame, Timestamp};
/// use yeoul_operator::TimestampAssigner;
///
/// /// Numbers that are times.
/// struct Itself;
///
/// impl TimestampAssigner for Itself {
///     fn assign(&self, frame: &Frame, times: &mut [Timestamp]) {
///         for (row, time) in frame.rows::<i64>().iter() {
///             times[row as usize] = Timestamp(time.to_native());
///         }
///     }
/// }
/// # use yeoul_frame::{Pool, RowBuilder, RowKind};
/// # let mut rows = RowBuilder::<i64>::new(&Pool::new(), 2);
/// # [70, 80].iter().for_each(|time| rows.push(time, Timestamp::MIN, RowKind::Insert).unwrap());
/// # let frame = rows.finish();
/// // A frame of 70 and 80:
/// let mut times = [Timestamp::MIN; 2];
/// Itself.assign(&frame, &mut times);
/// assert_eq!(times, [Timestamp(70), Timestamp(80)]);
/// ```
pub trait TimestampAssigner: Send + Sync {
    /// Writes a time for each row of the frame's batch (at the row's own number), at least for those that are selected.
    fn assign(&self, frame: &Frame, times: &mut [Timestamp]);
}

/// A watermark strategy of the user's own, one for each split.
///
/// ```
/// use yeoul_frame::Timestamp;
/// use yeoul_operator::WatermarkGenerator;
///
/// /// Each tenth record comes when all before it have.
/// #[derive(Default)]
/// struct Tenth {
///     seen: u8,
/// }
///
/// impl WatermarkGenerator for Tenth {
///     fn on_event(&mut self, time: Timestamp) -> Option<Timestamp> {
///         self.seen = (self.seen + 1) % 10;
///         (self.seen == 0).then_some(time)
///     }
///
///     fn save(&self) -> Vec<u8> {
///         vec![self.seen]
///     }
///
///     fn load(&mut self, bytes: &[u8]) {
///         self.seen = bytes[0];
///     }
/// }
///
/// let (mut first, mut restored) = (Tenth::default(), Tenth::default());
/// assert!((0..9).all(|time| first.on_event(Timestamp(time)).is_none()));
/// restored.load(&first.save());
/// assert_eq!(restored.on_event(Timestamp(9)), Some(Timestamp(9)));
/// ```
pub trait WatermarkGenerator: Send {
    /// A record with this event time has passed. Returns the watermark that holds after it, if it has risen.
    fn on_event(&mut self, time: Timestamp) -> Option<Timestamp>;

    /// What must survive a restart, as bytes.
    fn save(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Takes back what `save` gave.
    fn load(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }
}

/// How watermarks follow from event times.
///
/// ```
/// use yeoul_operator::Strategy;
///
/// assert_eq!(format!("{:?}", Strategy::BoundedOutOfOrderness(5_000)), "BoundedOutOfOrderness(5000 ms)");
/// ```
#[derive(Clone)]
pub enum Strategy {
    /// None until the end of input.
    None,
    /// Event times never fall: the watermark is the last event time less one millisecond.
    Monotonous,
    /// Event times fall behind the highest by at most this many milliseconds: the watermark is that much, and one more, behind it.
    BoundedOutOfOrderness(i64),
    /// The user's own, made afresh for each split.
    Custom(Arc<dyn Fn() -> Box<dyn WatermarkGenerator> + Send + Sync>),
}

impl std::fmt::Debug for Strategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Monotonous => f.write_str("Monotonous"),
            Self::BoundedOutOfOrderness(millis) => write!(f, "BoundedOutOfOrderness({millis} ms)"),
            Self::Custom(_) => f.write_str("Custom"),
        }
    }
}

/// Sources of one group wait for each other when event times drift apart.
///
/// ```
/// use yeoul_operator::Alignment;
///
/// // Two sources that read the same days, at most an hour apart.
/// let rides = Alignment { group: "taxis".to_owned(), max_drift: 3_600_000 };
/// let fares = rides.clone();
/// assert_eq!(rides.group, fares.group);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alignment {
    /// Sources with the same name wait for each other.
    pub group: String,
    /// How far ahead of the group's lowest watermark a source may read, in milliseconds.
    pub max_drift: i64,
}

/// All that a source needs to make event time.
///
/// ```
/// use std::time::Duration;
/// use yeoul_operator::{Strategy, WatermarkSpec};
///
/// let idle = Some(Duration::from_secs(60));
/// let spec = WatermarkSpec { strategy: Strategy::Monotonous, idleness: idle, ..WatermarkSpec::default() };
/// assert_eq!(spec.granularity, WatermarkSpec::GRANULARITY);
/// ```
#[derive(Clone)]
pub struct WatermarkSpec {
    /// Reads event times from records. Without one the source's own times stand.
    pub assigner: Option<Arc<dyn TimestampAssigner>>,
    /// How watermarks follow from them.
    pub strategy: Strategy,
    /// A watermark is sent when it has risen by at least this many milliseconds since the last one sent. 0 sends every rise.
    pub granularity: i64,
    /// After this long without a record a split no longer holds the watermark back.
    pub idleness: Option<Duration>,
    /// Whether it waits for other sources.
    pub alignment: Option<Alignment>,
}

impl Default for WatermarkSpec {
    fn default() -> Self {
        Self {
            assigner: None,
            strategy: Strategy::None,
            granularity: Self::GRANULARITY,
            idleness: None,
            alignment: None,
        }
    }
}

impl WatermarkSpec {
    /// As often as Flink's `pipeline.auto-watermark-interval`, but in event time.
    pub const GRANULARITY: i64 = 200;
}
