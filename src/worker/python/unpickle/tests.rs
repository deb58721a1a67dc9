use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::worker::python::pickle;

/// `pickle.dumps(("a.b", None, (1, [2.5, "é", "é"], 2**40, -2**70, b"\x00x"), {"k": {1: True}}), 5)`
const PROTOCOL_5: &[u8] = b"\x80\x05\x95I\0\0\0\0\0\0\0(\x8c\x03a.b\x94N(K\x01]\x94(G@\x04\0\0\0\0\0\0\
    \x8c\x02\xc3\xa9\x94h\x02e\x8a\x06\0\0\0\0\0\x01\x8a\x09\0\0\0\0\0\0\0\0\xc0C\x02\0x\x94t\x94}\x94\
    \x8c\x01k\x94}\x94K\x01\x88sst\x94.";

#[test]
fn what_python_writes_of_plain_values_is_read() {
    let expected = json!([
        "a.b",
        null,
        [1, [2.5, "é", "é"], 1_099_511_627_776_i64, "-1180591620717411303424", "b'\\x00x'"],
        {"k": {"1": true}}
    ]);
    assert_eq!(to_json(PROTOCOL_5), Ok(expected));
}

#[test]
fn what_becomes_another_type_is_reported() {
    let changed = |pickle: &[u8]| to_json_with_changes(pickle).unwrap().1;
    let all = Changed { bytes: true, tuple: false, number: true, key: true, set: false };
    assert_eq!(changed(PROTOCOL_5), all);
    // ("f", None, ((1,),), {}) and ("f", None, (1,), {})
    let nested = b"\x80\x02(X\x01\0\0\0fNK\x01\x85\x85}t.";
    assert!(changed(nested).tuple);
    assert_eq!(changed(b"\x80\x02(X\x01\0\0\0fNK\x01\x85}t."), Changed::default());
    assert!(changed(b"\x80\x04\x8f.").set);
}

#[test]
fn what_names_a_class_or_a_call_is_refused() {
    // os.system("id"), named in two ways.
    for pickle in
        [&b"cos\nsystem\n(X\x02\0\0\0idtR."[..], b"\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R."]
    {
        assert_eq!(to_json(pickle), Err(UnpickleError::NotPlain));
    }
}

/// `pickle.dumps({"s": False, "r": ValueError("no such ☃", 7)}, 4)`
const FAILURE: &[u8] =
    b"\x80\x04\x95<\0\0\0\0\0\0\0}\x94(\x8c\x01s\x94\x89\x8c\x01r\x94\x8c\x08builtins\
    \x94\x8c\nValueError\x94\x93\x94\x8c\x0bno such \xe2\x98\x83\x94K\x07\x86\x94R\x94u.";

#[test]
fn what_only_python_can_create_is_described_if_asked_for() {
    let described = json!({"s": false, "r": "ValueError: no such ☃, 7"});
    assert_eq!(describe(FAILURE), Ok(described));
    assert_eq!(to_json(FAILURE), Err(UnpickleError::NotPlain));
    assert_eq!(
        describe(b"\x80\x02casyncio.exceptions\nCancelledError\n)R}b."),
        Ok(json!("CancelledError"))
    );
    for end in 0..FAILURE.len() {
        assert_eq!(describe(&FAILURE[..end]), Err(UnpickleError::Broken), "{end}");
    }
    // Each description contains the one before it twice.
    let mut bomb = b"\x8c\x01x".to_vec();
    (0..64).for_each(|_| bomb.extend(b"\x94cm\nE\nh\0h\0\x86R"));
    assert!(describe(&[bomb, b".".to_vec()].concat()).is_ok(), "of the memoized text only");
    let doubling = b"cm\nE\n\x8c\x01x".to_vec();
    let doubled =
        (0..64_u8).flat_map(|n| [&b"\x94cm\nE\nh"[..], &[n], b"h", &[n], b"\x86R"].concat());
    let bomb = [doubling, doubled.collect(), b".".to_vec()].concat();
    assert_eq!(describe(&bomb), Err(UnpickleError::TooLarge));
}

#[test]
fn values_that_repeat_or_nest_without_end_are_refused() {
    // Each list contains the one before it ten times: ten to the thirtieth values.
    let mut bomb = b"\x80\x04]\x94".to_vec();
    for level in 0..30 {
        bomb.extend(b"](");
        bomb.extend([b'h', level].repeat(10));
        bomb.extend(b"e\x94");
    }
    bomb.push(b'.');
    assert_eq!(to_json(&bomb), Err(UnpickleError::TooLarge));
    assert_eq!(to_json(b"\x80\x04]\x94h\0a."), Err(UnpickleError::TooLarge), "a list in itself");
    let deep = [b"]".repeat(1_000_000), b"a".repeat(999_999), b".".to_vec()].concat();
    assert_eq!(to_json(&deep), Err(UnpickleError::TooLarge));
}

#[test]
fn a_truncated_pickle_is_refused() {
    for end in 0..PROTOCOL_5.len() {
        assert_eq!(to_json(&PROTOCOL_5[..end]), Err(UnpickleError::Broken), "{end}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(number: i64, float in -1e300..1e300, text: String, flag: bool) {
        let value = json!([number, {text.clone(): [float, [], {}], "n": null}, flag, [[text]]]);
        let pickle = pickle::of_json(value.to_string().as_bytes(), 2).unwrap();
        prop_assert_eq!(to_json(&pickle).unwrap(), value);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = to_json(&bytes);
        let _ = describe(&bytes);
    }

    #[test]
    fn no_change_of_a_pickle_makes_it_panic(at in 0..PROTOCOL_5.len(), byte: u8) {
        for pickle in [PROTOCOL_5, FAILURE] {
            let mut bytes = pickle.to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = to_json(&bytes);
            let _ = describe(&bytes);
        }
    }
}
