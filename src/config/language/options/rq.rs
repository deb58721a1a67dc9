//! `options:` of an entry on an RQ queue.

use crate::config::foreign::words;
use crate::config::language::{elsewhere, literal};
use crate::text::expect::{self, MAX_DESCRIPTION};
use crate::text::section::{Key, REQUIRED, Read, Section};
use crate::text::types::{BOOLEAN, NAME, Type};
use crate::text::{MAX_NAME, Node, Report, Scalar, duration};
use crate::worker::RqOptions;
use crate::worker::rq::{Callback, Dependency, check_dotted};

/// Maximum number of retries of a failed job.
const MAX_RETRIES: u32 = 1000;
/// Maximum number of `retry_intervals`.
const MAX_RETRY_INTERVALS: usize = 100;
/// Maximum number of jobs in `depends_on`.
const MAX_DEPENDENCIES: usize = 100;

pub(in crate::config::language) static SECTION: Section<Read<RqOptions>> = Section {
    title: "`options` of an RQ queue",
    of: "`options` of an RQ queue",
    keys: &[&[
        Key {
            name: "timeout",
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
            of_type: SECONDS,
            default: "`500`",
            doc: "how long the result of a job that succeeded is kept; `0`: not at all, `-1`: for ever",
            example: "result_ttl: 1d",
            read: |node, options, report| options.result_ttl = lifetime(node, report),
        },
        Key {
            name: "failure_ttl",
            of_type: SECONDS,
            default: "a year",
            doc: "how long a failed job is kept; `-1`: for ever",
            example: "failure_ttl: 4w",
            read: |node, options, report| options.failure_ttl = lifetime(node, report),
        },
        Key {
            name: "retry",
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
            of_type: Type { words: "text", schema: r#"{"type": "string", "minLength": 1}"# },
            default: "the call",
            doc: "what dashboards and logs show",
            example: "description: Nightly report",
            read: |node, options, report| {
                let text = literal::name(node, "`description`", MAX_DESCRIPTION, report);
                options.description = text.map(Into::into);
            },
        },
        Key {
            name: "at_front",
            of_type: BOOLEAN,
            default: "`false`",
            doc: "whether the job goes before those that already wait in the queue",
            example: "at_front: true",
            read: |node, options, report| {
                options.at_front = expect::boolean(node, report).unwrap_or_default();
            },
        },
        Key {
            name: "depends_on",
            of_type: Type {
                words: "id, list or mapping",
                schema: r##"{"anyOf": [{"$ref": "#/$defs/job_ids"}, {"$ref": "#/$defs/dependency"}]}"##,
            },
            default: "none",
            doc: "ids of jobs that have to finish before; RQ defers the job until then. One that does not \
                  exist (any more) holds nothing up",
            example: "depends_on: [import-orders, import-customers]",
            read: |node, options, report| options.depends_on = depends_on(node, report),
        },
        Key {
            name: "on_success",
            of_type: CALLBACK_TYPE,
            default: "none",
            doc: "a function that the worker calls when the job has succeeded, by its dotted path",
            example: "on_success: shop.hooks.report_done",
            read: |node, options, report| options.on_success = callback(node, report),
        },
        Key {
            name: "on_failure",
            of_type: CALLBACK_TYPE,
            default: "none",
            doc: "the same, when the job has failed",
            example: "on_failure: {func: shop.hooks.report_failed, timeout: 2m}",
            read: |node, options, report| options.on_failure = callback(node, report),
        },
        Key {
            name: "on_stopped",
            of_type: CALLBACK_TYPE,
            default: "none",
            doc: "the same, when somebody has stopped the job while it ran",
            example: "on_stopped: shop.hooks.clean_up",
            read: |node, options, report| options.on_stopped = callback(node, report),
        },
    ]],
    foreign: words::RQ_OPTIONS,
    elsewhere: elsewhere::OPTIONS,
    types: &[
        (
            "whole_seconds",
            r##"{"anyOf": [{"type": "integer", "minimum": -1}, {"$ref": "#/$defs/length"}]}"##,
        ),
        (
            "job_ids",
            r##"{
                "anyOf": [
                    {"$ref": "#/$defs/job_id"},
                    {"type": "array", "items": {"$ref": "#/$defs/job_id"}, "minItems": 1, "maxItems": 100}
                ]
            }"##,
        ),
        ("job_id", r#"{"type": "string", "pattern": "^[A-Za-z0-9_-]{1,255}$"}"#),
    ],
    ..Section::PLAIN
};

const CALLBACK_TYPE: Type = Type {
    words: "dotted path or mapping",
    schema: r##"{"anyOf": [{"$ref": "#/$defs/name"}, {"$ref": "#/$defs/callback"}]}"##,
};

/// What `depends_on` says as a mapping.
#[derive(Default)]
pub(super) struct DependencyDraft {
    jobs: Option<Vec<Box<str>>>,
    allow_failure: bool,
}

/// `depends_on` as a mapping.
pub(super) static DEPENDENCY: Section<Read<DependencyDraft>> = Section {
    of: "`depends_on`",
    keys: &[&[
        Key {
            name: "jobs",
            of_type: Type { words: "id or list", schema: r##"{"$ref": "#/$defs/job_ids"}"## },
            default: REQUIRED,
            doc: "ids of the jobs",
            example: "jobs: [import-orders]",
            read: |node, dependency, report| dependency.jobs = job_ids(node, report),
        },
        Key {
            name: "allow_failure",
            of_type: BOOLEAN,
            default: "`false`",
            doc: "whether it is enough that they have failed",
            example: "allow_failure: true",
            read: |node, dependency, report| {
                dependency.allow_failure = expect::boolean(node, report).unwrap_or_default();
            },
        },
    ]],
    foreign: words::RQ_DEPENDENCY,
    ..Section::PLAIN
};

/// What a callback says as a mapping.
#[derive(Default)]
pub(super) struct CallbackDraft {
    func: Option<Box<str>>,
    timeout: Option<i32>,
}

/// A callback as a mapping.
pub(super) static CALLBACK: Section<Read<CallbackDraft>> = Section {
    of: "a callback",
    keys: &[&[
        Key {
            name: "func",
            of_type: NAME,
            default: REQUIRED,
            doc: "its dotted path",
            example: "func: shop.hooks.report_done",
            read: |node, callback, report| callback.func = dotted(node, report),
        },
        Key {
            name: "timeout",
            of_type: SECONDS,
            default: "`60`",
            doc: "after this the worker stops it",
            example: "timeout: 2m",
            read: |node, callback, report| {
                callback.timeout = seconds(node, CALLBACK_TIME, |seconds| seconds > 0, report);
            },
        },
    ]],
    foreign: words::RQ_CALLBACK,
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
const CALLBACK_TIME: &str = "expected a length of whole seconds like `1m`";
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

/// Ids, or `{jobs: …, allow_failure: true}`.
fn depends_on(node: &Node<'_>, report: &mut Report<'_>) -> Option<Dependency> {
    if node.map().is_none() {
        return Some(Dependency { jobs: job_ids(node, report)?, allow_failure: false });
    }
    let before = report.errors();
    let DependencyDraft { jobs, allow_failure } = DEPENDENCY.read(node, report)?;
    if jobs.is_none() && report.errors() == before {
        report
            .error(node.span, "`depends_on` without `jobs`")
            .hint("write `depends_on: {jobs: [ID], allow_failure: true}`");
    }
    Some(Dependency { jobs: jobs?, allow_failure })
}

/// One id, or a list of them.
fn job_ids(node: &Node<'_>, report: &mut Report<'_>) -> Option<Vec<Box<str>>> {
    let ids = node.list().unwrap_or(std::slice::from_ref(node));
    if !(1..=MAX_DEPENDENCIES).contains(&ids.len()) {
        let message = format!("{} ids; there are 1 to {MAX_DEPENDENCIES}", ids.len());
        report.error(node.span, message).hint("leave `depends_on` out if the job depends on none");
        return None;
    }
    let ids: Vec<_> = ids.iter().map(|node| job_id(node, report)).collect();
    ids.into_iter().collect()
}

/// Workers of RQ 2 end when they meet another id.
fn job_id(node: &Node<'_>, report: &mut Report<'_>) -> Option<Box<str>> {
    let id = expect::text(node, report)?;
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if (1..=MAX_NAME).contains(&id.len()) && id.bytes().all(is_valid) {
        return Some(id.into());
    }
    let message = format!("{} is not the id of a job", report.found(node));
    report.error(node.span, message).hint(match id.contains("{{") {
        true => "write it out: `options` hold no templates",
        false => "ids of RQ have letters, digits, hyphens and underscores",
    });
    None
}

/// A dotted path, or `{func: …, timeout: 1m}`.
fn callback(node: &Node<'_>, report: &mut Report<'_>) -> Option<Callback> {
    if node.map().is_none() {
        return Some(Callback { func: dotted(node, report)?, timeout: None });
    }
    let before = report.errors();
    let CallbackDraft { func, timeout } = CALLBACK.read(node, report)?;
    if func.is_none() && report.errors() == before {
        report
            .error(node.span, "a callback without `func`")
            .hint("write `{func: package.module.function, timeout: 1m}`");
    }
    Some(Callback { func: func?, timeout })
}

fn dotted(node: &Node<'_>, report: &mut Report<'_>) -> Option<Box<str>> {
    let path = literal::name(node, "the path", MAX_NAME, report)?;
    match check_dotted(path) {
        Ok(()) => Some(path.into()),
        Err(why) => {
            report.error(node.span, why);
            None
        }
    }
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
