//! Reports as JSON, one object a line, each string escaped.

use std::fmt::Write;

/// A JSON object on one line.
#[derive(Debug, Clone)]
pub struct Object(String);

impl Default for Object {
    fn default() -> Self {
        Self::new()
    }
}

impl Object {
    /// One without members.
    #[must_use]
    pub fn new() -> Self {
        Self(String::from("{"))
    }

    /// Adds a member; the value is JSON already.
    ///
    /// # Panics
    /// Never: a string takes all text.
    pub fn add(&mut self, name: &str, value: &dyn std::fmt::Display) -> &mut Self {
        let comma = if self.0.len() > 1 { "," } else { "" };
        write!(self.0, "{comma}\"{name}\":{value}").expect("a string takes all text");
        self
    }

    /// The line.
    #[must_use]
    pub fn close(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A JSON string.
///
/// # Panics
/// Never: a string takes all text.
#[must_use]
pub fn text(plain: &str) -> String {
    let mut json = String::from("\"");
    for c in plain.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            c if c < ' ' => write!(json, "\\u{:04x}", u32::from(c)).expect("a string takes all text"),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

/// A JSON list of strings.
#[must_use]
pub fn texts<S: AsRef<str>>(all: impl IntoIterator<Item = S>) -> String {
    let all: Vec<String> = all.into_iter().map(|one| text(one.as_ref())).collect();
    format!("[{}]", all.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_does_not_allow_in_a_string_is_escaped() {
        assert_eq!(texts(["a", "\"b\"\n\u{1}"]), r#"["a","\"b\"\n\u0001"]"#);
        let mut line = Object::new();
        line.add("seed", &3).add("job", &text("x"));
        assert_eq!(line.close(), r#"{"seed":3,"job":"x"}"#);
    }
}
