//! Instants, one or a list of them, as in `at`.

use downbeat_time::{Instants, UnixMs, Zone};

use crate::config::foreign;
use crate::text::types::Type;
use crate::text::{Node, Report, Span, instant};

pub(super) const INSTANT: Type =
    Type { words: "instant", schema: r##"{"$ref": "#/$defs/instant"}"## };

/// Maximum number of instants in a list of `at`.
const MAX_INSTANTS: usize = 1000;

/// One instant, or a list of them in any order.
pub(super) fn read(node: &Node<'_>, zone: &Zone, report: &mut Report<'_>) -> Option<Instants> {
    let Some(items) = node.list() else {
        return single(node, zone, report).map(Instants::from);
    };
    if items.len() > MAX_INSTANTS {
        report
            .error(node.span, format!("{} instants, more than {MAX_INSTANTS}", items.len()))
            .hint("write a rule that gives them, or several entries");
        return None;
    }
    report.spend(size_of_val(items));
    let read = |item| Some((instant(item, zone, report)?, item.span));
    let mut read: Vec<(UnixMs, Span)> = items.iter().filter_map(read).collect();
    read.sort_by_key(|(instant, span)| (*instant, span.start()));
    for pair in read.windows(2) {
        if let [(first, there), (second, here)] = pair
            && first == second
        {
            let there = report.position_in_words(*there);
            report
                .warning(*here, format!("this instant is in the list already, at {there}"))
                .hint("it makes one slot; remove one of the two");
        }
    }
    let instants = Instants::new(read.into_iter().map(|(instant, _)| instant).collect());
    if items.is_empty() {
        report
            .error(node.span, "a list of no instants: this entry would never fire")
            .hint(instant::HINT);
    }
    instants
}

/// The only instant of `at`; elsewhere, `at` also says the time of day, or how often.
fn single(node: &Node<'_>, zone: &Zone, report: &mut Report<'_>) -> Option<UnixMs> {
    let text = node.as_written().unwrap_or_default();
    let timing = match instant::parse(text, zone) {
        Err(_) if instant::meant(text).is_none() => foreign::Timing::parse(text),
        _ => None,
    };
    let Some(timing) = timing else { return instant(node, zone, report) };
    let message = format!("expected a date and time, found {}", report.found(node));
    report.error(node.span, message).hint(format!("write {timing}"));
    None
}

/// An instant, as in `at`, `start` and `anchor`.
pub(super) fn instant(node: &Node<'_>, zone: &Zone, report: &mut Report<'_>) -> Option<UnixMs> {
    let Some(text) = node.as_written().filter(|text| !text.is_empty()) else {
        let message = format!("expected a date and time, found {}", report.found(node));
        report.error(node.span, message).hint(instant::HINT);
        return None;
    };
    match instant::parse(text, zone) {
        Ok(at) => Some(at),
        Err(error) => {
            report.error(node.span, error.to_string()).hint(instant::hint(text));
            None
        }
    }
}
