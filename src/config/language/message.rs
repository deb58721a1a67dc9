//! What is sent, and what happens to missed slots: the keys that an entry and `defaults` have.

use std::sync::Arc;
use std::time::Duration;

use super::draft::{Draft, MessageSettings, Read};
use super::json_text::{self, JsonText, MAX_ARGUMENTS, MAX_HEADERS};
use super::queues::{FileQueues, NamedQueue};
use super::{elsewhere, literal, options, overlap};
use crate::config::foreign::{self, words};
use crate::schedule::{CatchUp, delay};
use crate::text::expect;
use crate::text::section::{Key, Section};
use crate::text::types::{COUNT, LENGTH, NAME, Type};
use crate::text::{MAX_NAME, Node, Report, Scalar, duration};
use crate::worker::{self, Expires, Queue};

/// What a file's `defaults` may set for its entries.
pub(super) static DEFAULTS: Section<Read> = Section {
    title: "An entry or `defaults`: what is sent",
    of: "`defaults`",
    keys: &[KEYS],
    foreign: words::MESSAGE,
    elsewhere: elsewhere::DEFAULTS,
    ..Section::PLAIN
};

static KEYS: &[Key<Read>] = &[
    Key {
        name: "args",
        of_type: Type { words: "list", schema: r#"{"type": "array"}"# },
        default: "`[]`",
        doc: "positional arguments; strings may hold templates",
        example: "args: [daily, 7, {deep: true}]",
        read: |pair, draft, report| draft.settings.args = args(&pair.value, report),
    },
    Key {
        name: "kwargs",
        of_type: Type { words: "mapping", schema: r#"{"type": "object"}"# },
        default: "`{}`",
        doc: "keyword arguments; strings may hold templates",
        example: "kwargs: {tenant: 42, day: \"{{ slot | date }}\"}",
        read: |pair, draft, report| draft.settings.kwargs = kwargs(&pair.value, report),
    },
    Key {
        name: "headers",
        of_type: Type { words: "mapping", schema: r#"{"type": "object"}"# },
        default: "none",
        doc: "headers of your own for the message; strings may hold templates",
        example: "headers: {x-campaign: spring}",
        read: |pair, draft, _| draft.headers = Some(pair),
    },
    Key {
        name: "queue",
        of_type: NAME,
        default: "`celery`",
        doc: "the queue that a worker takes it from",
        example: "queue: reports",
        read: |pair, draft, _| draft.queue = Some(pair),
    },
    Key {
        name: "priority",
        of_type: Type {
            words: "0 to 255",
            schema: r#"{"type": "integer", "minimum": 0, "maximum": 255}"#,
        },
        default: "none",
        doc: "as the worker kind reads it; for Celery on Redis 0 goes first, in steps of 0, 3, 6 and 9",
        example: "priority: 3",
        read: |pair, draft, report| draft.settings.priority = priority(&pair.value, report),
    },
    Key {
        name: "expires",
        of_type: Type {
            words: "length or `next`",
            schema: r##"{"anyOf": [{"const": "next"}, {"$ref": "#/$defs/length"}]}"##,
        },
        default: "never",
        doc: "how long a message is worth running, counted from when it is due; `next`: until the entry's \
              next slot. A worker that takes it later drops it; until then it stays in the queue, which \
              `max_queued` limits (RabbitMQ drops Celery's itself)",
        example: "expires: next",
        read: |pair, draft, report| draft.settings.expires = expires(&pair.value, report),
    },
    Key {
        name: "options",
        of_type: Type { words: "mapping", schema: r##"{"$ref": "#/$defs/options"}"## },
        default: "the task's own",
        doc: "settings of the worker kind, below",
        example: "options: {time_limit: 5m}",
        read: |pair, draft, _| draft.options = Some(pair),
    },
    Key {
        name: "jitter",
        of_type: LENGTH,
        default: "`0s`",
        doc: "messages are due from 0 up to this long after their slots, and before the next one: by hash \
              of entry and slot, the same on every replica",
        example: "jitter: 30s",
        read: |pair, draft, report| draft.settings.jitter = delay(&pair.value, report),
    },
    Key {
        name: "routing_key",
        of_type: NAME,
        default: "the queue's",
        doc: "AMQP only: the key with which the exchange routes the message",
        example: "routing_key: slow.reports",
        read: |pair, draft, report| {
            draft.settings.routing_key = amqp_name(&pair.value, report);
        },
    },
    Key {
        name: "exchange",
        of_type: NAME,
        default: "the queue's",
        doc: "AMQP only: the exchange that the message is published to",
        example: "exchange: tasks",
        read: |pair, draft, report| {
            draft.settings.exchange = amqp_name(&pair.value, report);
        },
    },
    Key {
        name: "max_queued",
        of_type: COUNT,
        default: "none",
        doc: "a slot is skipped (`queue_full`) while the queue holds this many messages, of all \
              priorities together",
        example: "max_queued: 1000",
        read: |pair, draft, report| draft.settings.max_queued = expect::count(&pair.value, report),
    },
    overlap::KEY,
    Key {
        name: "catch_up",
        of_type: Type {
            words: "`latest`, `all` or `none`",
            schema: r#"{"enum": ["latest", "all", "none"]}"#,
        },
        default: "`latest`",
        doc: "which slots missed while nobody led are sent: the newest, unless a later slot is still within \
              `grace`; each; or none",
        example: "catch_up: all",
        read: |pair, draft, report| draft.settings.catch_up = catch_up(&pair.value, report),
    },
    Key {
        name: "within",
        of_type: LENGTH,
        default: "`1d`",
        doc: "how old a missed slot may be and still be sent",
        example: "within: 12h",
        read: |pair, draft, report| draft.settings.within = expect::length(&pair.value, report),
    },
];

/// Reads a file's `defaults`. If they name no queue, `default_queue` decides what its kind of worker
/// allows.
pub(super) fn defaults(
    node: &Node<'_>,
    queues: &mut FileQueues<'_>,
    default_queue: &Queue,
    report: &mut Report<'_>,
) -> Option<MessageSettings> {
    let mut draft = Draft::default();
    DEFAULTS.each(node, report, |read, pair, report| read(pair, &mut draft, report))?;
    Some(settings(&mut draft, queues, default_queue, report))
}

/// Finishes the settings of a draft. If it names no queue, `default_queue` decides what its kind of worker
/// allows.
pub(super) fn settings(
    draft: &mut Draft<'_, '_>,
    queues: &mut FileQueues<'_>,
    default_queue: &Queue,
    report: &mut Report<'_>,
) -> MessageSettings {
    let named = draft.queue.and_then(|pair| queue(&pair.value, queues, report));
    let queue = named.as_deref().unwrap_or(default_queue);
    MessageSettings {
        headers: draft.headers.and_then(|pair| headers(&pair.value, queue, report)),
        options: draft.options.and_then(|pair| options::read(&pair.value, queue, report)),
        queue: named,
        ..std::mem::take(&mut draft.settings)
    }
}

fn queue(
    node: &Node<'_>,
    queues: &mut FileQueues<'_>,
    report: &mut Report<'_>,
) -> Option<Arc<Queue>> {
    let name = literal::name(node, "the queue's name", MAX_NAME, report)?;
    let NamedQueue { queue, storable } = queues.get(name);
    if let Err(unstorable) = storable {
        report.error(node.span, &*unstorable.message).hint(unstorable.hint);
    }
    Some(queue)
}

/// The name of an exchange or a routing key.
fn amqp_name(node: &Node<'_>, report: &mut Report<'_>) -> Option<Box<str>> {
    literal::name(node, "the name", MAX_NAME, report).map(Into::into)
}

fn args(node: &Node<'_>, report: &mut Report<'_>) -> Option<JsonText> {
    if node.list().is_none() {
        let hint = foreign::arguments("args", node);
        report
            .error(node.span, format!("`args` is a list, found {}", report.found(node)))
            .hint(hint.unwrap_or_else(|| "write `args: [first, second]`".to_owned()));
        return None;
    }
    json_text::render(node, MAX_ARGUMENTS, report)
}

fn kwargs(node: &Node<'_>, report: &mut Report<'_>) -> Option<JsonText> {
    if node.map().is_none() {
        let hint = foreign::arguments("kwargs", node);
        report
            .error(node.span, format!("`kwargs` is a mapping, found {}", report.found(node)))
            .hint(hint.unwrap_or_else(|| "write `kwargs: {name: value}`".to_owned()));
        return None;
    }
    json_text::render(node, MAX_ARGUMENTS, report)
}

fn headers(node: &Node<'_>, queue: &Queue, report: &mut Report<'_>) -> Option<JsonText> {
    let Some(pairs) = node.map() else {
        report.error(node.span, format!("`headers` is a mapping, found {}", report.found(node)));
        return None;
    };
    for pair in pairs {
        let name = pair.name();
        if worker::is_reserved_header(queue, name) {
            report
                .error(pair.key.span, format!("the header `{name}` is set by downbeat itself"))
                .hint("choose another name");
        }
    }
    json_text::render(node, MAX_HEADERS, report)
}

fn priority(node: &Node<'_>, report: &mut Report<'_>) -> Option<u8> {
    let number = expect::whole(node, 0..=u8::MAX.into(), report)?;
    u8::try_from(number).ok()
}

fn expires(node: &Node<'_>, report: &mut Report<'_>) -> Option<Expires> {
    if node.scalar() == Some(Scalar::Text("next")) {
        return Some(Expires::Next);
    }
    let Some(hint) = foreign::expires(node) else {
        return expect::length(node, report).map(Expires::After);
    };
    let message = format!("expected a duration or `next`, found {}", report.found(node));
    report.error(node.span, message).hint(hint);
    None
}

/// How long messages may be held back.
pub(super) fn delay(node: &Node<'_>, report: &mut Report<'_>) -> Option<Duration> {
    let window = expect::length_or_zero(node, report)?;
    if window > delay::MAX_WINDOW {
        let longest = duration::format(delay::MAX_WINDOW);
        let message = format!("a delay of more than {longest}");
        report.error(node.span, message).hint("move the slots themselves");
        return None;
    }
    Some(window)
}

fn catch_up(node: &Node<'_>, report: &mut Report<'_>) -> Option<CatchUp> {
    const WORDS: [(&str, CatchUp); 3] =
        [("latest", CatchUp::Latest), ("all", CatchUp::All), ("none", CatchUp::None)];
    expect::one_of(node, &WORDS, foreign::known("catch_up", node), report)
}
