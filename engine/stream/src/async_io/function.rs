//! What the user writes: how a record becomes a request, and what happens if no answer comes.

use std::error::Error;
use std::marker::PhantomData;
use std::time::Duration;

use yeoul_frame::{Record, RowKind, Timestamp};
use yeoul_operator::{OpenContext, OperatorError};

use crate::StateRecord;
use crate::owned_state::archive;

/// Of a record's archive, how many bytes its description shows.
const SHOWN_BYTES: usize = 32;

/// Asks the outside about each record (Flink's `AsyncFunction`).
///
/// The future is polled on the shard's thread, so it must not block there: it awaits what others bring, and they wake it. A client that needs
/// an executor (tokio's, say) is given the request by `handle.spawn(…)`, and the future awaits the `JoinHandle`. One that blocks has
/// threads of its own and answers by a channel, as here:
///
/// ```
/// use std::sync::mpsc;
/// use std::time::Duration;
///
/// use futures_channel::oneshot;
/// use yeoul_operator::{OpenContext, OperatorError};
/// use yeoul_stream::{AsyncFunction, AsyncOptions, AsyncRequest, DataStream, OperatorHarness};
///
/// type Question = (u64, oneshot::Sender<String>);
///
/// #[derive(Clone, Default)]
/// struct Names {
///     questions: Option<mpsc::Sender<Question>>,
/// }
///
/// impl AsyncFunction for Names {
///     type In = u64;
///     type Out = (u64, String);
///     type Error = oneshot::Canceled;
///
///     fn open(&mut self, _: &mut OpenContext<'_>) -> Result<(), OperatorError> {
///         let (questions, asked) = mpsc::channel::<Question>();
///         // Where the client is that may block. The thread ends with the function.
///         std::thread::spawn(move || {
///             for (id, answer) in asked {
///                 let _ = answer.send(format!("customer {id}"));
///             }
///         });
///         self.questions = Some(questions);
///         Ok(())
///     }
///
///     fn invoke(&mut self, id: &u64, _: AsyncRequest) -> impl Future<Output = Result<Vec<Self::Out>, Self::Error>> + Send + 'static {
///         let (answer, answered) = oneshot::channel();
///         let id = *id;
///         // If the thread is gone, so is the answer's sender, and the request fails.
///         let _ = self.questions.as_ref().expect("opened").send((id, answer));
///         async move { Ok(vec![(id, answered.await?)]) }
///     }
/// }
///
/// let options = AsyncOptions::new(Duration::from_secs(10)).capacity(500);
/// let mut harness = OperatorHarness::of(|ids: DataStream<u64>| ids.async_ordered(Names::default(), options))?;
/// harness.push([(7, 70), (8, 80)])?;
/// let mut names = Vec::new();
/// while names.len() < 2 {
///     harness.processing_time(0)?;
///     names.extend(harness.take_output());
///     std::thread::yield_now();
/// }
/// assert_eq!(names, [((7, "customer 7".to_owned()), 70), ((8, "customer 8".to_owned()), 80)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
///
/// The job's state and output are exactly once; requests are at least once: those in flight at a checkpoint are made again by whoever goes on
/// from it, and so are those that were made after it. With another number of subtasks they are dealt out over all of them, and then leave in
/// no order between subtasks.
pub trait AsyncFunction: Send + 'static {
    /// What it takes. Its owned value: a request outlives the frame that its record came in, may be made again, and goes into snapshots.
    type In: StateRecord;
    /// What it gives.
    type Out: Record;
    /// What a request fails with. One that is not tried again fails the job.
    type Error: Error + Send + Sync + 'static;

    /// Called once for each subtask, before the first record.
    ///
    /// # Errors
    /// Whatever makes it impossible to run; the job fails with it.
    fn open(&mut self, cx: &mut OpenContext<'_>) -> Result<(), OperatorError> {
        let _ = cx;
        Ok(())
    }

    /// Makes the request for a record. Results take the record's event time and kind. Called anew for each attempt.
    fn invoke(
        &mut self,
        record: &Self::In,
        request: AsyncRequest,
    ) -> impl Future<Output = Result<Vec<Self::Out>, Self::Error>> + Send + 'static;

    /// No answer came within the time limit; the future has been dropped. What this gives takes the place of the answer.
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use yeoul_operator::OperatorError;
    /// # use yeoul_stream::{AsyncFunction, AsyncOptions, AsyncRequest, DataStream, OperatorHarness};
    /// /// Asks about prices; a price that is not known in time is 0.
    /// #[derive(Clone)]
    /// struct Prices;
    ///
    /// impl AsyncFunction for Prices {
    ///     type In = u64;
    ///     type Out = (u64, u64);
    ///     type Error = Infallible;
    ///
    ///     fn invoke(&mut self, _: &u64, _: AsyncRequest) -> impl Future<Output = Result<Vec<(u64, u64)>, Infallible>> + Send + 'static {
    ///         std::future::pending()
    ///     }
    ///
    ///     fn timeout(&mut self, item: &u64, _: AsyncRequest) -> Result<Vec<(u64, u64)>, OperatorError> {
    ///         Ok(vec![(*item, 0)])
    ///     }
    /// }
    ///
    /// let options = AsyncOptions::new(Duration::from_secs(1));
    /// let mut harness = OperatorHarness::of(|items: DataStream<u64>| items.async_ordered(Prices, options))?;
    /// harness.push([(7, 70)])?;
    /// harness.processing_time(0)?;
    /// harness.processing_time(1_000)?;
    /// assert_eq!(harness.take_output(), [((7, 0), 70)]);
    /// # Ok::<_, yeoul_stream::HarnessError>(())
    /// ```
    ///
    /// # Errors
    /// By default the job fails with the record's [description](Self::describe).
    fn timeout(&mut self, record: &Self::In, request: AsyncRequest) -> Result<Vec<Self::Out>, OperatorError> {
        let what = format!(
            "no answer within {:?} ({} of event time {})",
            request.time_limit(),
            self.describe(record),
            request.timestamp().0
        );
        Err(OperatorError::new(what)
            .hint("raise the time limit of AsyncOptions, or say in AsyncFunction::timeout what stands for the answer"))
    }

    /// What messages call a record. By default its type, and its archive's first bytes in hexadecimal.
    fn describe(&self, record: &Self::In) -> String {
        let bytes = archive(record);
        let shown: String = bytes.iter().take(SHOWN_BYTES).map(|byte| format!("{byte:02x}")).collect();
        let more = if bytes.len() > SHOWN_BYTES { "…" } else { "" };
        format!("record {shown}{more} of type {}", std::any::type_name::<Self::In>())
    }

    /// Called once at the end. Requests in flight have been dropped.
    fn close(&mut self) {}
}

/// What an [`AsyncFunction`] knows of a request beside its record.
///
/// ```
/// use std::convert::Infallible;
/// use std::time::Duration;
/// use yeoul_frame::RowKind;
/// use yeoul_stream::{AsyncFunction, AsyncOptions, AsyncRequest, DataStream, OperatorHarness};
///
/// /// Stamps each number with when it happened.
/// #[derive(Clone)]
/// struct Stamp;
///
/// impl AsyncFunction for Stamp {
///     type In = u64;
///     type Out = (u64, i64);
///     type Error = Infallible;
///
///     fn invoke(&mut self, n: &u64, request: AsyncRequest) -> impl Future<Output = Result<Vec<(u64, i64)>, Infallible>> + Send + 'static {
///         assert_eq!((request.kind(), request.attempt()), (RowKind::Insert, 1));
///         assert_eq!(request.time_limit(), Duration::from_secs(1));
///         let stamped = (*n, request.timestamp().0);
///         async move { Ok(vec![stamped]) }
///     }
/// }
///
/// let options = AsyncOptions::new(Duration::from_secs(1));
/// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.async_unordered(Stamp, options))?;
/// harness.push([(7, 70)])?;
/// harness.processing_time(0)?;
/// assert_eq!(harness.take_output(), [((7, 70), 70)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct AsyncRequest {
    pub(super) time: Timestamp,
    pub(super) kind: RowKind,
    pub(super) attempt: u32,
    pub(super) limit: Duration,
}

impl AsyncRequest {
    /// The record's event time.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.time
    }

    /// The record's kind, in a changelog.
    #[must_use]
    pub fn kind(&self) -> RowKind {
        self.kind
    }

    /// Which attempt this is, from 1. After a restore they are counted anew.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How long all attempts together may take.
    #[must_use]
    pub fn time_limit(&self) -> Duration {
        self.limit
    }
}

/// See [`async_fn`].
pub struct AsyncFn<I, O, E, F, R> {
    invoke: F,
    types: PhantomData<fn(I) -> (O, E, R)>,
}

impl<I, O, E, F: Clone, R> Clone for AsyncFn<I, O, E, F, R> {
    fn clone(&self) -> Self {
        Self { invoke: self.invoke.clone(), types: PhantomData }
    }
}

/// An [`AsyncFunction`] of a closure, for requests that need neither opening nor closing.
///
/// ```
/// use std::convert::Infallible;
/// use std::time::Duration;
/// use yeoul_stream::{AsyncOptions, DataStream, OperatorHarness, async_fn};
///
/// let twice = async_fn(|n: &u64| {
///     let n = *n;
///     async move { Ok::<_, Infallible>(vec![n, n]) }
/// });
/// let options = AsyncOptions::new(Duration::from_secs(1));
/// let mut harness = OperatorHarness::of(|numbers: DataStream<u64>| numbers.async_ordered(twice, options))?;
/// harness.push([(7, 70)])?;
/// harness.processing_time(0)?;
/// assert_eq!(harness.take_output(), [(7, 70), (7, 70)]);
/// # Ok::<_, yeoul_stream::HarnessError>(())
/// ```
pub fn async_fn<I, O, E, F, R>(invoke: F) -> AsyncFn<I, O, E, F, R>
where
    F: FnMut(&I) -> R,
    R: Future<Output = Result<Vec<O>, E>> + Send + 'static,
{
    AsyncFn { invoke, types: PhantomData }
}

impl<I, O, E, F, R> AsyncFunction for AsyncFn<I, O, E, F, R>
where
    I: StateRecord,
    O: Record,
    E: Error + Send + Sync + 'static,
    F: FnMut(&I) -> R + Send + 'static,
    R: Future<Output = Result<Vec<O>, E>> + Send + 'static,
{
    type In = I;
    type Out = O;
    type Error = E;

    fn invoke(&mut self, record: &I, _: AsyncRequest) -> impl Future<Output = Result<Vec<O>, E>> + Send + 'static {
        (self.invoke)(record)
    }
}
