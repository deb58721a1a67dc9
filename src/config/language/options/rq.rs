//! `options:` of an entry on an RQ queue.

use crate::text::expect::{self, MAX_DESCRIPTION};
use crate::text::section::{Key, Read, Section};
use crate::text::types::Type;
use crate::text::{Node, Report, Scalar, duration};
use crate::worker::RqOptions;

/// Maximum number of retries of a failed job.
const MAX_RETRIES: u32 = 1000;
/// Maximum number of `retry_intervals`.
const MAX_RETRY_INTERVALS: usize = 100;

pub(super) static SECTION: Section<Read<RqOptions>> = Section {
    title: "`options` of an RQ queue",
    of: "`options` of an RQ queue",
    keys: &[&[
        Key {
            name: "timeout",
            aliases: &["job_timeout"],
            of_type: SECONDS,
            default: "`180`",
            doc: "after this the worker stops the job; `-1`: never",
            example: "timeout: 1h",
            read: |node, options, report| {
                options.timeout = seconds(node, RUN_TIME, |it| it > 0 || it == -1, report);
            },
        },
        Key {
            name: "result_ttl",
            aliases: &[],
            of_type: SECONDS,
            default: "`500`",
            doc: "how long the result of a job that succeeded is kept; `0`: not at all, `-1`: for ever",
            example: "result_ttl: 1d",
            read: |node, options, report| options.result_ttl = lifetime(node, report),
        },
        Key {
            name: "failure_ttl",
            aliases: &[],
            of_type: SECONDS,
            default: "a year",
            doc: "how long a failed job is kept; `-1`: for ever",
            example: "failure_ttl: 4w",
            read: |node, options, report| options.failure_ttl = lifetime(node, report),
        },
        Key {
            name: "retry",
            aliases: &["retries"],
            of_type: Type {
                words: "number",
                schema: r#"{"type": "integer", "minimum": 1, "maximum": 1000}"#,
            },
            default: "none",
            doc: "how often a job that fails is run again",
            example: "retry: 3",
            read: |node, options, report| {
                options.retry = expect::whole(node, 1..=MAX_RETRIES, report);
            },
        },
        Key {
            name: "retry_intervals",
            aliases: &["interval"],
            of_type: Type {
                words: "length, seconds or a list",
                schema: r##"{"anyOf": [{"$ref": "#/$defs/whole_seconds"}, {"type": "array", "items": {"$ref": "#/$defs/whole_seconds"}, "maxItems": 100}]}"##,
            },
            default: "`0`",
            doc: "pauses before each retry, the last one for all further; above `0` they need a worker with \
                  `--with-scheduler`",
            example: "retry: 3\nretry_intervals: [10s, 5m]",
            read: |node, options, report| options.retry_intervals = retry_intervals(node, report),
        },
        Key {
            name: "description",
            aliases: &[],
            of_type: Type { words: "text", schema: r#"{"type": "string", "minLength": 1}"# },
            default: "the call",
            doc: "what dashboards and logs show",
            example: "description: Nightly report",
            read: |node, options, report| {
                let text = expect::literal_name(node, "`description`", MAX_DESCRIPTION, report);
                options.description = text.map(Into::into);
            },
        },
    ]],
    elsewhere: &[("ttl", "expires` beside `options"), ("meta", "headers` beside `options")],
    types: &[(
        "whole_seconds",
        r##"{"anyOf": [{"type": "integer", "minimum": -1}, {"$ref": "#/$defs/length"}]}"##,
    )],
    ..Section::PLAIN
};

const SECONDS: Type =
    Type { words: "length or seconds", schema: r##"{"$ref": "#/$defs/whole_seconds"}"## };

pub(super) fn read(node: &Node<'_>, report: &mut Report<'_>) -> Option<RqOptions> {
    let options = SECTION.read(node, report)?;
    if let (Some(pair), None) = (node.pair("retry_intervals"), node.pair("retry")) {
        report
            .error(pair.key.span, "`retry_intervals` without `retry`")
            .hint("say how often: `retry: 3`");
    }
    Some(options)
}

const RUN_TIME: &str = "expected a length of whole seconds like `5m`, or -1 for no limit";
const LIFETIME: &str =
    "expected a length of whole seconds like `1h`, 0 for not at all, or -1 for ever";
const PAUSE: &str = "expected a length of whole seconds like `30s`, or 0";

fn lifetime(node: &Node<'_>, report: &mut Report<'_>) -> Option<i32> {
    seconds(node, LIFETIME, |seconds| seconds >= -1, report)
}

/// One duration, or a list of them.
fn retry_intervals(node: &Node<'_>, report: &mut Report<'_>) -> Vec<i32> {
    let pauses = node.list().unwrap_or(std::slice::from_ref(node));
    if pauses.len() > MAX_RETRY_INTERVALS {
        report.error(node.span, format!("more than {MAX_RETRY_INTERVALS} intervals"));
        return Vec::new();
    }
    let pause = |node| seconds(node, PAUSE, |seconds| seconds >= 0, report);
    pauses.iter().filter_map(pause).collect()
}

/// A duration in whole seconds, or a number of seconds as RQ writes it.
fn seconds(
    node: &Node<'_>,
    refused: &str,
    is_valid: fn(i32) -> bool,
    report: &mut Report<'_>,
) -> Option<i32> {
    let seconds = match node.scalar() {
        Some(Scalar::Int(number)) => i32::try_from(number).ok(),
        Some(Scalar::Text(text)) => match duration::parse(text) {
            Ok(length) if length.subsec_nanos() == 0 => i32::try_from(length.as_secs()).ok(),
            _ => None,
        },
        _ => None,
    };
    let seconds = seconds.filter(|seconds| is_valid(*seconds));
    if seconds.is_none() {
        report.error(node.span, format!("{refused}, found {}", report.found(node)));
    }
    seconds
}
