//! Tasks that follow a Celery task: `link`, `link_error` and `chain`, as plain signatures.

use std::fmt::Write as _;

use super::celery::{SECONDS, seconds};
use crate::config::language::json_text::{self, JsonText, MAX_ARGUMENTS};
use crate::config::language::{elsewhere, literal};
use crate::text::section::{Key, REQUIRED, Read, Section};
use crate::text::types::{BOOLEAN, NAME, Type};
use crate::text::{MAX_NAME, Node, Report, expect};

/// Maximum number of tasks in one list.
const MAX_SIGNATURES: usize = 100;

const HINT: &str =
    "write `{task: NAME}`, with `args`, `kwargs`, `immutable` and `options` as needed";

/// A task that follows another.
pub(super) static SIGNATURE: Section<Read<Signature>> = Section {
    of: "a task that follows",
    keys: &[&[
        Key {
            name: "task",
            of_type: NAME,
            default: REQUIRED,
            doc: "the name under which the worker registers the task",
            example: "task: reports.tasks.notify",
            read: |node, signature, report| {
                let task = literal::name(node, "the task's name", MAX_NAME, report);
                signature.task = task.map(Into::into);
            },
        },
        Key {
            name: "args",
            of_type: Type { words: "list", schema: r#"{"type": "array"}"# },
            default: "`[]`",
            doc: "positional arguments, after the result; strings may hold templates",
            example: "args: [nightly]",
            read: |node, signature, report| {
                signature.args = json(node, node.list().is_some(), "a list", report);
            },
        },
        Key {
            name: "kwargs",
            of_type: Type { words: "mapping", schema: r#"{"type": "object"}"# },
            default: "`{}`",
            doc: "keyword arguments; strings may hold templates",
            example: "kwargs: {day: \"{{ slot | date }}\"}",
            read: |node, signature, report| {
                signature.kwargs = json(node, node.map().is_some(), "a mapping", report);
            },
        },
        Key {
            name: "immutable",
            of_type: BOOLEAN,
            default: "`false`",
            doc: "`true`: the task does not get the result of the one before it",
            example: "immutable: true",
            read: |node, signature, report| signature.immutable = expect::boolean(node, report),
        },
        Key {
            name: "options",
            of_type: Type {
                words: "mapping",
                schema: r##"{"$ref": "#/$defs/signature_options"}"##,
            },
            default: "the task's own",
            doc: "how it is sent",
            example: "options: {queue: mail}",
            read: |node, signature, report| {
                signature.options = OPTIONS.read(node, report).unwrap_or_default();
            },
        },
    ]],
    elsewhere: elsewhere::SIGNATURE,
    ..Section::PLAIN
};

/// How a task that follows is sent: the options of `apply_async`, as members of a JSON object.
pub(in crate::config::language) static OPTIONS: Section<Read<String>> = Section {
    of: "`options` of a task that follows",
    keys: &[&[
        Key {
            name: "queue",
            of_type: NAME,
            default: "by the application's routes",
            doc: "the queue that it goes to",
            example: "queue: mail",
            read: |node, json, report| text("queue", node, json, report),
        },
        Key {
            name: "exchange",
            of_type: NAME,
            default: "the queue's",
            doc: "the exchange that it is published to",
            example: "exchange: tasks",
            read: |node, json, report| text("exchange", node, json, report),
        },
        Key {
            name: "routing_key",
            of_type: NAME,
            default: "the queue's",
            doc: "the key that it is published with",
            example: "routing_key: slow.reports",
            read: |node, json, report| text("routing_key", node, json, report),
        },
        Key {
            name: "priority",
            of_type: Type {
                words: "0 to 255",
                schema: r#"{"type": "integer", "minimum": 0, "maximum": 255}"#,
            },
            default: "the task's own",
            doc: "its priority",
            example: "priority: 3",
            read: |node, json, report| {
                let priority = expect::whole(node, 0..=u8::MAX.into(), report);
                add("priority", priority, json);
            },
        },
        Key {
            name: "expires",
            of_type: SECONDS,
            default: "never",
            doc: "how long it may wait, once it is sent",
            example: "expires: 10m",
            read: |node, json, report| add("expires", seconds(node, report), json),
        },
        Key {
            name: "countdown",
            of_type: SECONDS,
            default: "`0`",
            doc: "how long a worker holds it back",
            example: "countdown: 30s",
            read: |node, json, report| add("countdown", seconds(node, report), json),
        },
        Key {
            name: "time_limit",
            of_type: SECONDS,
            default: "the task's own",
            doc: "after this the worker kills it",
            example: "time_limit: 5m",
            read: |node, json, report| add("time_limit", seconds(node, report), json),
        },
        Key {
            name: "soft_time_limit",
            of_type: SECONDS,
            default: "the task's own",
            doc: "after this it gets `SoftTimeLimitExceeded`",
            example: "soft_time_limit: 4m",
            read: |node, json, report| add("soft_time_limit", seconds(node, report), json),
        },
        Key {
            name: "ignore_result",
            of_type: BOOLEAN,
            default: "the task's own",
            doc: "`true`: its result is not kept",
            example: "ignore_result: true",
            read: |node, json, report| {
                add("ignore_result", expect::boolean(node, report), json);
            },
        },
    ]],
    ..Section::PLAIN
};

/// What the mapping of a task that follows says.
#[derive(Default)]
pub(super) struct Signature {
    task: Option<Box<str>>,
    args: Option<JsonText>,
    kwargs: Option<JsonText>,
    immutable: Option<bool>,
    /// The members of a JSON object.
    options: String,
}

fn json(
    node: &Node<'_>,
    has_shape: bool,
    expected: &str,
    report: &mut Report<'_>,
) -> Option<JsonText> {
    if has_shape {
        return json_text::render(node, MAX_ARGUMENTS, report);
    }
    let message = format!("expected {expected}, found {}", report.found(node));
    report.error(node.span, message);
    None
}

fn text(name: &str, node: &Node<'_>, json: &mut String, report: &mut Report<'_>) {
    let text = literal::name(node, &format!("`{name}`"), MAX_NAME, report);
    add(name, text.and_then(|text| serde_json::to_string(text).ok()), json);
}

fn add(name: &str, value: Option<impl std::fmt::Display>, json: &mut String) {
    let Some(value) = value else { return };
    let comma = if json.is_empty() { "" } else { "," };
    // Writing to a String cannot fail.
    let _ = write!(json, "{comma}\"{name}\":{value}");
}

/// A signature, or a list of them, as the JSON of each.
pub(super) fn signatures(node: &Node<'_>, report: &mut Report<'_>) -> Vec<JsonText> {
    let nodes = node.list().unwrap_or(std::slice::from_ref(node));
    if nodes.len() > MAX_SIGNATURES {
        report.error(node.span, format!("more than {MAX_SIGNATURES} tasks"));
        return Vec::new();
    }
    nodes.iter().filter_map(|node| signature(node, report)).collect()
}

fn signature(node: &Node<'_>, report: &mut Report<'_>) -> Option<JsonText> {
    if node.map().is_none() {
        let message = format!("expected a task to follow, found {}", report.found(node));
        report.error(node.span, message).hint(HINT);
        return None;
    }
    let before = report.errors();
    let signature = SIGNATURE.read(node, report)?;
    if signature.task.is_none() && report.errors() == before {
        report.error(node.span, "a task that follows, without its `task`").hint(HINT);
    }
    let mut json = JsonText::builder();
    json.push("{\"task\":");
    json.push(&serde_json::to_string(&signature.task?).ok()?);
    json.push(",\"args\":");
    json.append(signature.args.unwrap_or_else(|| JsonText::of("[]")));
    json.push(",\"kwargs\":");
    json.append(signature.kwargs.unwrap_or_else(|| JsonText::of("{}")));
    json.push(",\"options\":{");
    json.push(&signature.options);
    json.push("},\"subtask_type\":null,\"immutable\":");
    json.push(if signature.immutable == Some(true) { "true}" } else { "false}" });
    Some(json.finish())
}

/// The third part of a body, and the templates in it; `None` if nothing follows.
pub(super) fn embed(
    node: &Node<'_>,
    link: Vec<JsonText>,
    link_error: Vec<JsonText>,
    mut chain: Vec<JsonText>,
    report: &mut Report<'_>,
) -> Option<JsonText> {
    if link.is_empty() && link_error.is_empty() && chain.is_empty() {
        return None;
    }
    // The worker takes the next task off the end.
    chain.reverse();
    let mut json = JsonText::builder();
    for (before, signatures) in
        [("{\"callbacks\":", link), (",\"errbacks\":", link_error), (",\"chain\":", chain)]
    {
        json.push(before);
        list(&mut json, signatures);
    }
    json.push(",\"chord\":null}");
    let text = json.finish();
    if text.value.len() > MAX_ARGUMENTS {
        let message =
            format!("more than {} KiB of JSON in tasks that follow", MAX_ARGUMENTS / 1024);
        report.error(node.span, message).hint("keep big values in a store and pass their keys");
        return None;
    }
    Some(text)
}

fn list(json: &mut json_text::Builder, signatures: Vec<JsonText>) {
    if signatures.is_empty() {
        return json.push("null");
    }
    for (index, signature) in signatures.into_iter().enumerate() {
        json.push(if index == 0 { "[" } else { "," });
        json.append(signature);
    }
    json.push("]");
}
