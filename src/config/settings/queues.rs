//! `queues:`: each queue's kind of worker and broker.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::broker::{self, Broker};
use super::refusal::Refusal;
use crate::address::AmqpAddress;
use crate::text::{Fields, Keys, MAX_NAME, Node, Pair, Report, Scalar, expect};
use crate::worker::celery::ResultBackend;
use crate::worker::rq::Serializer;
use crate::worker::{
    self, AmqpQueue, BullmqQueue, CeleryQueue, DramatiqQueue, Queue, QueueStore, Queues, Rate,
    RqQueue, SidekiqQueue, StreamQueue, Unstorable, Worker, WorkerKind,
};

pub(super) static QUEUE: Keys =
    Keys { of: "a queue", known: &["worker", "broker", "catch_up_rate", "options"], aliases: &[] };

pub(super) static CELERY_AMQP: Keys = Keys {
    of: "`options` of a Celery queue on AMQP",
    known: &["exchange", "routing_key", "declare", "results"],
    aliases: &[("result_backend", "results")],
};

/// Only Dramatiq's own workers know the arguments with which to declare their queues.
pub(super) static DRAMATIQ_AMQP: Keys = Keys {
    of: "`options` of a Dramatiq queue on AMQP",
    known: &["exchange", "routing_key"],
    aliases: &[],
};

pub(super) static CELERY: Keys = Keys {
    of: "`options` of a Celery queue",
    known: &["priority_steps", "separator", "key_prefix", "results"],
    aliases: &[
        ("sep", "separator"),
        ("global_keyprefix", "key_prefix"),
        ("result_backend", "results"),
    ],
};

pub(super) static RQ: Keys =
    Keys { of: "`options` of an RQ queue", known: &["serializer"], aliases: &[] };

pub(super) static DRAMATIQ: Keys =
    Keys { of: "`options` of a Dramatiq queue", known: &["namespace"], aliases: &[] };

pub(super) static SIDEKIQ: Keys =
    Keys { of: "`options` of a Sidekiq queue", known: &["namespace"], aliases: &[] };

pub(super) static BULLMQ: Keys =
    Keys { of: "`options` of a BullMQ queue", known: &["prefix"], aliases: &[] };

pub(super) static STREAM: Keys =
    Keys { of: "`options` of a stream", known: &["maxlen"], aliases: &[] };

pub(super) static NONE: Keys = Keys { of: "`options` of this queue", known: &[], aliases: &[] };

/// Reads the mapping; reports wrong values and leaves them out. Celery's queues are on the AMQP broker
/// `amqp`, if there is one, unless they name another; `store` holds those that are on no AMQP broker.
pub(super) fn read(
    node: &Node<'_>,
    state: Option<&Broker>,
    store: &QueueStore,
    amqp: Option<&Arc<AmqpAddress>>,
    report: &mut Report<'_>,
) -> Queues {
    let Some(pairs) = node.map() else {
        let message = format!("`queues` is a mapping of names, found {}", report.found(node));
        report.error(node.span, message).hint("write `queues: {NAME: {worker: sidekiq}}`");
        return Queues::default();
    };
    let queue = |pair: &Pair<'_>| {
        let name = expect::name(&pair.key, "the queue's name", MAX_NAME, report)?;
        let fields = QUEUE.sort(&pair.value, report)?;
        let kind = kind(&fields, report)?;
        let url = url(&fields, kind, amqp, report);
        let (worker, amqp) = worker(&fields, kind, url, state, report);
        let rate = fields.value("catch_up_rate").and_then(|node| rate(node, report));
        let queue = Queue { name: name.into(), worker, amqp, catch_up_rate: rate };
        // Whether a spool can hold it matters only once an entry names it: the queue may be for another
        // broker.
        if let (QueueStore::Redis { .. }, Err(Unstorable { message, hint })) =
            (store, worker::check_storable(&queue, Some(store)))
        {
            report.error(pair.key.span, message).hint(hint);
        }
        Some(queue)
    };
    pairs.iter().filter_map(queue).collect()
}

fn kind(fields: &Fields<'_, '_>, report: &mut Report<'_>) -> Option<WorkerKind> {
    let Some(node) = fields.value("worker") else { return Some(WorkerKind::Celery) };
    let kind = match node.scalar() {
        Some(Scalar::Text(word)) => WorkerKind::from_word(word),
        _ => None,
    };
    if kind.is_none() {
        let kinds = WorkerKind::ALL.map(|kind| format!("`{kind}`")).join(", ");
        report.error(node.span, "this is no kind of worker").hint(format!("write one of {kinds}"));
    }
    kind
}

/// The queue's AMQP broker, if it is on one.
fn url(
    fields: &Fields<'_, '_>,
    kind: WorkerKind,
    amqp: Option<&Arc<AmqpAddress>>,
    report: &mut Report<'_>,
) -> Option<Arc<AmqpAddress>> {
    let Some(node) = fields.value("broker") else {
        return amqp.filter(|_| kind.takes_amqp()).map(Arc::clone);
    };
    if !kind.takes_amqp() {
        let message = format!("{kind} workers take nothing from another broker");
        report.error(node.span, message).hint("leave `broker` out: the queue is on Redis");
        return None;
    }
    match broker::amqp(node.as_written().unwrap_or_default()) {
        Ok(url) => Some(Arc::new(url)),
        Err(Refusal { message, hint }) => {
            report.error(node.span, message).hint(hint);
            None
        }
    }
}

fn rate(node: &Node<'_>, report: &mut Report<'_>) -> Option<Rate> {
    match node.as_written().unwrap_or_default().parse::<Rate>() {
        Ok(rate) => Some(rate),
        Err(error) => {
            report.error(node.span, error.to_string()).hint(error.hint());
            None
        }
    }
}

fn keys(kind: WorkerKind, on_amqp: bool) -> &'static Keys {
    match kind {
        WorkerKind::Celery if on_amqp => &CELERY_AMQP,
        WorkerKind::Celery => &CELERY,
        WorkerKind::Rq => &RQ,
        WorkerKind::Dramatiq if on_amqp => &DRAMATIQ_AMQP,
        WorkerKind::Dramatiq => &DRAMATIQ,
        WorkerKind::Sidekiq => &SIDEKIQ,
        WorkerKind::Bullmq => &BULLMQ,
        WorkerKind::Json => &NONE,
        WorkerKind::Stream => &STREAM,
    }
}

fn worker(
    fields: &Fields<'_, '_>,
    kind: WorkerKind,
    url: Option<Arc<AmqpAddress>>,
    state: Option<&Broker>,
    report: &mut Report<'_>,
) -> (Worker, Option<AmqpQueue>) {
    let keys = keys(kind, url.is_some());
    let options = fields.value("options").and_then(|node| keys.sort(node, report));
    let value = |key: &str| options.as_ref()?.value(key);
    let amqp = url.map(|url| amqp_queue(url, kind, options.as_ref(), report));
    let mut name = |key: &str| {
        expect::name(value(key)?, &format!("`{key}`"), MAX_NAME, report).map(Into::into)
    };
    let worker = match kind {
        WorkerKind::Rq => {
            let serializer = value("serializer").and_then(|node| serializer(node, report));
            Worker::Rq(RqQueue { serializer: serializer.unwrap_or_default() })
        }
        WorkerKind::Dramatiq if amqp.is_some() => Worker::Dramatiq(DramatiqQueue::default()),
        WorkerKind::Dramatiq => {
            let default = DramatiqQueue::default();
            Worker::Dramatiq(DramatiqQueue {
                namespace: name("namespace").unwrap_or(default.namespace),
            })
        }
        WorkerKind::Sidekiq => Worker::Sidekiq(SidekiqQueue { namespace: name("namespace") }),
        WorkerKind::Bullmq => {
            let default = BullmqQueue::default();
            Worker::Bullmq(BullmqQueue { prefix: name("prefix").unwrap_or(default.prefix) })
        }
        WorkerKind::Json => Worker::Json,
        WorkerKind::Stream => {
            let maxlen = value("maxlen").and_then(|node| expect::count(node, report));
            Worker::Stream(StreamQueue { maxlen })
        }
        WorkerKind::Celery if amqp.is_some() => {
            let results = value("results").and_then(|node| results(node, state, report));
            Worker::Celery(CeleryQueue { results, ..CeleryQueue::default() })
        }
        WorkerKind::Celery => {
            let default = CeleryQueue::default();
            let key_prefix = name("key_prefix").unwrap_or(default.key_prefix);
            let steps = value("priority_steps").and_then(|node| priority_steps(node, report));
            let separator = value("separator").and_then(|node| separator(node, report));
            let results = value("results").and_then(|node| results(node, state, report));
            Worker::Celery(CeleryQueue {
                priority_steps: steps.unwrap_or(default.priority_steps),
                separator: separator.unwrap_or(default.separator),
                key_prefix,
                results,
            })
        }
    };
    (worker, amqp)
}

fn amqp_queue(
    url: Arc<AmqpAddress>,
    kind: WorkerKind,
    fields: Option<&Fields<'_, '_>>,
    report: &mut Report<'_>,
) -> AmqpQueue {
    let value = |key: &str| fields.and_then(|fields| fields.value(key));
    let exchange = value("exchange").and_then(|node| expect::amqp_name(node, report));
    let routing_key = value("routing_key").and_then(|node| expect::amqp_name(node, report));
    if let (Some(node), None) = (value("routing_key"), value("exchange")) {
        report
            .error(node.span, "a `routing_key` without an `exchange`")
            .hint("the default exchange routes by the queue's name");
    }
    let declare = (kind == WorkerKind::Celery).then(|| value("declare")).flatten();
    let declare = declare.and_then(|node| expect::boolean(node, report));
    AmqpQueue { url, exchange, routing_key, declare: declare.unwrap_or(false) }
}

fn serializer(node: &Node<'_>, report: &mut Report<'_>) -> Option<Serializer> {
    match node.scalar() {
        Some(Scalar::Text("pickle")) => Some(Serializer::Pickle),
        Some(Scalar::Text("json")) => Some(Serializer::Json),
        _ => {
            report
                .error(node.span, "expected `pickle` or `json`")
                .hint("write what the workers' `--serializer` says");
            None
        }
    }
}

/// Kombu's own producers send none above 9, and workers without a step 0 never see messages without a
/// priority.
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

/// Kombu's default has control characters.
fn separator(node: &Node<'_>, report: &mut Report<'_>) -> Option<Box<str>> {
    let text = expect::text(node, report)?;
    if (1..=16).contains(&text.len()) {
        return Some(text.into());
    }
    report.error(node.span, format!("a separator of {} bytes; it has 1 to 16", text.len()));
    None
}

/// The Redis that holds results. Without a broker, it is not yet known where the state is.
fn results(
    node: &Node<'_>,
    state: Option<&Broker>,
    report: &mut Report<'_>,
) -> Option<Arc<ResultBackend>> {
    match broker::results(expect::text(node, report)?) {
        Ok(url) => {
            let databases = match state {
                Some(Broker::Redis(state)) => url.databases(state),
                Some(Broker::Spool(_)) => None,
                None => url.databases(&url),
            };
            Some(Arc::new(ResultBackend { url, databases }))
        }
        Err(Refusal { message, hint }) => {
            report.error(node.span, message).hint(hint);
            None
        }
    }
}

/// A queue as `downbeat config` shows it.
pub(super) fn show(queue: &Queue) -> (String, Value) {
    let mut options = match &queue.worker {
        Worker::Celery(settings) if *settings == CeleryQueue::default() => Value::Null,
        Worker::Celery(CeleryQueue { priority_steps, separator, key_prefix, results }) => json!({
            "priority_steps": priority_steps,
            "separator": separator,
            "key_prefix": key_prefix,
            "results": results.as_ref().map(|results| results.url.to_string()),
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
    shown.insert("worker".to_owned(), json!(queue.worker.kind().as_str()));
    if let Some(AmqpQueue { url, exchange, routing_key, declare }) = &queue.amqp {
        shown.insert("broker".to_owned(), json!(url.to_string()));
        let names = [("exchange", exchange), ("routing_key", routing_key)];
        let names = names.into_iter().filter_map(|(key, name)| Some((key, json!(name.as_ref()?))));
        let declare = declare.then(|| ("declare", json!(true)));
        let results = queue.worker.results().map(|url| ("results", json!(url.to_string())));
        let all: Map<_, _> = (names.chain(declare).chain(results))
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        options = if all.is_empty() { Value::Null } else { Value::Object(all) };
    }
    if let Some(rate) = queue.catch_up_rate {
        shown.insert("catch_up_rate".to_owned(), json!(rate.to_string()));
    }
    if !options.is_null() {
        shown.insert("options".to_owned(), options);
    }
    (queue.name.to_string(), Value::Object(shown))
}
