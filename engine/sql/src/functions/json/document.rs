//! Text as JSON: numbers keep their digits, members their order, and what a path does not ask for is passed over.
//!
//! Invariants:
//! 1. Nothing is handed out of text that is no JSON to its end: what is passed over is read by the same rules.
//! 2. Of members of one name the last one counts, at the place of the first.

use std::borrow::Cow;

/// A value of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    /// As it is written.
    Number(&'a str),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<Member<'a>>),
}

pub(super) type Member<'a> = (Cow<'a, str>, Json<'a>);

/// A way from a value to one of its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Name(String),
    /// From the end if it is negative.
    Index(i64),
    All,
}

/// Values within values are read to this depth, so that no document uses up a shard's stack.
const DEPTH: u32 = 512;
/// Among so few members, a name is sought by looking at all of them.
const FEW: usize = 16;

/// The value that a text is; nothing if it is no JSON.
pub(super) fn read(text: &str) -> Option<Json<'_>> {
    Reader::whole(text, |reader| reader.value(true))
}

/// What a text is, without its parts.
pub(super) fn outline(text: &str) -> Option<Json<'_>> {
    Reader::whole(text, |reader| reader.value(false))
}

/// The part of a text that names and indexes from the start lead to, if there is one; nothing if the text is no JSON.
pub(super) fn part<'a>(text: &'a str, steps: &[Step]) -> Option<Option<Json<'a>>> {
    debug_assert!(steps.iter().all(Step::goes_forward), "a step from the end or to all needs the whole document");
    Reader::whole(text, |reader| reader.part(steps))
}

impl Step {
    /// Whether it can be gone while the text is read.
    pub(super) fn goes_forward(&self) -> bool {
        matches!(self, Self::Name(_) | Self::Index(0..))
    }
}

impl Json<'_> {
    pub(super) fn is_scalar(&self) -> bool {
        !matches!(self, Self::Array(_) | Self::Object(_))
    }

    /// Without blanks, an object's names in order.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(digits) => out.push_str(digits),
            Self::Text(text) => quoted(text, out),
            Self::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                let mut members: Vec<&Member<'_>> = members.iter().collect();
                members.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
                out.push('{');
                for (at, (name, value)) in members.into_iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    quoted(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

/// Text in quotes, with what JSON wants escaped.
pub(super) fn quoted(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        out.push_str(&rest[..at]);
        let byte = rest.as_bytes()[at];
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            0x0C => out.push_str("\\f"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            control => out.push_str(&format!("\\u{control:04x}")),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
}

impl<'a> Reader<'a> {
    fn whole<T>(text: &'a str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let mut reader = Self { text, at: 0, depth: 0 };
        let found = read(&mut reader)?;
        reader.blanks();
        (reader.at == text.len()).then_some(found)
    }

    fn blanks(&mut self) {
        while matches!(self.text.as_bytes().get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The next byte that is no blank.
    fn next(&mut self) -> Option<u8> {
        self.blanks();
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.next() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// A value; without its parts unless they are to be kept.
    fn value(&mut self, keep: bool) -> Option<Json<'a>> {
        Some(match self.next()? {
            b'{' => {
                let mut members = Vec::new();
                self.object(|reader, name| {
                    let value = reader.value(keep)?;
                    if keep {
                        members.push((name, value));
                    }
                    Some(())
                })?;
                Json::Object(of_one_name_each(members))
            }
            b'[' => {
                let mut items = Vec::new();
                self.array(|reader| {
                    let item = reader.value(keep)?;
                    if keep {
                        items.push(item);
                    }
                    Some(())
                })?;
                Json::Array(items)
            }
            b'"' => Json::Text(self.string()?),
            b't' => self.word("true", Json::Bool(true))?,
            b'f' => self.word("false", Json::Bool(false))?,
            b'n' => self.word("null", Json::Null)?,
            _ => Json::Number(self.number()?),
        })
    }

    fn part(&mut self, steps: &[Step]) -> Option<Option<Json<'a>>> {
        let Some((step, rest)) = steps.split_first() else { return self.value(true).map(Some) };
        let mut found = None;
        match (step, self.next()?) {
            (Step::Name(wanted), b'{') => self.object(|reader, name| {
                if name == wanted.as_str() {
                    found = reader.part(rest)?;
                } else {
                    reader.value(false)?;
                }
                Some(())
            })?,
            (Step::Index(wanted), b'[') => {
                let mut index = 0;
                self.array(|reader| {
                    if index == *wanted {
                        found = reader.part(rest)?;
                    } else {
                        reader.value(false)?;
                    }
                    index += 1;
                    Some(())
                })?;
            }
            _ => {
                self.value(false)?;
            }
        }
        Some(found)
    }

    fn object(&mut self, mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Option<()>) -> Option<()> {
        self.list(b'}', |reader| {
            if reader.next()? != b'"' {
                return None;
            }
            let name = reader.string()?;
            if reader.eat(b':') { member(reader, name) } else { None }
        })
    }

    fn array(&mut self, item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.list(b']', item)
    }

    /// Parts between commas, from the opening bracket on.
    fn list(&mut self, end: u8, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH {
            return None;
        }
        if !self.eat(end) {
            loop {
                each(self)?;
                if self.eat(end) {
                    break;
                }
                if !self.eat(b',') {
                    return None;
                }
            }
        }
        self.depth -= 1;
        Some(())
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Option<Json<'a>> {
        let found = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += word.len();
        found.then_some(value)
    }

    fn number(&mut self) -> Option<&'a str> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += usize::from(bytes[self.at] == b'-');
        let whole = digits(self.at);
        if whole == 0 || (whole > 1 && bytes[self.at] == b'0') {
            return None;
        }
        self.at += whole;
        if bytes.get(self.at) == Some(&b'.') {
            let behind = digits(self.at + 1);
            if behind == 0 {
                return None;
            }
            self.at += 1 + behind;
        }
        if matches!(bytes.get(self.at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(self.at + 1), Some(b'+' | b'-')));
            let power = digits(self.at + 1 + sign);
            if power == 0 {
                return None;
            }
            self.at += 1 + sign + power;
        }
        Some(&self.text[start..self.at])
    }

    /// From its quote on.
    fn string(&mut self) -> Option<Cow<'a, str>> {
        self.at += 1;
        let mut unescaped: Option<String> = None;
        loop {
            let rest = &self.text[self.at..];
            let end = rest.bytes().position(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\'))?;
            let (plain, byte) = (&rest[..end], rest.as_bytes()[end]);
            self.at += end + 1;
            match (byte, &mut unescaped) {
                (b'"', None) => return Some(Cow::Borrowed(plain)),
                (b'"', Some(text)) => {
                    text.push_str(plain);
                    return unescaped.map(Cow::Owned);
                }
                (b'\\', _) => {
                    let letter = self.escaped()?;
                    let text = unescaped.get_or_insert_default();
                    text.push_str(plain);
                    text.push(letter);
                }
                _ => return None,
            }
        }
    }

    /// What follows a backslash.
    fn escaped(&mut self) -> Option<char> {
        let byte = *self.text.as_bytes().get(self.at)?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high = self.unit()?;
                if !(0xD800..0xDC00).contains(&high) {
                    return char::from_u32(high);
                }
                if !self.text[self.at..].starts_with("\\u") {
                    return None;
                }
                self.at += 2;
                let low = self.unit()?.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
                return char::from_u32(0x10000 + ((high - 0xD800) << 10) + low);
            }
            _ => return None,
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
    }
}

fn of_one_name_each(mut members: Vec<Member<'_>>) -> Vec<Member<'_>> {
    let count = members.len();
    let again = |at: usize| members[..at].iter().any(|(name, _)| *name == members[at].0);
    if count <= FEW && !(1..count).any(again) {
        return members;
    }
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| members[*a].0.cmp(&members[*b].0));
    let mut gone = vec![false; count];
    let mut moved = Vec::new();
    for same in order.chunk_by(|a, b| members[*a].0 == members[*b].0) {
        if let [first, .., last] = same {
            moved.push((*first, *last));
            same[1..].iter().for_each(|place| gone[*place] = true);
        }
    }
    moved.into_iter().for_each(|(first, last)| members.swap(first, last));
    let mut gone = gone.into_iter();
    members.retain(|_| !gone.next().unwrap_or(false));
    members
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Documents with one letter taken away, put in or replaced are JSON here just where another reader takes them, and the same.
    #[test]
    fn texts_are_json_where_another_reader_says_so() {
        const DOCUMENTS: &[&str] = &[
            r#"{"a": [1, -2.5e1, true, null], "b\n": {"c": "d\u00e4\ud83d\ude00\\"}}"#,
            "[0, 10, -0.1E+2, false, \"\", {}, []]",
            " \"x\ty\" ",
            "{\"a\":1,\"b\":2,\"a\":{\"a\":3}}",
        ];
        const LETTERS: &str = "{}[],:\"\\ \n0192.eE+-tnuä/";
        let mut taken = 0;
        let mut compare = |text: &str| {
            let (found, expected) = (read(text), serde_json::from_str::<Value>(text).ok());
            assert_eq!(found.is_some(), expected.is_some(), "{text}");
            assert_eq!(outline(text).is_some(), expected.is_some(), "{text}");
            assert_eq!(part(text, &[Step::Name("a".into())]).is_some(), expected.is_some(), "{text}");
            let Some(found) = found else { return };
            let mut written = String::new();
            found.write(&mut written);
            assert_eq!(serde_json::from_str::<Value>(&written).ok(), expected, "{text} is written {written}");
            taken += 1;
        };
        for document in DOCUMENTS {
            compare(document);
            for (at, letter) in document.char_indices() {
                let (before, after) = (&document[..at], &document[at + letter.len_utf8()..]);
                compare(&[before, after].concat());
                for other in LETTERS.chars() {
                    compare(&format!("{before}{other}{after}"));
                    compare(&format!("{before}{other}{letter}{after}"));
                }
            }
        }
        assert!(taken > 500, "{taken} texts were JSON");
    }

    #[test]
    fn values_lie_in_one_another_to_a_depth() {
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert!(read(&nested(DEPTH as usize)).is_some());
        assert_eq!(read(&nested(DEPTH as usize + 1)), None);
        assert_eq!(outline(&nested(1_000_000)), None);
    }

    #[test]
    fn of_many_members_the_last_of_one_name_counts() {
        let members: Vec<String> = (0..40).map(|at| format!("\"{}\":{at}", at % 30)).collect();
        let text = format!("{{{}}}", members.join(","));
        let Some(Json::Object(found)) = read(&text) else { panic!("{text} is no object") };
        let expected: Vec<(String, String)> =
            (0..30).map(|at| (at.to_string(), if at < 10 { at + 30 } else { at }.to_string())).collect();
        let found: Vec<(String, String)> = found
            .into_iter()
            .map(|(name, value)| {
                (name.into_owned(), if let Json::Number(digits) = value { digits.into() } else { String::new() })
            })
            .collect();
        assert_eq!(found, expected);
        assert_eq!(part(&text, &[Step::Name("3".into())]), Some(Some(Json::Number("33"))));
    }
}
