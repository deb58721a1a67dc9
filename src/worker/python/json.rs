//! JSON as Python writes it: with `NaN`, `Infinity` and `-Infinity`, which JSON does not have.

use serde_json::Value;

const NUMBERS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];

/// Reads a text; numbers that JSON does not have become texts.
///
/// # Errors
/// If it is not JSON otherwise.
pub(in crate::worker) fn read(text: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(text).or_else(|error| match quote(text) {
        Some(text) => serde_json::from_slice(&text),
        None => Err(error),
    })
}

/// The same text with such numbers in quotes; `None` if it has none.
fn quote(text: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len() + 16), text);
    let (mut in_string, mut found) = (false, false);
    while let Some(byte) = rest.first() {
        let number = NUMBERS.into_iter().find(|number| !in_string && rest.starts_with(number));
        let length = match (number, byte) {
            (Some(number), _) => number.len(),
            (None, b'\\') => rest.len().min(2),
            (None, _) => 1,
        };
        in_string ^= *byte == b'"';
        found |= number.is_some();
        let (taken, left) = rest.split_at(length);
        let mark: &[u8] = if number.is_some() { b"\"" } else { b"" };
        for part in [mark, taken, mark] {
            out.extend_from_slice(part);
        }
        rest = left;
    }
    found.then_some(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_that_json_does_not_have_are_texts() {
        let text = br#"{"a": [NaN, -Infinity, 1], "b\"NaN": "Infinity \\", "c": Infinity}"#;
        let read = read(text).unwrap();
        let expected =
            json!({"a": ["NaN", "-Infinity", 1], "b\"NaN": "Infinity \\", "c": "Infinity"});
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_no_json_otherwise_is_refused() {
        for text in [&b"[NaN"[..], b"NaNaN", b"nan", b"\"NaN", b"\"\\"] {
            assert!(read(text).is_err(), "{}", text.escape_ascii());
        }
    }
}
