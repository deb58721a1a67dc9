//! Messages equal what Celery's own producer wrote for the same call, except for `reply_to`.

use std::path::Path;

use base64::Engine as _;
use downbeat::config::{Overrides, ServiceConfig};
use downbeat::schedule::Kind;
use downbeat::worker::{
    self, Call, CeleryOptions, CeleryQueue, Fresh, Message, Options, Queue, Task, celery,
};
use downbeat_time::UnixMs;
use serde_json::{Map, Value, json};
use uuid::Uuid;

const NOW: UnixMs = UnixMs(1_795_230_000_000);

struct Capture(Value);

impl Capture {
    fn load(name: &str) -> Capture {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/celery");
        let text = std::fs::read_to_string(folder.join(name).with_extension("json")).unwrap();
        Capture(serde_json::from_str(&text).unwrap())
    }
}

fn message(args: &Value, kwargs: &Value) -> Message {
    Message {
        args: args.to_string().into(),
        kwargs: kwargs.to_string().into(),
        call: Call::new("tasks.add", Queue::unconfigured("celery")).into(),
    }
}

fn render(message: &Message, lifetime_ms: Option<i64>) -> Value {
    assert_eq!(worker::check(message), Ok(()));
    let bytes = worker::render(&Task {
        entry_name: "entry",
        message,
        task_id: Uuid::from_u128(7),
        slot: NOW,
        kind: Kind::Scheduled.as_str(),
        expires_at: lifetime_ms.map(|lifetime| UnixMs(NOW.0 + lifetime)),
        now: NOW,
        origin: "downbeat@host",
        fresh: Fresh::draw(&mut fastrand::Rng::with_seed(1)),
    });
    serde_json::from_slice(&bytes.element).unwrap()
}

/// Replaces what differs from push to push by what kind of text it is.
fn normalised(mut envelope: Value) -> Value {
    let body = envelope["body"].as_str().unwrap();
    let body = base64::prelude::BASE64_STANDARD.decode(body).unwrap();
    envelope["body"] = serde_json::from_slice(&body).unwrap();
    let id = envelope["headers"]["id"].clone();
    for (part, name) in [("headers", "root_id"), ("properties", "correlation_id")] {
        assert_eq!(envelope[part][name], id);
        envelope[part][name] = json!("the id");
    }
    for (part, name) in [("headers", "id"), ("properties", "delivery_tag")] {
        envelope[part][name] = uuid_shape(&envelope[part][name]);
    }
    envelope["headers"]["expires"] = time_shape(&envelope["headers"]["expires"]);
    assert!(envelope["headers"]["origin"].as_str().unwrap().contains('@'));
    envelope["headers"]["origin"] = json!("sender@host");
    envelope
}

fn uuid_shape(id: &Value) -> Value {
    let id = id.as_str().unwrap();
    assert_eq!(id.parse::<Uuid>().unwrap().to_string(), id);
    json!("a UUID")
}

fn time_shape(time: &Value) -> Value {
    let Some(time) = time.as_str() else { return time.clone() };
    let digits = |character: char| if character.is_ascii_digit() { '0' } else { character };
    json!(time.chars().map(digits).collect::<String>())
}

/// Takes out what downbeat leaves out: where Celery's producer waits for answers.
fn take_reply_to(message: &mut Value) {
    let reply_to = message["properties"].as_object_mut().unwrap().shift_remove("reply_to");
    uuid_shape(&reply_to.unwrap());
}

/// Takes out what only a scheduler adds, which `names` must list in full.
fn take_headers(envelope: &mut Value, names: &[&str]) {
    let headers: &mut Map<String, Value> = envelope["headers"].as_object_mut().unwrap();
    for name in names {
        assert!(headers.shift_remove(*name).is_some(), "{name} is missing");
    }
}

const OURS: &[&str] =
    &["periodic_task_name", "downbeat_entry", "downbeat_slot", "downbeat_kind", "traceparent"];

fn assert_equals_capture(name: &str, message: &Message, lifetime_ms: Option<i64>) {
    let Capture(mut capture) = Capture::load(name);
    take_reply_to(&mut capture["envelope"]);
    let mut ours = render(message, lifetime_ms);
    take_headers(&mut ours, OURS);
    if !name.starts_with("beat") {
        take_headers(&mut ours, &["celery_beat_task"]);
    }
    assert_eq!(normalised(ours), normalised(capture["envelope"].clone()), "{name}");
    if !name.starts_with("filesystem") {
        let list = celery::list_key(&message.queue.name, &CeleryQueue::default(), message.priority);
        assert_eq!(capture["list"], list, "{name}");
    }
}

#[test]
fn a_beat_entry_with_arguments_only() {
    assert_equals_capture("beat_plain", &message(&json!([1, 2]), &json!({})), None);
}

#[test]
fn a_beat_entry_with_every_option() {
    let mut message = message(&json!([1, "é"]), &json!({"k": "v", "ü": "日本"}));
    message.task = "tasks.full".into();
    message.queue = Queue::unconfigured("reports");
    message.headers = Some(r#"{"x-trace":"abc"}"#.into());
    message.priority = Some(5);
    message.options = Some(Box::new(Options::Celery(CeleryOptions {
        time_limit: Some(30.0),
        soft_time_limit: Some(20.0),
        ignore_result: Some(true),
        shadow: Some("shown".into()),
        ..CeleryOptions::default()
    })));
    assert_equals_capture("beat_everything", &message, Some(60_000));
}

#[test]
fn the_binding_of_a_queue() {
    let [key, permanent] = celery::binding_keys("reports", &CeleryQueue::default());
    let member = celery::binding_member("reports", &CeleryQueue::default());
    let Capture(capture) = Capture::load("beat_everything");
    assert_eq!(capture["bindings"], json!([[key, member], [permanent, member]]));
}

#[test]
fn a_beat_entry_with_the_tasks_own_options() {
    let options =
        CeleryOptions { time_limit: Some(12.0), ignore_result: Some(false), ..Default::default() };
    let mut message = message(&json!([1]), &json!({}));
    message.task = "tasks.registered".into();
    message.priority = Some(6);
    message.options = Some(Box::new(Options::Celery(options)));
    assert_equals_capture("beat_task_defaults", &message, Some(33_000));
}

#[test]
fn no_arguments() {
    assert_equals_capture("send_minimal", &message(&json!([]), &json!({})), None);
}

#[test]
fn arguments_in_other_scripts() {
    let kwargs = json!({"naïve": "日本語", "emoji": "🎉", "n": {"a": [1, 2]}});
    let message = message(&json!([1, "é☃", null, 2.5]), &kwargs);
    assert_equals_capture("send_args_kwargs_unicode", &message, None);
}

#[test]
fn headers_of_the_users() {
    let headers = Some(r#"{"x-trace":"abc","n":5}"#.into());
    let mut message = message(&json!([1, 2]), &json!({}));
    message.headers = headers;
    assert_equals_capture("send_headers", &message, None);
}

#[test]
fn another_name_to_show() {
    let options = CeleryOptions { shadow: Some("display.name".into()), ..Default::default() };
    let options = Some(Box::new(Options::Celery(options)));
    let mut message = message(&json!([1, 2]), &json!({}));
    message.options = options;
    assert_equals_capture("send_shadow", &message, None);
}

#[test]
fn whole_and_broken_seconds_as_time_limits() {
    let options = CeleryOptions {
        time_limit: Some(30.0),
        soft_time_limit: Some(20.5),
        ..CeleryOptions::default()
    };
    let mut message = message(&json!([1, 2]), &json!({}));
    message.options = Some(Box::new(Options::Celery(options)));
    assert_equals_capture("send_time_limits", &message, None);
}

#[test]
fn an_expiry() {
    let message = message(&json!([1, 2]), &json!({}));
    assert_equals_capture("send_expires_float", &message, Some(60_500));
}

#[test]
fn priorities_and_their_lists() {
    for priority in [0, 3, 4, 9, 255] {
        let mut message = message(&json!([1, 2]), &json!({}));
        message.priority = Some(priority);
        assert_equals_capture(&format!("send_priority_{priority}"), &message, None);
    }
}

#[test]
fn a_message_file() {
    let mut message = message(&json!([1, "é"]), &json!({"ü": "日"}));
    message.queue = Queue::unconfigured("reports.daily");
    message.headers = Some(r#"{"x":"y"}"#.into());
    message.priority = Some(5);
    assert_equals_capture("filesystem_full", &message, Some(60_000));
}

#[test]
fn the_event_that_a_task_was_sent_is_celerys() {
    let Capture(theirs) = Capture::load("sent_event");
    let mut message = message(&json!([1, "é"]), &json!({"k": "v", "ü": "日本"}));
    (message.task, message.queue) = ("tasks.full".into(), Queue::unconfigured("reports"));
    let task = Task {
        entry_name: "entry",
        message: &message,
        task_id: Uuid::from_u128(7),
        slot: NOW,
        kind: Kind::Scheduled.as_str(),
        expires_at: Some(UnixMs(NOW.0 + 60_000)),
        now: UnixMs(NOW.0 + 250),
        origin: "downbeat@host",
        fresh: Fresh::draw(&mut fastrand::Rng::with_seed(1)),
    };
    let ours: Value = serde_json::from_slice(&worker::event(&task).unwrap()).unwrap();
    let event = |envelope: &Value| -> Value {
        let body = envelope["body"].as_str().unwrap();
        let body = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
        serde_json::from_slice(&body).unwrap()
    };
    let (mut said, mut expected) = (event(&ours), event(&theirs["envelope"]));
    assert_eq!(
        (&said["hostname"], &said["uuid"]),
        (&json!("downbeat@host"), &json!(task.task_id.to_string()))
    );
    assert_eq!((&said["root_id"], &said["timestamp"]), (&said["uuid"], &json!(1_795_230_000.25)));
    assert_eq!(said["expires"], "2026-11-21T03:01:00.000000+00:00");
    for own in ["hostname", "uuid", "root_id", "timestamp", "expires"] {
        assert!(said.as_object_mut().unwrap().remove(own).is_some());
    }
    // What we leave out is of no use to a reader.
    for own in ["hostname", "uuid", "root_id", "timestamp", "expires", "pid", "clock", "utcoffset"]
    {
        assert!(expected.as_object_mut().unwrap().remove(own).is_some());
    }
    assert_eq!(said, expected);

    let (mut ours, mut theirs) = (ours, theirs);
    let theirs_envelope = &mut theirs["envelope"];
    for envelope in [&mut ours, &mut *theirs_envelope] {
        assert!(envelope["properties"].as_object_mut().unwrap().remove("delivery_tag").is_some());
        assert!(envelope["headers"].as_object_mut().unwrap().remove("hostname").is_some());
        assert!(envelope.as_object_mut().unwrap().remove("body").is_some());
    }
    assert_eq!(ours, *theirs_envelope);
    let settings = CeleryQueue { key_prefix: "shop-".into(), ..CeleryQueue::default() };
    assert_eq!(json!(celery::event::channel(&CeleryQueue::default(), 0)), theirs["channel"]);
    assert_eq!(celery::event::channel(&settings, 3), "shop-/3.celeryev/task.sent");
}

fn assert_equals_publication(name: &str, message: &Message, lifetime_ms: Option<i64>) {
    let Capture(mut theirs) = Capture::load(name);
    let url = "amqp://localhost".to_owned();
    let env = |name: &str| match name {
        "DOWNBEAT_BROKER" => Some(url.clone()),
        "DOWNBEAT_STATE" => Some("redis://localhost".to_owned()),
        _ => None,
    };
    let config = ServiceConfig::load(Overrides::default(), &env).unwrap();
    let mut message = message.clone();
    message.queue = config.queues.get(&message.queue.name);
    assert_eq!(celery::check(&message, &CeleryQueue::default()), Ok(()));
    let task = Task {
        entry_name: "entry",
        message: &message,
        task_id: Uuid::from_u128(7),
        slot: NOW,
        kind: Kind::Scheduled.as_str(),
        expires_at: lifetime_ms.map(|lifetime| UnixMs(NOW.0 + lifetime)),
        now: NOW,
        origin: "downbeat@host",
        fresh: Fresh::draw(&mut fastrand::Rng::with_seed(1)),
    };
    let ours = worker::publish(&task, message.queue.amqp.as_ref().unwrap()).to_string();
    let mut ours: Value = serde_json::from_str(&ours).unwrap();
    take_headers(&mut ours, OURS);
    take_headers(&mut ours, &["celery_beat_task"]);
    take_reply_to(&mut theirs);
    theirs.as_object_mut().unwrap().retain(|part, _| part != "call" && part != "header_types");
    for message in [&mut ours, &mut theirs] {
        let id = message["headers"]["id"].clone();
        assert_eq!(
            (&message["headers"]["root_id"], &message["properties"]["correlation_id"]),
            (&id, &id)
        );
        for (part, name) in
            [("headers", "id"), ("headers", "root_id"), ("properties", "correlation_id")]
        {
            message[part][name] = uuid_shape(&message[part][name]);
        }
        message["headers"]["expires"] = time_shape(&message["headers"]["expires"]);
        message["headers"]["origin"] = json!("sender@host");
    }
    assert_eq!(ours, theirs, "{name}");
}

#[test]
fn a_message_on_rabbitmq() {
    assert_equals_publication("amqp_minimal", &message(&json!([]), &json!({})), None);
    let options = CeleryOptions {
        time_limit: Some(30.0),
        soft_time_limit: Some(20.5),
        ignore_result: Some(true),
        shadow: Some("shown".into()),
        ..CeleryOptions::default()
    };
    let headers = r#"{"x-trace":"abc","n":5,"f":1.5,"b":true,"d":{"k":[1,"a"]}}"#;
    let mut message = message(&json!([1, "é"]), &json!({"ü": "日"}));
    message.queue = Queue::unconfigured("reports");
    message.headers = Some(headers.into());
    message.priority = Some(5);
    message.options = Some(Box::new(Options::Celery(options)));
    assert_equals_publication("amqp_full", &message, Some(60_000));
}
