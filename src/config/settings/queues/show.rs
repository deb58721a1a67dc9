//! A queue as `downbeat config` shows it.

use serde_json::{Map, Value, json};

use super::DEFAULT_ROUTING_KEY;
use crate::worker::arq::ArqSerializer;
use crate::worker::rq::Serializer;
use crate::worker::{
    AmqpQueue, ArqQueue, BullmqQueue, CeleryQueue, DramatiqQueue, Queue, RqQueue, SidekiqQueue,
    StreamQueue, TaskiqQueue, Worker,
};

/// The queue's name, and its settings that differ from the defaults.
pub(in crate::config::settings) fn show(queue: &Queue) -> (String, Value) {
    let options = match &queue.amqp {
        Some(amqp) => on_amqp(amqp, &queue.worker),
        None => on_redis(&queue.worker),
    };
    let shown = mapping([
        ("worker", Some(json!(queue.worker.kind().as_str()))),
        ("broker", queue.amqp.as_ref().map(|amqp| json!(amqp.url.to_string()))),
        ("fanout", queue.is_fanout().then(|| json!(true))),
        ("catch_up_rate", queue.catch_up_rate.map(|rate| json!(rate.to_string()))),
        ("options", options),
    ]);
    (queue.name.to_string(), shown.unwrap_or_default())
}

/// The pairs that have a value; `None` if there are none.
fn mapping<const N: usize>(pairs: [(&str, Option<Value>); N]) -> Option<Value> {
    let shown = pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let shown: Map<_, _> = shown.collect();
    (!shown.is_empty()).then_some(Value::Object(shown))
}

fn on_amqp(amqp: &AmqpQueue, worker: &Worker) -> Option<Value> {
    let AmqpQueue { url: _, exchange, routing_key, declare } = amqp;
    mapping([
        ("exchange", exchange.as_ref().map(|name| json!(name))),
        ("routing_key", routing_key.as_ref().map(|name| json!(name))),
        ("declare", declare.then(|| json!(true))),
        ("results", worker.results().map(|url| json!(url.to_string()))),
        ("result_prefix", result_prefix(worker).map(|prefix| json!(prefix))),
    ])
}

fn result_prefix(worker: &Worker) -> Option<&str> {
    let Worker::Celery(settings) = worker else { return None };
    Some(&*settings.result_prefix).filter(|prefix| !prefix.is_empty())
}

fn on_redis(worker: &Worker) -> Option<Value> {
    match worker {
        Worker::Celery(settings) => celery(settings),
        Worker::Rq(RqQueue { serializer: Serializer::Pickle }) => None,
        Worker::Rq(RqQueue { serializer: Serializer::Json }) => {
            Some(json!({ "serializer": "json" }))
        }
        Worker::Dramatiq(DramatiqQueue { namespace }) => Some(json!({ "namespace": namespace })),
        Worker::Arq(ArqQueue { serializer: ArqSerializer::Pickle }) => None,
        Worker::Arq(ArqQueue { serializer }) => Some(json!({ "serializer": serializer.as_str() })),
        Worker::Taskiq(settings) => taskiq(settings),
        Worker::Sidekiq(SidekiqQueue { namespace }) => {
            mapping([("namespace", namespace.as_ref().map(|namespace| json!(namespace)))])
        }
        Worker::Bullmq(BullmqQueue { prefix }) => Some(json!({ "prefix": prefix })),
        Worker::Json => None,
        Worker::Stream(StreamQueue { maxlen }) => {
            mapping([("maxlen", maxlen.map(|maxlen| json!(maxlen)))])
        }
    }
}

fn taskiq(TaskiqQueue { stream, results, result_prefix }: &TaskiqQueue) -> Option<Value> {
    let stream = stream.as_ref();
    mapping([
        ("stream", stream.map(|_| json!(true))),
        ("group", stream.map(|stream| json!(stream.group))),
        ("maxlen", stream.and_then(|stream| stream.maxlen).map(|maxlen| json!(maxlen))),
        ("results", results.as_ref().map(|results| json!(results.url.to_string()))),
        ("result_prefix", result_prefix.as_ref().map(|prefix| json!(prefix))),
    ])
}

/// All options of a Celery queue on Redis; `None` if all are as by default.
fn celery(settings: &CeleryQueue) -> Option<Value> {
    let plain = match &settings.fanout {
        Some(fanout) if &*fanout.routing_key != DEFAULT_ROUTING_KEY => None,
        _ => Some(CeleryQueue { fanout: None, ..settings.clone() }),
    };
    if plain == Some(CeleryQueue::default()) {
        return None;
    }
    Some(json!({
        "priority_steps": settings.priority_steps,
        "separator": settings.separator,
        "key_prefix": settings.key_prefix,
        "fanout_prefix": settings.fanout_prefix,
        "fanout_patterns": settings.fanout_patterns,
        "control_exchange": settings.control_exchange,
        "routing_key": settings.fanout.as_ref().map(|fanout| &fanout.routing_key),
        "results": settings.results.as_ref().map(|results| results.url.to_string()),
        "result_prefix": settings.result_prefix,
    }))
}
