//! What a row does to the table that its stream describes.

/// A row's kind in a changelog (Flink's `RowKind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum RowKind {
    /// `+I`: a row comes in.
    #[default]
    Insert = 0,
    /// `-U`: the old form of a row that changes.
    UpdateBefore = 1,
    /// `+U`: the new form of a row that changes.
    UpdateAfter = 2,
    /// `-D`: a row goes.
    Delete = 3,
}

impl RowKind {
    /// The kind with this byte value (0 to 3), as it stands in frames and on disk.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Insert),
            1 => Some(Self::UpdateBefore),
            2 => Some(Self::UpdateAfter),
            3 => Some(Self::Delete),
            _ => None,
        }
    }

    /// `+I`, `-U`, `+U` or `-D`.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            Self::Insert => "+I",
            Self::UpdateBefore => "-U",
            Self::UpdateAfter => "+U",
            Self::Delete => "-D",
        }
    }
}
