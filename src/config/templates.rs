//! Problems with templates in a schedule file.

use super::expect;
use super::node::{Node, shortened};
use super::report::{MAX_PROBLEMS, Report};
use crate::schedule::template::TemplateError;

/// Building this many bytes of JSON takes about as long as reporting a mistake. Aliases could repeat a
/// short mistake endlessly.
const BYTES_PER_MISTAKE: usize = 1024;

/// Reports what is wrong with a template in a value.
pub(super) fn refuse(node: &Node<'_>, error: &TemplateError, report: &mut Report<'_>) {
    report.spend(BYTES_PER_MISTAKE + error.span.start);
    // Finding the position takes a walk through the text.
    let shown = report.count() < MAX_PROBLEMS;
    let span = if shown { node.part(report.text(), error.span.clone()) } else { node.span };
    report.error(span, error.to_string()).hint(error.problem.hint());
}

/// A name as in [`expect::name`], in which templates are not filled in.
pub(super) fn literal_name<'n>(
    node: &'n Node<'_>,
    what: &str,
    limit: usize,
    report: &mut Report<'_>,
) -> Option<&'n str> {
    let name = expect::name(node, what, limit, report)?;
    warn_of_unfilled(node, name, report);
    Some(name)
}

/// Warns of a template in a text that is used literally.
pub(super) fn warn_of_unfilled(node: &Node<'_>, text: &str, report: &mut Report<'_>) {
    let Some(start) = text.find("{{") else { return };
    let end = text[start..].find("}}").map_or(text.len(), |close| start + close + 2);
    let span = node.part(report.text(), start..end);
    let source = shortened(&text[start..end]);
    report
        .warning(span, format!("`{source}` stays as it is"))
        .hint("templates work in `args`, `kwargs` and `headers`");
}
