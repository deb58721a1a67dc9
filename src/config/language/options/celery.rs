//! `options:` of an entry on a Celery queue.

use crate::text::section::{Key, Read, Section};
use crate::text::types::{BOOLEAN, NAME, Type};
use crate::text::{MAX_NAME, Node, Report, Scalar, expect};
use crate::worker::CeleryOptions;

/// What to use instead of an option of Celery's beat.
const WITHOUT: &str = "docs/celery-beat.md says what to write instead";

pub(super) static SECTION: Section<Read<CeleryOptions>> = Section {
    title: "`options` of a Celery queue",
    of: "`options` of a Celery queue",
    keys: &[&[
        Key {
            name: "time_limit",
            aliases: &["timeout"],
            of_type: SECONDS,
            default: "the task's own",
            doc: "after this the worker kills the task",
            example: "time_limit: 30m",
            read: |node, options, report| options.time_limit = seconds(node, report),
        },
        Key {
            name: "soft_time_limit",
            aliases: &[],
            of_type: SECONDS,
            default: "the task's own",
            doc: "after this the task gets `SoftTimeLimitExceeded`",
            example: "soft_time_limit: 1500",
            read: |node, options, report| options.soft_time_limit = seconds(node, report),
        },
        Key {
            name: "ignore_result",
            aliases: &[],
            of_type: BOOLEAN,
            default: "the task's own; with `overlap: skip`, `false`",
            doc: "`true`: the result is not kept",
            example: "ignore_result: true",
            read: |node, options, report| options.ignore_result = expect::boolean(node, report),
        },
        Key {
            name: "shadow",
            aliases: &[],
            of_type: NAME,
            default: "the task's name",
            doc: "the name that logs and Flower show",
            example: "shadow: nightly",
            read: |node, options, report| {
                let shadow = expect::literal_name(node, "`shadow`", MAX_NAME, report);
                options.shadow = shadow.map(Into::into);
            },
        },
    ]],
    elsewhere: &[
        ("queue", "queue` beside `options"),
        ("expires", "expires` beside `options"),
        ("priority", "priority` beside `options"),
        ("exchange", "exchange` beside `options"),
        ("routing_key", "routing_key` beside `options"),
        ("headers", "headers` beside `options"),
    ],
    unsupported: &[
        ("link", WITHOUT),
        ("link_error", WITHOUT),
        ("chain", WITHOUT),
        ("chord", WITHOUT),
        ("countdown", WITHOUT),
        ("eta", WITHOUT),
    ],
    types: &[(
        "seconds",
        r##"{"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"$ref": "#/$defs/length"}]}"##,
    )],
    ..Section::PLAIN
};

const SECONDS: Type =
    Type { words: "length or seconds", schema: r##"{"$ref": "#/$defs/seconds"}"## };

pub(super) fn read(node: &Node<'_>, report: &mut Report<'_>) -> Option<CeleryOptions> {
    let options = SECTION.read(node, report)?;
    if let (Some(hard), Some(soft)) = (options.time_limit, options.soft_time_limit)
        && soft >= hard
        && let Some(pair) = node.pair("soft_time_limit")
    {
        report
            .warning(pair.key.span, "`soft_time_limit` is not below `time_limit`, so it never acts")
            .hint("the soft limit comes first, to let the task clean up");
    }
    Some(options)
}

/// A duration, or a number of seconds as Celery writes it.
fn seconds(node: &Node<'_>, report: &mut Report<'_>) -> Option<f64> {
    let seconds = match node.scalar() {
        Some(Scalar::Int(number)) => number as f64,
        Some(Scalar::Float(number)) => number,
        _ => return expect::length(node, report).map(|length| length.as_secs_f64()),
    };
    if seconds.is_finite() && seconds > 0.0 {
        return Some(seconds);
    }
    report.error(node.span, "a time limit is a number of seconds above zero, or like `5m`");
    None
}
