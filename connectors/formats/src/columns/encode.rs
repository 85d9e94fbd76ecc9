//! Columns to text: a line a row, as Flink's formats write them, or as its `print` connector shows them.
//!
//! What is written is the frame's selected rows, in order. Row kinds are shown by `print` only; who writes a format that has
//! none refuses changes before.

use std::fmt::Write as _;

use arrow_array::Array;
use arrow_schema::{DataType, SchemaRef};
use yeoul_frame::{Columns, Frame, RowKind, Timestamp};

use super::format::{CsvTableOptions, JsonOptions, TextFormat, TimestampForm};
use super::plan::UnfitColumns;
use super::view::{Value, View};
use crate::calendar_text::{write_clock, write_date, write_fine_time, write_time};
use crate::csv::Header;
use crate::decimal::write_decimal;
use crate::encode_csv::{not_finite_name, put_in_quotes, write_csv_text};
use crate::encode_json::write_string;
use crate::encode_number::write_signed;
use crate::time_text::write_timestamp;
use crate::type_name;

const NANOS_OF_MILLI: i128 = 1_000_000;

/// Writes frames as the bytes of a file, in pieces.
pub trait FrameEncoder: Send {
    /// What each file begins with.
    fn header(&self) -> Vec<u8>;

    /// Whether a row's kind is written with it; else rows of other kinds than INSERT lose what they say.
    fn shows_kinds(&self) -> bool {
        false
    }

    /// Appends whole rows, from position `from` of the frame's selection on, until `out` has at least `enough` bytes or the frame
    /// ends. Returns the position of the next row. (One that [holds](Self::held) rows appends what is due, if anything.)
    ///
    /// # Errors
    /// The format has no text for a row; nothing of that row is in `out`.
    fn encode(&mut self, frame: &Frame, from: usize, out: &mut Vec<u8>, enough: usize) -> Result<usize, String>;

    /// Bytes that it holds of rows which are not in any `out` yet. A format of lines holds none.
    fn held(&self) -> usize {
        0
    }

    /// Appends what the file that it writes ends with, until `out` has at least `enough` bytes; whether that is all of it. The next
    /// row begins another file.
    ///
    /// # Errors
    /// What is held cannot be written.
    fn end_file(&mut self, out: &mut Vec<u8>, enough: usize) -> Result<bool, String> {
        let _ = (out, enough);
        Ok(true)
    }
}

/// How rows of columns are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Style {
    /// In a text format.
    Format(TextFormat),
    /// As Flink's `print`: `+I[1, Boise, null, 2026-01-01T00:00]`.
    Print,
    /// The kind, then the row as CSV with whole timestamps: `+I1,Boise,,2026-01-01 00:00:00.000`. Equal rows are equal texts,
    /// so that a changelog can be folded without its types.
    Changelog,
    /// A JSON object whose first field is the kind: `{"op":"+I","id":1}`.
    JsonChangelog,
}

/// Writes column frames of one schema.
#[derive(Debug, Clone)]
pub struct ColumnEncoder {
    style: Style,
    schema: SchemaRef,
    /// By column: what stands before its value in JSON, the brace or comma left out.
    keys: Vec<Vec<u8>>,
}

impl ColumnEncoder {
    /// Writes frames of these columns.
    ///
    /// # Errors
    /// The style cannot carry them.
    pub fn new(schema: SchemaRef, style: Style) -> Result<Self, UnfitColumns> {
        for field in schema.fields() {
            View::fits(field.data_type(), field.name())?;
            if matches!(style, Style::Format(TextFormat::Csv(_))) && field.data_type().is_nested() {
                return Err(UnfitColumns(format!(
                    "column `{}` is of type {}, which csv does not carry; use json, or flat columns",
                    field.name(),
                    type_name(field.data_type())
                )));
            }
        }
        if let Style::Format(TextFormat::Csv(options)) = &style {
            options.check()?;
        }
        let text = |field: &arrow_schema::FieldRef| matches!(field.data_type(), DataType::Utf8View | DataType::Utf8);
        if style == Style::Format(TextFormat::Raw) && !(schema.fields().len() == 1 && text(&schema.fields()[0])) {
            return Err(UnfitColumns("format raw is for tables of one column of type STRING".to_owned()));
        }
        let keys = schema.fields().iter().map(|field| json_key(field.name())).collect();
        Ok(Self { style, schema, keys })
    }

    fn row(&self, views: &[View<'_>], row: usize, kind: RowKind, out: &mut Vec<u8>) -> Result<(), String> {
        match &self.style {
            Style::Format(TextFormat::Json(options)) => self.json_row(options, views, row, out),
            Style::Format(TextFormat::Csv(options)) => csv_row(options, views, row, out),
            Style::Format(TextFormat::Raw) => return raw_row(views, row, out),
            Style::Print => print_row(kind, views, row, out),
            Style::Changelog => changelog_row(kind, views, row, out),
            Style::JsonChangelog => {
                let start = out.len();
                self.json_row(&JsonOptions::default(), views, row, out);
                let separator: &[u8] = if views.is_empty() { b"\"" } else { b"\"," };
                let op = [b"\"op\":\"", kind.short().as_bytes(), separator].concat();
                out.splice(start + 1..=start, op);
            }
        }
        Ok(())
    }

    fn json_row(&self, options: &JsonOptions, views: &[View<'_>], row: usize, out: &mut Vec<u8>) {
        out.push(b'{');
        let mut any = false;
        for (key, view) in self.keys.iter().zip(views) {
            let value = view.value(row);
            if options.ignore_null_fields && matches!(value, Value::Null) {
                continue;
            }
            if std::mem::replace(&mut any, true) {
                out.push(b',');
            }
            out.extend_from_slice(key);
            json_value(options, &value, out);
        }
        out.extend_from_slice(b"}\n");
    }
}

impl FrameEncoder for ColumnEncoder {
    fn header(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Style::Format(TextFormat::Csv(options)) = &self.style
            && options.header != Header::Absent
        {
            for (i, field) in self.schema.fields().iter().enumerate() {
                if i > 0 {
                    out.push(options.delimiter);
                }
                write_csv_text(&mut out, field.name(), options.delimiter);
            }
            out.push(b'\n');
        }
        out
    }

    fn shows_kinds(&self) -> bool {
        !matches!(self.style, Style::Format(_))
    }

    fn encode(&mut self, frame: &Frame, from: usize, out: &mut Vec<u8>, enough: usize) -> Result<usize, String> {
        let columns = frame.columns().ok_or("a frame of rows came where columns were to come")?;
        self.check(columns)?;
        let views: Vec<View<'_>> = columns.arrays().iter().map(|array| View::of(&**array)).collect();
        let kinds = frame.kinds();
        let mut position = from;
        for row in frame.slice(from..frame.len()).indices() {
            let (row, start) = (row as usize, out.len());
            let kind = kinds.map_or(RowKind::Insert, |kinds| kinds[row]);
            if let Err(reason) = self.row(&views, row, kind, out) {
                out.truncate(start);
                return Err(reason);
            }
            position += 1;
            if out.len() >= enough {
                break;
            }
        }
        Ok(position)
    }
}

impl ColumnEncoder {
    /// The frame has the columns that were announced. Names and whether they may be null do not matter.
    fn check(&self, columns: &Columns) -> Result<(), String> {
        let types =
            |(field, array): (&arrow_schema::FieldRef, &arrow_array::ArrayRef)| field.data_type() == array.data_type();
        let arrays = columns.arrays();
        let same = arrays.len() == self.schema.fields().len() && self.schema.fields().iter().zip(arrays).all(types);
        if same {
            Ok(())
        } else {
            Err(format!("a frame of {} came where {} was to come", columns.schema(), self.schema))
        }
    }
}

fn json_key(name: &str) -> Vec<u8> {
    let mut key = Vec::new();
    write_string(&mut key, name);
    key.push(b':');
    key
}

fn json_value(options: &JsonOptions, value: &Value<'_, '_>, out: &mut Vec<u8>) {
    let quoted = |out: &mut Vec<u8>, write: &dyn Fn(&mut Vec<u8>)| {
        out.push(b'"');
        write(out);
        out.push(b'"');
    };
    match *value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Text(text) => write_string(out, text),
        Value::F32(value) if !value.is_finite() => quoted(out, &|out| write_f64(out, value.into())),
        Value::F64(value) if !value.is_finite() => quoted(out, &|out| write_f64(out, value)),
        Value::Time(..) | Value::FineTime(..) | Value::Date(_) | Value::Clock(_) => {
            quoted(out, &|out| write_plain(out, value, options.timestamps));
        }
        Value::Struct(fields, views, row) => {
            out.push(b'{');
            let mut any = false;
            for (field, view) in fields.iter().zip(views) {
                let value = view.value(row);
                if options.ignore_null_fields && matches!(value, Value::Null) {
                    continue;
                }
                if std::mem::replace(&mut any, true) {
                    out.push(b',');
                }
                write_string(out, field.name());
                out.push(b':');
                json_value(options, &value, out);
            }
            out.push(b'}');
        }
        Value::List(elements, ref range) => {
            out.push(b'[');
            for at in range.clone() {
                if at > range.start {
                    out.push(b',');
                }
                json_value(options, &elements.value(at), out);
            }
            out.push(b']');
        }
        _ => write_plain(out, value, options.timestamps),
    }
}

fn csv_row(options: &CsvTableOptions, views: &[View<'_>], row: usize, out: &mut Vec<u8>) {
    let null = options.null_literal.as_deref();
    for (i, view) in views.iter().enumerate() {
        if i > 0 {
            out.push(options.delimiter);
        }
        match view.value(row) {
            Value::Null => out.extend_from_slice(null.unwrap_or_default().as_bytes()),
            // In quotes it is no null.
            Value::Text(text) if null == Some(text) && !text.is_empty() => {
                let start = out.len();
                write_csv_text(out, text, options.delimiter);
                if out.get(start) != Some(&b'"') {
                    put_in_quotes(out, start);
                }
            }
            Value::Text(text) => write_csv_text(out, text, options.delimiter),
            value => {
                let start = out.len();
                write_plain(out, &value, TimestampForm::Sql);
                let text = &out[start..];
                if text.contains(&options.delimiter) || null.is_some_and(|null| null.as_bytes() == text) {
                    put_in_quotes(out, start);
                }
            }
        }
    }
    out.push(b'\n');
}

fn raw_row(views: &[View<'_>], row: usize, out: &mut Vec<u8>) -> Result<(), String> {
    match views.first().map(|view| view.value(row)) {
        // A CR at the end would be read as one half of the line's end.
        Some(Value::Text(text)) if !text.contains('\n') && !text.ends_with('\r') => {
            out.extend_from_slice(text.as_bytes());
        }
        Some(Value::Text(text)) => {
            let shown: String = text.chars().take(32).collect();
            return Err(format!(
                "format raw cannot write {shown:?}, which holds a line end or ends in a carriage return"
            ));
        }
        _ => {}
    }
    out.push(b'\n');
    Ok(())
}

fn print_row(kind: RowKind, views: &[View<'_>], row: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(kind.short().as_bytes());
    print_fields(views, row, out);
    out.push(b'\n');
}

fn changelog_row(kind: RowKind, views: &[View<'_>], row: usize, out: &mut Vec<u8>) {
    const DELIMITER: u8 = b',';
    out.extend_from_slice(kind.short().as_bytes());
    for (i, view) in views.iter().enumerate() {
        if i > 0 {
            out.push(DELIMITER);
        }
        match view.value(row) {
            Value::Null => {}
            Value::Text(text) => write_csv_text(out, text, DELIMITER),
            Value::Time(millis, _) => write_timestamp(out, Timestamp(millis)),
            value @ (Value::Struct(..) | Value::List(..)) => {
                let mut text = Vec::new();
                print_value(&value, &mut text);
                write_csv_text(out, &String::from_utf8_lossy(&text), DELIMITER);
            }
            value => write_plain(out, &value, TimestampForm::Sql),
        }
    }
    out.push(b'\n');
}

fn print_fields(views: &[View<'_>], row: usize, out: &mut Vec<u8>) {
    out.push(b'[');
    for (i, view) in views.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        print_value(&view.value(row), out);
    }
    out.push(b']');
}

fn print_value(value: &Value<'_, '_>, out: &mut Vec<u8>) {
    match *value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        Value::F32(value) => java_float(out, value.into(), format_args!("{value:?}"), format_args!("{value:E}")),
        Value::F64(value) => java_float(out, value, format_args!("{value:?}"), format_args!("{value:E}")),
        Value::Time(millis, instant) => java_time(out, i128::from(millis) * NANOS_OF_MILLI, instant),
        Value::FineTime(nanos, instant) => java_time(out, nanos, instant),
        Value::Clock(millis) => java_clock(out, millis.rem_euclid(86_400_000) as u32, 0, false),
        Value::Struct(_, views, row) => {
            out.extend_from_slice(RowKind::Insert.short().as_bytes());
            print_fields(views, row, out);
        }
        Value::List(elements, ref range) => {
            out.push(b'[');
            for at in range.clone() {
                if at > range.start {
                    out.extend_from_slice(b", ");
                }
                print_value(&elements.value(at), out);
            }
            out.push(b']');
        }
        _ => write_plain(out, value, TimestampForm::Sql),
    }
}

/// `2026-01-01T10:15`, and with a `Z` if it is an instant.
fn java_time(out: &mut Vec<u8>, nanos: i128, instant: bool) {
    let (millis, below) = (nanos.div_euclid(NANOS_OF_MILLI) as i64, nanos.rem_euclid(NANOS_OF_MILLI) as u32);
    write_date(out, millis.div_euclid(86_400_000));
    out.push(b'T');
    java_clock(out, millis.rem_euclid(86_400_000) as u32, below, instant);
    if instant {
        out.push(b'Z');
    }
}

/// `10:15`, `10:15:30`, `10:15:30.500`, or six or nine digits with nanoseconds below the last millisecond, as Java prints times of
/// day; with `seconds` they are always there.
fn java_clock(out: &mut Vec<u8>, millis: u32, below: u32, seconds: bool) {
    let (h, m, s, ms) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60, millis % 1000);
    let mut text = format!("{h:02}:{m:02}");
    // Writing to a String cannot fail.
    let _ = match (s, ms, below) {
        (0, 0, 0) if !seconds => Ok(()),
        (s, 0, 0) => write!(text, ":{s:02}"),
        (s, ms, 0) => write!(text, ":{s:02}.{ms:03}"),
        (s, ms, below) if below % 1000 == 0 => write!(text, ":{s:02}.{ms:03}{:03}", below / 1000),
        (s, ms, below) => write!(text, ":{s:02}.{ms:03}{below:06}"),
    };
    out.extend_from_slice(text.as_bytes());
}

/// As Java prints floating point numbers: with an exponent from ten million on and below a thousandth.
fn java_float(out: &mut Vec<u8>, value: f64, plain: std::fmt::Arguments<'_>, exponent: std::fmt::Arguments<'_>) {
    if !value.is_finite() {
        out.extend_from_slice(not_finite_name(value));
    } else if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        out.extend_from_slice(plain.to_string().as_bytes());
    } else {
        let text = exponent.to_string();
        let (mantissa, exponent) = text.split_once('E').unwrap_or((&text, "0"));
        let point = if mantissa.contains('.') { "" } else { ".0" };
        out.extend_from_slice(format!("{mantissa}{point}E{exponent}").as_bytes());
    }
}

fn write_f64(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(not_finite_name(value));
}

/// A value without quotes. What has parts is written by who calls.
fn write_plain(out: &mut Vec<u8>, value: &Value<'_, '_>, form: TimestampForm) {
    let float = |out: &mut Vec<u8>, finite: bool, value: f64, text: std::fmt::Arguments<'_>| match finite {
        true => out.extend_from_slice(text.to_string().as_bytes()),
        false => write_f64(out, value),
    };
    match *value {
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Integer(value) => write_signed(out, value),
        Value::F32(value) => float(out, value.is_finite(), value.into(), format_args!("{value:?}")),
        Value::F64(value) => float(out, value.is_finite(), value, format_args!("{value:?}")),
        Value::Date(days) => write_date(out, days.into()),
        Value::Clock(millis) => write_clock(out, millis),
        Value::Decimal(value, scale) => write_decimal(out, value, scale),
        Value::FineTime(nanos, instant) => {
            let (millis, below) = (nanos.div_euclid(NANOS_OF_MILLI) as i64, nanos.rem_euclid(NANOS_OF_MILLI) as u32);
            write_fine_time(out, millis, below, if form == TimestampForm::Iso { b'T' } else { b' ' });
            if instant {
                out.push(b'Z');
            }
        }
        Value::Time(millis, instant) => {
            write_time(out, millis, if form == TimestampForm::Iso { b'T' } else { b' ' });
            if instant {
                out.push(b'Z');
            }
        }
        Value::Null | Value::Text(_) | Value::Struct(..) | Value::List(..) => {}
    }
}
