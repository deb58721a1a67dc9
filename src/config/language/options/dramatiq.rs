//! `options:` of an entry on a Dramatiq queue.

use crate::config::foreign::words;
use crate::config::language::elsewhere;
use crate::text::expect;
use crate::text::section::{Key, Read, Section};
use crate::text::types::{LENGTH, Type};
use crate::worker::DramatiqOptions;

/// Maximum number of retries of a failed message.
const MAX_RETRIES: u32 = 1000;

pub(in crate::config::language) static SECTION: Section<Read<DramatiqOptions>> = Section {
    title: "`options` of a Dramatiq queue",
    of: "`options` of a Dramatiq queue",
    keys: &[&[
        Key {
            name: "max_retries",
            of_type: Type {
                words: "number",
                schema: r#"{"type": "integer", "minimum": 0, "maximum": 1000}"#,
            },
            default: "the actor's own",
            doc: "how often a message that fails is run again",
            example: "max_retries: 3",
            read: |node, options, report| {
                options.max_retries = expect::whole(node, 0..=MAX_RETRIES, report);
            },
        },
        Key {
            name: "time_limit",
            of_type: LENGTH,
            default: "the actor's own",
            doc: "after this the actor gets `TimeLimitExceeded`",
            example: "time_limit: 30m",
            read: |node, options, report| options.time_limit = expect::length(node, report),
        },
        Key {
            name: "min_backoff",
            of_type: LENGTH,
            default: "the actor's own",
            doc: "the shortest pause before a message is run again",
            example: "min_backoff: 15s",
            read: |node, options, report| options.min_backoff = expect::length(node, report),
        },
        Key {
            name: "max_backoff",
            of_type: LENGTH,
            default: "the actor's own",
            doc: "the longest pause before a message is run again",
            example: "max_backoff: 1h",
            read: |node, options, report| options.max_backoff = expect::length(node, report),
        },
    ]],
    foreign: words::DRAMATIQ_OPTIONS,
    elsewhere: elsewhere::OPTIONS,
    ..Section::PLAIN
};
