use base64::Engine as _;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::worker::sample::{self, task};
use crate::worker::{Options, Worker};

fn message(args: &Value, kwargs: &Value) -> Message {
    let message = sample::message("q", Worker::Celery(CeleryQueue::default()));
    Message { args: args.to_string().into(), kwargs: kwargs.to_string().into(), ..message }
}

fn rendered(task: &Task<'_>) -> Value {
    serde_json::from_slice(&render(task, &CeleryQueue::default()).element).unwrap()
}

fn decoded_body(envelope: &Value) -> String {
    let body = envelope["body"].as_str().unwrap();
    String::from_utf8(base64::prelude::BASE64_STANDARD.decode(body).unwrap()).unwrap()
}

#[test]
fn the_scheduler_says_what_it_sent_and_why() {
    let message = message(&json!([]), &json!({}));
    let headers = &rendered(&task(&message))["headers"];
    assert_eq!(headers["downbeat_entry"], "nightly \"report\" ☃");
    assert_eq!(headers["periodic_task_name"], "nightly \"report\" ☃");
    assert_eq!(headers["downbeat_slot"], "2026-11-21T03:00:00.000Z");
    assert_eq!(headers["downbeat_kind"], "catch_up");
    assert_eq!(headers["traceparent"], "00-00000000000000000000000000000abc-000000000000000d-01");
}

#[test]
fn expiry_is_an_instant_in_the_headers_and_a_length_in_the_properties() {
    let message = message(&json!([]), &json!({}));
    let expires_at = Some(UnixMs(1_795_230_060_000));
    let envelope = rendered(&Task { expires_at, ..task(&message) });
    assert_eq!(envelope["headers"]["expires"], "2026-11-21T03:01:00.000000+00:00");
    assert_eq!(envelope["properties"]["expiration"], "59750");
    let late = rendered(&Task { expires_at, now: UnixMs::MAX, ..task(&message) });
    assert_eq!(late["properties"]["expiration"], "0");
    assert!(rendered(&task(&message))["properties"].get("expiration").is_none());
}

#[test]
fn equal_tasks_give_equal_bytes() {
    let message = message(&json!([1]), &json!({"a": "b"}));
    assert_eq!(
        render(&task(&message), &CeleryQueue::default()),
        render(&task(&message), &CeleryQueue::default())
    );
}

#[test]
fn a_users_header_cannot_replace_a_standard_one() {
    let own = r#"{"id":"mine","x-trace":"abc"}"#;
    let mut message = message(&json!([]), &json!({}));
    message.headers = Some(own.into());
    let headers = &rendered(&task(&message))["headers"];
    assert_eq!(headers["id"], Uuid::from_u128(1).to_string());
    assert_eq!(headers["x-trace"], "abc");
}

#[test]
fn a_wanted_result_is_requested_unless_the_options_say_otherwise() {
    let ignores = |wants_result, ignore_result: Option<bool>| {
        let options = CeleryOptions { ignore_result, ..CeleryOptions::default() };
        let mut message = message(&json!([]), &json!({}));
        message.options = ignore_result.map(|_| Box::new(Options::Celery(options)));
        message.wants_result = wants_result;
        rendered(&task(&message))["headers"]["ignore_result"].as_bool()
    };
    assert_eq!([ignores(false, None), ignores(true, None)], [None, Some(false)]);
    for said in [true, false] {
        assert_eq!([ignores(false, Some(said)), ignores(true, Some(said))], [Some(said); 2]);
    }
}

#[test]
fn the_first_buffer_is_large_enough() {
    let args = json!(["daily", 42, {"ü": "日本"}]);
    let mut message = message(&args, &json!({"k": "v"}));
    message.headers = Some(r#"{"x-trace":"abc"}"#.into());
    message.options = Some(Box::new(Options::Celery(CeleryOptions {
        time_limit: Some(30.5),
        soft_time_limit: Some(20.0),
        ignore_result: Some(false),
        shadow: Some("shown".into()),
        ..CeleryOptions::default()
    })));
    let task = Task { expires_at: Some(UnixMs(1_795_230_060_000)), ..task(&message) };
    assert!(envelope(&task, ("", "q")).len() <= capacity(&task, body(&message).len()));
}

#[test]
fn what_hides_arguments_stands_for_them_in_the_message_and_in_the_event() {
    let mut message = message(&json!(["s3cret"]), &json!({"token": "s3cret"}));
    message.options = Some(Box::new(Options::Celery(CeleryOptions {
        argsrepr: Some("(***)".into()),
        kwargsrepr: Some("{***}".into()),
        ..CeleryOptions::default()
    })));
    let headers = &rendered(&task(&message))["headers"];
    assert_eq!((&headers["argsrepr"], &headers["kwargsrepr"]), (&json!("(***)"), &json!("{***}")));
    let event: Value =
        serde_json::from_slice(&crate::worker::celery::event::sent(&task(&message))).unwrap();
    assert!(!decoded_body(&event).contains("s3cret"));
}

#[test]
fn a_message_to_every_worker_is_published_to_its_channel() {
    let fanout = Fanout { channel: "/3.news/celery".into(), routing_key: "celery".into() };
    let settings = CeleryQueue { fanout: Some(fanout), ..CeleryQueue::default() };
    let message = sample::message("news", Worker::Celery(settings.clone()));
    let writes = render(&task(&message), &settings);
    assert_eq!((writes.push, writes.key.as_str()), (Push::Publish, "/3.news/celery"));
    let envelope: Value = serde_json::from_slice(&writes.element).unwrap();
    let route = json!({"exchange": "news", "routing_key": "celery"});
    assert_eq!(envelope["properties"]["delivery_info"], route);
}

#[test]
fn numbers_keep_their_digits() {
    let text = "[1180591620717411303424,-0.0,1e400,0.1]";
    let message = Message { args: text.into(), ..message(&json!([]), &json!({})) };
    assert_eq!(String::from_utf8(body(&message)).unwrap(), format!("[{text},{{}},{EMBED}]"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn the_body_is_args_kwargs_and_embed(
        args in prop::collection::vec(any_json(), 0..4),
        kwargs in prop::collection::hash_map(any::<String>(), any_json(), 0..4),
        name in any::<String>(),
    ) {
        let (args, kwargs) = (Value::from(args), kwargs.into_iter().collect());
        let message = message(&args, &kwargs);
        let envelope = rendered(&Task { entry_name: &name, ..task(&message) });
        let body = decoded_body(&envelope);
        prop_assert_eq!(&body, &format!("[{args},{kwargs},{EMBED}]"));
        let parts: [Value; 3] = serde_json::from_str(&body).unwrap();
        let embed = json!({"callbacks": null, "errbacks": null, "chain": null, "chord": null});
        prop_assert_eq!(&parts[2], &embed);
        prop_assert_eq!(&envelope["headers"]["downbeat_entry"], &Value::from(name));
    }
}
