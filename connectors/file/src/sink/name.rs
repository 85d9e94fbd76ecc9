//! The names of parts: who wrote them, and in which epochs. They are the markers of what has been delivered.
//!
//! ```text
//! part-00001-e0000000003-0000000007.ndjson     visible
//! .part-00001-e0000000003.ndjson.open          not complete yet
//! .part.lock                                   held while a job writes here
//! ```

use yeoul_frame::Epoch;

/// How the parts of one sink are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartNames {
    pub(crate) prefix: String,
    pub(crate) extension: &'static str,
}

/// What a name in the folder is, if it is of this sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartName {
    Visible(Part),
    Open,
}

/// A visible part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) subtask: u16,
    pub(crate) first: Epoch,
    pub(crate) last: Epoch,
}

impl PartNames {
    pub(crate) fn visible(&self, part: Part) -> String {
        let Part { subtask, first, last } = part;
        format!("{}-{subtask:05}-e{:010}-{:010}.{}", self.prefix, first.0, last.0, self.extension)
    }

    pub(crate) fn open(&self, subtask: u16, first: Epoch) -> String {
        format!(".{}-{subtask:05}-e{:010}.{}.open", self.prefix, first.0, self.extension)
    }

    pub(crate) fn lock(&self) -> String {
        format!(".{}.lock", self.prefix)
    }

    /// Reads a name. None for what other sinks and people put there: only what this sink would write itself is its own.
    pub(crate) fn parse(&self, name: &str) -> Option<PartName> {
        let open = name.strip_prefix('.').and_then(|name| name.strip_suffix(".open"));
        let rest = open.unwrap_or(name).strip_prefix(&self.prefix)?.strip_prefix('-')?;
        let (subtask, rest) = rest.split_once("-e")?;
        let epochs = rest.strip_suffix(self.extension)?.strip_suffix('.')?;
        let subtask = subtask.parse().ok()?;
        let (parsed, own_spelling) = match (open, epochs.split_once('-')) {
            (Some(_), None) => (PartName::Open, self.open(subtask, Epoch(epochs.parse().ok()?))),
            (None, Some((first, last))) => {
                let part = Part { subtask, first: Epoch(first.parse().ok()?), last: Epoch(last.parse().ok()?) };
                (PartName::Visible(part), self.visible(part))
            }
            _ => return None,
        };
        (own_spelling == name).then_some(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_no_others() {
        let names = PartNames { prefix: "part".to_owned(), extension: "ndjson" };
        let part = Part { subtask: 1, first: Epoch(3), last: Epoch(12_345_678_901) };
        assert_eq!(names.visible(part), "part-00001-e0000000003-12345678901.ndjson");
        assert_eq!(names.open(1, Epoch(3)), ".part-00001-e0000000003.ndjson.open");
        assert_eq!(names.parse(&names.visible(part)), Some(PartName::Visible(part)));
        assert_eq!(names.parse(&names.open(1, Epoch(3))), Some(PartName::Open));
        for other in [
            "part-00001-e0000000003-0000000007.csv",
            "part-1-e3-7.ndjson",
            "part-late-00001-e0000000003-0000000007.ndjson",
            "part-00001-00002-e0000000003-0000000007.ndjson",
            "apart-00001-e0000000003-0000000007.ndjson",
            ".part-00001-e0000000003-0000000007.ndjson",
            "part-00001-e0000000003.ndjson",
            "part-+0001-e0000000003-0000000007.ndjson",
            "part-00001-e0000000003-0000000007.ndjson.open",
            ".part.lock",
            "",
        ] {
            assert_eq!(names.parse(other), None, "{other}");
        }
    }

    #[test]
    fn names_of_one_instance_sort_by_epoch() {
        let names = PartNames { prefix: "p".to_owned(), extension: "csv" };
        let list: Vec<String> = [1, 2, 9, 10, 11, 99, 100, 5_000_000]
            .map(|epoch| names.visible(Part { subtask: 7, first: Epoch(epoch), last: Epoch(epoch) }))
            .to_vec();
        assert!(list.is_sorted());
    }
}
