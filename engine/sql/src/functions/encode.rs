//! Text and numbers in other alphabets: base64, hexadecimal, binary, percent signs, character sets.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::{Array, ArrayRef, BinaryViewArray, cast::AsArray};
use arrow_schema::DataType;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, Engine};

use super::{Call, Definition, Result, TEXT, function, is_int, is_text, refuse, texts_to};
use crate::error::SqlError;

/// Reads what Java's decoder reads: signs at the end may be missing, and bits that are left over are dropped.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub(super) const FUNCTIONS: &[Definition] = &[
    function(
        "to_base64",
        |given| texts_to(given, 1..=1, TEXT, "TO_BASE64(string)"),
        |call| {
            let texts = call.text(0)?;
            call.texts(|row, out| texts.get(row).map(|text| STANDARD.encode_string(text, out)).is_some())
        },
    ),
    function(
        "from_base64",
        |given| texts_to(given, 1..=1, TEXT, "FROM_BASE64(string)"),
        |call| {
            let texts = call.text(0)?;
            call.texts_or_fail(|row, out| {
                let Some(text) = texts.get(row) else { return Ok(false) };
                let bytes = LENIENT.decode(text).map_err(|_| SqlError::new(format!("'{text}' is no base64")))?;
                out.push_str(&String::from_utf8_lossy(&bytes));
                Ok(true)
            })
        },
    ),
    function(
        "hex",
        |given| match given {
            [of] if is_text(of) => Ok((vec![TEXT], TEXT)),
            [of] if is_int(of) => Ok((vec![DataType::Int64], TEXT)),
            _ => Err("HEX(whole number) or HEX(string)"),
        },
        |call| {
            if is_text(&call.args[0].data_type()) {
                let texts = call.text(0)?;
                return call.texts(|row, out| {
                    let Some(text) = texts.get(row) else { return false };
                    text.bytes().all(|byte| write!(out, "{byte:02X}").is_ok())
                });
            }
            let numbers = call.int(0)?;
            call.texts(|row, out| numbers.get(row).is_some_and(|number| write!(out, "{number:X}").is_ok()))
        },
    ),
    function(
        "unhex",
        |given| texts_to(given, 1..=1, DataType::BinaryView, "UNHEX(string)"),
        |call| {
            let texts = call.text(0)?;
            bytes(call, |row| Ok(texts.get(row).and_then(unhex)))
        },
    ),
    function(
        "bin",
        |given| match given {
            [of] if is_int(of) => Ok((vec![DataType::Int64], TEXT)),
            _ => Err("BIN(whole number)"),
        },
        |call| {
            let numbers = call.int(0)?;
            call.texts(|row, out| numbers.get(row).is_some_and(|number| write!(out, "{number:b}").is_ok()))
        },
    ),
    function(
        "chr",
        |given| match given {
            [of] if is_int(of) => Ok((vec![DataType::Int64], TEXT)),
            _ => Err("CHR(whole number)"),
        },
        |call| {
            let numbers = call.int(0)?;
            call.texts(|row, out| {
                let Some(number) = numbers.get(row) else { return false };
                if number >= 0 {
                    out.push(char::from((number & 0xFF) as u8));
                }
                true
            })
        },
    ),
    function(
        "url_encode",
        |given| texts_to(given, 1..=1, TEXT, "URL_ENCODE(string)"),
        |call| {
            let texts = call.text(0)?;
            call.texts(|row, out| {
                let Some(text) = texts.get(row) else { return false };
                text.bytes().all(|byte| match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => {
                        out.push(byte.into());
                        true
                    }
                    b' ' => {
                        out.push('+');
                        true
                    }
                    _ => write!(out, "%{byte:02X}").is_ok(),
                })
            })
        },
    ),
    function(
        "url_decode",
        |given| texts_to(given, 1..=1, TEXT, "URL_DECODE(string)"),
        |call| {
            let texts = call.text(0)?;
            call.texts(|row, out| texts.get(row).and_then(url_decoded).map(|text| out.push_str(&text)).is_some())
        },
    ),
    function(
        "encode",
        |given| texts_to(given, 2..=2, DataType::BinaryView, "ENCODE(string, 'UTF-8')"),
        |call| {
            let (texts, sets) = (call.text(0)?, call.text(1)?);
            bytes(call, |row| {
                let (Some(text), Some(set)) = (texts.get(row), sets.get(row)) else { return Ok(None) };
                Charset::of(set).map(|set| Some(set.encode(text)))
            })
        },
    ),
    function(
        "decode",
        |given| match given {
            [DataType::BinaryView | DataType::Binary | DataType::Null, set] if is_text(set) => {
                Ok((vec![DataType::BinaryView, TEXT], TEXT))
            }
            _ => Err("DECODE(bytes, 'UTF-8')"),
        },
        |call| {
            let (array, sets) = (call.array(0)?, call.text(1)?);
            let given: &BinaryViewArray = array.as_binary_view();
            call.texts_or_fail(|row, out| {
                let (true, Some(set)) = (given.is_valid(row), sets.get(row)) else { return Ok(false) };
                out.push_str(&Charset::of(set)?.decode(given.value(row)));
                Ok(true)
            })
        },
    ),
];

/// One value of bytes a row.
fn bytes(
    call: &Call<'_>,
    mut each: impl FnMut(usize) -> std::result::Result<Option<Vec<u8>>, SqlError>,
) -> Result<ArrayRef> {
    let mut built = BinaryViewBuilder::with_capacity(call.rows);
    for row in 0..call.rows {
        match each(row).map_err(refuse)? {
            Some(value) => built.append_value(value),
            None => built.append_null(),
        }
    }
    Ok(Arc::new(built.finish()))
}

/// Bytes of hexadecimal digits; an odd one stands for itself at the start.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits?;
    let (first, rest) = digits.split_at(digits.len() % 2);
    Some(first.iter().copied().chain(rest.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1])).collect())
}

/// Text without percent signs; nothing if they are not followed by two digits.
pub(super) fn url_decoded(text: &str) -> Option<String> {
    let (mut decoded, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                let digit = |at: usize| char::from(digits[at]).to_digit(16);
                u8::try_from(digit(0)? << 4 | digit(1)?).ok()?
            }
            other => *other,
        });
    }
    Some(String::from_utf8_lossy(&decoded).into_owned())
}

#[derive(Clone, Copy)]
enum Charset {
    Ascii,
    Latin,
    Utf8,
    Utf16 { big: bool, mark: bool },
}

impl Charset {
    fn of(name: &str) -> std::result::Result<Self, SqlError> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "US-ASCII" => Self::Ascii,
            "ISO-8859-1" => Self::Latin,
            "UTF-8" => Self::Utf8,
            "UTF-16BE" => Self::Utf16 { big: true, mark: false },
            "UTF-16LE" => Self::Utf16 { big: false, mark: false },
            "UTF-16" => Self::Utf16 { big: true, mark: true },
            _ => {
                return Err(SqlError::new(format!("'{name}' is no character set that is known"))
                    .hint("known are US-ASCII, ISO-8859-1, UTF-8, UTF-16BE, UTF-16LE and UTF-16"));
            }
        })
    }

    /// What the set lacks is a question mark, as in Java.
    fn encode(self, text: &str) -> Vec<u8> {
        let one =
            |most: u32| text.chars().map(|each| if u32::from(each) <= most { each as u8 } else { b'?' }).collect();
        match self {
            Self::Ascii => one(0x7F),
            Self::Latin => one(0xFF),
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Utf16 { big, mark } => {
                let units = mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
                units.flat_map(|unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
            }
        }
    }

    fn decode(self, bytes: &[u8]) -> String {
        const UNKNOWN: char = char::REPLACEMENT_CHARACTER;
        match self {
            Self::Ascii => bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { UNKNOWN }).collect(),
            Self::Latin => bytes.iter().map(|byte| char::from(*byte)).collect(),
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Utf16 { big, mark } => {
                let (big, bytes) = match bytes {
                    [0xFE, 0xFF, rest @ ..] if mark => (true, rest),
                    [0xFF, 0xFE, rest @ ..] if mark => (false, rest),
                    _ => (big, bytes),
                };
                let unit = |pair: &[u8]| {
                    let pair = [pair[0], pair[1]];
                    if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
                };
                let units = bytes.chunks_exact(2).map(unit);
                char::decode_utf16(units).map(|each| each.unwrap_or(UNKNOWN)).collect()
            }
        }
    }
}
