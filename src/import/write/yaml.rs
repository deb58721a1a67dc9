//! Values as YAML in the style of people: blocks for mappings, one line for what fits, quotes where they are
//! needed.

use serde_json::{Map, Value};

use crate::escape::{escape, is_hidden};
use crate::text::{Scalar, duration, flow};

/// Longer lines are broken into blocks.
const WIDTH: usize = 100;
/// What YAML 1.1, which editors and other programs still read, does not take for text.
const OLD_WORDS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"];

/// A growing text.
#[derive(Debug, Default)]
pub(crate) struct Yaml {
    text: String,
    lines: usize,
}

impl Yaml {
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// How many lines there are.
    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    pub(super) fn line(&mut self, line: &str) {
        self.text += line;
        self.text.push('\n');
        self.lines += 1;
    }

    /// An empty line, unless it would be the first of its block.
    pub(super) fn gap(&mut self) {
        if !self.text.ends_with("entries:\n") {
            self.line("");
        }
    }

    /// A comment of one line: text of the source may hold anything.
    pub(super) fn comment(&mut self, indent: usize, text: &str) {
        self.line(format!("{:indent$}# {}", "", escape(text)).trim_end());
    }

    /// A mapping, one pair a line.
    pub(super) fn block(&mut self, indent: usize, key: &str, pairs: &Map<String, Value>) {
        if pairs.is_empty() {
            return self.line(&format!("{:indent$}{}: {{}}", "", text(key)));
        }
        self.line(&format!("{:indent$}{}:", "", text(key)));
        pairs.iter().for_each(|(key, value)| self.pair(indent + 2, key, value));
    }

    /// A pair on one line if it fits, else as a block.
    pub(super) fn pair(&mut self, indent: usize, key: &str, value: &Value) {
        let line = format!("{:indent$}{}: {}", "", text(key), on_one_line(value));
        match value {
            _ if line.chars().count() <= WIDTH => self.line(&line),
            Value::Object(pairs) if !pairs.is_empty() => self.block(indent, key, pairs),
            Value::Array(items) if !items.is_empty() => {
                self.line(&format!("{:indent$}{}:", "", text(key)));
                items.iter().for_each(|item| {
                    self.line(&format!("{:indent$}  - {}", "", on_one_line(item)))
                });
            }
            _ => self.line(&line),
        }
    }
}

fn on_one_line(value: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::String(string) => text(string),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(on_one_line).collect())),
        Value::Object(pairs) => {
            let pair =
                |(key, value): (&String, &Value)| format!("{}: {}", text(key), on_one_line(value));
            format!("{{{}}}", joined(pairs.iter().map(pair).collect()))
        }
        other => other.to_string(),
    }
}

/// A string: plain if every reader of YAML takes it for this text, else in quotes.
fn text(string: &str) -> String {
    if is_plain(string) { string.to_owned() } else { quoted(string) }
}

fn is_plain(string: &str) -> bool {
    let starts = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '/';
    let continues = |c: char| c.is_ascii_alphanumeric() || "_/.+@-".contains(c);
    let is_number_like =
        string.starts_with(|c: char| c.is_ascii_digit()) && duration::parse(string).is_err();
    string.starts_with(starts)
        && string.split(' ').all(|word| !word.is_empty() && word.chars().all(continues))
        && !is_number_like
        && matches!(Scalar::core(string), Scalar::Text(_))
        && !OLD_WORDS.iter().any(|word| word.eq_ignore_ascii_case(string))
}

/// A string in double quotes. Hidden characters are escaped, and the two that YAML does not allow.
fn quoted(string: &str) -> String {
    let mut out = String::new();
    for c in flow::quoted(string).chars() {
        match u32::from(c) {
            _ if !is_hidden(c) && !matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(c),
            code @ ..=0xffff => out += &format!("\\u{code:04x}"),
            code => out += &format!("\\U{code:08x}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::{Report, read_all};

    proptest! {
        #[test]
        fn every_text_is_read_back_as_it_was(string in "\\PC{0,40}|[ -~\\n\\t\u{85}\u{202e}\u{ffff}]{0,40}") {
            let mut out = Yaml::default();
            out.pair(0, &format!("k{string}"), &Value::from(&*string));
            let written = out.into_text();
            let mut report = Report::new("a.yaml", &written);
            let read = read_all(false, &mut report).ok().flatten().unwrap();
            let value = &read.pair(&format!("k{string}")).unwrap().value;
            prop_assert_eq!(value.scalar(), Some(Scalar::Text(&string)), "{}", written);
        }
    }

    #[test]
    fn words_and_numbers_of_yaml_are_quoted() {
        for string in [
            "",
            "yes",
            "No",
            "null",
            "12",
            "1e3",
            "2026-01-01",
            "12:30",
            "a: b",
            "a #b",
            " a",
            "-",
            "*/5 * * * *",
            "0o7",
        ] {
            assert_eq!(text(string), quoted(string));
        }
        for string in ["10s", "1h30m", "shop.tasks.poll", "a b", "sales@eu", "/tmp/x"] {
            assert_eq!(text(string), string);
        }
    }
}
