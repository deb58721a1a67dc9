//! `queues:`: each queue's kind of worker and broker.

mod keys;
mod options;
mod show;

use std::sync::Arc;

pub(super) use self::keys::all_options;
pub(super) use self::show::show;
use super::broker::{self, Broker};
use super::refusal::Refusal;
use crate::address::AmqpAddress;
use crate::config::foreign::words;
use crate::text::{Fields, Keys, MAX_NAME, Node, Pair, Report, Scalar, expect};
use crate::worker::celery::{self, Fanout};
use crate::worker::{
    self, AmqpQueue, Queue, QueueStore, Queues, Rate, Unstorable, Worker, WorkerKind,
};

pub(super) static QUEUE: Keys = Keys {
    of: "a queue",
    known: &["worker", "broker", "fanout", "catch_up_rate", "options"],
    foreign: words::QUEUE,
};

/// Celery's `task_default_routing_key`, unless it is set.
const DEFAULT_ROUTING_KEY: &str = "celery";

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
        let (mut worker, mut amqp) = options::read(&fields, kind, url, state, report);
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
        report
            .error(node.span, "this is not a kind of worker")
            .hint(format!("write one of {kinds}"));
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
