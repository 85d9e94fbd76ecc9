//! The answers: a folder with `events-100k.ndjson.gz`, `side_input.csv` and `expected/`, of which `MANIFEST.tsv` says all digests.
//!
//! The folder is not part of the repository; where it lies is told.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::read::GzDecoder;

/// The events, the side table and the answers.
#[derive(Debug, Clone)]
pub struct Answers {
    folder: PathBuf,
    /// By query: rows and SHA-256 of the table.
    manifest: BTreeMap<String, (u64, String)>,
}

impl Answers {
    /// What is in a folder.
    ///
    /// # Errors
    /// It is not such a folder.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let wrong = |line: &str| io::Error::other(format!("a line of expected/MANIFEST.tsv is not understood: {line}"));
        let text = std::fs::read_to_string(folder.join("expected/MANIFEST.tsv"))?;
        let entry = |line: &str| {
            let mut cells = line.split('\t');
            let query = cells.next()?.to_owned();
            let rows = cells.next()?.strip_prefix("rows=")?.parse().ok()?;
            let digest = cells.next_back()?.strip_prefix("sha256=")?.to_owned();
            Some((query, (rows, digest)))
        };
        let manifest = text.lines().map(|line| entry(line).ok_or_else(|| wrong(line))).collect::<io::Result<_>>()?;
        Ok(Self { folder: folder.to_owned(), manifest })
    }

    /// The packed events, which are read in their order.
    #[must_use]
    pub fn packed_events(&self) -> PathBuf {
        self.folder.join("events-100k.ndjson.gz")
    }

    /// The side table of q13.
    #[must_use]
    pub fn side_input(&self) -> PathBuf {
        self.folder.join("side_input.csv")
    }

    /// The events, unpacked into a file: it is read in several splits.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn unpack_events(&self, to: &Path) -> io::Result<()> {
        let text = unpacked(&self.packed_events())?;
        std::fs::write(to, text)
    }

    /// The queries that have an answer, in the order of their numbers.
    #[must_use]
    pub fn queries(&self) -> Vec<String> {
        let mut queries: Vec<String> = self.manifest.keys().cloned().collect();
        queries.sort_by_key(|query| (query.starts_with("cep"), query.len(), query.clone()));
        queries
    }

    /// How a table differs from the answer, if it does.
    ///
    /// # Errors
    /// The answer cannot be read.
    pub fn difference(&self, query: &str, table: &[u8]) -> io::Result<Option<String>> {
        let Some((rows, digest)) = self.manifest.get(query) else {
            return Ok(Some("there is no answer".to_owned()));
        };
        if sha256(table)? == *digest {
            return Ok(None);
        }
        let found: Vec<&[u8]> = table.split_inclusive(|byte| *byte == b'\n').collect();
        let expected = self.folder.join(format!("expected/{query}.csv.gz"));
        let head = format!("{} rows, expected {rows}", found.len());
        if !expected.exists() {
            return Ok(Some(format!("{head}; only its digest is known")));
        }
        let expected = unpacked(&expected)?;
        let expected: Vec<&[u8]> = expected.split_inclusive(|byte| *byte == b'\n').collect();
        let shown = |rows: &[&[u8]], others: &[&[u8]]| {
            let alone = rows.iter().filter(|row| others.binary_search(row).is_err());
            let first = alone.clone().next().map(|row| String::from_utf8_lossy(row).trim_end().to_owned());
            (alone.count(), first.map_or_else(String::new, |row| format!(", such as {row}")))
        };
        let (more, one) = shown(&found, &expected);
        let (fewer, other) = shown(&expected, &found);
        Ok(Some(format!("{head}; {more} too many{one}; {fewer} missing{other}")))
    }
}

fn unpacked(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    GzDecoder::new(std::fs::File::open(path)?).read_to_end(&mut text)?;
    Ok(text)
}

/// By the system's own program.
fn sha256(bytes: &[u8]) -> io::Result<String> {
    let mut child = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().expect("it is piped").write_all(bytes)?;
    let told = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    Ok(text.split_whitespace().next().unwrap_or_default().to_owned())
}
