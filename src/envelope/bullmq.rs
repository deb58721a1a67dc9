//! BullMQ's jobs: a hash, the job's id on the list of waiting jobs, and a marker that wakes a worker.
//! Tested with versions 4, 5 and 6.
//!
//! The id is the task id, `name` the task, `data` the entry's `kwargs`: there are no positional
//! arguments. `opts` has the rest: the entry's own headers, `downbeat_entry`, `downbeat_slot`,
//! `downbeat_kind` and `traceparent`. BullMQ keeps all its keys.
//!
//! Where the jobs of a paused queue wait depends on the version, so the script checks it (`push.lua`).

use serde_json::Value;

use super::json::Json;
use super::peek::{Location, Next, Store, Waiting, object};
use super::{Push, Task, Unsendable, Writes};
use crate::queue::BullmqQueue;
use crate::schedule::entry::{Backoff, BullmqOptions, Keep, Options};
use crate::schedule::{Message, UnixMs};

/// Options that BullMQ knows, including its own short forms.
const RESERVED: &[&str] = &[
    "jobId",
    "attempts",
    "backoff",
    "removeOnComplete",
    "removeOnFail",
    "delay",
    "priority",
    "lifo",
    "timestamp",
    "repeat",
    "rjk",
    "repeatJobKey",
    "prevMillis",
    "parent",
    "parentKey",
    "children",
    "deduplication",
    "de",
    "debounce",
    "failParentOnFailure",
    "fpof",
    "continueParentOnFailure",
    "cpof",
    "ignoreDependencyOnFailure",
    "idof",
    "removeDependencyOnFailure",
    "rdof",
    "keepLogs",
    "kl",
    "sizeLimit",
    "stackTraceLimit",
    "telemetry",
    "tm",
    "omc",
    "traceparent",
];

/// The lists of waiting jobs: versions before 6 have a separate one for paused queues.
pub(super) fn list_keys(queue: &str, settings: &BullmqQueue) -> [String; 2] {
    ["wait", "paused"].map(|list| format!("{}:{queue}:{list}", settings.prefix))
}

/// Where jobs wait: first those without priority, then by priority, then those of a paused queue.
pub(super) fn places(queue: &str, settings: &BullmqQueue) -> Vec<Location> {
    let [wait, paused] = list_keys(queue, settings);
    let prefix = job_key(queue, settings);
    let prioritized = format!("{prefix}prioritized");
    [(wait, Next::Right), (prioritized, Next::Lowest), (paused, Next::Right)]
        .map(|(key, next)| {
            let prefix = prefix.clone();
            Location { key, next, store: Some(Store::Hash { prefix, fields: FIELDS }) }
        })
        .into()
}

/// The fields of a job's hash to read.
const FIELDS: &[&str] = &["name", "data", "opts", "timestamp", "priority"];

/// Decodes a job from its id and its hash.
pub(super) fn decode(element: &[u8], stored: &[Option<Vec<u8>>]) -> Result<Waiting, String> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let [name, data, opts, timestamp, priority] = stored else {
        return Err("an answer of another form".to_owned());
    };
    // The marker with which versions 4 and 5 wake workers.
    if element.starts_with(b"0:") {
        return Err("a marker that wakes workers, no job".to_owned());
    }
    if stored.iter().all(Option::is_none) {
        return Err("its job is gone: workers pass over the id".to_owned());
    }
    let number = |field: &Option<Vec<u8>>| text(field.as_deref()?).parse::<i64>().ok();
    let (kwargs, unread) = match data.as_deref().map(serde_json::from_slice::<Value>) {
        None => (None, None),
        Some(Ok(data)) => (Some(data), None),
        Some(Err(error)) => (None, Some(format!("not JSON: {error}"))),
    };
    let options = object(opts.as_deref().unwrap_or(b"{}")).map_err(|why| format!("opts: {why}"))?;
    Ok(Waiting {
        task_id: Some(text(element)),
        task: name.as_deref().map(text),
        kwargs,
        unread,
        sent_at: number(timestamp).map(UnixMs),
        priority: number(priority).filter(|priority| *priority != 0),
        ..Waiting::with_headers(options)
    })
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
    let options = match task.message.options.as_deref() {
        Some(Options::Bullmq(options)) => options,
        _ => &default,
    };
    let mut json = Json::with_capacity(512);
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

fn write_keep(json: &mut Json, keep: Keep) {
    match keep {
        Keep::Nothing => json.raw("true"),
        Keep::All => json.raw("false"),
        Keep::Newest(count) => json.display(count),
        Keep::Younger(age) => json.raw(r#"{"age":"#).display(age.as_secs().max(1)).raw("}"),
    };
}

/// A job has one object as data and no expiry, and jobs with a priority wait where we do not write.
pub(super) fn validate(message: &Message) -> Result<(), Unsendable> {
    if &*message.args != "[]" {
        let why = "a job of BullMQ has no args, only one object of data, which is `kwargs`";
        return Err(Unsendable::new("args", why));
    }
    if message.priority.is_some() {
        return Err(Unsendable::new("priority", "downbeat sends to BullMQ without priorities"));
    }
    if message.expires.is_some() {
        return Err(Unsendable::new("expires", "BullMQ runs a job however old it is"));
    }
    Ok(())
}

/// Whether BullMQ would read a header of this name as one of its own options.
pub(super) fn is_reserved_header(name: &str) -> bool {
    RESERVED.contains(&name)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::envelope::sample;
    use crate::queue::Worker;

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
