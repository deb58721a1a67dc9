//! Celery's message protocol 2 in kombu's envelope, as the beat of Celery 5.7 writes it; workers read
//! it from 5.2 on.
//!
//! The envelope is one JSON object: an element of a Redis list, or a file of the `filesystem://`
//! transport. On AMQP, its parts are the headers, properties and body of the message. In addition to
//! the headers that beat writes, each message has
//!
//! | header | value |
//! | --- | --- |
//! | `periodic_task_name`, `downbeat_entry` | the entry's name |
//! | `downbeat_slot` | the slot as RFC 3339 in UTC with milliseconds: `2026-11-21T03:00:00.000Z` |
//! | `downbeat_kind` | [`Kind::as_str`](super::Kind::as_str) |
//! | `traceparent` | a W3C trace with a fresh root, sampled |
//!
//! and the entry's own `headers`; a task finds all of them in `request.headers`.
//!
//! It omits one property that beat writes: with a `reply_to`, workers whose result backend is `rpc://`
//! send each result to a queue of that name, which nobody reads.

mod answer;
mod check;
mod decode;
pub mod event;
mod inspect;
mod keys;

pub(super) use answer::{RESULT, answer, reports_result, result_queries};
pub use check::{check, is_reserved_header};
pub(super) use decode::decode;
pub use inspect::{Inspection, LiveWorker, Question};
pub use keys::{binding_keys, binding_member, list_key, list_keys};

use std::borrow::Cow;

use super::json::Json;
use super::python_repr::python_repr;
use super::{Publication, Push, Task, Writes};
use crate::queue::{AmqpQueue, CeleryQueue};
use crate::schedule::entry::{CeleryOptions, Options};
use crate::schedule::{Message, UnixMs};

/// The third part of the body: nothing runs after the task.
const EMBED: &str = r#"{"callbacks":null,"errbacks":null,"chain":null,"chord":null}"#;

/// Writes the envelope to the list of the message's priority.
#[must_use]
pub fn render(task: &Task<'_>, settings: &CeleryQueue) -> Writes {
    let message = task.message;
    let key = list_key(&message.queue.name, settings, message.priority);
    Writes::element(Push::Left, key, envelope(task))
}

/// The message for a queue on an AMQP broker.
pub(super) fn publish(task: &Task<'_>, amqp: &AmqpQueue) -> Publication {
    let body = body(task.message);
    let mut headers = Json::with_capacity(capacity(task, body.len()));
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

/// The `task-sent` event, for monitors of the workers: an envelope on Redis, the bare event on AMQP.
pub(super) fn event(task: &Task<'_>) -> Vec<u8> {
    if task.message.queue.amqp.is_some() { event::event(task) } else { event::envelope(task) }
}

/// The envelope of one push, as UTF-8 JSON.
///
/// It is valid for every message that [`check`] accepts. A user's header with the name of a standard
/// one is written before it, so that the standard one wins.
fn envelope(task: &Task<'_>) -> Vec<u8> {
    let body = body(task.message);
    let mut json = Json::with_capacity(capacity(task, body.len()));
    json.raw(r#"{"body":""#).base64(&body);
    json.raw(r#"","content-encoding":"utf-8","content-type":"application/json","headers":{"#);
    write_headers(&mut json, task);
    json.raw(r#"},"properties":{"#);
    write_properties(&mut json, task);
    json.raw("}}");
    json.into_bytes()
}

fn options(message: &Message) -> Option<&CeleryOptions> {
    match message.options.as_deref() {
        Some(Options::Celery(options)) => Some(options),
        _ => None,
    }
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
    let parts = ["[", &message.args, ",", &message.kwargs, ",", EMBED, "]"];
    parts.concat().into_bytes()
}

fn write_headers(json: &mut Json, task: &Task<'_>) {
    let message = task.message;
    let default = CeleryOptions::default();
    let options = options(message).unwrap_or(&default);
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
    json.raw(r#"","parent_id":null,"argsrepr":"#).string(&args_repr(&message.args));
    json.raw(r#","kwargsrepr":"#).string(&python_repr(&message.kwargs));
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

fn write_properties(json: &mut Json, task: &Task<'_>) {
    json.raw(r#""correlation_id":""#).uuid(task.task_id);
    json.raw(r#"","delivery_mode":2,"#);
    if let Some(expires_at) = task.expires_at {
        let left = left_ms(expires_at, task.now);
        json.raw(r#""expiration":""#).display(left).raw(r#"","#);
    }
    json.raw(r#""delivery_info":{"exchange":"","routing_key":"#).string(&task.message.queue.name);
    json.raw(r#"},"priority":"#).display(task.message.priority.unwrap_or(0));
    json.raw(r#","body_encoding":"base64","delivery_tag":""#).uuid(task.fresh.delivery_tag);
    json.raw(r#"""#);
}

/// Exactly six fractional digits: producers write them, and every version of the worker reads them.
fn write_expires(json: &mut Json, expires_at: Option<UnixMs>) {
    match expires_at {
        None => json.raw("null"),
        Some(instant) => json.raw("\"").utc_reading(instant).raw(r#"000+00:00""#),
    };
}

/// Beat writes absent arguments as the empty tuple, all others as a list.
fn args_repr(args: &str) -> Cow<'static, str> {
    match args {
        "[]" => Cow::Borrowed("()"),
        args => Cow::Owned(python_repr(args)),
    }
}

#[cfg(test)]
mod tests;
