//! Log and Flower show arguments as Python itself would.

use downbeat::schedule::Kind;
use downbeat::worker::{self, Call, Fresh, Message, Queue, Task};
use downbeat_time::UnixMs;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use uuid::Uuid;

use crate::support::tools::{answers, needs};

/// Reads one JSON value a line, writes its repr as Celery's limit cuts it.
const REPR: &str = r#"
import json, sys
for line in sys.stdin:
    text = repr(json.loads(line))
    print(json.dumps(text if len(text) <= 1024 else text[:1024] + "..."))
"#;

/// Blocks that have not changed in Unicode for long, so that all versions agree on them.
fn any_text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => prop::char::range('\u{0}', '\u{7f}'),
        1 => prop::char::range('\u{80}', '\u{2ff}'),
        1 => prop::char::range('\u{300}', '\u{36f}'),
        1 => prop::char::range('\u{2000}', '\u{206f}'),
        1 => prop::char::range('\u{4e00}', '\u{9fa5}'),
        1 => prop::char::range('\u{e000}', '\u{e0ff}'),
        1 => prop::char::range('\u{1f300}', '\u{1f5ff}'),
        1 => prop::char::range('\u{e0000}', '\u{e00ff}'),
    ];
    prop::collection::vec(character, 0..20).prop_map(String::from_iter)
}

/// Where the two shortest texts can be equally near to a float, Rust takes the upper one and
/// Python the even one; both read back as the same float.
fn is_halfway(float: f64) -> bool {
    (1e14..1e16).contains(&float.abs())
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("halfway", |float| !is_halfway(*float)).prop_map(Value::from),
        (-20_i32..20, 1_u32..100_000)
            .prop_map(|(power, digits)| f64::from(digits) * 10_f64.powi(power))
            .prop_filter("halfway", |float| !is_halfway(*float))
            .prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map(any_text(), inner, 0..8)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn shown(args: &str) -> String {
    let message = Message {
        args: args.into(),
        kwargs: "{}".into(),
        call: Call::new("t", Queue::unconfigured("q")).into(),
    };
    let envelope = worker::render(&Task {
        entry_name: "entry",
        message: &message,
        task_id: Uuid::nil(),
        slot: UnixMs(0),
        kind: Kind::Scheduled.as_str(),
        expires_at: None,
        now: UnixMs(0),
        origin: "downbeat@host",
        fresh: Fresh::draw(&mut fastrand::Rng::with_seed(1)),
    });
    let envelope: Value = serde_json::from_slice(&envelope.element).unwrap();
    envelope["headers"]["argsrepr"].as_str().unwrap().to_owned()
}

#[test]
fn arguments_are_shown_as_python_shows_them() {
    needs!(Python);
    let mut runner = TestRunner::deterministic();
    let args = prop::collection::vec(any_value(), 1..8);
    let values: Vec<Value> =
        (0..2000).map(|_| Value::from(args.new_tree(&mut runner).unwrap().current())).collect();
    for (value, expected) in values.iter().zip(answers(REPR, &values)) {
        assert_eq!(shown(&value.to_string()), expected, "{value}");
    }
}
