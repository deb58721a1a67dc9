//! `queues:`: each queue's kind of worker and broker.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::broker::{self, Broker};
use super::refusal::Refusal;
use crate::address::AmqpAddress;
use crate::config::foreign::words;
use crate::text::{Fields, Keys, MAX_NAME, Node, Pair, Report, Scalar, expect};
use crate::worker::arq::ArqSerializer;
use crate::worker::celery::{self, Fanout, ResultBackend};
use crate::worker::rq::Serializer;
use crate::worker::taskiq::TaskiqStream;
use crate::worker::{
    self, AmqpQueue, ArqQueue, BullmqQueue, CeleryQueue, DramatiqQueue, Queue, QueueStore, Queues,
    Rate, RqQueue, SidekiqQueue, StreamQueue, TaskiqQueue, Unstorable, Worker, WorkerKind,
};

pub(super) static QUEUE: Keys = Keys {
    of: "a queue",
    known: &["worker", "broker", "fanout", "catch_up_rate", "options"],
    foreign: words::QUEUE,
};

static CELERY_AMQP: Keys = Keys {
    of: "`options` of a Celery queue on AMQP",
    known: &["exchange", "routing_key", "declare", "results", "result_prefix"],
    foreign: words::CELERY_QUEUE_ON_AMQP,
};

/// Only Dramatiq's own workers know the arguments with which to declare their queues.
static DRAMATIQ_AMQP: Keys = Keys {
    of: "`options` of a Dramatiq queue on AMQP",
    known: &["exchange", "routing_key"],
    foreign: &[],
};

static CELERY: Keys = Keys {
    of: "`options` of a Celery queue",
    known: &[
        "priority_steps",
        "separator",
        "key_prefix",
        "fanout_prefix",
        "fanout_patterns",
        "control_exchange",
        "routing_key",
        "results",
        "result_prefix",
    ],
    foreign: words::CELERY_QUEUE,
};

/// Celery's `task_default_routing_key`, unless it is set.
const DEFAULT_ROUTING_KEY: &str = "celery";

static RQ: Keys = Keys { of: "`options` of an RQ queue", known: &["serializer"], foreign: &[] };

static DRAMATIQ: Keys =
    Keys { of: "`options` of a Dramatiq queue", known: &["namespace"], foreign: &[] };

static ARQ: Keys =
    Keys { of: "`options` of an arq queue", known: &["serializer"], foreign: words::ARQ_QUEUE };

static TASKIQ: Keys = Keys {
    of: "`options` of a taskiq queue",
    known: &["stream", "group", "maxlen", "results", "result_prefix"],
    foreign: words::TASKIQ_QUEUE,
};

static SIDEKIQ: Keys =
    Keys { of: "`options` of a Sidekiq queue", known: &["namespace"], foreign: &[] };

static BULLMQ: Keys = Keys { of: "`options` of a BullMQ queue", known: &["prefix"], foreign: &[] };

static STREAM: Keys = Keys { of: "`options` of a stream", known: &["maxlen"], foreign: &[] };

static NONE: Keys = Keys { of: "`options` of this queue", known: &[], foreign: &[] };

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
        let (mut worker, mut amqp) = worker(&fields, kind, url, state, report);
        let key = fields.value("options").and_then(|options| options.pair("routing_key"));
        let key = key.map(|pair| &pair.value);
        match (fields.value("fanout"), key) {
            (Some(node), key) => {
                fanout(node, (name, key), &mut worker, amqp.as_mut(), state, report);
            }
            (None, Some(key)) if kind == WorkerKind::Celery && amqp.is_none() => {
                report
                    .error(key.span, "a `routing_key` on Redis, without `fanout`")
                    .hint("leave it out: messages go to the list of the queue");
            }
            _ => {}
        }
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

/// Makes it a queue of which every worker gets each message.
fn fanout(
    node: &Node<'_>,
    (name, routing_key): (&str, Option<&Node<'_>>),
    worker: &mut Worker,
    amqp: Option<&mut AmqpQueue>,
    state: Option<&Broker>,
    report: &mut Report<'_>,
) {
    if !expect::boolean(node, report).unwrap_or_default() {
        return;
    }
    let kind = worker.kind();
    let Worker::Celery(settings) = worker else {
        let message = format!("{kind} workers know no fanout: each message goes to one of them");
        report.error(node.span, message).hint("leave `fanout` out");
        return;
    };
    let routing_key = match routing_key {
        Some(node) if node.scalar() == Some(Scalar::Text("")) => Some("".into()),
        node => {
            node.and_then(|node| expect::name(node, "the name", MAX_NAME, report)).map(Into::into)
        }
    };
    let routing_key: Box<str> = routing_key.unwrap_or_else(|| DEFAULT_ROUTING_KEY.into());
    let channel = match amqp {
        Some(AmqpQueue { declare: true, .. }) => {
            report
                .error(node.span, "a fanout that is declared here")
                .hint("leave `declare` out: each worker declares and binds a queue of its own");
            return;
        }
        Some(amqp) => amqp.exchange.get_or_insert_with(|| name.into()).clone(),
        None => {
            let database = match state {
                Some(Broker::Redis(address)) => address.database,
                Some(Broker::Spool(_)) | None => 0,
            };
            celery::channel(name, &routing_key, settings, database).into()
        }
    };
    settings.fanout = Some(Fanout { channel, routing_key });
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

/// The keys of the options of every kind.
pub(super) fn all_options() -> impl Iterator<Item = &'static Keys> {
    WorkerKind::ALL.into_iter().flat_map(|kind| [keys(kind, false), keys(kind, true)])
}

fn keys(kind: WorkerKind, on_amqp: bool) -> &'static Keys {
    match kind {
        WorkerKind::Celery if on_amqp => &CELERY_AMQP,
        WorkerKind::Celery => &CELERY,
        WorkerKind::Rq => &RQ,
        WorkerKind::Dramatiq if on_amqp => &DRAMATIQ_AMQP,
        WorkerKind::Dramatiq => &DRAMATIQ,
        WorkerKind::Arq => &ARQ,
        WorkerKind::Taskiq => &TASKIQ,
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
        WorkerKind::Arq => {
            let serializer = value("serializer").and_then(|node| arq_serializer(node, report));
            Worker::Arq(ArqQueue { serializer: serializer.unwrap_or_default() })
        }
        WorkerKind::Taskiq => {
            let (group, result_prefix) = (name("group"), name("result_prefix"));
            Worker::Taskiq(TaskiqQueue {
                stream: taskiq_stream(options.as_ref(), group, report),
                results: value("results").and_then(|node| results(node, state, report)),
                result_prefix,
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
            let result_prefix = name("result_prefix").unwrap_or_default();
            let results = value("results").and_then(|node| results(node, state, report));
            Worker::Celery(CeleryQueue { results, result_prefix, ..CeleryQueue::default() })
        }
        WorkerKind::Celery => {
            let default = CeleryQueue::default();
            let key_prefix = name("key_prefix").unwrap_or(default.key_prefix);
            let control_exchange = name("control_exchange").unwrap_or(default.control_exchange);
            let result_prefix = name("result_prefix").unwrap_or_default();
            let prefix = value("fanout_prefix").and_then(|node| fanout_prefix(node, report));
            let patterns = value("fanout_patterns").and_then(|node| expect::boolean(node, report));
            let steps = value("priority_steps").and_then(|node| priority_steps(node, report));
            let separator = value("separator").and_then(|node| separator(node, report));
            let results = value("results").and_then(|node| results(node, state, report));
            Worker::Celery(CeleryQueue {
                priority_steps: steps.unwrap_or(default.priority_steps),
                separator: separator.unwrap_or(default.separator),
                key_prefix,
                fanout_prefix: prefix.unwrap_or(default.fanout_prefix),
                fanout_patterns: patterns.unwrap_or(default.fanout_patterns),
                control_exchange,
                fanout: None,
                results,
                result_prefix,
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
    let mut name =
        |key: &str| expect::name(value(key)?, "the name", MAX_NAME, report).map(Into::into);
    let (exchange, routing_key) = (name("exchange"), name("routing_key"));
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

fn arq_serializer(node: &Node<'_>, report: &mut Report<'_>) -> Option<ArqSerializer> {
    let found = match node.scalar() {
        Some(Scalar::Text(word)) => {
            ArqSerializer::ALL.into_iter().find(|known| known.as_str() == word)
        }
        _ => None,
    };
    if found.is_none() {
        report
            .error(node.span, "expected `pickle`, `json` or `msgpack`")
            .hint("write what the workers' `job_deserializer` reads; without one it is `pickle`");
    }
    found
}

/// The stream, if the queue is one.
fn taskiq_stream(
    fields: Option<&Fields<'_, '_>>,
    group: Option<Box<str>>,
    report: &mut Report<'_>,
) -> Option<TaskiqStream> {
    let value = |key: &str| fields.and_then(|fields| fields.value(key));
    let is_stream = value("stream").map(|node| expect::boolean(node, report));
    if let Some(Some(true)) = is_stream {
        let maxlen = value("maxlen").and_then(|node| expect::count(node, report));
        let default = TaskiqStream::default();
        return Some(TaskiqStream { group: group.unwrap_or(default.group), maxlen });
    }
    for key in ["group", "maxlen"] {
        if let Some(node) = value(key).filter(|_| is_stream != Some(None)) {
            report
                .error(node.span, format!("`{key}` of a queue that is no stream"))
                .hint("workers with `RedisStreamBroker` need `stream: true`");
        }
    }
    None
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

/// Kombu takes `true`, `false`, or a prefix in which `{db}` stands for the database.
fn fanout_prefix(node: &Node<'_>, report: &mut Report<'_>) -> Option<Box<str>> {
    match node.scalar() {
        Some(Scalar::Bool(true)) => Some(CeleryQueue::default().fanout_prefix),
        Some(Scalar::Bool(false)) => Some("".into()),
        _ => expect::name(node, "`fanout_prefix`", MAX_NAME, report).map(Into::into),
    }
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

/// What differs from the default.
fn show_taskiq(TaskiqQueue { stream, results, result_prefix }: &TaskiqQueue) -> Value {
    let stream_options = stream.iter().flat_map(|TaskiqStream { group, maxlen }| {
        let maxlen = maxlen.map(|maxlen| ("maxlen", json!(maxlen)));
        [("stream", json!(true)), ("group", json!(group))].into_iter().chain(maxlen)
    });
    let results = results.as_ref().map(|results| ("results", json!(results.url.to_string())));
    let prefix = result_prefix.as_ref().map(|prefix| ("result_prefix", json!(prefix)));
    let all: Map<_, _> = (stream_options.chain(results).chain(prefix))
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    if all.is_empty() { Value::Null } else { Value::Object(all) }
}

/// A queue as `downbeat config` shows it.
pub(super) fn show(queue: &Queue) -> (String, Value) {
    let mut options = match &queue.worker {
        Worker::Celery(settings) => show_celery(settings),
        Worker::Json => Value::Null,
        Worker::Rq(RqQueue { serializer: Serializer::Pickle }) => Value::Null,
        Worker::Rq(RqQueue { serializer: Serializer::Json }) => json!({ "serializer": "json" }),
        Worker::Dramatiq(DramatiqQueue { namespace }) => json!({ "namespace": namespace }),
        Worker::Arq(ArqQueue { serializer: ArqSerializer::Pickle }) => Value::Null,
        Worker::Arq(ArqQueue { serializer }) => json!({ "serializer": serializer.as_str() }),
        Worker::Taskiq(settings) => show_taskiq(settings),
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
        let prefix = result_prefix(&queue.worker).map(|prefix| ("result_prefix", json!(prefix)));
        let all: Map<_, _> = (names.chain(declare).chain(results).chain(prefix))
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        options = if all.is_empty() { Value::Null } else { Value::Object(all) };
    }
    if queue.is_fanout() {
        shown.insert("fanout".to_owned(), json!(true));
    }
    if let Some(rate) = queue.catch_up_rate {
        shown.insert("catch_up_rate".to_owned(), json!(rate.to_string()));
    }
    if !options.is_null() {
        shown.insert("options".to_owned(), options);
    }
    (queue.name.to_string(), Value::Object(shown))
}

/// The options of a Celery queue on Redis; none if all are as by default.
fn show_celery(settings: &CeleryQueue) -> Value {
    let plain = match &settings.fanout {
        Some(fanout) if &*fanout.routing_key != DEFAULT_ROUTING_KEY => None,
        _ => Some(CeleryQueue { fanout: None, ..settings.clone() }),
    };
    if plain == Some(CeleryQueue::default()) {
        return Value::Null;
    }
    json!({
        "priority_steps": settings.priority_steps,
        "separator": settings.separator,
        "key_prefix": settings.key_prefix,
        "fanout_prefix": settings.fanout_prefix,
        "fanout_patterns": settings.fanout_patterns,
        "control_exchange": settings.control_exchange,
        "routing_key": settings.fanout.as_ref().map(|fanout| &fanout.routing_key),
        "results": settings.results.as_ref().map(|results| results.url.to_string()),
        "result_prefix": settings.result_prefix,
    })
}

fn result_prefix(worker: &Worker) -> Option<&str> {
    let Worker::Celery(settings) = worker else { return None };
    Some(&*settings.result_prefix).filter(|prefix| !prefix.is_empty())
}
