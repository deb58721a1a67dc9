//! `options:` of an entry on an arq queue.

use std::num::NonZeroU32;

use crate::config::foreign::words;
use crate::config::language::elsewhere;
use crate::text::expect;
use crate::text::section::{Key, Read, Section};
use crate::text::types::Type;
use crate::worker::ArqOptions;

/// Maximum of `job_try`.
const MAX_TRIES: u32 = 1000;

pub(in crate::config::language) static SECTION: Section<Read<ArqOptions>> = Section {
    title: "`options` of an arq queue",
    of: "`options` of an arq queue",
    keys: &[&[Key {
        name: "job_try",
        of_type: Type {
            words: "number",
            schema: r#"{"type": "integer", "minimum": 1, "maximum": 1000}"#,
        },
        default: "`1`",
        doc: "which try the first run counts as: a job whose function asks for another try is given up after \
              the worker's `max_tries`",
        example: "job_try: 4",
        read: |node, options, report| {
            let job_try = expect::whole(node, 1..=MAX_TRIES, report);
            options.job_try = job_try.and_then(NonZeroU32::new);
        },
    }]],
    foreign: words::ARQ_OPTIONS,
    elsewhere: elsewhere::OPTIONS,
    ..Section::PLAIN
};
