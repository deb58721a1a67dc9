//! `except`: times without slots, and where their slots go.

use downbeat_time::{Except, Move};

use super::{CalendarRef, days};
use crate::config::foreign::{self, words};
use crate::text::section::{self, Key, REQUIRED, Section};
use crate::text::types::Type;
use crate::text::{Node, Report, expect};

/// What to write in `except` as a mapping.
const MOVE_HINT: &str = "write `except: {days: [sat-sun, 12-25], move: next}`, or `move: previous`";

/// `except` as a mapping.
pub(in crate::config::language) static EXCEPT: Section<section::Read<Draft>> = Section {
    title: "`except` as a mapping",
    of: "`except`",
    keys: &[&[
        Key {
            name: "days",
            of_type: Type { words: "days", schema: r##"{"$ref": "#/$defs/excepted"}"## },
            default: REQUIRED,
            doc: "as in `except` itself",
            example: "days: [sat-sun, 12-25]",
            read: |_, draft, _| draft.has_days = true,
        },
        Key {
            name: "move",
            of_type: Type {
                words: "`next` or `previous`",
                schema: r#"{"enum": ["next", "previous"]}"#,
            },
            default: "none: the slot is left out",
            doc: "a slot whose day is left out goes to the nearest day that is left, at the same time of \
                  day, but not past the entry's next slot (`previous`: the one before)",
            example: "move: previous",
            read: |node, draft, report| draft.move_to = move_to(node, report),
        },
    ]],
    foreign: words::EXCEPT,
    ..Section::PLAIN
};

/// What the mapping says.
#[derive(Default)]
pub(in crate::config::language) struct Draft {
    has_days: bool,
    move_to: Option<Move>,
}

/// The times of `except`, and where their slots go; adds names of calendars to `calendars`.
pub(in crate::config::language) fn read(
    node: &Node<'_>,
    calendars: &mut Vec<CalendarRef>,
    report: &mut Report<'_>,
) -> (Except, Option<Move>) {
    if node.map().is_none() {
        return (days(node, Some(calendars), report), None);
    }
    let mut draft = Draft::default();
    let refused =
        EXCEPT.each(node, report, |read, pair, report| read(&pair.value, &mut draft, report));
    let except = node.pair("days").map(|pair| days(&pair.value, Some(calendars), report));
    if !draft.has_days && refused.is_some_and(|refused| !refused.was_meant("days")) {
        report.error(node.span, "`except` has no `days`").hint(MOVE_HINT);
    }
    (except.unwrap_or_default(), draft.move_to)
}

fn move_to(node: &Node<'_>, report: &mut Report<'_>) -> Option<Move> {
    let words = [("next", Move::Next), ("previous", Move::Previous)];
    expect::one_of(node, &words, foreign::known("move", node), report)
}
