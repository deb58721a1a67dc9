//! Writes a value on one line, as YAML.

use super::node::{Node, Value};
use super::scalar::Scalar;

/// Maximum bytes of a value that a message repeats.
const MAX_SHOWN: usize = 160;

/// The value in YAML's flow style; `None` if it is too long for a message, or holds a backtick, which
/// would end the quotation.
pub(crate) fn flow(node: &Node<'_>) -> Option<String> {
    let mut out = String::new();
    push(node, &mut out)?;
    Some(out)
}

/// A text as a scalar, in quotes if it needs them.
pub(crate) fn scalar(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./@+: ".contains(c);
    let plain = text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
        && text.chars().all(is_plain)
        && !text.contains(": ")
        && !text.ends_with([' ', ':'])
        && matches!(Scalar::core(text), Scalar::Text(_));
    if plain { text.to_owned() } else { quoted(text) }
}

/// A text in double quotes.
pub(crate) fn quoted(text: &str) -> String {
    // JSON's strings are YAML's, too.
    serde_json::Value::from(text).to_string()
}

fn push(node: &Node<'_>, out: &mut String) -> Option<()> {
    match &node.target().value {
        Value::Plain(text) if !matches!(Scalar::core(text), Scalar::Text(_)) => *out += text,
        Value::Plain(text) | Value::Text(text) if text.len() <= MAX_SHOWN => *out += &scalar(text),
        Value::Plain(_) | Value::Text(_) | Value::Shared(_) => return None,
        Value::List(items) => {
            *out += "[";
            for (index, item) in items.iter().enumerate() {
                *out += if index > 0 { ", " } else { "" };
                push(item, out)?;
            }
            *out += "]";
        }
        Value::Map(pairs) => {
            *out += "{";
            for (index, pair) in pairs.iter().enumerate() {
                *out += if index > 0 { ", " } else { "" };
                *out += &scalar(pair.name());
                *out += ": ";
                push(&pair.value, out)?;
            }
            *out += "}";
        }
    }
    (out.len() <= MAX_SHOWN && !out.contains('`')).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Report, read_all};

    #[test]
    fn a_value_is_written_so_that_it_reads_back_the_same() {
        for (value, flow_style) in [
            ("30.0", Some("30.0")),
            ("'30'", Some("\"30\"")),
            ("two words", Some("two words")),
            ("'*/5'", Some("\"*/5\"")),
            ("'a: b'", Some("\"a: b\"")),
            ("2030-01-01 00:00", Some("2030-01-01 00:00")),
            ("\n  - 1\n  - {x: 'a, b'}", Some("[1, {x: \"a, b\"}]")),
            ("'`'", None),
        ] {
            let text = format!("key: {value}\n");
            let mut report = Report::new("a.yaml", &text);
            let node = read_all(false, &mut report).ok().flatten().unwrap();
            let value = &node.pair("key").unwrap().value;
            assert_eq!(flow(value).as_deref(), flow_style, "{text}");
        }
    }

    #[test]
    fn a_long_value_is_not_repeated() {
        let text = format!("key: [{}]\n", "x, ".repeat(100_000));
        let mut report = Report::new("a.yaml", &text);
        let node = read_all(false, &mut report).ok().flatten().unwrap();
        assert_eq!(flow(&node.pair("key").unwrap().value), None);
    }
}
