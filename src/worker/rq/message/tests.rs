use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::worker::{Options, Worker, sample};

fn message() -> Message {
    let mut message = sample::message("high", Worker::Rq(RqQueue::default()));
    message.headers = Some(r#"{"trace":"abc"}"#.into());
    message
}

/// The fields of the job, as text.
fn fields(task: &Task<'_>) -> BTreeMap<String, String> {
    let writes = render(task, RqQueue { serializer: Serializer::Json });
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    writes.before[1][2..].chunks(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

#[test]
fn a_job_is_rewritten_and_its_id_pushed_last() {
    let message = message();
    let task = sample::task(&message);
    let task = Task { expires_at: Some(UnixMs(1_795_230_060_001)), ..task };
    let writes = render(&task, RqQueue::default());
    let id = "00000000-0000-0000-0000-000000000001";
    let job = format!("rq:job:{id}");
    assert_eq!(writes.before[0], command(&["DEL", &job]));
    assert_eq!(writes.before[1][..2], command(&["HSET", &job]));
    assert_eq!(writes.before[2], command(&["PEXPIREAT", &job, "1795230060001"]));
    assert_eq!(writes.before[3], command(&["SADD", "rq:queues", "rq:queue:high"]));
    assert_eq!(writes.before.len(), 4);
    assert_eq!((writes.push, &*writes.key), (Push::Right, "rq:queue:high"));
    assert_eq!(writes.element, id.as_bytes());
}

#[test]
fn a_job_has_the_call_and_its_origin() {
    let message = message();
    let task = sample::task(&message);
    let fields = fields(&task);
    let json = |name: &str| serde_json::from_str::<Value>(&fields[name]).unwrap();
    let call = json!(["demo.add", null, [1, "zwei"], {"deep": {"ü": [null, true]}}]);
    assert_eq!(json("data"), call);
    let meta = json!({
        "trace": "abc",
        "downbeat_entry": task.entry_name,
        "downbeat_slot": "2026-11-21T03:00:00.000Z",
        "downbeat_kind": "catch_up",
        "traceparent": "00-00000000000000000000000000000abc-000000000000000d-01",
    });
    assert_eq!(json("meta"), meta);
    assert_eq!(fields["description"], "demo.add(1, 'zwei', **{'deep': {'ü': [None, True]}})");
    assert_eq!(fields["created_at"], "2026-11-21T03:00:00.250Z");
    assert_eq!(fields["enqueued_at"], fields["created_at"]);
    assert_eq!((&*fields["status"], &*fields["origin"]), ("queued", "high"));
    // Everything else is left to the worker.
    assert_eq!(fields.len(), 7, "{fields:?}");
}

#[test]
fn options_and_lifetime_are_whole_seconds() {
    let mut message = message();
    message.options = Some(Box::new(Options::Rq(RqOptions {
        timeout: Some(-1),
        result_ttl: Some(0),
        failure_ttl: Some(86_400),
        retry: Some(3),
        retry_intervals: vec![1, 60],
        description: Some("my job".into()),
        ..RqOptions::default()
    })));
    let task = sample::task(&message);
    let ttl = |after_ms| {
        let expires_at = Some(UnixMs(task.now.0 + after_ms));
        fields(&Task { expires_at, ..task })["ttl"].clone()
    };
    assert_eq!((ttl(-5), ttl(1000), ttl(1001)), ("1".into(), "1".into(), "2".into()));
    let fields = fields(&task);
    let expected = [
        ("timeout", "-1"),
        ("result_ttl", "0"),
        ("failure_ttl", "86400"),
        ("retries_left", "3"),
        ("retry_intervals", "[1, 60]"),
        ("description", "my job"),
    ];
    for (name, value) in expected {
        assert_eq!(fields[name], value, "{name}");
    }
    assert!(!fields.contains_key("ttl"));
}

#[test]
fn a_job_at_the_front_is_pushed_where_workers_take() {
    let mut message = message();
    message.options =
        Some(Box::new(Options::Rq(RqOptions { at_front: true, ..RqOptions::default() })));
    let task = sample::task(&message);
    assert_eq!(render(&task, RqQueue::default()).push, Push::Left);
    assert!(!fields(&task).contains_key("enqueue_at_front"));
}

#[test]
fn a_job_names_those_that_it_depends_on() {
    let mut message = message();
    let jobs = vec!["import-1".into(), "import_2".into()];
    let dependent = |at_front, allow_failure| {
        let depends_on = Some(Dependency { jobs: jobs.clone(), allow_failure });
        Some(Box::new(Options::Rq(RqOptions { at_front, depends_on, ..RqOptions::default() })))
    };
    message.options = dependent(true, true);
    let task = sample::task(&message);
    assert_eq!(render(&task, RqQueue::default()).push, Push::RqDependent);
    let all = fields(&task);
    assert_eq!(all["dependency_id"], "import-1");
    assert_eq!(all["dependency_ids"], r#"["import-1", "import_2"]"#);
    assert_eq!((&*all["allow_dependency_failures"], &*all["enqueue_at_front"]), ("1", "1"));
    message.options = dependent(false, false);
    let all = fields(&sample::task(&message));
    assert!(
        !all.contains_key("allow_dependency_failures") && !all.contains_key("enqueue_at_front")
    );
}

#[test]
fn callbacks_are_dotted_paths_and_whole_seconds() {
    let mut message = message();
    let callback = |func: &str, timeout| Some(Callback { func: func.into(), timeout });
    message.options = Some(Box::new(Options::Rq(RqOptions {
        on_success: callback("hooks.done", None),
        on_stopped: callback("hooks.stopped", Some(120)),
        ..RqOptions::default()
    })));
    let all = fields(&sample::task(&message));
    let of_callbacks: Vec<_> = all.iter().filter(|(name, _)| name.contains("callback")).collect();
    let expected = [
        ("stopped_callback_name", "hooks.stopped"),
        ("stopped_callback_timeout", "120"),
        ("success_callback_name", "hooks.done"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(
        of_callbacks,
        expected.iter().map(|(name, value)| (name, value)).collect::<Vec<_>>()
    );
}

#[test]
fn what_cannot_be_pickled_is_refused() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    for args in ["nonsense", &deep] {
        let message = Message { args: args.into(), ..message() };
        assert!(check(&message).unwrap_err().message.starts_with("cannot be pickled"), "{args}");
    }
    assert_eq!(check(&message()), Ok(()));
}
