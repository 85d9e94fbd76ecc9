//! What the planner has to know of a connector: its options, and which changes it reads and writes.
//!
//! The connectors themselves are below other crates; whoever runs a plan may give further ones.

use std::collections::BTreeMap;

use crate::error::{Result, SqlError, did_you_mean};

/// Which changes a sink takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// Rows that come and never change.
    Inserts,
    /// Every kind of change.
    Changes,
}

/// A connector as the planner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connector {
    /// The value of 'connector'.
    pub name: &'static str,
    /// Whether tables of it can be read.
    pub reads: bool,
    /// Which changes tables of it take; none if it cannot be written.
    pub writes: Option<Accepts>,
    /// Whether INSERT OVERWRITE can replace what is there.
    pub overwrites: bool,
    /// Whether rows can be looked up by key, for a join as of processing time.
    pub looks_up: bool,
    /// Options that have to be given.
    pub required: &'static [&'static str],
    /// Options that can be given; one that ends in `.*` stands for all with that prefix.
    pub optional: &'static [&'static str],
    /// Metadata keys that can be read.
    pub metadata: &'static [&'static str],
}

const FORMATS: &[&str] = &["csv", "json", "parquet", "raw"];

/// The connectors of this version.
pub const CONNECTORS: &[Connector] = &[
    Connector {
        name: "filesystem",
        reads: true,
        writes: Some(Accepts::Inserts),
        overwrites: true,
        looks_up: true,
        required: &["path", "format"],
        optional: &[
            "csv.*",
            "json.*",
            "parquet.*",
            "raw.*",
            "compression",
            "source.monitor-interval",
            "source.path.regex-pattern",
            "source.split-size",
            "source.compression",
            "source.report-statistics",
            "auto-compaction",
            "compaction.file-size",
            "sink.*",
            "partition.*",
            "lookup.*",
            "scan.*",
        ],
        metadata: &["file.path", "file.name", "file.size", "file.modification-time"],
    },
    Connector {
        name: "datagen",
        reads: true,
        writes: None,
        overwrites: false,
        looks_up: false,
        required: &[],
        optional: &["rows-per-second", "number-of-rows", "seed", "fields.*", "scan.*"],
        metadata: &[],
    },
    Connector {
        name: "nexmark",
        reads: true,
        writes: None,
        overwrites: false,
        looks_up: false,
        required: &[],
        optional: &[
            "events.num",
            "first-event.rate",
            "next-event.rate",
            "person.proportion",
            "auction.proportion",
            "bid.proportion",
            "rate.*",
            "max-emit-speed",
            "keep-alive",
            "stop-at",
            "table",
            "seed",
            "base-time",
            "bid.*",
            "auction.*",
            "person.*",
            "scan.*",
        ],
        metadata: &[],
    },
    Connector {
        name: "print",
        reads: false,
        writes: Some(Accepts::Changes),
        overwrites: false,
        looks_up: false,
        required: &[],
        optional: &["print-identifier", "standard-error", "sink.*"],
        metadata: &[],
    },
    Connector {
        name: "blackhole",
        reads: false,
        writes: Some(Accepts::Changes),
        overwrites: false,
        looks_up: false,
        required: &[],
        optional: &["sink.*"],
        metadata: &[],
    },
];

/// The connector that a table's options name, after a look at all of them.
///
/// # Errors
/// If there is no connector, or an option is missing, unknown or of no use.
pub fn connector_of(options: &BTreeMap<String, String>) -> Result<&'static Connector> {
    let name = options.get("connector").ok_or_else(|| {
        SqlError::new("the option 'connector' is missing").hint(format!("write WITH ('connector' = '…'): {}", names()))
    })?;
    let connector = CONNECTORS.iter().find(|connector| connector.name == name).ok_or_else(|| {
        let near = did_you_mean(name, CONNECTORS.iter().map(|connector| connector.name));
        SqlError::new(format!("there is no connector '{name}'")).maybe_hint(near).hint(names())
    })?;
    for required in connector.required {
        if !options.contains_key(*required) {
            return Err(SqlError::new(format!("the connector '{name}' wants the option '{required}'"))
                .hint(format!("add '{required}' = '…' to WITH")));
        }
    }
    for key in options.keys() {
        let known = key == "connector"
            || connector.required.contains(&key.as_str())
            || connector.optional.iter().any(|known| match known.strip_suffix('*') {
                Some(prefix) => key.starts_with(prefix),
                None => known == key,
            });
        if !known {
            let all = connector.required.iter().chain(connector.optional).copied();
            return Err(SqlError::new(format!("the connector '{name}' has no option '{key}'"))
                .maybe_hint(did_you_mean(key, all)));
        }
    }
    if let Some(format) = options.get("format")
        && !FORMATS.contains(&format.as_str())
    {
        let near = match format.as_str() {
            "ndjson" | "jsonl" => Some("write 'json': of which each line is an object".to_owned()),
            _ => did_you_mean(format, FORMATS.iter().copied()),
        };
        return Err(SqlError::new(format!("there is no format '{format}'")).maybe_hint(near));
    }
    Ok(connector)
}

fn names() -> String {
    let names: Vec<&str> = CONNECTORS.iter().map(|connector| connector.name).collect();
    format!("connectors are {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(options: &[(&str, &str)]) -> String {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        connector_of(&options).map_or_else(|error| error.to_string(), |connector| connector.name.to_owned())
    }

    #[test]
    fn options_are_checked() {
        assert_eq!(
            checked(&[("connector", "filesystem"), ("path", "x"), ("format", "json"), ("json.a", "1")]),
            "filesystem"
        );
        assert_eq!(
            checked(&[("connector", "filesytem")]),
            "there is no connector 'filesytem'\n  hint: did you mean 'filesystem'?"
        );
        assert_eq!(
            checked(&[("connector", "filesystem"), ("path", "x"), ("format", "jsn")]),
            "there is no format 'jsn'\n  hint: did you mean 'json'?"
        );
        assert_eq!(
            checked(&[("connector", "filesystem"), ("path", "x"), ("format", "ndjson")]),
            "there is no format 'ndjson'\n  hint: write 'json': of which each line is an object"
        );
        for known in ["auto-compaction", "compaction.file-size", "source.report-statistics"] {
            let options = [("connector", "filesystem"), ("path", "x"), ("format", "csv"), (known, "0")];
            assert_eq!(checked(&options), "filesystem", "{known}");
        }
        assert!(
            checked(&[("connector", "datagen"), ("rows-per-secnd", "1")]).contains("did you mean 'rows-per-second'?")
        );
        assert!(checked(&[]).contains("the option 'connector' is missing"));
    }
}
