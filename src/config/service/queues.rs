//! `queues:`, who works on each queue.

use serde_json::{Map, Value, json};

use crate::config::expect;
use crate::config::fields::{Fields, Keys};
use crate::config::node::{Node, Scalar};
use crate::config::report::Report;
use crate::config::settings::MAX_NAME;
use crate::queue::{
    BullmqQueue, CeleryQueue, DramatiqQueue, Queue, Queues, RqQueue, Serializer, SidekiqQueue,
    StreamQueue, Worker,
};

static QUEUE: Keys =
    Keys { of: "a queue", known: &["worker", "options"], later: &["broker"], elsewhere: &[] };

static CELERY: Keys = Keys {
    of: "`options` of a Celery queue",
    known: &["priority_steps", "separator", "key_prefix"],
    later: &[],
    elsewhere: &[("sep", "separator"), ("global_keyprefix", "key_prefix")],
};

static RQ: Keys =
    Keys { of: "`options` of an RQ queue", known: &["serializer"], later: &[], elsewhere: &[] };

static DRAMATIQ: Keys =
    Keys { of: "`options` of a Dramatiq queue", known: &["namespace"], later: &[], elsewhere: &[] };

static SIDEKIQ: Keys =
    Keys { of: "`options` of a Sidekiq queue", known: &["namespace"], later: &[], elsewhere: &[] };

static BULLMQ: Keys =
    Keys { of: "`options` of a BullMQ queue", known: &["prefix"], later: &[], elsewhere: &[] };

static STREAM: Keys =
    Keys { of: "`options` of a stream", known: &["maxlen"], later: &[], elsewhere: &[] };

static NONE: Keys = Keys { of: "`options` of this queue", known: &[], later: &[], elsewhere: &[] };

/// Reads the mapping; what is wrong is reported and left out.
pub(super) fn read(node: &Node<'_>, report: &mut Report<'_>) -> Queues {
    let Some(pairs) = node.map() else {
        let message = format!("`queues` is a mapping of names, found {}", node.found());
        report.error(node.span, message).hint("write `queues: {NAME: {worker: sidekiq}}`");
        return Queues::default();
    };
    let queue = |pair: &crate::config::node::Pair<'_>| {
        let name = expect::name(&pair.key, "the queue's name", MAX_NAME, report)?;
        let fields = QUEUE.sort(&pair.value, report)?;
        Some(Queue { name: name.into(), worker: worker(&fields, report)? })
    };
    pairs.iter().filter_map(queue).collect()
}

fn worker(fields: &Fields<'_, '_>, report: &mut Report<'_>) -> Option<Worker> {
    let kind = match fields.value("worker") {
        None => "celery",
        Some(node) => match node.scalar() {
            Some(Scalar::Text(kind)) if Worker::KINDS.contains(&kind) => kind,
            _ => {
                let kinds = Worker::KINDS.map(|kind| format!("`{kind}`")).join(", ");
                let message = format!("expected a kind of worker, found {}", node.found());
                report.error(node.span, message).hint(format!("write one of {kinds}"));
                return None;
            }
        },
    };
    let keys = match kind {
        "rq" => &RQ,
        "dramatiq" => &DRAMATIQ,
        "sidekiq" => &SIDEKIQ,
        "bullmq" => &BULLMQ,
        "stream" => &STREAM,
        "json" => &NONE,
        _ => &CELERY,
    };
    let options = fields.value("options").and_then(|node| keys.sort(node, report));
    let value = |key: &str| options.as_ref()?.value(key);
    let mut name = |key: &str| {
        expect::name(value(key)?, &format!("`{key}`"), MAX_NAME, report).map(Into::into)
    };
    Some(match kind {
        "rq" => {
            let serializer = value("serializer").and_then(|node| serializer(node, report));
            Worker::Rq(RqQueue { serializer: serializer.unwrap_or_default() })
        }
        "dramatiq" => {
            let default = DramatiqQueue::default();
            Worker::Dramatiq(DramatiqQueue {
                namespace: name("namespace").unwrap_or(default.namespace),
            })
        }
        "sidekiq" => Worker::Sidekiq(SidekiqQueue { namespace: name("namespace") }),
        "bullmq" => {
            let default = BullmqQueue::default();
            Worker::Bullmq(BullmqQueue { prefix: name("prefix").unwrap_or(default.prefix) })
        }
        "json" => Worker::Json,
        "stream" => {
            let maxlen = value("maxlen").and_then(|node| expect::count(node, report));
            Worker::Stream(StreamQueue { maxlen })
        }
        _ => {
            let default = CeleryQueue::default();
            let key_prefix = name("key_prefix").unwrap_or(default.key_prefix);
            let steps = value("priority_steps").and_then(|node| priority_steps(node, report));
            let separator = value("separator").and_then(|node| separator(node, report));
            Worker::Celery(CeleryQueue {
                priority_steps: steps.unwrap_or(default.priority_steps),
                separator: separator.unwrap_or(default.separator),
                key_prefix,
            })
        }
    })
}

fn serializer(node: &Node<'_>, report: &mut Report<'_>) -> Option<Serializer> {
    match node.scalar() {
        Some(Scalar::Text("pickle")) => Some(Serializer::Pickle),
        Some(Scalar::Text("json")) => Some(Serializer::Json),
        _ => {
            let message = format!("expected `pickle` or `json`, found {}", node.found());
            report.error(node.span, message).hint("write what the workers' `--serializer` says");
            None
        }
    }
}

/// Kombu's own producers send none above 9, and workers without a step of 0 miss what has none.
fn priority_steps(node: &Node<'_>, report: &mut Report<'_>) -> Option<Box<[u8]>> {
    let step = |node: &Node<'_>| match node.scalar() {
        Some(Scalar::Int(step)) => u8::try_from(step).ok().filter(|step| *step <= 9),
        _ => None,
    };
    let steps: Option<Box<[u8]>> = node.list().and_then(|items| items.iter().map(step).collect());
    let ascending =
        steps.filter(|steps| steps.first() == Some(&0) && steps.is_sorted_by(|a, b| a < b));
    if ascending.is_none() {
        report
            .error(node.span, "`priority_steps` are ascending numbers from 0 to 9, the first is 0")
            .hint("write those of the workers' `broker_transport_options`: `[0, 3, 6, 9]`");
    }
    ascending
}

/// Kombu's own has control characters.
fn separator(node: &Node<'_>, report: &mut Report<'_>) -> Option<Box<str>> {
    let text = expect::text(node, report)?;
    if (1..=16).contains(&text.len()) {
        return Some(text.into());
    }
    report.error(node.span, format!("a separator of {} bytes; it has 1 to 16", text.len()));
    None
}

/// A queue as `downbeat config` shows it.
pub(super) fn show(queue: &Queue) -> (String, Value) {
    let options = match &queue.worker {
        Worker::Celery(settings) if *settings == CeleryQueue::default() => Value::Null,
        Worker::Celery(CeleryQueue { priority_steps, separator, key_prefix }) => json!({
            "priority_steps": priority_steps,
            "separator": separator,
            "key_prefix": key_prefix,
        }),
        Worker::Json => Value::Null,
        Worker::Rq(RqQueue { serializer: Serializer::Pickle }) => Value::Null,
        Worker::Rq(RqQueue { serializer: Serializer::Json }) => json!({ "serializer": "json" }),
        Worker::Dramatiq(DramatiqQueue { namespace }) => json!({ "namespace": namespace }),
        Worker::Sidekiq(SidekiqQueue { namespace }) => match namespace {
            Some(namespace) => json!({ "namespace": namespace }),
            None => Value::Null,
        },
        Worker::Bullmq(BullmqQueue { prefix }) => json!({ "prefix": prefix }),
        Worker::Stream(StreamQueue { maxlen }) => match maxlen {
            Some(maxlen) => json!({ "maxlen": maxlen }),
            None => Value::Null,
        },
    };
    let mut shown = Map::new();
    shown.insert("worker".to_owned(), json!(queue.worker.kind()));
    if !options.is_null() {
        shown.insert("options".to_owned(), options);
    }
    (queue.name.to_string(), Value::Object(shown))
}
