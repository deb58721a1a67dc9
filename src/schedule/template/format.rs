//! Checks the formats of `format("…")`.

use std::ops::Range;

use downbeat_time::{UnixMs, Zone};

use super::TemplateProblem;
use super::parse::shortened;

/// The maximum length of a format in bytes.
pub const MAX_FORMAT: usize = 100;

/// The maximum width that a directive can be padded to; jiff does not support more.
const MAX_WIDTH: u8 = 20;

/// Checks that every directive is known: then the format works for every instant, because a directive only fails
/// if an instant lacks something.
pub(super) fn check(format: &str) -> Result<(), (Range<usize>, TemplateProblem)> {
    if format.len() > MAX_FORMAT {
        return Err((0..format.len(), TemplateProblem::LongFormat));
    }
    let mut from = 0;
    while let Some(found) = format[from..].find('%') {
        let start = from + found;
        from = end_of_directive(format, start);
        let directive = &format[start..from];
        check_directive(directive).map_err(|problem| (start..from, problem))?;
    }
    if from == 0 { Err((0..format.len(), TemplateProblem::ConstantFormat)) } else { Ok(()) }
}

/// The end of a directive: `%`, flags, a width, colons and one more character.
fn end_of_directive(format: &str, start: usize) -> usize {
    let between = |c: char| c.is_ascii_digit() || "-_^#:.".contains(c);
    let rest = format[start + 1..].trim_start_matches(between);
    format.len() - rest.len() + rest.chars().next().map_or(0, char::len_utf8)
}

fn check_directive(directive: &str) -> Result<(), TemplateProblem> {
    if Zone::utc().strftime(UnixMs(0), directive).is_err() {
        return Err(TemplateProblem::UnknownDirective(shortened(directive)));
    }
    let digits = directive.trim_matches(|c: char| !c.is_ascii_digit());
    if digits.parse::<u8>().is_ok_and(|width| width > MAX_WIDTH) {
        return Err(TemplateProblem::Wide(shortened(directive)));
    }
    if directive.ends_with('f') && !directive.contains(|c: char| c.is_ascii_digit()) {
        return Err(TemplateProblem::OpenFraction(shortened(directive)));
    }
    Ok(())
}
