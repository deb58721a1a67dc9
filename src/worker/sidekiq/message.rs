//! The job: a JSON object.

use super::{SidekiqOptions, SidekiqQueue};
use crate::worker::json_writer::JsonWriter;
use crate::worker::{Push, Task, Writes};

/// The list that Sidekiq's workers take jobs from.
pub(super) fn list_key(queue: &str, settings: &SidekiqQueue) -> String {
    key(&format!("queue:{queue}"), settings)
}

fn key(name: &str, settings: &SidekiqQueue) -> String {
    match &settings.namespace {
        Some(namespace) => format!("{namespace}:{name}"),
        None => name.to_owned(),
    }
}

/// Writes the job, and adds the queue to the set of all queues.
pub(super) fn render(task: &Task<'_>, settings: &SidekiqQueue) -> Writes {
    let queue = &task.message.queue.name;
    let announce = [b"SADD".to_vec(), key("queues", settings).into(), queue.as_bytes().to_vec()];
    Writes {
        before: vec![announce.into()],
        push: Push::Left,
        key: list_key(queue, settings),
        element: job(task),
    }
}

fn job(task: &Task<'_>) -> Vec<u8> {
    let message = task.message;
    let mut json = JsonWriter::with_capacity(512 + message.args.len());
    json.raw("{").members(message.headers.as_deref());
    json.raw(r#""class":"#).string(&message.task);
    json.raw(r#","args":"#).raw(&message.args);
    json.raw(r#","jid":""#).hex(&task.task_id.as_bytes()[..12]);
    json.raw(r#"","queue":"#).string(&message.queue.name);
    json.raw(r#","retry":"#);
    match SidekiqOptions::of(message).and_then(|options| options.retry) {
        None => json.raw("true"),
        Some(0) => json.raw("false"),
        Some(times) => json.display(times),
    };
    // Seconds with a fraction: Sidekiq 8 reads them as well as its own milliseconds.
    let now = format!("{}.{:03}", task.now.0.div_euclid(1000), task.now.0.rem_euclid(1000));
    json.raw(r#","created_at":"#).raw(&now).raw(r#","enqueued_at":"#).raw(&now);
    json.raw(",").provenance(task).raw("}");
    json.into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::worker::{Options, Worker, sample};

    #[test]
    fn a_job_is_what_the_client_of_sidekiq_writes() {
        let mut message = sample::message("mail", Worker::Sidekiq(SidekiqQueue::default()));
        message.headers = Some(r#"{"tags":["spring"]}"#.into());
        message.options = Some(Box::new(Options::Sidekiq(SidekiqOptions { retry: Some(3) })));
        let task = sample::task(&message);
        let writes = render(&task, &SidekiqQueue { namespace: Some("shop".into()) });
        let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let announced: Vec<Vec<u8>> = words(&["SADD", "shop:queues", "mail"]);
        assert_eq!((writes.before, writes.key.as_str()), (vec![announced], "shop:queue:mail"));
        let job: Value = serde_json::from_slice(&writes.element).unwrap();
        let expected = json!({
            "tags": ["spring"],
            "class": "demo.add",
            "args": [1, "zwei"],
            "jid": "000000000000000000000000",
            "queue": "mail",
            "retry": 3,
            "created_at": 1_795_230_000.25,
            "enqueued_at": 1_795_230_000.25,
            "downbeat_entry": task.entry_name,
            "downbeat_slot": "2026-11-21T03:00:00.000Z",
            "downbeat_kind": "catch_up",
            "traceparent": "00-00000000000000000000000000000abc-000000000000000d-01",
        });
        assert_eq!(job, expected);
    }
}
