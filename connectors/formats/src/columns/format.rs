//! The text formats of tables, with Flink's options: `json`, `csv` and `raw`.
//!
//! Differences from Flink, all on purpose: timestamps are read in both forms whichever is set (the setting counts for
//! writing); an empty CSV field is null for columns that are not text, where Flink fails; what `ignore-parse-errors` lets Flink
//! drop is a malformed record here, which goes to the error output, if its structure is broken, and a null field if a value
//! does not fit; `csv.header` and `csv.newlines-in-quotes` are Yeoul's own.

use std::sync::Arc;

use arrow_schema::Schema;

use super::plan::{ColumnPlan, Shape, UnfitColumns};
use super::{ColumnDecoder, Reader};
use crate::csv::{CsvOptions, CsvReader, Header, Nulls};
use crate::lines::LineDecoder;
use crate::ndjson::NdjsonReader;
use crate::options::{OptionError, Options};
use crate::type_name;
use yeoul_frame::{DataType, Field};

/// How a table's rows stand in text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextFormat {
    /// One JSON object a line.
    Json(JsonOptions),
    /// Comma-separated values.
    Csv(CsvTableOptions),
    /// Each line is the only column.
    Raw,
}

/// How timestamps are written (Flink's `json.timestamp-format.standard`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampForm {
    /// `2026-01-01 10:15:00.5`.
    #[default]
    Sql,
    /// `2026-01-01T10:15:00.5`.
    Iso,
}

/// Flink's options of `json`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JsonOptions {
    /// `json.fail-on-missing-field`: a key of a projected column that an object lacks makes its record malformed. False by
    /// default.
    pub fail_on_missing_field: bool,
    /// `json.ignore-parse-errors`: a value that does not fit is null. False by default.
    pub ignore_parse_errors: bool,
    /// `json.timestamp-format.standard`: `SQL` by default, or `ISO-8601`.
    pub timestamps: TimestampForm,
    /// `json.encode.ignore-null-fields`: fields that are null are not written. False by default.
    pub ignore_null_fields: bool,
}

/// Flink's options of `csv`, and `csv.header` and `csv.newlines-in-quotes`, which are Yeoul's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvTableOptions {
    /// `csv.field-delimiter`: a comma by default.
    pub delimiter: u8,
    /// `csv.null-literal`: what is read and written for null. By default null is written as nothing, and a column of text
    /// reads nothing as empty text.
    pub null_literal: Option<String>,
    /// `csv.ignore-parse-errors`: a value that does not fit is null. False by default.
    pub ignore_parse_errors: bool,
    /// `csv.header`: whether files have a line of column names first. Not by default; `names` (or `true`) finds columns by
    /// them, `skip` does not look at them. Written files have one for both.
    pub header: Header,
    /// `csv.newlines-in-quotes`: true by default; a file is read by several shards only if it is false.
    pub newlines_in_quotes: bool,
}

impl Default for CsvTableOptions {
    fn default() -> Self {
        Self {
            delimiter: b',',
            null_literal: None,
            ignore_parse_errors: false,
            header: Header::Absent,
            newlines_in_quotes: true,
        }
    }
}

impl CsvTableOptions {
    /// Whether a record's end, its fields and its nulls can be told apart.
    pub(super) fn check(&self) -> Result<(), UnfitColumns> {
        if !self.delimiter.is_ascii() || matches!(self.delimiter, b'"' | b'\r' | b'\n') {
            return Err(UnfitColumns(format!(
                "the byte {:?} is no delimiter of csv: it is one ASCII character other than a quote or line end",
                char::from(self.delimiter)
            )));
        }
        match &self.null_literal {
            Some(null) if !can_stand(null, self.delimiter) => Err(UnfitColumns(format!(
                "the text {null:?} is no null of csv: it holds the delimiter, a quote or a line end"
            ))),
            _ => Ok(()),
        }
    }
}

/// A field may be this text, without quotes.
fn can_stand(text: &str, delimiter: u8) -> bool {
    !text.bytes().any(|byte| byte == delimiter || matches!(byte, b'"' | b'\r' | b'\n'))
}

impl TextFormat {
    /// The names of all formats, as `format` takes them.
    pub const NAMES: &[&str] = &["json", "csv", "raw"];

    /// The format of this name, with its options. `None`: there is no such format.
    ///
    /// # Errors
    /// An option with a value that it does not take.
    pub fn from_options(name: &str, options: &mut Options<'_>) -> Result<Option<Self>, OptionError> {
        without_effect(name, options)?;
        Ok(Some(match name {
            "json" => Self::Json(JsonOptions {
                fail_on_missing_field: options.flag("json.fail-on-missing-field", false)?,
                ignore_parse_errors: options.flag("json.ignore-parse-errors", false)?,
                timestamps: options.choice(
                    "json.timestamp-format.standard",
                    &[("SQL", TimestampForm::Sql), ("ISO-8601", TimestampForm::Iso)],
                    TimestampForm::Sql,
                )?,
                ignore_null_fields: options.flag("json.encode.ignore-null-fields", false)?,
            }),
            "csv" => Self::Csv(CsvTableOptions {
                delimiter: delimiter(options)?,
                null_literal: null_literal(options)?,
                ignore_parse_errors: options.flag("csv.ignore-parse-errors", false)?,
                header: options.choice(
                    "csv.header",
                    &[
                        ("none", Header::Absent),
                        ("false", Header::Absent),
                        ("names", Header::Named),
                        ("true", Header::Named),
                        ("skip", Header::Skipped),
                    ],
                    Header::Absent,
                )?,
                newlines_in_quotes: options.flag("csv.newlines-in-quotes", true)?,
            }),
            "raw" => {
                options.choice("raw.charset", &[("UTF-8", ())], ())?;
                Self::Raw
            }
            _ => return Ok(None),
        }))
    }

    /// Whether every newline ends a record, so that a file can be divided at any of them.
    #[must_use]
    pub fn is_divisible(&self) -> bool {
        match self {
            Self::Json(_) | Self::Raw => true,
            Self::Csv(options) => !options.newlines_in_quotes,
        }
    }

    /// The plan to read a table by this format; see [`ColumnPlan::new`]. If a key that is missing is an error, then that counts
    /// for all fields of the projected columns, used or not, and for no other column, as in Flink.
    ///
    /// # Errors
    /// A type that text formats do not carry, or a path that leads nowhere.
    pub fn plan(
        &self,
        table: &Schema,
        projection: Option<&[usize]>,
        used: Option<&[Vec<String>]>,
    ) -> Result<ColumnPlan, UnfitColumns> {
        let strict = matches!(self, Self::Json(options) if options.fail_on_missing_field);
        ColumnPlan::new(table, projection, used.filter(|_| !strict))
    }

    /// A value that does not fit its column is null.
    #[must_use]
    pub fn forgives(&self) -> bool {
        match self {
            Self::Json(options) => options.ignore_parse_errors,
            Self::Csv(options) => options.ignore_parse_errors,
            Self::Raw => false,
        }
    }

    /// A decoder for one file.
    ///
    /// # Errors
    /// The format cannot carry the table.
    pub fn decoder(&self, plan: &Arc<ColumnPlan>) -> Result<ColumnDecoder, UnfitColumns> {
        let tree = plan.tree.clone();
        Ok(ColumnDecoder(match self {
            Self::Json(options) => Reader::Ndjson(NdjsonReader::new(tree).all_keys(options.fail_on_missing_field)),
            Self::Csv(options) => {
                options.check()?;
                let nested = plan.output.fields().iter().find(|field| field.data_type().is_nested());
                if let Some(field) = nested {
                    let name = field.name();
                    return Err(UnfitColumns(format!(
                        "column `{name}` is of type {}, which csv does not carry; use json, or flat columns",
                        type_name(field.data_type())
                    )));
                }
                let csv = CsvOptions {
                    delimiter: options.delimiter,
                    header: options.header,
                    newlines_in_quotes: options.newlines_in_quotes,
                };
                let null = options.null_literal.as_ref().map(|null| null.as_bytes().into());
                Reader::Csv(CsvReader::new(tree, csv).with_columns(&plan.positions, Nulls::Literal(null)))
            }
            Self::Raw => {
                let text = plan.leaves.iter().all(|leaf| matches!(leaf.shape, Shape::Strings));
                if plan.positions.len() != 1
                    || plan.output.fields().iter().any(|field| field.data_type().is_nested())
                    || !text
                {
                    return Err(UnfitColumns("format raw is for tables of one column of type STRING".to_owned()));
                }
                Reader::Lines(LineDecoder::new(&[Field { name: "line", data_type: DataType::Utf8, nullable: false }]))
            }
        }))
    }
}

fn null_literal(options: &mut Options<'_>) -> Result<Option<String>, OptionError> {
    const KEY: &str = "csv.null-literal";
    let delimiter = delimiter(options)?;
    let refuse = |text| OptionError::value(KEY, text, "a text without the delimiter, quotes and line ends");
    match options.text(KEY) {
        Some(text) if !can_stand(text, delimiter) => Err(refuse(text)),
        text => Ok(text.map(str::to_owned)),
    }
}

/// Takes Flink's options that would change nothing, as far as their values are what is done anyhow.
fn without_effect(format: &str, options: &mut Options<'_>) -> Result<(), OptionError> {
    const BOTH: &[&str] = &["true", "false"];
    const NO_MAPS: &str = "there are no columns of type MAP";
    const PLAIN: &str = "decimals are written in full";
    let any: &[&str] = &[];
    let known: &[(&str, &[&str], &str)] = match format {
        "json" => &[
            ("json.decode.json-parser.enabled", BOTH, "there is one parser"),
            ("json.encode.decimal-as-plain-number", BOTH, PLAIN),
            ("json.map-null-key.mode", &["FAIL", "DROP", "LITERAL"], NO_MAPS),
            ("json.map-null-key.literal", any, NO_MAPS),
        ],
        "csv" => &[
            ("csv.quote-character", &["\""], "fields are quoted by double quotes"),
            ("csv.disable-quote-character", &["false"], "quotes are always read as such"),
            ("csv.allow-comments", &["false"], "every line is a record"),
            ("csv.escape-character", &[""], "a quote in a field is written twice"),
            ("csv.array-element-delimiter", any, "there are no columns of type ARRAY in csv"),
            ("csv.write-bigdecimal-in-scientific-notation", BOTH, PLAIN),
        ],
        "raw" => &[("raw.endianness", &["big-endian", "little-endian"], "there are no numbers in raw")],
        _ => &[],
    };
    known.iter().try_for_each(|(key, values, why)| options.without_effect(key, values, why))
}

/// As Flink has it, which undoes the escapes of Java: SQL strings have none of their own.
fn delimiter(options: &mut Options<'_>) -> Result<u8, OptionError> {
    const KEY: &str = "csv.field-delimiter";
    let text = options.text(KEY).unwrap_or(",");
    let escaped = |code: &str| code.len() == 4 && code.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = match text.strip_prefix('\\') {
        Some("t") => Some(b'\t'),
        Some("\\") | Some("") => Some(b'\\'),
        Some(rest) => {
            let code = rest.strip_prefix('u').filter(|code| escaped(code));
            code.and_then(|code| u8::from_str_radix(code, 16).ok())
        }
        None => text.as_bytes().first().copied().filter(|_| text.len() == 1),
    };
    byte.filter(|byte| byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n')).ok_or_else(|| {
        OptionError::value(KEY, text, "one ASCII character other than a quote or line end, or one as \\t or \\u0001")
    })
}
