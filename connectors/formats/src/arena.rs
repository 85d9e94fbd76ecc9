//! Memory for the strings of one record that had to be unescaped.
//!
//! One string a leaf, kept from record to record, so that unescaping allocates only until the longest has been seen.
//! Handing them out one after another from a mutable slice lets all cells of a record borrow at once, without copying at
//! the end and without unsafe code.

/// The strings that are still free for this record.
pub(crate) struct Arena<'a> {
    free: &'a mut [String],
}

impl<'a> Arena<'a> {
    pub(crate) fn new(free: &'a mut [String]) -> Self {
        Self { free }
    }

    /// An empty string that lives as long as the record's cells.
    ///
    /// # Panics
    /// If more are taken than there are leaves: a decoder gives each leaf at most one value a record.
    pub(crate) fn take(&mut self) -> &'a mut String {
        let (string, rest) = std::mem::take(&mut self.free).split_first_mut().expect("one string a leaf");
        self.free = rest;
        string.clear();
        string
    }
}
