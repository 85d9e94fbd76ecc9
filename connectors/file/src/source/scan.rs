//! How the files of a format fall into splits and how a split is read: what the reader of files, which knows listings, shares and
//! snapshots, asks of a format. Text is one implementation, whatever its records are; Parquet is the other.
//!
//! Invariants:
//! 1. A split's position is all that a snapshot needs to go on: what lies before it has been emitted, and nothing after.

use std::sync::Arc;

use yeoul_frame::Pool;
use yeoul_operator::{OperatorError, SourceContext, SplitId};
use yeoul_sys::File;

use super::discover::Identity;
use super::frames::{Frames, Reading};
use super::text::{Opened, Text, text_error};
use super::turn::InHand;
use super::{Compression, OnMalformed};

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// There may be more in the split.
    More,
    /// It has been read to its end.
    Done,
}

/// A file that is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    /// As the user would write it.
    pub(crate) path: &'a str,
    pub(crate) identity: Identity,
    pub(crate) compression: Compression,
}

/// What is to be read of a file.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    pub(crate) split: SplitId,
    /// Which of the file's splits it is.
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "row groups are spread by it"))]
    pub(crate) number: u64,
    /// How many splits the file has.
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "row groups are spread by it"))]
    pub(crate) count: u64,
    /// The bytes that the split stands for, where records are found by their place.
    pub(crate) range: std::ops::Range<u64>,
    /// The position to go on from, if it was begun.
    pub(crate) from: Option<u64>,
}

/// How files of a format are read.
pub(crate) trait Scan: Send + Sync + 'static {
    /// The frames that one instance is filling.
    type Frames: Send;
    /// An open file, kept from split to split.
    type Opened: Send;
    /// A split that is being read.
    type InHand: Send;

    /// How a file of this name is compressed as a whole, given what the user set.
    fn compression(&self, set: Compression, path: &str) -> Compression;

    /// Whether a file may be divided at any byte, and each part find what is its own.
    fn is_divisible(&self) -> bool;

    /// Whether a file without any bytes is one without records.
    fn may_be_empty(&self) -> bool;

    /// Frames of at most `rows` records.
    fn frames(&self, pool: &Pool, rows: usize) -> Self::Frames;

    /// Looks at what every split of a file needs.
    fn open(&self, input: Input<'_>, handle: Arc<dyn File>) -> Result<Self::Opened, OperatorError>;

    /// The handle of an open file.
    fn handle(opened: &Self::Opened) -> &Arc<dyn File>;

    /// Takes a split in hand.
    fn begin(
        &self,
        input: Input<'_>,
        share: Share,
        opened: Self::Opened,
        frames: &mut Self::Frames,
    ) -> Result<Self::InHand, OperatorError>;

    /// Reads about a frame.
    fn turn(
        &self,
        split: &mut Self::InHand,
        policy: OnMalformed,
        frames: &mut Self::Frames,
        cx: &mut SourceContext<'_>,
    ) -> Result<Turn, OperatorError>;

    /// The position before which all has been emitted, and nothing after.
    fn position(split: &Self::InHand) -> u64;

    /// Puts a split down: its file may be needed for the next.
    fn end(split: Self::InHand) -> Self::Opened;
}

impl<R: Reading> Scan for R {
    type Frames = R::Frames;
    type Opened = Opened;
    type InHand = InHand<R::Decoder>;

    fn compression(&self, set: Compression, path: &str) -> Compression {
        set.of(path)
    }

    fn is_divisible(&self) -> bool {
        Reading::is_divisible(self)
    }

    fn may_be_empty(&self) -> bool {
        true
    }

    fn frames(&self, pool: &Pool, rows: usize) -> R::Frames {
        Reading::frames(self, pool, rows)
    }

    fn open(&self, input: Input<'_>, handle: Arc<dyn File>) -> Result<Opened, OperatorError> {
        Opened::new(handle, input.identity.len).map_err(|fault| text_error(input.path, fault))
    }

    fn handle(opened: &Opened) -> &Arc<dyn File> {
        &opened.handle
    }

    fn begin(
        &self,
        input: Input<'_>,
        share: Share,
        opened: Opened,
        frames: &mut R::Frames,
    ) -> Result<InHand<R::Decoder>, OperatorError> {
        let text = match input.compression {
            Compression::Plain | Compression::ByName => Text::plain(opened, share.range, share.from),
            compression => Text::compressed(compression, opened, share.from),
        };
        let text = text.map_err(|fault| text_error(input.path, fault))?;
        frames.of_file(input);
        Ok(InHand::new(share.split, input.path.to_owned(), self.decoder(), text))
    }

    fn turn(
        &self,
        split: &mut InHand<R::Decoder>,
        policy: OnMalformed,
        frames: &mut R::Frames,
        cx: &mut SourceContext<'_>,
    ) -> Result<Turn, OperatorError> {
        split.turn(self, policy, frames, cx)
    }

    fn position(split: &InHand<R::Decoder>) -> u64 {
        split.position()
    }

    fn end(split: InHand<R::Decoder>) -> Opened {
        split.into_opened()
    }
}
