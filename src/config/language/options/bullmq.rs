//! `options:` of an entry on a BullMQ queue.

use std::time::Duration;

use crate::config::foreign::words;
use crate::config::language::elsewhere;
use crate::text::section::{Key, REQUIRED, Read, Section};
use crate::text::types::{LENGTH, Type};
use crate::text::{Node, Report, Scalar, expect};
use crate::worker::BullmqOptions;
use crate::worker::bullmq::{Backoff, Keep};

/// Maximum number of attempts.
const MAX_ATTEMPTS: u32 = 1000;

pub(in crate::config::language) static SECTION: Section<Read<BullmqOptions>> = Section {
    title: "`options` of a BullMQ queue",
    of: "`options` of a BullMQ queue",
    keys: &[&[
        Key {
            name: "attempts",
            of_type: Type {
                words: "number",
                schema: r#"{"type": "integer", "minimum": 1, "maximum": 1000}"#,
            },
            default: "`1`",
            doc: "how often a job that fails is run in all",
            example: "attempts: 3",
            read: |node, options, report| {
                options.attempts = expect::whole(node, 1..=MAX_ATTEMPTS, report);
            },
        },
        Key {
            name: "backoff",
            of_type: Type {
                words: "length or mapping",
                schema: r##"{"anyOf": [{"$ref": "#/$defs/length"}, {"$ref": "#/$defs/backoff"}]}"##,
            },
            default: "none",
            doc: "the pause between attempts; `exponential` doubles it each time",
            example: "backoff: {type: exponential, delay: 10s}",
            read: |node, options, report| options.backoff = backoff(node, report),
        },
        Key {
            name: "remove_on_complete",
            of_type: KEEP,
            default: "`true`",
            doc: "what becomes of the job when it is done: removed, or kept among the newest so many of its \
                  queue, or for so long; `false` keeps it for ever",
            example: "remove_on_complete: 100",
            read: |node, options, report| options.remove_on_complete = keep(node, report),
        },
        Key {
            name: "remove_on_fail",
            of_type: KEEP,
            default: "the worker's own, else `false`",
            doc: "the same, when its last attempt has failed",
            example: "remove_on_fail: 7d",
            read: |node, options, report| options.remove_on_fail = keep(node, report),
        },
    ]],
    foreign: words::BULLMQ_OPTIONS,
    elsewhere: elsewhere::OPTIONS,
    types: &[(
        "keep",
        r##"{
            "anyOf": [
                {"type": "boolean"},
                {"type": "integer", "minimum": 1},
                {"$ref": "#/$defs/length"}
            ]
        }"##,
    )],
    ..Section::PLAIN
};

const KEEP: Type = Type { words: "`true`, number or age", schema: r##"{"$ref": "#/$defs/keep"}"## };

/// What `backoff` says as a mapping.
#[derive(Default)]
pub(super) struct BackoffDraft {
    exponential: Option<bool>,
    delay: Option<Duration>,
}

/// `backoff` as a mapping.
pub(super) static BACKOFF: Section<Read<BackoffDraft>> = Section {
    of: "`backoff`",
    keys: &[&[
        Key {
            name: "type",
            of_type: Type {
                words: "`fixed` or `exponential`",
                schema: r#"{"enum": ["fixed", "exponential"]}"#,
            },
            default: REQUIRED,
            doc: "`exponential` doubles the pause each time",
            example: "type: exponential",
            read: |node, backoff, report| backoff.exponential = exponential(node, report),
        },
        Key {
            name: "delay",
            of_type: LENGTH,
            default: REQUIRED,
            doc: "the first pause",
            example: "delay: 10s",
            read: |node, backoff, report| backoff.delay = expect::length(node, report),
        },
    ]],
    ..Section::PLAIN
};

/// `10s`, or `{type: exponential, delay: 10s}`.
fn backoff(node: &Node<'_>, report: &mut Report<'_>) -> Option<Backoff> {
    if node.map().is_none() {
        return Some(Backoff { exponential: false, delay: expect::length(node, report)? });
    }
    let draft = BACKOFF.read(node, report)?;
    if BACKOFF.own_keys().any(|key| node.pair(key.name).is_none()) {
        report
            .error(node.span, "`backoff` needs a `type` and a `delay`")
            .hint("write `backoff: {type: exponential, delay: 10s}`");
    }
    Some(Backoff { exponential: draft.exponential?, delay: draft.delay? })
}

fn exponential(node: &Node<'_>, report: &mut Report<'_>) -> Option<bool> {
    expect::one_of(node, &[("fixed", false), ("exponential", true)], None, report)
}

/// `true` or `false` as in BullMQ, a number of jobs, or an age.
fn keep(node: &Node<'_>, report: &mut Report<'_>) -> Option<Keep> {
    match node.scalar() {
        Some(Scalar::Bool(true)) => Some(Keep::Nothing),
        Some(Scalar::Bool(false)) => Some(Keep::All),
        Some(Scalar::Int(_)) => expect::count(node, report).map(|most| Keep::Newest(most.get())),
        Some(Scalar::Text(_)) => expect::length(node, report).map(Keep::Younger),
        _ => {
            let found = report.found(node);
            report
                .error(node.span, format!("expected true, a number or an age, found {found}"))
                .hint("write `true`, how many jobs are kept, or for how long: `100`, `7d`");
            None
        }
    }
}
