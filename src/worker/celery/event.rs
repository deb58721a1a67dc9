//! The `task-sent` event of producers with `task_send_sent_event`, from which Flower learns of a task.
//! Only current subscribers receive it; nothing stores it.

use super::message::{args_repr, kwargs_repr, write_expires};
use super::{CeleryQueue, keys};
use crate::worker::Task;
use crate::worker::json_writer::JsonWriter;
use crate::worker::publication::route;

/// The exchange for events.
pub const EXCHANGE: &str = "celeryev";
/// The routing key of this event.
pub const ROUTING_KEY: &str = "task.sent";

/// The channel for it in the database of this number.
#[must_use]
pub fn channel(settings: &CeleryQueue, database: i64) -> String {
    keys::channel(EXCHANGE, ROUTING_KEY, settings, database)
}

/// The `task-sent` event, for monitors of the workers: an envelope on Redis, the bare event on AMQP.
pub(super) fn sent(task: &Task<'_>) -> Vec<u8> {
    if task.message.queue.amqp.is_some() { event(task) } else { envelope(task) }
}

/// The event as a JSON object, as AMQP carries it.
///
/// Without `utcoffset`, no reader shifts the time; `pid` and `clock` have no meaning for a client.
fn event(task: &Task<'_>) -> Vec<u8> {
    let message = task.message;
    let queue = &message.queue.name;
    let (exchange, routing_key) = match (&message.queue.amqp, message.queue.fanout()) {
        (Some(amqp), _) => route(message, amqp),
        (None, Some(fanout)) => ((&**queue).into(), fanout.routing_key.clone()),
        (None, None) => ("".into(), (&**queue).into()),
    };
    let mut json = JsonWriter::with_capacity(512 + message.args.len() + message.kwargs.len());
    json.raw(r#"{"type":"task-sent","hostname":"#).string(task.origin);
    json.raw(r#","uuid":""#).uuid(task.task_id);
    json.raw(r#"","root_id":""#).uuid(task.task_id);
    json.raw(r#"","parent_id":null,"name":"#).string(&message.task);
    json.raw(r#","args":"#).string(&args_repr(message));
    json.raw(r#","kwargs":"#).string(&kwargs_repr(message));
    json.raw(r#","retries":0,"eta":null,"expires":"#);
    write_expires(&mut json, task.expires_at);
    json.raw(r#","queue":"#).string(queue);
    json.raw(r#","exchange":"#).string(&exchange);
    json.raw(r#","routing_key":"#).string(&routing_key);
    let now = task.now.0;
    json.raw(r#","timestamp":"#).display(now.div_euclid(1000));
    json.raw(".").display(format_args!("{:03}", now.rem_euclid(1000))).raw("}");
    json.into_bytes()
}

/// The event in kombu's envelope, for Redis.
fn envelope(task: &Task<'_>) -> Vec<u8> {
    let body = event(task);
    let mut json = JsonWriter::with_capacity(400 + body.len() * 4 / 3);
    json.raw(r#"{"body":""#).base64(&body);
    json.raw(r#"","content-encoding":"utf-8","content-type":"application/json","headers":{"#);
    json.raw(r#""hostname":"#).string(task.origin);
    json.raw(r#"},"properties":{"delivery_mode":1,"delivery_info":{"exchange":""#).raw(EXCHANGE);
    json.raw(r#"","routing_key":""#).raw(ROUTING_KEY);
    json.raw(r#""},"priority":0,"body_encoding":"base64","delivery_tag":""#);
    json.uuid(task.fresh.delivery_tag).raw(r#""}}"#);
    json.into_bytes()
}
