//! MessagePack (<https://github.com/msgpack/msgpack/blob/master/spec.md>), as far as JSON has such values.

use serde_json::{Map, Number, Value};

use super::location::MAX_PEEK_BYTES;

/// Maximum nesting of arrays and maps.
const MAX_DEPTH: usize = 100;

/// The value of `json` in MessagePack.
///
/// # Errors
/// If it is not JSON.
pub(super) fn of_json(json: &[u8]) -> serde_json::Result<Vec<u8>> {
    let value: Value = serde_json::from_slice(json)?;
    let mut out = Vec::with_capacity(json.len());
    write(&value, &mut out);
    Ok(out)
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(value) => out.push(0xc2 | u8::from(*value)),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            write_length(items.len(), [0x90, 15, 0xdc, 0xdd], out);
            items.iter().for_each(|item| write(item, out));
        }
        Value::Object(members) => {
            write_length(members.len(), [0x80, 15, 0xde, 0xdf], out);
            for (name, member) in members {
                write_text(name, out);
                write(member, out);
            }
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    write_length(text.len(), [0xa0, 31, 0xda, 0xdb], out);
    out.extend_from_slice(text.as_bytes());
}

fn write_number(number: &Number, out: &mut Vec<u8>) {
    if let Some(number) = number.as_u64() {
        match u8::try_from(number) {
            Ok(small @ 0..=0x7f) => out.push(small),
            _ => {
                out.push(0xcf);
                out.extend_from_slice(&number.to_be_bytes());
            }
        }
    } else if let Some(number) = number.as_i64() {
        out.push(0xd3);
        out.extend_from_slice(&number.to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend_from_slice(&number.as_f64().unwrap_or_default().to_be_bytes());
    }
}

/// Writes a length: in the first byte up to `most`, or else in 16 or 32 bits after a byte that says so. Messages
/// are far shorter than 4 GiB.
fn write_length(length: usize, [base, most, in_16, in_32]: [u8; 4], out: &mut Vec<u8>) {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) if length <= most => out.push(base | length),
        (_, Ok(length)) => {
            out.push(in_16);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(in_32);
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
}

/// Why a value in MessagePack was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MsgpackError {
    /// It is truncated, or not MessagePack.
    #[error("not whole MessagePack")]
    Broken,
    /// It has values of an application's own.
    #[error("MessagePack with extension types")]
    Extended,
    /// Its values nest too deeply or are too many.
    #[error("MessagePack of too many or too deeply nested values")]
    TooLarge,
}

/// Reads a value; binary values are shown as Python displays them. Time and memory stay in proportion to its
/// length.
pub(super) fn to_json(packed: &[u8]) -> Result<Value, MsgpackError> {
    let mut source = Source { rest: packed, budget: MAX_PEEK_BYTES };
    let value = source.value(MAX_DEPTH)?;
    if source.rest.is_empty() { Ok(value) } else { Err(MsgpackError::Broken) }
}

struct Source<'p> {
    rest: &'p [u8],
    /// About how many more bytes of memory the value may take.
    budget: usize,
}

impl Source<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, MsgpackError> {
        let depth = depth.checked_sub(1).ok_or(MsgpackError::TooLarge)?;
        self.budget = self.budget.checked_sub(64).ok_or(MsgpackError::TooLarge)?;
        let first = self.take(1)?[0];
        Ok(match first {
            0x00..=0x7f => first.into(),
            0xe0..=0xff => first.cast_signed().into(),
            0x80..=0x8f => return self.map(usize::from(first & 15), depth),
            0x90..=0x9f => return self.array(usize::from(first & 15), depth),
            0xa0..=0xbf => return self.text(usize::from(first & 31)),
            0xc0 => Value::Null,
            0xc2 => false.into(),
            0xc3 => true.into(),
            0xc4..=0xc6 => {
                let length = self.length(first - 0xc4)?;
                format!("b'{}'", self.take(length)?.escape_ascii()).into()
            }
            0xca => f32::from_bits(u32::try_from(self.unsigned(4)?).unwrap_or_default()).into(),
            0xcb => f64::from_bits(self.unsigned(8)?).into(),
            0xcc..=0xcf => self.unsigned(1 << (first - 0xcc))?.into(),
            0xd0 => (self.unsigned(1)? as i8).into(),
            0xd1 => (self.unsigned(2)? as i16).into(),
            0xd2 => (self.unsigned(4)? as i32).into(),
            0xd3 => self.unsigned(8)?.cast_signed().into(),
            0xd9..=0xdb => {
                let length = self.length(first - 0xd9)?;
                return self.text(length);
            }
            0xdc | 0xdd => {
                let length = self.length(first - 0xdb)?;
                return self.array(length, depth);
            }
            0xde | 0xdf => {
                let length = self.length(first - 0xdd)?;
                return self.map(length, depth);
            }
            0xc1 => return Err(MsgpackError::Broken),
            0xc7..=0xc9 | 0xd4..=0xd8 => return Err(MsgpackError::Extended),
        })
    }

    fn take(&mut self, length: usize) -> Result<&[u8], MsgpackError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(MsgpackError::Broken)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A big-endian number of 1, 2, 4 or 8 bytes.
    fn unsigned(&mut self, bytes: usize) -> Result<u64, MsgpackError> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A length in 2^`power` bytes.
    fn length(&mut self, power: u8) -> Result<usize, MsgpackError> {
        usize::try_from(self.unsigned(1 << power)?).map_err(|_| MsgpackError::Broken)
    }

    fn text(&mut self, length: usize) -> Result<Value, MsgpackError> {
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| MsgpackError::Broken)?;
        Ok(text.into())
    }

    fn array(&mut self, length: usize, depth: usize) -> Result<Value, MsgpackError> {
        (0..length).map(|_| self.value(depth)).collect()
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<Value, MsgpackError> {
        let mut members = Map::new();
        for _ in 0..length {
            let name = match self.value(depth)? {
                Value::String(text) => text,
                other => other.to_string(),
            };
            members.insert(name, self.value(depth)?);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_have_the_bytes_that_others_read() {
        for (json, bytes) in [
            ("null", &b"\xc0"[..]),
            ("[true,false]", b"\x92\xc3\xc2"),
            ("[0,127,-2]", b"\x93\x00\x7f\xd3\xff\xff\xff\xff\xff\xff\xff\xfe"),
            ("128", b"\xcf\0\0\0\0\0\0\0\x80"),
            ("1.5", b"\xcb\x3f\xf8\0\0\0\0\0\0"),
            (r#"{"é":[]}"#, b"\x81\xa2\xc3\xa9\x90"),
        ] {
            assert_eq!(of_json(json.as_bytes()).unwrap(), bytes, "{json}");
        }
        assert!(of_json(b"[1").is_err());
    }

    /// `msgpack.packb([-1, -200, 200, 70000, 2.5, b"\x00x", "x" * 40, {1: None}])`, and a float of 32 bits.
    #[test]
    fn what_python_packs_is_read() {
        let mut packed = b"\x99\xff\xd1\xff\x38\xcc\xc8\xce\0\x01\x11\x70\xcb\x40\x04\0\0\0\0\0\0\
            \xc4\x02\0x\xd9\x28"
            .to_vec();
        packed.extend([b'x'; 40]);
        packed.extend(b"\x81\x01\xc0\xca\x3f\xc0\0\0");
        let expected =
            json!([-1, -200, 200, 70000, 2.5, "b'\\x00x'", "x".repeat(40), {"1": null}, 1.5]);
        assert_eq!(to_json(&packed), Ok(expected));
        for end in 0..packed.len() {
            assert_eq!(to_json(&packed[..end]), Err(MsgpackError::Broken), "{end}");
        }
        assert_eq!(to_json(b"\xd4\x01\0"), Err(MsgpackError::Extended));
    }

    #[test]
    fn values_that_nest_without_end_or_claim_to_be_many_are_refused() {
        assert_eq!(to_json(&[0x91; 1000]), Err(MsgpackError::TooLarge));
        assert_eq!(to_json(b"\xdd\xff\xff\xff\xff\xc0"), Err(MsgpackError::Broken));
        let many = [b"\xdd\0\x10\0\0".to_vec(), vec![0xc0; 1 << 20]].concat();
        assert_eq!(to_json(&many), Err(MsgpackError::TooLarge));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(number: i64, float in -1e300..1e300, text: String, flag: bool) {
            let long = text.repeat(30);
            let value = json!([number, {text: [float, [], {}], "n": null}, flag, [[long]]]);
            let packed = of_json(value.to_string().as_bytes()).unwrap();
            prop_assert_eq!(to_json(&packed).unwrap(), value);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = to_json(&bytes);
        }
    }
}
