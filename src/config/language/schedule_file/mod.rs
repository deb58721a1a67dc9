//! Reads one schedule file.

mod pass;
mod size;

use self::pass::Pass;
use super::elsewhere;
use super::shared::Additions;
use super::zone::ZONE;
use crate::config::foreign::words;
use crate::schedule::Entry;
use crate::text::section::{Key, REQUIRED, Section};
use crate::text::types::Type;
use crate::text::{Broken, Paused, Reader, Report, Span};
use crate::tzdata::Tzdata;
use crate::worker::Queues;

/// Reads the value of a key of a file.
pub(super) type Read = for<'t, 'z> fn(&mut Pass<'t, 'z>, &mut Reader<'t>) -> Result<(), Broken>;

/// A file.
pub(super) static FILE: Section<Read> = Section {
    title: "A file",
    of: "a schedule file",
    keys: &[&[
        Key {
            name: "timezone",
            of_type: ZONE,
            default: "`UTC`",
            doc: "the IANA zone whose clock the entries read",
            example: "timezone: Asia/Seoul",
            read: |pass, reader| pass.timezone(reader),
        },
        Key {
            name: "defaults",
            of_type: Type { words: "mapping", schema: r##"{"$ref": "#/$defs/defaults"}"## },
            default: "",
            doc: "values for the entries of this file that do not set them: whole values, never merged",
            example: "defaults: {queue: reports, expires: next}",
            read: |pass, reader| pass.defaults(reader),
        },
        Key {
            name: "calendars",
            of_type: Type {
                words: "mapping of names to days",
                schema: r##"{"type": "object", "additionalProperties": {"$ref": "#/$defs/calendar"}}"##,
            },
            default: "",
            doc: "days for `except` and `business_days`, by name; entries of all files may name them",
            example: "calendars: {holidays: [2026-10-03, 2026-12-24..2026-12-26, 01-01]}",
            read: |pass, reader| pass.calendars(reader),
        },
        Key {
            name: "spread",
            of_type: Type {
                words: "mapping of tags to lengths",
                schema: r##"{"type": "object", "additionalProperties": {"$ref": "#/$defs/length"}}"##,
            },
            default: "",
            doc: "divides the window among the enabled entries of a tag, in name order over all files: each \
                  is due that much after its slots, but before its next one; an entry's own `jitter` takes \
                  precedence",
            example: "spread: {nightly: 30m}",
            read: |pass, reader| pass.spread(reader),
        },
        Key {
            name: ENTRIES,
            of_type: Type {
                words: "mapping of names to entries",
                schema: r##"{"type": "object", "additionalProperties": {"$ref": "#/$defs/entry"}}"##,
            },
            default: REQUIRED,
            doc: "what to send and when; names are unique over all files",
            example: "entries: {ping: {task: shop.tasks.ping, every: 1m}}",
            read: |pass, reader| pass.entries(reader),
        },
    ]],
    foreign: words::FILE,
    elsewhere: elsewhere::FILE,
    types: &[("calendar", r##"{"$ref": "#/$defs/except"}"##)],
    ..Section::PLAIN
};

const ENTRIES: &str = "entries";

/// The content of a file.
pub(crate) struct Contents {
    /// The entries without errors, in the order of the file.
    pub(crate) entries: Vec<Entry>,
    /// Where each entry's name is written: byte range, line, column.
    pub(crate) places: Vec<(Span, u32, u32)>,
    /// What this file adds for other files, and what it uses from them.
    pub(super) additions: Additions,
    pub(crate) found: Paused,
}

/// Reads a file's text.
pub(crate) fn read(
    file: &str,
    text: &str,
    json: bool,
    queues: &Queues,
    tzdata: &Tzdata,
) -> Contents {
    let mut first = Pass::new(Report::new(file, text), queues, tzdata, None);
    let broken = first.read(json).is_err();
    let Some(head) = first.late_head.take().filter(|_| !broken) else {
        return first.finish();
    };
    // Entries are read one by one with the keys above them. If `timezone` or `defaults` follow further
    // down, the whole file is read again.
    let mut second = Pass::new(Report::new(file, text), queues, tzdata, Some(head));
    // The report has any error.
    let _ = second.read(json);
    second.finish()
}
