//! Texts that are used as they are written: a template in one is probably a mistake.

use crate::text::{Node, Report, expect, shortened};

/// A name as in [`expect::name`].
pub(super) fn name<'n>(
    node: &'n Node<'_>,
    what: &str,
    limit: usize,
    report: &mut Report<'_>,
) -> Option<&'n str> {
    let text = expect::name(node, what, limit, report)?;
    warn_of_template(node, text, report);
    Some(text)
}

/// Warns of a template in a text.
pub(super) fn warn_of_template(node: &Node<'_>, text: &str, report: &mut Report<'_>) {
    let Some(start) = text.find("{{") else { return };
    let end = text[start..].find("}}").map_or(text.len(), |close| start + close + 2);
    let span = node.part(report.text(), start..end);
    let source = shortened(&text[start..end]);
    report
        .warning(span, format!("`{source}` stays as it is"))
        .hint("templates work in `args`, `kwargs` and `headers`");
}
