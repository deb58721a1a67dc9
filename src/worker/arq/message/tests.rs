use std::num::NonZeroU32;

use downbeat_time::UnixMs;
use serde_json::{Value, json};

use super::*;
use crate::worker::python::unpickle;
use crate::worker::{Options, Worker, sample};

fn message() -> Message {
    let mut message = sample::message("mail", Worker::Arq(ArqQueue::default()));
    message.headers = Some(r#"{"campaign":"spring"}"#.into());
    message
}

fn rendered(task: &Task<'_>, serializer: ArqSerializer) -> Writes {
    render(task, ArqQueue { serializer })
}

#[test]
fn a_job_is_a_text_and_its_id() {
    let message = message();
    let task = sample::task(&message);
    let id = "00000000-0000-0000-0000-000000000001";
    let expected = json!({
        "t": null,
        "f": "demo.add",
        "a": [1, "zwei"],
        "k": {"deep": {"ü": [null, true]}},
        "et": 1_795_230_000_250_i64,
        "campaign": "spring",
        "downbeat_entry": task.entry_name,
        "downbeat_slot": "2026-11-21T03:00:00.000Z",
        "downbeat_kind": "catch_up",
        "traceparent": "00-00000000000000000000000000000abc-000000000000000d-01",
    });
    for serializer in ArqSerializer::ALL {
        let writes = rendered(&task, serializer);
        assert_eq!((writes.push, writes.key.as_str()), (Push::Due, "mail"));
        assert_eq!(writes.element, id.as_bytes());
        let [store] = &writes.before[..] else { panic!("{writes:?}") };
        let words = store[..3].iter().map(|word| String::from_utf8_lossy(word).into_owned());
        let words: Vec<_> = words.collect();
        assert_eq!(words, ["PSETEX".to_owned(), format!("arq:job:{id}"), "86400000".to_owned()]);
        let job: Value = match serializer {
            ArqSerializer::Pickle => unpickle::to_json(&store[3]).unwrap(),
            ArqSerializer::Json => serde_json::from_slice(&store[3]).unwrap(),
            ArqSerializer::Msgpack => msgpack::to_json(&store[3]).unwrap(),
        };
        assert_eq!(job, expected, "{serializer:?}");
    }
}

#[test]
fn an_expiry_is_the_jobs_lifetime_and_never_zero() {
    let message = message();
    let task = sample::task(&message);
    let lifetime = |expires_at: i64| {
        let task = Task { expires_at: Some(UnixMs(expires_at)), ..task };
        String::from_utf8(rendered(&task, ArqSerializer::Pickle).before[0][2].clone()).unwrap()
    };
    assert_eq!(lifetime(task.now.0 + 60_000), "60000");
    assert_eq!((lifetime(task.now.0), lifetime(0)), ("1".to_owned(), "1".to_owned()));
}

#[test]
fn a_job_may_begin_with_a_later_try() {
    let mut message = message();
    let options = ArqOptions { job_try: NonZeroU32::new(5) };
    message.options = Some(Box::new(Options::Arq(options)));
    let writes = rendered(&sample::task(&message), ArqSerializer::Json);
    assert_eq!(serde_json::from_slice::<Value>(&writes.before[0][3]).unwrap()["t"], 5);
}

#[test]
fn what_no_serializer_writes_is_refused() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    let refused = check(&Message { args: deep.into(), ..message() }).unwrap_err();
    assert_eq!(refused.field, "args");
    assert!(refused.message.starts_with("cannot be pickled"), "{refused}");
    assert_eq!(check(&message()), Ok(()));
}
