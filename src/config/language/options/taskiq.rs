//! `options:` of an entry on a taskiq queue.

use std::num::NonZeroU32;

use crate::config::foreign::words;
use crate::config::language::elsewhere;
use crate::text::expect;
use crate::text::section::{Key, Read, Section};
use crate::text::types::{BOOLEAN, LENGTH, Type};
use crate::worker::TaskiqOptions;
use crate::worker::taskiq::AckType;

/// Maximum number of runs of a failing task.
const MAX_RETRIES: u32 = 1000;

pub(in crate::config::language) static SECTION: Section<Read<TaskiqOptions>> = Section {
    title: "`options` of a taskiq queue",
    of: "`options` of a taskiq queue",
    keys: &[&[
        Key {
            name: "timeout",
            of_type: LENGTH,
            default: "none",
            doc: "after this an asynchronous task is cancelled",
            example: "timeout: 5m",
            read: |node, options, report| options.timeout = expect::length(node, report),
        },
        Key {
            name: "retry_on_error",
            of_type: BOOLEAN,
            default: "the middleware's",
            doc: "whether a task that fails is run again, by workers with `SimpleRetryMiddleware` or \
                  `SmartRetryMiddleware`",
            example: "retry_on_error: true",
            read: |node, options, report| options.retry_on_error = expect::boolean(node, report),
        },
        Key {
            name: "max_retries",
            of_type: Type {
                words: "number",
                schema: r#"{"type": "integer", "minimum": 1, "maximum": 1000}"#,
            },
            default: "the middleware's",
            doc: "how often a task that fails is run in all",
            example: "retry_on_error: true\nmax_retries: 3",
            read: |node, options, report| {
                let times = expect::whole(node, 1..=MAX_RETRIES, report);
                options.max_retries = times.and_then(NonZeroU32::new);
            },
        },
        Key {
            name: "delay",
            of_type: LENGTH,
            default: "the middleware's",
            doc: "the pause before a task is run again, with `SmartRetryMiddleware`",
            example: "retry_on_error: true\ndelay: 10s",
            read: |node, options, report| options.delay = expect::length(node, report),
        },
        Key {
            name: "ack_type",
            of_type: Type {
                words: "word",
                schema: r#"{"enum": ["when_received", "when_executed", "when_saved", "manual"]}"#,
            },
            default: "the worker's",
            doc: "of a stream: whether the worker acknowledges the message before the task runs \
                  (`when_received`), after that (`when_executed`), or when its result is stored \
                  (`when_saved`), or leaves it to the task (`manual`)",
            example: "ack_type: when_received",
            read: |node, options, report| {
                let words = AckType::ALL.map(|kind| (kind.as_str(), kind));
                options.ack_type = expect::one_of(node, &words, None, report);
            },
        },
    ]],
    foreign: words::TASKIQ_OPTIONS,
    elsewhere: elsewhere::OPTIONS,
    ..Section::PLAIN
};
