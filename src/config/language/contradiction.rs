//! Keys that cannot be combined.

use crate::text::{Pair, Report};

/// Reports at `pair` that its key cannot be combined with that of `other`.
pub(super) fn contradict(pair: &Pair<'_>, other: &Pair<'_>, hint: &str, report: &mut Report<'_>) {
    let there = report.position_in_words(other.key.span);
    let message = format!("`{}` contradicts `{}` at {there}", pair.name(), other.name());
    report.error(pair.key.span, message).hint(hint);
}
