//! `options:` of an entry on a Sidekiq queue.

use crate::config::foreign::words;
use crate::config::language::elsewhere;
use crate::text::expect;
use crate::text::section::{Key, Read, Section};
use crate::text::types::Type;
use crate::worker::SidekiqOptions;

/// Maximum number of retries of a failed job.
const MAX_RETRIES: u32 = 1000;

pub(in crate::config::language) static SECTION: Section<Read<SidekiqOptions>> = Section {
    title: "`options` of a Sidekiq queue",
    of: "`options` of a Sidekiq queue",
    keys: &[&[Key {
        name: "retry",
        of_type: Type {
            words: "number",
            schema: r#"{"type": "integer", "minimum": 0, "maximum": 1000}"#,
        },
        default: "`25`",
        doc: "how often a job that fails is run again",
        example: "retry: 3",
        read: |node, options, report| options.retry = expect::whole(node, 0..=MAX_RETRIES, report),
    }]],
    foreign: words::SIDEKIQ_OPTIONS,
    elsewhere: elsewhere::OPTIONS,
    ..Section::PLAIN
};
