//! Functions of strings; positions and lengths count characters.

use arrow_array::{BooleanArray, Int32Array};
use arrow_schema::DataType;

use super::{Definition, TEXT, function, is_int, is_text, texts_to};
use crate::error::SqlError;

macro_rules! plain {
    ($name:literal, $form:literal, |$text:ident, $out:ident| $body:expr) => {
        function(
            $name,
            |given| texts_to(given, 1..=1, TEXT, $form),
            |call| {
                let texts = call.text(0)?;
                call.texts(|row, $out| {
                    let Some($text) = texts.get(row) else { return false };
                    $body;
                    true
                })
            },
        )
    };
}

macro_rules! length {
    ($name:literal) => {
        function(
            $name,
            |given| texts_to(given, 1..=1, DataType::Int32, "CHAR_LENGTH(string)"),
            |call| {
                let texts = call.text(0)?;
                call.values::<i32, Int32Array>(|row| texts.get(row).map(|text| text.chars().count() as i32))
            },
        )
    };
}

macro_rules! substring {
    ($name:literal) => {
        function(
            $name,
            |given| match given {
                [text, rest @ ..] if is_text(text) && matches!(rest.len(), 1 | 2) && rest.iter().all(is_int) => {
                    Ok(([vec![TEXT], vec![DataType::Int32; rest.len()]].concat(), TEXT))
                }
                _ => Err("SUBSTRING(string FROM start [FOR length])"),
            },
            |call| {
                let (texts, starts) = (call.text(0)?, call.int(1)?);
                let lengths = if call.args.len() > 2 { Some(call.int(2)?) } else { None };
                call.texts(|row, out| {
                    let (Some(text), Some(start)) = (texts.get(row), starts.get(row)) else { return false };
                    let length = match &lengths {
                        None => i64::MAX,
                        Some(lengths) => match lengths.get(row) {
                            Some(length) if length >= 0 => length,
                            _ => return false,
                        },
                    };
                    substring(text, start, length, out);
                    true
                })
            },
        )
    };
}

macro_rules! trim {
    ($name:literal, $start:literal, $end:literal) => {
        function(
            $name,
            |given| texts_to(given, 1..=2, TEXT, concat!($name, "(string [, characters])")),
            |call| {
                let texts = call.text(0)?;
                let sets = if call.args.len() > 1 { Some(call.text(1)?) } else { None };
                call.texts(|row, out| {
                    let Some(mut text) = texts.get(row) else { return false };
                    let set = match &sets {
                        None => " ",
                        Some(sets) => match sets.get(row) {
                            Some(set) => set,
                            None => return false,
                        },
                    };
                    if $start {
                        text = text.trim_start_matches(|character| set.contains(character));
                    }
                    if $end {
                        text = text.trim_end_matches(|character| set.contains(character));
                    }
                    out.push_str(text);
                    true
                })
            },
        )
    };
}

macro_rules! search {
    ($name:literal, |$text:ident, $part:ident| $body:expr) => {
        function(
            $name,
            |given| texts_to(given, 2..=2, DataType::Boolean, concat!($name, "(string, part)")),
            |call| {
                let (texts, parts) = (call.text(0)?, call.text(1)?);
                call.values::<bool, BooleanArray>(|row| {
                    let ($text, $part) = (texts.get(row)?, parts.get(row)?);
                    Some($body)
                })
            },
        )
    };
}

/// Appends a text in upper or lower case: as bytes while it is ASCII, which most is.
fn cased<I: Iterator<Item = char>>(text: &str, out: &mut String, ascii: fn(&mut str), other: fn(char) -> I) {
    let start = out.len();
    if text.is_ascii() {
        out.push_str(text);
        ascii(&mut out[start..]);
    } else {
        out.extend(text.chars().flat_map(other));
    }
}

/// Appends a text with each occurrence of a part replaced.
fn replace(text: &str, part: &str, by: &str, out: &mut String) {
    let mut from = 0;
    if let [byte @ 0..=127] = part.as_bytes() {
        for at in memchr::memchr_iter(*byte, text.as_bytes()) {
            out.push_str(&text[from..at]);
            out.push_str(by);
            from = at + 1;
        }
    } else {
        for (at, found) in text.match_indices(part) {
            out.push_str(&text[from..at]);
            out.push_str(by);
            from = at + found.len();
        }
    }
    out.push_str(&text[from..]);
}

/// The part of a text before, between or after occurrences of an ASCII character.
fn part_between(text: &str, separator: u8, index: usize) -> Option<&str> {
    let mut ends = memchr::memchr_iter(separator, text.as_bytes());
    let start = match index.checked_sub(1) {
        None => 0,
        Some(before) => ends.nth(before)? + 1,
    };
    Some(&text[start..ends.next().unwrap_or(text.len())])
}

pub(super) const FUNCTIONS: &[Definition] = &[
    plain!("lower", "LOWER(string)", |text, out| cased(text, out, str::make_ascii_lowercase, char::to_lowercase)),
    plain!("upper", "UPPER(string)", |text, out| cased(text, out, str::make_ascii_uppercase, char::to_uppercase)),
    plain!("reverse", "REVERSE(string)", |text, out| out.extend(text.chars().rev())),
    plain!("initcap", "INITCAP(string)", |text, out| {
        let mut start = true;
        for character in text.chars() {
            if start {
                out.extend(character.to_uppercase());
            } else {
                out.extend(character.to_lowercase());
            }
            start = !character.is_alphanumeric();
        }
    }),
    length!("char_length"),
    length!("character_length"),
    substring!("substring"),
    substring!("substr"),
    trim!("btrim", true, true),
    trim!("ltrim", true, false),
    trim!("rtrim", false, true),
    search!("startswith", |text, part| text.starts_with(part)),
    search!("endswith", |text, part| text.ends_with(part)),
    function(
        "replace",
        |given| texts_to(given, 3..=3, TEXT, "REPLACE(string, part, by)"),
        |call| {
            let (texts, parts, by) = (call.text(0)?, call.text(1)?, call.text(2)?);
            call.texts(|row, out| {
                let (Some(text), Some(part), Some(by)) = (texts.get(row), parts.get(row), by.get(row)) else {
                    return false;
                };
                replace(text, part, by, out);
                true
            })
        },
    ),
    function(
        "translate",
        |given| texts_to(given, 3..=3, TEXT, "TRANSLATE(string, letters, by)"),
        |call| {
            let (texts, from, to) = (call.text(0)?, call.text(1)?, call.text(2)?);
            call.texts(|row, out| {
                let (Some(text), Some(from), Some(to)) = (texts.get(row), from.get(row), to.get(row)) else {
                    return false;
                };
                // What has no counterpart is left out.
                out.extend(text.chars().filter_map(|letter| match from.chars().position(|known| known == letter) {
                    Some(at) => to.chars().nth(at),
                    None => Some(letter),
                }));
                true
            })
        },
    ),
    function(
        "elt",
        |given| match given {
            [index, texts @ ..] if is_int(index) && !texts.is_empty() && texts.iter().all(is_text) => {
                Ok(([vec![DataType::Int64], vec![TEXT; texts.len()]].concat(), TEXT))
            }
            _ => Err("ELT(index, string, …)"),
        },
        |call| {
            let indexes = call.int(0)?;
            let texts = (1..call.args.len()).map(|index| call.text(index)).collect::<super::Result<Vec<_>>>()?;
            call.texts(|row, out| {
                let at = indexes.get(row).and_then(|index| usize::try_from(index).ok()?.checked_sub(1));
                let text = at.and_then(|at| texts.get(at)?.get(row));
                text.map(|text| out.push_str(text)).is_some()
            })
        },
    ),
    function(
        "concat",
        |given| texts_of_any(given, 1, "CONCAT(string, …)"),
        |call| {
            let texts = (0..call.args.len()).map(|index| call.text(index)).collect::<super::Result<Vec<_>>>()?;
            call.texts(|row, out| texts.iter().all(|text| text.get(row).map(|text| out.push_str(text)).is_some()))
        },
    ),
    function(
        "concat_ws",
        |given| texts_of_any(given, 2, "CONCAT_WS(separator, string, …)"),
        |call| {
            let texts = (0..call.args.len()).map(|index| call.text(index)).collect::<super::Result<Vec<_>>>()?;
            call.texts(|row, out| {
                let Some(separator) = texts[0].get(row) else { return false };
                let mut first = true;
                for text in texts[1..].iter().filter_map(|text| text.get(row)) {
                    if !first {
                        out.push_str(separator);
                    }
                    out.push_str(text);
                    first = false;
                }
                true
            })
        },
    ),
    function(
        "split_index",
        |given| match given {
            [text, separator, index] if is_text(text) && is_text(separator) && is_int(index) => {
                Ok((vec![TEXT, TEXT, DataType::Int32], TEXT))
            }
            _ => Err("SPLIT_INDEX(string, separator, index)"),
        },
        |call| {
            let (texts, separators, indexes) = (call.text(0)?, call.text(1)?, call.int(2)?);
            call.texts(|row, out| {
                let (Some(text), Some(separator), Some(index)) =
                    (texts.get(row), separators.get(row), indexes.get(row))
                else {
                    return false;
                };
                let Ok(index) = usize::try_from(index) else { return false };
                let part = match separator.as_bytes() {
                    [] => text.char_indices().nth(index).map(|(at, character)| &text[at..at + character.len_utf8()]),
                    // A single byte of UTF-8 is a character, and one that is found by looking at bytes.
                    [byte] => part_between(text, *byte, index),
                    _ => text.split(separator).nth(index),
                };
                part.map(|part| out.push_str(part)).is_some()
            })
        },
    ),
    function(
        "position",
        |given| texts_to(given, 2..=2, DataType::Int32, "POSITION(part IN string)"),
        |call| {
            let (parts, texts) = (call.text(0)?, call.text(1)?);
            call.values::<i32, Int32Array>(|row| Some(position(texts.get(row)?, parts.get(row)?, 1)))
        },
    ),
    function(
        "instr",
        |given| texts_to(given, 2..=2, DataType::Int32, "INSTR(string, part)"),
        |call| {
            let (texts, parts) = (call.text(0)?, call.text(1)?);
            call.values::<i32, Int32Array>(|row| Some(position(texts.get(row)?, parts.get(row)?, 1)))
        },
    ),
    function(
        "locate",
        |given| match given {
            [part, text] if is_text(part) && is_text(text) => Ok((vec![TEXT, TEXT], DataType::Int32)),
            [part, text, from] if is_text(part) && is_text(text) && is_int(from) => {
                Ok((vec![TEXT, TEXT, DataType::Int32], DataType::Int32))
            }
            _ => Err("LOCATE(part, string [, from])"),
        },
        |call| {
            let (parts, texts) = (call.text(0)?, call.text(1)?);
            let from = if call.args.len() > 2 { Some(call.int(2)?) } else { None };
            call.values::<i32, Int32Array>(|row| {
                let from = from.as_ref().map_or(Some(1), |from| from.get(row))?;
                Some(position(texts.get(row)?, parts.get(row)?, from))
            })
        },
    ),
    function(
        "overlay",
        |given| match given {
            [text, by, rest @ ..]
                if is_text(text) && is_text(by) && matches!(rest.len(), 1 | 2) && rest.iter().all(is_int) =>
            {
                Ok(([vec![TEXT, TEXT], vec![DataType::Int32; rest.len()]].concat(), TEXT))
            }
            _ => Err("OVERLAY(string PLACING by FROM start [FOR length])"),
        },
        |call| {
            let (texts, by, starts) = (call.text(0)?, call.text(1)?, call.int(2)?);
            let lengths = if call.args.len() > 3 { Some(call.int(3)?) } else { None };
            call.texts(|row, out| {
                let (Some(text), Some(by), Some(start)) = (texts.get(row), by.get(row), starts.get(row)) else {
                    return false;
                };
                let count = text.chars().count() as i64;
                if start <= 0 || start > count {
                    out.push_str(text);
                    return true;
                }
                let length = match &lengths {
                    None => by.chars().count() as i64,
                    Some(lengths) => match lengths.get(row) {
                        Some(length) => length,
                        None => return false,
                    },
                };
                out.extend(text.chars().take(start as usize - 1));
                out.push_str(by);
                // Flink puts nothing behind what takes the place of nothing.
                if length > 0 {
                    out.extend(text.chars().skip((start - 1 + length) as usize));
                }
                true
            })
        },
    ),
    pad("lpad", true),
    pad("rpad", false),
    side("left"),
    side("right"),
    function(
        "repeat",
        |given| text_and_int(given, "REPEAT(string, times)"),
        |call| {
            let (texts, times) = (call.text(0)?, call.int(1)?);
            call.texts_or_fail(|row, out| {
                let (Some(text), Some(times)) = (texts.get(row), times.get(row)) else { return Ok(false) };
                let times = usize::try_from(times).unwrap_or(0);
                fits(text.len().saturating_mul(times), "REPEAT makes")?;
                (0..times).for_each(|_| out.push_str(text));
                Ok(true)
            })
        },
    ),
    function(
        "ascii",
        |given| texts_to(given, 1..=1, DataType::Int32, "ASCII(string)"),
        |call| {
            let texts = call.text(0)?;
            call.values::<i32, Int32Array>(|row| {
                texts.get(row).map(|text| text.chars().next().map_or(0, |first| first as i32))
            })
        },
    ),
];

/// What REPEAT, LPAD and RPAD make has at most so many bytes: a few letters must not take all of the memory.
const LONGEST: usize = 64 << 20;

fn fits(bytes: usize, who: &str) -> std::result::Result<(), SqlError> {
    if bytes <= LONGEST {
        return Ok(());
    }
    Err(SqlError::new(format!("{who} a string of {bytes} bytes"))
        .hint(format!("the longest that is made has {LONGEST}")))
}

fn text_and_int(given: &[DataType], form: &'static str) -> Result<(Vec<DataType>, DataType), &'static str> {
    match given {
        [text, number] if is_text(text) && is_int(number) => Ok((vec![TEXT, DataType::Int32], TEXT)),
        _ => Err(form),
    }
}

const fn side(name: &'static str) -> Definition {
    function(
        name,
        |given| text_and_int(given, "LEFT(string, length) or RIGHT(string, length)"),
        if name.len() == 4 {
            |call| {
                let (texts, lengths) = (call.text(0)?, call.int(1)?);
                call.texts(|row, out| {
                    let (Some(text), Some(length)) = (texts.get(row), lengths.get(row)) else { return false };
                    out.extend(text.chars().take(length.max(0) as usize));
                    true
                })
            }
        } else {
            |call| {
                let (texts, lengths) = (call.text(0)?, call.int(1)?);
                call.texts(|row, out| {
                    let (Some(text), Some(length)) = (texts.get(row), lengths.get(row)) else { return false };
                    let skipped = text.chars().count().saturating_sub(length.max(0) as usize);
                    out.extend(text.chars().skip(skipped));
                    true
                })
            }
        },
    )
}

const fn pad(name: &'static str, left: bool) -> Definition {
    function(
        name,
        |given| match given {
            [text, length, by] if is_text(text) && is_int(length) && is_text(by) => {
                Ok((vec![TEXT, DataType::Int32, TEXT], TEXT))
            }
            _ => Err("LPAD(string, length, by) or RPAD(string, length, by)"),
        },
        if left { |call| padded(call, true) } else { |call| padded(call, false) },
    )
}

fn padded(call: &super::Call<'_>, left: bool) -> super::Result<arrow_array::ArrayRef> {
    let (texts, lengths, by) = (call.text(0)?, call.int(1)?, call.text(2)?);
    call.texts_or_fail(|row, out| {
        let (Some(text), Some(length), Some(by)) = (texts.get(row), lengths.get(row), by.get(row)) else {
            return Ok(false);
        };
        let Some(length) = usize::try_from(length).ok().filter(|_| !by.is_empty()) else { return Ok(false) };
        let missing = length.saturating_sub(text.chars().count());
        let widest = by.chars().map(char::len_utf8).max().unwrap_or(0);
        fits(text.len().saturating_add(missing.saturating_mul(widest)), "LPAD and RPAD make")?;
        let fill = by.chars().cycle().take(missing);
        if left {
            out.extend(fill);
            out.extend(text.chars().take(length));
        } else {
            out.extend(text.chars().take(length));
            out.extend(fill);
        }
        Ok(true)
    })
}

/// Values of any type are taken as a CAST writes them.
fn texts_of_any(
    given: &[DataType],
    least: usize,
    form: &'static str,
) -> Result<(Vec<DataType>, DataType), &'static str> {
    if given.len() < least { Err(form) } else { Ok((given.to_vec(), TEXT)) }
}

/// From `start`, counted from 1, or from the end if it is negative; 0 is the first too. What begins before the string is
/// nothing, as in Flink.
fn substring(text: &str, start: i64, length: i64, out: &mut String) {
    let count = text.chars().count() as i64;
    let first = match start {
        0 => 0,
        1.. => start - 1,
        _ => count + start,
    };
    let end = first.saturating_add(length).min(count);
    if first >= 0 && end > first {
        out.extend(text.chars().skip(first as usize).take((end - first) as usize));
    }
}

/// The place of `part` from character `from` on, counted from 1; 0 if there is none.
fn position(text: &str, part: &str, from: i64) -> i32 {
    if from < 1 {
        return 0;
    }
    let skipped: usize = text.chars().take(from as usize - 1).map(char::len_utf8).sum();
    match text[skipped..].find(part) {
        Some(at) => (text[..skipped + at].chars().count() + 1) as i32,
        None => 0,
    }
}
