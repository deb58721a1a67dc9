//! Reads a result as a worker stored it: in JSON, a pickle or MessagePack. Nothing is executed.

use serde_json::Value;

use crate::worker::msgpack;
use crate::worker::python::unpickle;

/// What a worker stored about a task.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Stored {
    /// `SUCCESS`, `FAILURE` or any other word.
    pub(super) status: String,
    /// What the task returned, or its exception; `None` if that is more than plain values.
    pub(super) result: Option<Value>,
    /// The traceback of a task that failed.
    pub(super) traceback: Option<String>,
}

/// What is stored; `None` if it is in no known form.
pub(super) fn read(bytes: &[u8]) -> Option<Stored> {
    let value = match bytes.first()? {
        b'{' => serde_json::from_slice(bytes).ok()?,
        // A small mapping; a pickle begins with 0x80 and the number of its protocol.
        0x81..=0x8f => msgpack::to_json(bytes).ok()?,
        0x80 => match unpickle::to_json(bytes) {
            Ok(value) => value,
            Err(_) => return of_objects(bytes),
        },
        _ => return None,
    };
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    Some(Stored {
        status: text("status")?,
        traceback: text("traceback"),
        result: value.get("result").cloned(),
    })
}

/// A pickle with an object in it, such as an exception.
fn of_objects(pickle: &[u8]) -> Option<Stored> {
    let (status, traceback) = (member(pickle, "status")?, member(pickle, "traceback"));
    Some(Stored { status, traceback, result: None })
}

/// A text in a pickled mapping: what follows its key, perhaps after opcodes that memoize the key.
fn member(pickle: &[u8], key: &str) -> Option<String> {
    let at = pickle.windows(key.len()).position(|window| window == key.as_bytes())?;
    let rest = &pickle[at + key.len()..];
    let rest = match rest {
        [0x94, rest @ ..] | [b'q', _, rest @ ..] | [b'r', _, _, _, _, rest @ ..] => rest,
        rest => rest,
    };
    let (length, rest) = match rest {
        [0x8c, length, rest @ ..] => (u32::from(*length), rest),
        [b'X', a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]), rest),
        _ => return None,
    };
    let text = rest.get(..usize::try_from(length).ok()?)?;
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_results_are_read_in_every_form() {
        let of = |bytes: &[u8]| read(bytes).map(|stored| (stored.status, stored.result));
        let read_as = |result| Some(("SUCCESS".to_owned(), Some(result)));
        assert_eq!(of(br#"{"status": "SUCCESS", "result": 3}"#), read_as(json!(3)));
        assert_eq!(of(b"\x82\xa6status\xa7SUCCESS\xa6result\x03"), read_as(json!(3)));
        // pickle.dumps({"status": "SUCCESS", "result": 3}, protocol=2 and 4)
        let second = b"\x80\x02}q\x00(X\x06\0\0\0statusq\x01X\x07\0\0\0SUCCESSq\x02X\x06\0\0\0resultq\x03K\x03u.";
        assert_eq!(of(second), read_as(json!(3)));
        let fourth = b"\x80\x04\x95\x23\0\0\0\0\0\0\0}\x94(\x8c\x06status\x94\x8c\x07SUCCESS\x94\x8c\x06result\x94K\x03u.";
        assert_eq!(of(fourth), read_as(json!(3)));
    }

    #[test]
    fn a_pickled_exception_is_not_built_and_its_traceback_is_read() {
        // {"status": "FAILURE", "result": ValueError("no"), "traceback": "ValueError: no"}
        let bytes = b"\x80\x04\x95\x50\0\0\0\0\0\0\0}\x94(\x8c\x06status\x94\x8c\x07FAILURE\x94\x8c\x06result\x94\x8c\x08builtins\x94\x8c\nValueError\x94\x93\x94\x8c\x02no\x94\x85\x94R\x94\x8c\ttraceback\x94\x8c\x0eValueError: no\x94u.";
        let expected = Stored {
            status: "FAILURE".to_owned(),
            result: None,
            traceback: Some("ValueError: no".to_owned()),
        };
        assert_eq!(read(bytes), Some(expected));
    }

    #[test]
    fn what_has_no_status_is_not_read() {
        let broken: [&[u8]; 5] =
            [b"", b"{}", b"status: SUCCESS", b"\x80\x05", b"\x80\x04status\x8c\xff"];
        for bytes in broken {
            assert_eq!(read(bytes), None, "{bytes:x?}");
        }
    }
}
