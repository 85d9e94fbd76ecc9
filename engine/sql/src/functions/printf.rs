//! PRINTF: values in a format of Java's `Formatter`.
//!
//! A format whose directives do not fit the values is NULL, as in Flink; a constant one that no values fit is refused when it
//! is planned. Conversions of dates (`%t`), hashes (`%h`), hexadecimal and general numbers (`%a`, `%g`) are not there.

use std::fmt::Write;

use arrow_array::{Array, ArrayRef, cast::AsArray, types};
use arrow_schema::DataType;
use datafusion_common::Result;

use super::{Call, Definition, TEXT, cast, function, is_null, is_text};
use crate::error::SqlError;

/// Widths and precisions are not greater.
const WIDEST: usize = 10_000;

pub(super) const FUNCTIONS: &[Definition] = &[function(
    "printf",
    |given| match given {
        [format, values @ ..] if is_text(format) && values.iter().all(is_shown) => {
            Ok(([&[TEXT], values].concat(), TEXT))
        }
        _ => Err("PRINTF(format, value, …) of strings, numbers and flags: CAST others to STRING"),
    },
    |call| {
        let formats = call.text(0)?;
        let values = (1..call.args.len()).map(|index| Values::of(call, index)).collect::<Result<Vec<_>>>()?;
        let fixed = formats.one().map(parsed);
        call.texts(|row, out| match &fixed {
            Some(pieces) => pieces.as_ref().is_some_and(|pieces| write_row(pieces, &values, row, out).is_some()),
            None => {
                formats.get(row).and_then(parsed).is_some_and(|pieces| write_row(&pieces, &values, row, out).is_some())
            }
        })
    },
)];

fn is_shown(of: &DataType) -> bool {
    is_text(of) || *of == DataType::Boolean || of.is_signed_integer() || of.is_floating() || is_decimal(of)
}

fn is_decimal(of: &DataType) -> bool {
    matches!(of, DataType::Decimal128(..))
}

/// Whether a constant format can be one.
pub(super) fn check(format: &str) -> std::result::Result<(), SqlError> {
    match parsed(format) {
        Some(_) => Ok(()),
        None => Err(SqlError::new(format!("'{format}' is no format of PRINTF")).hint(
            "write %s, %d, %x, %o, %f, %e, %c, %b, %n or %%, perhaps with flags, width and precision: %-8s, %,.2f",
        )),
    }
}

#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    Directive(Directive),
}

#[derive(Debug, PartialEq)]
struct Directive {
    argument: usize,
    flags: String,
    width: usize,
    precision: Option<usize>,
    conversion: char,
    upper: bool,
}

impl Directive {
    fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }
}

/// The pieces of a format; nothing if it is none.
fn parsed(format: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let (mut rest, mut next, mut last) = (format, 0, None);
    while let Some(at) = rest.find('%') {
        if at > 0 {
            pieces.push(Piece::Text(rest[..at].to_owned()));
        }
        rest = &rest[at + 1..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let mut chosen = None;
        if digits > 0 && rest[digits..].starts_with('$') {
            chosen = Some(rest[..digits].parse::<usize>().ok()?.checked_sub(1)?);
            rest = &rest[digits + 1..];
        } else if let Some(after) = rest.strip_prefix('<') {
            chosen = Some(last?);
            rest = after;
        }
        let flags = rest.find(|letter| !"-#+ 0,(".contains(letter))?;
        let (flags, after) = rest.split_at(flags);
        let (width, after) = number(after)?;
        let (precision, after) = match after.strip_prefix('.') {
            None => (None, after),
            Some(after) => {
                let (precision, after) = number(after)?;
                (Some(precision?), after)
            }
        };
        let conversion = after.chars().next()?;
        rest = &after[conversion.len_utf8()..];
        let plain = conversion.to_ascii_lowercase();
        let upper = plain != conversion;
        let fits = match plain {
            's' | 'b' => flags.chars().all(|flag| flag == '-'),
            'c' => flags.chars().all(|flag| flag == '-') && precision.is_none(),
            'd' => !upper && !flags.contains('#') && precision.is_none(),
            'x' | 'o' => {
                (plain == 'x' || !upper) && flags.chars().all(|flag| "-#0".contains(flag)) && precision.is_none()
            }
            'f' => !upper,
            'e' => !flags.contains(','),
            '%' => flags.chars().all(|flag| flag == '-') && precision.is_none(),
            'n' => !upper && flags.is_empty() && width.is_none() && precision.is_none(),
            _ => false,
        };
        let aligned = flags.contains(['-', '0']);
        let both = flags.contains('-') && flags.contains('0') || flags.contains('+') && flags.contains(' ');
        let twice = flags.chars().enumerate().any(|(at, flag)| flags[..at].contains(flag));
        if !fits || both || twice || (aligned && width.is_none()) {
            return None;
        }
        let argument = match (plain, chosen) {
            ('%' | 'n', _) => 0,
            (_, Some(chosen)) => chosen,
            (_, None) => {
                next += 1;
                next - 1
            }
        };
        if !matches!(plain, '%' | 'n') {
            last = Some(argument);
        }
        let width = width.unwrap_or(0);
        pieces.push(Piece::Directive(Directive {
            argument,
            flags: flags.to_owned(),
            width,
            precision,
            conversion: plain,
            upper,
        }));
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Some(pieces)
}

/// A number, if there is one, and what follows.
fn number(text: &str) -> Option<(Option<usize>, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Some((None, text));
    }
    let number = text[..digits].parse().ok().filter(|number| *number <= WIDEST)?;
    Some((Some(number), &text[digits..]))
}

/// An argument of all rows.
struct Values {
    array: ArrayRef,
    shown: arrow_array::StringViewArray,
    null: Box<dyn Fn(usize) -> bool>,
}

impl Values {
    fn of(call: &Call<'_>, index: usize) -> Result<Self> {
        let array = call.array(index)?;
        let shown = cast::to_text(&array, call.zone)?;
        let null = Box::new(is_null(&array));
        Ok(Self { array, shown, null })
    }

    /// The value as text; flags as Java writes them.
    fn text(&self, row: usize) -> &str {
        match self.array.data_type() {
            DataType::Boolean if self.array.as_boolean().value(row) => "true",
            DataType::Boolean => "false",
            _ => self.shown.value(row),
        }
    }

    /// A whole number, and how many bits its type has.
    fn int(&self, row: usize) -> Option<(i64, u32)> {
        Some(match self.array.data_type() {
            DataType::Int8 => (self.array.as_primitive::<types::Int8Type>().value(row).into(), 8),
            DataType::Int16 => (self.array.as_primitive::<types::Int16Type>().value(row).into(), 16),
            DataType::Int32 => (self.array.as_primitive::<types::Int32Type>().value(row).into(), 32),
            DataType::Int64 => (self.array.as_primitive::<types::Int64Type>().value(row), 64),
            _ => return None,
        })
    }

    /// A number that may have a point, in as few digits as stand for it.
    fn shortest(&self, row: usize) -> Option<String> {
        Some(match self.array.data_type() {
            DataType::Float64 => format!("{:e}", self.array.as_primitive::<types::Float64Type>().value(row)),
            DataType::Float32 => format!("{:e}", self.array.as_primitive::<types::Float32Type>().value(row)),
            DataType::Decimal128(..) => self.shown.value(row).to_owned(),
            _ => return None,
        })
    }
}

/// The digits of a number: `0.d₁d₂d₃… × 10^point`, the first of them not zero. Where there are no more, zeros follow.
struct Digits {
    digits: Vec<u8>,
    point: i64,
}

impl Digits {
    /// Of a text such as `12.50` or `1.25e-7`.
    fn of(text: &str) -> Option<Self> {
        let (mantissa, power) = text.split_once('e').unwrap_or((text, "0"));
        let (before, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [before, behind].concat();
        let zeros = digits.bytes().take_while(|digit| *digit == b'0').count();
        let point = if zeros == digits.len() { 1 } else { (before.len() as i64) - (zeros as i64) };
        Some(Self { digits: digits.as_bytes()[zeros..].to_vec(), point: point + power.parse::<i64>().ok()? })
    }

    /// Keeps so many digits, rounded half up as Java does.
    fn cut(&mut self, keep: i64) {
        let up = usize::try_from(keep).ok().and_then(|keep| self.digits.get(keep)).is_some_and(|next| *next >= b'5');
        self.digits.truncate(usize::try_from(keep).unwrap_or(0));
        if up {
            let nines = self.digits.iter().rev().take_while(|digit| **digit == b'9').count();
            self.digits.truncate(self.digits.len() - nines);
            match self.digits.last_mut() {
                Some(last) => *last += 1,
                None => {
                    self.digits.push(b'1');
                    self.point += 1;
                }
            }
        }
    }

    fn range(&self, places: std::ops::Range<i64>) -> String {
        let digit = |place| usize::try_from(place).ok().and_then(|place| self.digits.get(place)).copied();
        places.map(|place| char::from(digit(place).unwrap_or(b'0'))).collect()
    }

    /// With so many digits behind the point.
    fn fixed(mut self, digits: i64) -> String {
        self.cut(self.point + digits);
        let whole = if self.point > 0 { self.range(0..self.point) } else { "0".to_owned() };
        let point = if digits > 0 { "." } else { "" };
        format!("{whole}{point}{}", self.range(self.point..self.point + digits))
    }

    /// With so many digits behind the point, and one before it.
    fn scientific(mut self, digits: i64) -> String {
        self.cut(digits + 1);
        let power = self.point - 1;
        let point = if digits > 0 { "." } else { "" };
        let sign = if power < 0 { '-' } else { '+' };
        format!("{}{point}{}e{sign}{:02}", self.range(0..1), self.range(1..digits + 1), power.abs())
    }
}

/// One row's text; nothing if a directive and its value do not fit.
fn write_row(pieces: &[Piece], values: &[Values], row: usize, out: &mut String) -> Option<()> {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Directive(directive) => {
                let mut text = match directive.conversion {
                    '%' => "%".to_owned(),
                    'n' => "\n".to_owned(),
                    _ => written(directive, values.get(directive.argument)?, row)?,
                };
                if directive.upper {
                    text = text.to_uppercase();
                }
                let blanks = " ".repeat(directive.width.saturating_sub(text.chars().count()));
                if directive.has('-') {
                    out.push_str(&text);
                    out.push_str(&blanks);
                } else {
                    out.push_str(&blanks);
                    out.push_str(&text);
                }
            }
        }
    }
    Some(())
}

fn written(directive: &Directive, values: &Values, row: usize) -> Option<String> {
    let most = directive.precision.unwrap_or(usize::MAX);
    let cut = |text: &str| text.chars().take(most).collect::<String>();
    if (values.null)(row) {
        return Some(cut(if directive.conversion == 'b' { "false" } else { "null" }));
    }
    Some(match directive.conversion {
        's' => cut(values.text(row)),
        'b' if *values.array.data_type() == DataType::Boolean => cut(values.text(row)),
        'b' => cut("true"),
        'c' => match values.int(row) {
            Some((code, _)) => char::from_u32(u32::try_from(code).ok()?)?.to_string(),
            None => {
                let mut letters = values.text(row).chars();
                let letter = letters.next().filter(|_| is_text(values.array.data_type()))?;
                letters.next().is_none().then(|| letter.to_string())?
            }
        },
        'd' => {
            let (value, _) = values.int(row)?;
            signed(directive, &value.unsigned_abs().to_string(), value < 0)
        }
        base @ ('x' | 'o') => {
            let (value, bits) = values.int(row)?;
            let value = value.cast_unsigned() & (u64::MAX >> (64 - bits));
            let (digits, prefix) = if base == 'x' { (format!("{value:x}"), "0x") } else { (format!("{value:o}"), "0") };
            let prefix = if directive.has('#') { prefix } else { "" };
            let zeros = if directive.has('0') { directive.width } else { 0 };
            format!("{prefix}{}{digits}", "0".repeat(zeros.saturating_sub(prefix.len() + digits.len())))
        }
        'f' | 'e' => {
            let shortest = values.shortest(row)?;
            let (magnitude, negative) =
                shortest.strip_prefix('-').map_or((shortest.as_str(), false), |rest| (rest, true));
            if let "NaN" | "inf" = magnitude {
                let plain = Directive { flags: directive.flags.replace(['0', ','], ""), ..*directive };
                return Some(match magnitude {
                    "NaN" => "NaN".to_owned(),
                    _ => signed(&plain, "Infinity", negative),
                });
            }
            let number = Digits::of(magnitude)?;
            let digits = i64::try_from(directive.precision.unwrap_or(6)).ok()?;
            let text = if directive.conversion == 'f' { number.fixed(digits) } else { number.scientific(digits) };
            signed(directive, &text, negative)
        }
        _ => return None,
    })
}

/// Digits with their sign, groups of thousands, and zeros in front, as flags ask.
fn signed(directive: &Directive, digits: &str, negative: bool) -> String {
    let mut body = String::new();
    if directive.has(',') {
        let whole = digits.find(['.', 'e']).unwrap_or(digits.len());
        for (at, digit) in digits[..whole].chars().enumerate() {
            if at > 0 && (whole - at).is_multiple_of(3) {
                body.push(',');
            }
            body.push(digit);
        }
        body.push_str(&digits[whole..]);
    } else {
        body.push_str(digits);
    }
    let (before, behind) = match negative {
        true if directive.has('(') => ("(", ")"),
        true => ("-", ""),
        false if directive.has('+') => ("+", ""),
        false if directive.has(' ') => (" ", ""),
        false => ("", ""),
    };
    let zeros = if directive.has('0') { directive.width } else { 0 };
    let zeros = zeros.saturating_sub(before.len() + body.len() + behind.len());
    let mut text = String::new();
    // Writing into a String never fails.
    let _ = write!(text, "{before}{}{body}{behind}", "0".repeat(zeros));
    text
}
