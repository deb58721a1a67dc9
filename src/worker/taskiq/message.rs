//! The message: a JSON object on a list or in a stream.

use super::{TaskiqOptions, TaskiqQueue};
use crate::worker::json_writer::JsonWriter;
use crate::worker::{Push, RedisCommand, Task, Writes};

/// Pushes the message to the list with the queue's name, or adds it to the stream of that name.
pub(super) fn render(task: &Task<'_>, settings: &TaskiqQueue) -> Writes {
    let (key, message) = (task.message.queue.name.to_string(), message(task));
    match &settings.stream {
        None => Writes::element(Push::Left, key, message),
        Some(stream) => {
            let before = vec![create_group(&key, &stream.group)];
            Writes { before, push: Push::TaskiqStream, key, element: message }
        }
    }
}

/// Until its first worker or client has created the group, no worker would ever see what is added to the
/// stream.
fn create_group(stream: &str, group: &str) -> RedisCommand {
    let words = ["XGROUP", "CREATE", stream, group, "$", "MKSTREAM"];
    words.map(|word| word.as_bytes().to_vec()).to_vec()
}

/// Without `labels_types`, labels are what they are in JSON.
fn message(task: &Task<'_>) -> Vec<u8> {
    let message = task.message;
    let mut json = JsonWriter::with_capacity(512 + message.args.len() + message.kwargs.len());
    json.raw(r#"{"task_id":""#).uuid(task.task_id);
    json.raw(r#"","task_name":"#).string(&message.task);
    json.raw(r#","labels":{"#).members(message.headers.as_deref()).provenance(task);
    if let Some(options) = TaskiqOptions::of(message) {
        write_options(&mut json, options);
    }
    json.raw(r#"},"labels_types":{},"args":"#).raw(&message.args);
    json.raw(r#","kwargs":"#).raw(&message.kwargs).raw("}");
    json.into_bytes()
}

fn write_options(json: &mut JsonWriter, options: &TaskiqOptions) {
    for (name, length) in [("timeout", options.timeout), ("delay", options.delay)] {
        if let Some(length) = length {
            json.raw(",\"").raw(name).raw("\":").number_or_null(Some(length.as_secs_f64()));
        }
    }
    if let Some(retries) = options.retry_on_error {
        json.raw(r#","retry_on_error":"#).display(retries);
    }
    if let Some(times) = options.max_retries {
        json.raw(r#","max_retries":"#).display(times);
    }
    if let Some(ack_type) = options.ack_type {
        json.raw(r#","ack_type":"#).string(ack_type.as_str());
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::worker::taskiq::{AckType, TaskiqStream};
    use crate::worker::{Options, Worker, sample};

    fn rendered(settings: TaskiqQueue, options: Option<TaskiqOptions>) -> Writes {
        let mut message = sample::message("mail", Worker::Taskiq(settings.clone()));
        message.headers = Some(r#"{"campaign":"spring"}"#.into());
        message.options = options.map(|options| Box::new(Options::Taskiq(options)));
        render(&sample::task(&message), &settings)
    }

    fn labels(options: TaskiqOptions) -> Value {
        let writes = rendered(TaskiqQueue::default(), Some(options));
        serde_json::from_slice::<Value>(&writes.element).unwrap()["labels"].take()
    }

    #[test]
    fn a_message_has_what_taskiqs_client_writes_and_its_origin() {
        let writes = rendered(TaskiqQueue::default(), None);
        assert_eq!((writes.push, writes.key.as_str()), (Push::Left, "mail"));
        let expected = json!({
            "task_id": "00000000-0000-0000-0000-000000000001",
            "task_name": "demo.add",
            "labels": {
                "campaign": "spring",
                "downbeat_entry": "nightly \"report\" ☃",
                "downbeat_slot": "2026-11-21T03:00:00.000Z",
                "downbeat_kind": "catch_up",
                "traceparent": "00-00000000000000000000000000000abc-000000000000000d-01",
            },
            "labels_types": {},
            "args": [1, "zwei"],
            "kwargs": {"deep": {"ü": [null, true]}},
        });
        assert_eq!(serde_json::from_slice::<Value>(&writes.element).unwrap(), expected);
        assert_eq!(writes.before, [[b""; 0]; 0]);
    }

    #[test]
    fn in_a_stream_it_is_behind_the_group_of_the_workers() {
        let stream = TaskiqStream { group: "shop".into(), ..TaskiqStream::default() };
        let settings = TaskiqQueue { stream: Some(stream), ..TaskiqQueue::default() };
        let writes = rendered(settings, None);
        assert_eq!((writes.push, writes.key.as_str()), (Push::TaskiqStream, "mail"));
        assert_eq!(writes.element, rendered(TaskiqQueue::default(), None).element);
        let words: Vec<_> =
            writes.before[0].iter().map(|word| String::from_utf8_lossy(word)).collect();
        assert_eq!(words, ["XGROUP", "CREATE", "mail", "shop", "$", "MKSTREAM"]);
    }

    #[test]
    fn options_are_labels() {
        let labels = labels(TaskiqOptions {
            timeout: Some(Duration::from_millis(1500)),
            retry_on_error: Some(true),
            max_retries: NonZeroU32::new(3),
            delay: Some(Duration::from_secs(10)),
            ack_type: Some(AckType::WhenReceived),
        });
        assert_eq!((&labels["timeout"], &labels["delay"]), (&json!(1.5), &json!(10)));
        assert_eq!((&labels["retry_on_error"], &labels["max_retries"]), (&json!(true), &json!(3)));
        assert_eq!(labels["ack_type"], "when_received");
    }
}
