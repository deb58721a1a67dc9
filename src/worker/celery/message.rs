//! The message, as an element of a list or file and as a publication.

use std::borrow::Cow;

use downbeat_time::UnixMs;

use super::keys::list_key;
use super::{CeleryOptions, CeleryQueue, Fanout};
use crate::worker::json_writer::JsonWriter;
use crate::worker::python::repr;
use crate::worker::{AmqpQueue, Message, Publication, Push, Task, Writes};

/// The third part of the body: nothing runs after the task.
const EMBED: &str = r#"{"callbacks":null,"errbacks":null,"chain":null,"chord":null}"#;

/// Writes the envelope to the list of the message's priority, or to the channel of a fanout.
pub(super) fn render(task: &Task<'_>, settings: &CeleryQueue) -> Writes {
    let message = task.message;
    if let Some(Fanout { channel, routing_key }) = &settings.fanout {
        let route = (&*message.queue.name, &**routing_key);
        return Writes::element(Push::Publish, channel.to_string(), envelope(task, route));
    }
    let key = list_key(&message.queue.name, settings, message.priority);
    Writes::element(Push::Left, key, envelope(task, ("", &message.queue.name)))
}

/// The message for a queue on an AMQP broker.
pub(super) fn publish(task: &Task<'_>, amqp: &AmqpQueue) -> Publication {
    let body = body(task.message);
    let mut headers = JsonWriter::with_capacity(capacity(task, body.len()));
    headers.raw("{");
    write_headers(&mut headers, task);
    headers.raw("}");
    Publication {
        headers: headers.into_bytes(),
        expiration_ms: task.expires_at.map(|expires_at| left_ms(expires_at, task.now)),
        body,
        ..Publication::routed(task, amqp)
    }
}

fn left_ms(expires_at: UnixMs, now: UnixMs) -> u64 {
    u64::try_from(expires_at.since(now).as_millis()).unwrap_or(u64::MAX)
}

/// The envelope of one push, as UTF-8 JSON.
///
/// It is valid for every message that [`check`](super::check) accepts. A user's header with the name of a standard
/// one is written before it, so that the standard one wins.
/// `route` is exchange and routing key.
fn envelope(task: &Task<'_>, route: (&str, &str)) -> Vec<u8> {
    let body = body(task.message);
    let mut json = JsonWriter::with_capacity(capacity(task, body.len()));
    json.raw(r#"{"body":""#).base64(&body);
    json.raw(r#"","content-encoding":"utf-8","content-type":"application/json","headers":{"#);
    write_headers(&mut json, task);
    json.raw(r#"},"properties":{"#);
    write_properties(&mut json, task, route);
    json.raw("}}");
    json.into_bytes()
}

/// Enough for nearly every message, so that the buffer rarely grows.
fn capacity(task: &Task<'_>, body: usize) -> usize {
    let message = task.message;
    let headers = message.headers.as_ref().map_or(0, |headers| headers.len());
    let names = 2 * task.entry_name.len() + message.task.len() + message.queue.name.len();
    // The constant text has about 1,200 bytes; the arguments occur twice, once in base64.
    1350 + body * 8 / 3 + headers + names + task.origin.len()
}

/// `[args, kwargs, embed]`.
fn body(message: &Message) -> Vec<u8> {
    let embed = CeleryOptions::of(message).and_then(|options| options.embed.as_deref());
    let parts = ["[", &message.args, ",", &message.kwargs, ",", embed.unwrap_or(EMBED), "]"];
    parts.concat().into_bytes()
}

fn write_headers(json: &mut JsonWriter, task: &Task<'_>) {
    let message = task.message;
    let default = CeleryOptions::default();
    let options = CeleryOptions::of(message).unwrap_or(&default);
    json.members(message.headers.as_deref());
    json.raw(r#""lang":"py","task":"#).string(&message.task);
    json.raw(r#","id":""#).uuid(task.task_id);
    json.raw(r#"","shadow":"#).string_or_null(options.shadow.as_deref());
    json.raw(r#","eta":null,"expires":"#);
    write_expires(json, task.expires_at);
    json.raw(r#","group":null,"group_index":null,"retries":0,"timelimit":["#);
    json.number_or_null(options.time_limit);
    json.raw(",").number_or_null(options.soft_time_limit);
    json.raw(r#"],"root_id":""#).uuid(task.task_id);
    json.raw(r#"","parent_id":null,"argsrepr":"#).string(&args_repr(message));
    json.raw(r#","kwargsrepr":"#).string(&kwargs_repr(message));
    json.raw(r#","origin":"#).string(task.origin);
    json.raw(r#","ignore_result":"#).raw(match options.ignore_result {
        // Workers respect it from Celery 5.6.3 on.
        None if message.wants_result => "false",
        // The task's own setting applies.
        None => "null",
        Some(true) => "true",
        Some(false) => "false",
    });
    json.raw(r#","replaced_task_nesting":0,"stamped_headers":null,"stamps":{}"#);
    json.raw(r#","celery_beat_task":true,"periodic_task_name":"#).string(task.entry_name);
    json.raw(",").provenance(task);
}

fn write_properties(json: &mut JsonWriter, task: &Task<'_>, (exchange, routing_key): (&str, &str)) {
    json.raw(r#""correlation_id":""#).uuid(task.task_id);
    json.raw(r#"","delivery_mode":2,"#);
    if let Some(expires_at) = task.expires_at {
        let left = left_ms(expires_at, task.now);
        json.raw(r#""expiration":""#).display(left).raw(r#"","#);
    }
    json.raw(r#""delivery_info":{"exchange":"#).string(exchange);
    json.raw(r#","routing_key":"#).string(routing_key);
    json.raw(r#"},"priority":"#).display(task.message.priority.unwrap_or(0));
    json.raw(r#","body_encoding":"base64","delivery_tag":""#).uuid(task.fresh.delivery_tag);
    json.raw(r#"""#);
}

/// Exactly six fractional digits: producers write them, and every version of the worker reads them.
pub(super) fn write_expires(json: &mut JsonWriter, expires_at: Option<UnixMs>) {
    match expires_at {
        None => json.raw("null"),
        Some(instant) => json.raw("\"").utc_reading(instant).raw(r#"000+00:00""#),
    };
}

/// What logs show as the arguments. Beat writes absent ones as the empty tuple, all others as a list.
pub(super) fn args_repr(message: &Message) -> Cow<'_, str> {
    match CeleryOptions::of(message).and_then(|options| options.argsrepr.as_deref()) {
        Some(instead) => Cow::Borrowed(instead),
        None if &*message.args == "[]" => Cow::Borrowed("()"),
        None => Cow::Owned(repr(&message.args)),
    }
}

/// What logs show as the keyword arguments.
pub(super) fn kwargs_repr(message: &Message) -> Cow<'_, str> {
    match CeleryOptions::of(message).and_then(|options| options.kwargsrepr.as_deref()) {
        Some(instead) => Cow::Borrowed(instead),
        None => Cow::Owned(repr(&message.kwargs)),
    }
}

#[cfg(test)]
mod tests;
