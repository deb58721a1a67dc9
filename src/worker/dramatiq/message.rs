//! The message: a JSON object, in a hash or as a publication.

use super::{DramatiqOptions, DramatiqQueue};
use crate::worker::json_writer::JsonWriter;
use crate::worker::{AmqpQueue, Publication, Push, Task, Writes};

/// The list of ids that Dramatiq's workers take from.
pub(super) fn list_key(queue: &str, settings: &DramatiqQueue) -> String {
    format!("{}:{queue}", settings.namespace)
}

/// The hash that holds the messages whose ids are on the list.
pub(super) fn messages_key(queue: &str, settings: &DramatiqQueue) -> String {
    format!("{}.msgs", list_key(queue, settings))
}

/// Writes the message to the hash, and its id to the list.
pub(super) fn render(task: &Task<'_>, settings: &DramatiqQueue) -> Writes {
    let queue = &task.message.queue.name;
    let (key, messages) = (list_key(queue, settings), messages_key(queue, settings));
    let id = task.fresh.delivery_tag.to_string().into_bytes();
    let store = [b"HSET".to_vec(), messages.into(), id.clone(), message(task)];
    Writes { before: vec![store.into()], push: Push::Right, key, element: id }
}

/// The message for a queue on an AMQP broker. It does not expire there: workers move old messages to
/// the queue's dead letters.
pub(super) fn publish(task: &Task<'_>, amqp: &AmqpQueue) -> Publication {
    Publication { body: message(task), ..Publication::routed(task, amqp) }
}

fn message(task: &Task<'_>) -> Vec<u8> {
    let message = task.message;
    let mut json = JsonWriter::with_capacity(640 + message.args.len() + message.kwargs.len());
    json.raw(r#"{"queue_name":"#).string(&message.queue.name);
    json.raw(r#","actor_name":"#).string(&message.task);
    json.raw(r#","args":"#).raw(&message.args);
    json.raw(r#","kwargs":"#).raw(&message.kwargs);
    json.raw(r#","options":{"#).members(message.headers.as_deref());
    write_options(&mut json, task);
    json.raw(r#"},"message_id":""#).uuid(task.task_id);
    json.raw(r#"","message_timestamp":"#).display(task.now.0).raw("}");
    json.into_bytes()
}

fn write_options(json: &mut JsonWriter, task: &Task<'_>) {
    json.provenance(task);
    if let Some(options) = DramatiqOptions::of(task.message) {
        let lengths = [
            ("time_limit", options.time_limit),
            ("min_backoff", options.min_backoff),
            ("max_backoff", options.max_backoff),
        ];
        for (name, length) in lengths {
            if let Some(length) = length {
                json.raw(",\"").raw(name).raw("\":").display(length.as_millis());
            }
        }
        if let Some(times) = options.max_retries {
            json.raw(r#","max_retries":"#).display(times);
        }
    }
    if let Some(expires_at) = task.expires_at {
        // A worker treats 0 as no maximum age.
        let left = expires_at.since(task.now).as_millis().max(1);
        json.raw(r#","max_age":"#).display(left);
    }
    if task.message.queue.amqp.is_none() {
        json.raw(r#","redis_message_id":""#).uuid(task.fresh.delivery_tag).raw("\"");
    } else if let Some(priority) = task.message.priority {
        json.raw(r#","broker_priority":"#).display(priority);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use downbeat_time::UnixMs;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::worker::{Options, Worker, sample};

    fn settings() -> DramatiqQueue {
        DramatiqQueue { namespace: "shop".into() }
    }

    fn stored(writes: &Writes) -> Value {
        serde_json::from_slice(&writes.before[0][3]).unwrap()
    }

    #[test]
    fn a_message_is_what_the_producer_of_dramatiq_writes() {
        let mut message = sample::message("images", Worker::Dramatiq(settings()));
        message.headers = Some(r#"{"campaign":"spring"}"#.into());
        message.options = Some(Box::new(Options::Dramatiq(DramatiqOptions {
            max_retries: Some(0),
            time_limit: Some(Duration::from_secs(60)),
            min_backoff: Some(Duration::from_millis(1500)),
            max_backoff: Some(Duration::from_secs(90)),
        })));
        let expires_at = Some(UnixMs(1_795_230_060_000));
        let task = Task { expires_at, ..sample::task(&message) };
        let writes = render(&task, &settings());
        let rid = Uuid::from_u128(2).to_string();
        let [command, key, id] = [0, 1, 2].map(|n| String::from_utf8_lossy(&writes.before[0][n]));
        assert_eq!([&*command, &*key, &*id], ["HSET", "shop:images.msgs", &rid]);
        assert_eq!((writes.push, writes.key.as_str()), (Push::Right, "shop:images"));
        assert_eq!(writes.element, rid.as_bytes());
        let expected = json!({
            "queue_name": "images",
            "actor_name": "demo.add",
            "args": [1, "zwei"],
            "kwargs": {"deep": {"ü": [null, true]}},
            "options": {
                "campaign": "spring",
                "downbeat_entry": task.entry_name,
                "downbeat_slot": "2026-11-21T03:00:00.000Z",
                "downbeat_kind": "catch_up",
                "traceparent": "00-00000000000000000000000000000abc-000000000000000d-01",
                "max_retries": 0,
                "time_limit": 60_000,
                "min_backoff": 1500,
                "max_backoff": 90_000,
                "max_age": 59_750,
                "redis_message_id": rid,
            },
            "message_id": task.task_id.to_string(),
            "message_timestamp": 1_795_230_000_250_i64,
        });
        assert_eq!(stored(&writes), expected);
    }

    #[test]
    fn an_expired_message_has_a_maximum_age() {
        let message = sample::message("images", Worker::Dramatiq(settings()));
        let task = Task { expires_at: Some(UnixMs(0)), ..sample::task(&message) };
        assert_eq!(stored(&render(&task, &settings()))["options"]["max_age"], 1);
    }
}
