//! The `task-sent` event of producers with `task_send_sent_event`, from which Flower learns of a task.
//! Only current subscribers receive it; nothing stores it.

use downbeat_time::UnixMs;
use serde_json::{Map, Value};

use super::message::{args_repr, kwargs_repr, write_expires};
use super::{CeleryQueue, decode, keys};
use crate::worker::decode::{instant, object};
use crate::worker::json_writer::JsonWriter;
use crate::worker::publication::route;
use crate::worker::{Message, Task};

/// The exchange for events.
pub const EXCHANGE: &str = "celeryev";
/// The routing key of this event.
pub const ROUTING_KEY: &str = "task.sent";

/// The channel for it in the database of this number.
#[must_use]
pub fn channel(settings: &CeleryQueue, database: i64) -> String {
    keys::channel(EXCHANGE, ROUTING_KEY, settings, database)
}

/// A task that a producer has sent, as its event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentTask {
    /// The task's name.
    pub task: String,
    /// Its arguments in Celery's form of `repr`.
    pub args: String,
    /// Its keyword arguments in the same form.
    pub kwargs: String,
    /// When it is meant to run, or else when it was sent; `None` if the event does not say.
    pub at: Option<UnixMs>,
    /// Who sent it: `gen`, the process id and the host, for Celery's own producers.
    pub sender: Option<String>,
}

/// The tasks in an event of any producer on Redis; none if it is another event, or unreadable.
#[must_use]
pub fn read_sent(envelope: &[u8]) -> Vec<SentTask> {
    let Ok(envelope) = object(envelope) else { return Vec::new() };
    let properties = envelope.get("properties").and_then(Value::as_object);
    let properties = properties.cloned().unwrap_or_default();
    match decode::body(&envelope, &Map::new(), &properties) {
        Ok(Value::Object(event)) => sent_task(&event).into_iter().collect(),
        // Several events that a producer has gathered.
        Ok(Value::Array(events)) => {
            events.iter().filter_map(Value::as_object).filter_map(sent_task).collect()
        }
        Ok(_) | Err(_) => Vec::new(),
    }
}

fn sent_task(event: &Map<String, Value>) -> Option<SentTask> {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let shown = |name: &str, none: &str| text(name).unwrap_or(none).to_owned();
    if text("type") != Some("task-sent") {
        return None;
    }
    Some(SentTask {
        task: text("name")?.to_owned(),
        args: shown("args", "()"),
        kwargs: shown("kwargs", "{}"),
        at: text("eta").and_then(instant).or_else(|| timestamp(event.get("timestamp")?)),
        sender: text("hostname").map(str::to_owned),
    })
}

/// Seconds since 1970, with a fraction.
#[expect(clippy::cast_possible_truncation, reason = "it saturates")]
fn timestamp(value: &Value) -> Option<UnixMs> {
    Some(UnixMs((value.as_f64()? * 1000.0).round() as i64))
}

/// The arguments and keyword arguments of a message, as its event shows them.
#[must_use]
pub fn shown_arguments(message: &Message) -> [String; 2] {
    [args_repr(message).into_owned(), kwargs_repr(message).into_owned()]
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::worker::{Worker, sample};

    fn in_envelope(body: &Value) -> Vec<u8> {
        let envelope = json!({"body": body.to_string(), "content-type": "application/json"});
        envelope.to_string().into()
    }

    #[test]
    fn an_event_is_read_as_it_was_written() {
        let message = sample::message("mail", Worker::Celery(CeleryQueue::default()));
        let task = sample::task(&message);
        let [args, kwargs] = shown_arguments(&message);
        let sender = Some(task.origin.to_owned());
        let expected =
            SentTask { task: message.task.to_string(), args, kwargs, at: Some(task.now), sender };
        assert_eq!(read_sent(&sent(&task)), [expected]);
    }

    #[test]
    fn events_may_come_several_at_once_and_an_eta_is_when_the_task_is_meant_to_run() {
        let sent = json!({"type": "task-sent", "name": "t", "timestamp": 1.5, "eta": null});
        let later = json!({"type": "task-sent", "name": "u", "args": "(1,)", "kwargs": "{'a': 1}",
            "hostname": "gen7@host", "timestamp": 1.5, "eta": "1970-01-01T00:00:07+00:00"});
        let other = json!({"type": "task-received", "name": "t"});
        let read = read_sent(&in_envelope(&json!([sent, other, 7, later])));
        let of = |task: &str, args: &str, kwargs: &str, at, sender: Option<&str>| SentTask {
            task: task.to_owned(),
            args: args.to_owned(),
            kwargs: kwargs.to_owned(),
            at: Some(UnixMs(at)),
            sender: sender.map(str::to_owned),
        };
        let expected =
            [of("t", "()", "{}", 1500, None), of("u", "(1,)", "{'a': 1}", 7000, Some("gen7@host"))];
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_no_such_event_is_nothing() {
        for body in [json!({}), json!({"type": "task-sent"}), json!("task-sent"), json!([[]])] {
            assert_eq!(read_sent(&in_envelope(&body)), []);
        }
        for text in [&b""[..], b"[]", b"{}", br#"{"body": "{"}"#, b"\xff"] {
            assert_eq!(read_sent(text), []);
        }
        let endless = json!({"type": "task-sent", "name": "t", "timestamp": 1e300});
        assert_eq!(read_sent(&in_envelope(&endless))[0].at, Some(UnixMs::MAX));
    }
}
