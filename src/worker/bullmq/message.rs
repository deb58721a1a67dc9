//! The job: its hash, and its id.

use super::{Backoff, BullmqOptions, BullmqQueue, Keep};
use crate::worker::json_writer::JsonWriter;
use crate::worker::{Push, Task, Writes};

/// The lists of waiting jobs: versions before 6 have a separate one for paused queues.
pub(super) fn list_keys(queue: &str, settings: &BullmqQueue) -> [String; 2] {
    ["wait", "paused"].map(|list| format!("{}:{queue}:{list}", settings.prefix))
}

/// The key of a job without its id.
pub(super) fn job_key(queue: &str, settings: &BullmqQueue) -> String {
    format!("{}:{queue}:", settings.prefix)
}

/// Writes the job's hash, and its id to the list.
pub(super) fn render(task: &Task<'_>, settings: &BullmqQueue) -> Writes {
    let message = task.message;
    let [wait, _] = list_keys(&message.queue.name, settings);
    let id = task.task_id.to_string();
    let key = job_key(&message.queue.name, settings) + &id;
    let now = task.now.0.to_string();
    let options = job_options(task);
    let words: [&[u8]; 14] = [
        b"HSET",
        key.as_bytes(),
        b"name",
        message.task.as_bytes(),
        b"data",
        message.kwargs.as_bytes(),
        b"opts",
        &options,
        b"timestamp",
        now.as_bytes(),
        b"delay",
        b"0",
        b"priority",
        b"0",
    ];
    let store = words.map(<[u8]>::to_vec).to_vec();
    Writes { before: vec![store], push: Push::Bullmq, key: wait, element: id.into() }
}

fn job_options(task: &Task<'_>) -> Vec<u8> {
    let default = BullmqOptions::default();
    let options = BullmqOptions::of(task.message).unwrap_or(&default);
    let mut json = JsonWriter::with_capacity(512);
    json.raw("{").members(task.message.headers.as_deref()).provenance(task);
    json.raw(r#","jobId":""#).uuid(task.task_id);
    json.raw(r#"","attempts":"#).display(options.attempts.unwrap_or(0));
    if let Some(Backoff { exponential, delay }) = options.backoff {
        let kind = if exponential { "exponential" } else { "fixed" };
        json.raw(r#","backoff":{"type":""#).raw(kind);
        json.raw(r#"","delay":"#).display(delay.as_millis()).raw("}");
    }
    // Without it, every finished job would stay forever.
    json.raw(r#","removeOnComplete":"#);
    write_keep(&mut json, options.remove_on_complete.unwrap_or(Keep::Nothing));
    if let Some(keep) = options.remove_on_fail {
        json.raw(r#","removeOnFail":"#);
        write_keep(&mut json, keep);
    }
    json.raw("}");
    json.into_bytes()
}

fn write_keep(json: &mut JsonWriter, keep: Keep) {
    match keep {
        Keep::Nothing => json.raw("true"),
        Keep::All => json.raw("false"),
        Keep::Newest(count) => json.display(count),
        Keep::Younger(age) => json.raw(r#"{"age":"#).display(age.as_secs().max(1)).raw("}"),
    };
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::worker::{Options, Worker, sample};

    fn rendered(options: Option<BullmqOptions>) -> Writes {
        let settings = BullmqQueue { prefix: "shop".into() };
        let mut message = sample::message("mail", Worker::Bullmq(settings.clone()));
        message.headers = Some(r#"{"campaign":"spring"}"#.into());
        message.options = options.map(|options| Box::new(Options::Bullmq(options)));
        render(&sample::task(&message), &settings)
    }

    fn job_options(writes: &Writes) -> Value {
        serde_json::from_slice(&writes.before[0][7]).unwrap()
    }

    #[test]
    fn a_job_is_a_hash_and_its_id() {
        let writes = rendered(None);
        let id = "00000000-0000-0000-0000-000000000001";
        assert_eq!((writes.push, writes.key.as_str()), (Push::Bullmq, "shop:mail:wait"));
        assert_eq!(writes.element, id.as_bytes());
        let words = writes.before[0].iter().map(|word| String::from_utf8_lossy(word).into_owned());
        let words: Vec<_> = words.collect();
        assert_eq!(words[..2], ["HSET".to_owned(), format!("shop:mail:{id}")]);
        assert_eq!(words[2..6], ["name", "demo.add", "data", r#"{"deep":{"ü":[null,true]}}"#]);
        assert_eq!(words[8..], ["timestamp", "1795230000250", "delay", "0", "priority", "0"]);
        let expected = json!({
            "campaign": "spring",
            "downbeat_entry": "nightly \"report\" ☃",
            "downbeat_slot": "2026-11-21T03:00:00.000Z",
            "downbeat_kind": "catch_up",
            "traceparent": "00-00000000000000000000000000000abc-000000000000000d-01",
            "jobId": id,
            "attempts": 0,
            "removeOnComplete": true,
        });
        assert_eq!(job_options(&writes), expected);
    }

    #[test]
    fn options_are_written_as_the_client_writes_them() {
        let writes = rendered(Some(BullmqOptions {
            attempts: Some(3),
            backoff: Some(Backoff { exponential: true, delay: Duration::from_millis(1500) }),
            remove_on_complete: Some(Keep::Newest(100)),
            remove_on_fail: Some(Keep::Younger(Duration::from_secs(3600))),
        }));
        let options = job_options(&writes);
        assert_eq!(options["attempts"], 3);
        assert_eq!(options["backoff"], json!({"type": "exponential", "delay": 1500}));
        assert_eq!(options["removeOnComplete"], 100);
        assert_eq!(options["removeOnFail"], json!({"age": 3600}));
    }
}
