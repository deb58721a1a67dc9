//! `options:` of an entry on a Celery queue.

use super::signature::{self, signatures};
use super::{OptionsText, said};
use crate::config::foreign::words;
use crate::config::language::json_text::{JsonText, Templated};
use crate::config::language::{elsewhere, literal};
use crate::text::section::{Key, Read, Section};
use crate::text::types::{BOOLEAN, NAME, Type};
use crate::text::{MAX_NAME, Node, Report, Scalar, expect};
use crate::worker::{CeleryOptions, Options};

/// Maximum bytes of `argsrepr` and `kwargsrepr`, which Celery cuts there.
const MAX_REPR: usize = 1024;

pub(in crate::config::language) static SECTION: Section<Read<Draft>> = Section {
    title: "`options` of a Celery queue",
    of: "`options` of a Celery queue",
    keys: &[&[
        Key {
            name: "time_limit",
            of_type: SECONDS,
            default: "the task's own",
            doc: "after this the worker kills the task",
            example: "time_limit: 30m",
            read: |node, draft, report| draft.options.time_limit = seconds(node, report),
        },
        Key {
            name: "soft_time_limit",
            of_type: SECONDS,
            default: "the task's own",
            doc: "after this the task gets `SoftTimeLimitExceeded`",
            example: "soft_time_limit: 1500",
            read: |node, draft, report| draft.options.soft_time_limit = seconds(node, report),
        },
        Key {
            name: "ignore_result",
            of_type: BOOLEAN,
            default: "the task's own; with `overlap: skip`, `false`",
            doc: "`true`: the result is not kept",
            example: "ignore_result: true",
            read: |node, draft, report| {
                draft.options.ignore_result = expect::boolean(node, report);
            },
        },
        Key {
            name: "shadow",
            of_type: NAME,
            default: "the task's name",
            doc: "the name that logs and Flower show",
            example: "shadow: nightly",
            read: |node, draft, report| {
                let shadow = literal::name(node, "`shadow`", MAX_NAME, report);
                draft.options.shadow = shadow.map(Into::into);
            },
        },
        Key {
            name: "argsrepr",
            of_type: NAME,
            default: "the arguments",
            doc: "what logs and Flower show instead of the arguments, to hide secrets; the message itself still \
                  has them",
            example: "argsrepr: (***)",
            read: |node, draft, report| draft.options.argsrepr = shown(node, "`argsrepr`", report),
        },
        Key {
            name: "kwargsrepr",
            of_type: NAME,
            default: "the arguments",
            doc: "the same for keyword arguments",
            example: "kwargsrepr: \"{token: ***}\"",
            read: |node, draft, report| {
                draft.options.kwargsrepr = shown(node, "`kwargsrepr`", report)
            },
        },
        Key {
            name: "link",
            of_type: SIGNATURES,
            default: "nothing",
            doc: "tasks that the worker sends once this one has succeeded, with its result as the first \
                  argument; strings in `args` and `kwargs` may hold templates",
            example: "link: {task: reports.tasks.notify, args: [nightly]}",
            read: |node, draft, report| draft.link = signatures(node, report),
        },
        Key {
            name: "link_error",
            of_type: SIGNATURES,
            default: "nothing",
            doc: "tasks that are called once this one has failed, as Celery calls error handlers",
            example: "link_error: {task: ops.tasks.alert}",
            read: |node, draft, report| draft.link_error = signatures(node, report),
        },
        Key {
            name: "chain",
            of_type: SIGNATURES,
            default: "nothing",
            doc: "tasks that run one after another after this one, each with the result of the one before \
                  it as its first argument",
            example: "chain: [{task: reports.tasks.send}, {task: reports.tasks.clean, immutable: true}]",
            read: |node, draft, report| draft.chain = signatures(node, report),
        },
    ]],
    foreign: words::CELERY_OPTIONS,
    elsewhere: elsewhere::OPTIONS,
    types: &[
        (
            "seconds",
            r##"{"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"$ref": "#/$defs/length"}]}"##,
        ),
        (
            "signatures",
            r##"{"anyOf": [
                {"$ref": "#/$defs/signature"},
                {"type": "array", "items": {"$ref": "#/$defs/signature"}, "maxItems": 100}
            ]}"##,
        ),
    ],
    ..Section::PLAIN
};

pub(super) const SECONDS: Type =
    Type { words: "length or seconds", schema: r##"{"$ref": "#/$defs/seconds"}"## };

const SIGNATURES: Type =
    Type { words: "a task, or a list of them", schema: r##"{"$ref": "#/$defs/signatures"}"## };

/// What the mapping says.
#[derive(Default)]
pub(in crate::config::language) struct Draft {
    options: CeleryOptions,
    link: Vec<JsonText>,
    link_error: Vec<JsonText>,
    chain: Vec<JsonText>,
}

/// The options; `Some(None)` if there are none.
pub(super) fn read(node: &Node<'_>, report: &mut Report<'_>) -> Option<Option<OptionsText>> {
    let Draft { options, link, link_error, chain } = SECTION.read(node, report)?;
    warn_of_soft_limit(node, &options, report);
    let text = match signature::embed(node, link, link_error, chain, report) {
        Some(text) => Some(text.map(|embed| CeleryOptions { embed: Some(embed), ..options })),
        None => said(options).map(Templated::plain),
    };
    Some(text.map(|text| text.map(|options| Box::new(Options::Celery(options)))))
}

fn warn_of_soft_limit(node: &Node<'_>, options: &CeleryOptions, report: &mut Report<'_>) {
    if let (Some(hard), Some(soft)) = (options.time_limit, options.soft_time_limit)
        && soft >= hard
        && let Some(pair) = node.pair("soft_time_limit")
    {
        report
            .warning(pair.key.span, "`soft_time_limit` is not below `time_limit`, so it never acts")
            .hint("the soft limit comes first, to let the task clean up");
    }
}

/// Text to show instead of arguments.
fn shown(node: &Node<'_>, what: &str, report: &mut Report<'_>) -> Option<Box<str>> {
    literal::name(node, what, MAX_REPR, report).map(Into::into)
}

/// A duration, or a number of seconds as Celery writes it.
pub(super) fn seconds(node: &Node<'_>, report: &mut Report<'_>) -> Option<f64> {
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
