//! Reads a value as the type that its key requires, or reports the wrong type.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use downbeat_time::nearest;

use super::duration;
use super::node::{Node, Pair};
use super::report::Report;
use super::scalar::Scalar;
use super::span::Span;

/// Maximum number of slots or messages.
pub(crate) const MAX_COUNT: u32 = 1_000_000_000;

/// Maximum bytes of the name of a task, a queue or the like.
pub const MAX_NAME: usize = 255;
/// Maximum bytes of a description.
pub(crate) const MAX_DESCRIPTION: usize = 4096;

/// Text. A number, a boolean or an empty value has to be quoted to count as text.
pub(crate) fn text<'n>(node: &'n Node<'_>, report: &mut Report<'_>) -> Option<&'n str> {
    if let Some(Scalar::Text(text)) = node.scalar() {
        return Some(text);
    }
    let quotes = report.quotes_values();
    let problem = report.error(node.span, format!("expected text, found {}", report.found(node)));
    if let (Some(written), false) = (node.as_written(), node.scalar() == Some(Scalar::Null)) {
        let hint =
            if quotes { format!("quote it: `\"{written}\"`") } else { "quote it".to_owned() };
        problem.hint(hint);
    }
    None
}

/// Text of 1 to `limit` bytes without control characters.
pub(crate) fn name<'n>(
    node: &'n Node<'_>,
    what: &str,
    limit: usize,
    report: &mut Report<'_>,
) -> Option<&'n str> {
    let text = text(node, report)?;
    check_name(text, node.span, what, limit, report).then_some(text)
}

/// Checks that a name is not empty, not too long, and has nothing that a terminal would act on.
pub(crate) fn check_name(
    text: &str,
    span: Span,
    what: &str,
    limit: usize,
    report: &mut Report<'_>,
) -> bool {
    let message = if text.is_empty() {
        format!("{what} is empty")
    } else if text.len() > limit {
        format!("{what} is {} bytes long, more than {limit}", text.len())
    } else if text.chars().any(char::is_control) {
        format!("{what} holds a control character")
    } else if text.trim() != text {
        format!("{what} begins or ends with white space")
    } else {
        return true;
    };
    report.error(span, message);
    false
}

/// The pairs of a mapping; `of` says what its keys belong to: `an entry`.
pub(crate) fn pairs<'n, 't>(
    node: &'n Node<'t>,
    of: &str,
    report: &mut Report<'_>,
) -> Option<&'n [Pair<'t>]> {
    let pairs = node.map();
    if pairs.is_none() {
        let found = report.found(node);
        report.error(node.span, format!("expected the mapping of {of}, found {found}"));
    }
    pairs
}

pub(crate) fn boolean(node: &Node<'_>, report: &mut Report<'_>) -> Option<bool> {
    if let Some(Scalar::Bool(value)) = node.scalar() {
        return Some(value);
    }
    let written = node.as_written().unwrap_or_default().to_ascii_lowercase();
    let meant = match written.as_str() {
        "yes" | "on" | "y" | "true" | "1" => Some("true"),
        "no" | "off" | "n" | "false" | "0" => Some("false"),
        _ => None,
    };
    let message = format!("expected true or false, found {}", report.found(node));
    let problem = report.error(node.span, message);
    match meant {
        Some(meant) if written == meant => problem.hint(format!("write `{meant}`, without quotes")),
        Some(meant) => problem.hint(format!("write `{meant}`")),
        None => problem,
    };
    None
}

/// One of a few words, with what each stands for. A foreign word for one of them has its own hint.
pub(crate) fn one_of<T: Copy>(
    node: &Node<'_>,
    words: &[(&str, T)],
    foreign: Option<&str>,
    report: &mut Report<'_>,
) -> Option<T> {
    let written = match node.scalar() {
        Some(Scalar::Text(text)) => text,
        _ => "",
    };
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == written) {
        return Some(*value);
    }
    let quoted: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
    let (last, first) = quoted.split_last()?;
    let list = format!("{} or {last}", first.join(", "));
    let found = report.found(node);
    let problem = report.error(node.span, format!("expected {list}, found {found}"));
    let near = nearest(written, words.iter().map(|(word, _)| *word));
    let near = near.map(|near| format!("did you mean `{near}`?"));
    if let Some(hint) = foreign.map(str::to_owned).or(near) {
        problem.hint(hint);
    }
    None
}

/// A whole number in a range.
pub(crate) fn whole(
    node: &Node<'_>,
    range: RangeInclusive<u32>,
    report: &mut Report<'_>,
) -> Option<u32> {
    if let Some(Scalar::Int(number)) = node.scalar()
        && let Ok(number) = u32::try_from(number)
        && range.contains(&number)
    {
        return Some(number);
    }
    let is_number = matches!(node.scalar(), Some(Scalar::Int(_) | Scalar::Huge | Scalar::Float(_)));
    let found = match is_number && !report.quotes_values() {
        true => "another one".to_owned(),
        false => report.found(node),
    };
    let (least, greatest) = (range.start(), range.end());
    let message = format!("expected a whole number from {least} to {greatest}, found {found}");
    report.error(node.span, message);
    None
}

/// A number of slots or messages.
pub(crate) fn count(node: &Node<'_>, report: &mut Report<'_>) -> Option<NonZeroU32> {
    whole(node, 1..=MAX_COUNT, report).and_then(NonZeroU32::new)
}

/// A duration above zero.
pub(crate) fn length(node: &Node<'_>, report: &mut Report<'_>) -> Option<Duration> {
    let length = length_or_zero(node, report)?;
    if length.is_zero() {
        report.error(node.span, "a duration of zero");
        return None;
    }
    Some(length)
}

pub(crate) fn length_or_zero(node: &Node<'_>, report: &mut Report<'_>) -> Option<Duration> {
    let written = match node.scalar() {
        Some(Scalar::Text(text)) => text,
        Some(Scalar::Int(_) | Scalar::Huge | Scalar::Float(_)) => {
            node.as_written().unwrap_or_default()
        }
        _ => {
            report
                .error(node.span, format!("expected a duration, found {}", report.found(node)))
                .hint("write it like `90s`, `5m`, `1h30m`, `2d`, `1w` or `500ms`");
            return None;
        }
    };
    match duration::parse(written) {
        Ok(length) => Some(length),
        Err(error) => {
            report.error(node.span, error.to_string()).hint(error.hint());
            None
        }
    }
}
