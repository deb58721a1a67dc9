//! Values as compact JSON text, as the message will carry them.

use std::fmt::Write as _;

use super::node::{Node, Pair, Scalar, Value};
use super::report::Report;

/// Bytes of the JSON text of one `args` or `kwargs`.
///
/// A schedule names work to do; what the work needs belongs into a store, and a message of this
/// size already takes Redis several times as long as a usual one.
pub const MAX_ARGUMENTS: usize = 64 * 1024;

/// Bytes of the JSON text of one `headers`.
pub const MAX_HEADERS: usize = 8 * 1024;

/// The JSON text of a list or mapping, at most `limit` bytes of it.
pub(super) fn render(node: &Node<'_>, limit: usize, report: &mut Report<'_>) -> Option<Box<str>> {
    let before = report.errors();
    let mut writer = Writer { out: String::new(), limit, report };
    let result = writer.value(node);
    writer.report.spend(writer.out.len());
    if result.is_err() {
        let message = format!("more than {} KiB of JSON", limit / 1024);
        writer
            .report
            .error(node.span, message)
            .hint("keep big values in a store and pass their keys");
        return None;
    }
    let out = writer.out;
    (report.errors() == before).then(|| out.into_boxed_str())
}

struct Writer<'r, 't> {
    out: String,
    limit: usize,
    report: &'r mut Report<'t>,
}

struct TooLong;

impl Writer<'_, '_> {
    fn value(&mut self, node: &Node<'_>) -> Result<(), TooLong> {
        match &node.target().value {
            Value::List(items) => self.list(items)?,
            Value::Map(pairs) => self.map(node, pairs)?,
            Value::Plain(text) => self.plain(node, text),
            Value::Text(text) => self.text(node, text),
            Value::Shared(_) => {}
        }
        if self.out.len() > self.limit { Err(TooLong) } else { Ok(()) }
    }

    fn list(&mut self, items: &[Node<'_>]) -> Result<(), TooLong> {
        self.out.push('[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.value(item)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn map(&mut self, node: &Node<'_>, pairs: &[Pair<'_>]) -> Result<(), TooLong> {
        let holds = |name: &str| pairs.iter().any(|pair| pair.name() == name);
        if holds("__type__") && holds("__value__") {
            let message =
                "a mapping with both `__type__` and `__value__`, which Celery would replace";
            self.report.error(node.span, message).hint("rename one of the two keys");
        }
        self.out.push('{');
        for (index, pair) in pairs.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.key(&pair.key);
            self.out.push(':');
            self.value(&pair.value)?;
        }
        self.out.push('}');
        Ok(())
    }

    fn key(&mut self, key: &Node<'_>) {
        match key.scalar() {
            Some(Scalar::Text(text)) => self.text(key, text),
            _ => {
                let written = key.as_written().unwrap_or_default();
                self.report
                    .error(key.span, format!("a key must be text, found {}", key.found()))
                    .hint(format!("quote it: `\"{written}\":`"));
            }
        }
    }

    fn text(&mut self, node: &Node<'_>, text: &str) {
        if text.contains("{{") {
            let message = "templates (`{{ … }}`) are not supported by this version";
            self.report.error(node.span, message);
            return;
        }
        // Escaping text cannot fail.
        self.out += &serde_json::to_string(text).unwrap_or_default();
    }

    fn plain(&mut self, node: &Node<'_>, written: &str) {
        match Scalar::core(written) {
            Scalar::Null => self.out.push_str("null"),
            Scalar::Bool(value) => self.out.push_str(if value { "true" } else { "false" }),
            Scalar::Int(number) => {
                self.warn_of_octal(node, written, number);
                let _ = write!(self.out, "{number}");
            }
            Scalar::Huge => {
                self.report
                    .error(node.span, "an integer beyond 64 bits")
                    .hint("quote it, and let the task convert it");
            }
            Scalar::Float(number) if number.is_finite() => {
                self.out += &serde_json::to_string(&number).unwrap_or_default();
            }
            Scalar::Float(_) => {
                self.report.error(node.span, format!("JSON has no number `{written}`"));
            }
            Scalar::Text(text) => {
                self.warn_of_old_yaml(node, text);
                self.text(node, text);
            }
        }
    }

    fn warn_of_octal(&mut self, node: &Node<'_>, written: &str, number: i128) {
        let digits = written.trim_start_matches(['-', '+']);
        if digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0x") {
            let message =
                format!("`{written}` is the number {number}; YAML 1.1 reads it otherwise");
            self.report
                .warning(node.span, message)
                .hint(format!("write `{number}`, or `\"{written}\"` for the text"));
        }
    }

    /// What PyYAML and other parsers of YAML 1.1 take for a boolean or a number.
    fn warn_of_old_yaml(&mut self, node: &Node<'_>, text: &str) {
        let meant = match text {
            "yes" | "Yes" | "YES" | "on" | "On" | "ON" => "true".to_owned(),
            "no" | "No" | "NO" | "off" | "Off" | "OFF" => "false".to_owned(),
            _ if text.contains('_') && matches!(text.as_bytes()[0], b'0'..=b'9' | b'-' | b'+') => {
                let plain = text.replace('_', "");
                match Scalar::core(&plain) {
                    Scalar::Int(number) => number.to_string(),
                    Scalar::Float(_) => plain,
                    _ => return,
                }
            }
            _ => return,
        };
        self.report
            .warning(node.span, format!("`{text}` is text here, unlike in YAML 1.1"))
            .hint(format!("write `\"{text}\"` for the text, or `{meant}`"));
    }
}
