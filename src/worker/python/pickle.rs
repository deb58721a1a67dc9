//! Writes Python pickles (protocol 2) of JSON values: plain values only, which name no class and run no
//! code when they are loaded.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The opcodes used, of <https://github.com/python/cpython/blob/main/Lib/pickletools.py>.
mod opcode {
    pub(super) const PROTOCOL_2: &[u8] = b"\x80\x02";
    pub(super) const STOP: u8 = b'.';
    pub(super) const NONE: u8 = b'N';
    pub(super) const TRUE: u8 = 0x88;
    pub(super) const FALSE: u8 = 0x89;
    pub(super) const INT_32: u8 = b'J';
    pub(super) const INT_OF_BYTES: u8 = 0x8a;
    pub(super) const FLOAT: u8 = b'G';
    pub(super) const TEXT: u8 = b'X';
    pub(super) const MARK: u8 = b'(';
    pub(super) const TUPLE: u8 = b't';
    pub(super) const EMPTY_LIST: u8 = b']';
    pub(super) const APPENDS: u8 = b'e';
    pub(super) const EMPTY_DICT: u8 = b'}';
    pub(super) const SET_ITEMS: u8 = b'u';
}

/// Pickles the value of `json`, with tuples instead of lists on the outermost `tuples` levels.
///
/// # Errors
/// If it is not JSON, or nested deeper than `serde_json` reads (127 levels).
pub(in crate::worker) fn of_json(json: &[u8], tuples: u8) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(json.len() + json.len() / 2 + 16);
    out.extend_from_slice(opcode::PROTOCOL_2);
    let mut source = serde_json::Deserializer::from_slice(json);
    Pickler { out: &mut out, tuples }.deserialize(&mut source)?;
    source.end()?;
    out.push(opcode::STOP);
    Ok(out)
}

/// Writes one value while it is parsed.
struct Pickler<'o> {
    out: &'o mut Vec<u8>,
    tuples: u8,
}

impl Pickler<'_> {
    /// For a nested value.
    fn inner(&mut self) -> Pickler<'_> {
        Pickler { out: self.out, tuples: self.tuples.saturating_sub(1) }
    }

    fn integer(self, number: i128) {
        match i32::try_from(number) {
            Ok(small) => {
                self.out.push(opcode::INT_32);
                self.out.extend_from_slice(&small.to_le_bytes());
            }
            // Nine bytes hold any 64-bit integer, signed or not.
            Err(_) => {
                self.out.extend_from_slice(&[opcode::INT_OF_BYTES, 9]);
                self.out.extend_from_slice(&number.to_le_bytes()[..9]);
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Pickler<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pickler<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.out.push(opcode::NONE);
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.out.push(if value { opcode::TRUE } else { opcode::FALSE });
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.integer(number.into());
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.integer(number.into());
        Ok(())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.out.push(opcode::FLOAT);
        self.out.extend_from_slice(&number.to_be_bytes());
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let length = u32::try_from(text.len()).map_err(E::custom)?;
        self.out.push(opcode::TEXT);
        self.out.extend_from_slice(&length.to_le_bytes());
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let is_tuple = self.tuples > 0;
        if !is_tuple {
            self.out.push(opcode::EMPTY_LIST);
        }
        self.out.push(opcode::MARK);
        while items.next_element_seed(self.inner())?.is_some() {}
        self.out.push(if is_tuple { opcode::TUPLE } else { opcode::APPENDS });
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        self.out.extend_from_slice(&[opcode::EMPTY_DICT, opcode::MARK]);
        while members.next_key_seed(self.inner())?.is_some() {
            members.next_value_seed(self.inner())?;
        }
        self.out.push(opcode::SET_ITEMS);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pickled(json: &str, tuples: u8) -> Vec<u8> {
        of_json(json.as_bytes(), tuples).unwrap()
    }

    #[test]
    fn values_have_the_opcodes_that_python_reads() {
        assert_eq!(pickled("null", 0), b"\x80\x02N.");
        assert_eq!(pickled("[true,false]", 0), b"\x80\x02](\x88\x89e.");
        assert_eq!(pickled("-2", 0), b"\x80\x02J\xfe\xff\xff\xff.");
        assert_eq!(pickled("1.5", 0), b"\x80\x02G\x3f\xf8\0\0\0\0\0\0.");
        assert_eq!(pickled(r#"{"\u00fc":[]}"#, 0), b"\x80\x02}(X\x02\0\0\0\xc3\xbc](eu.");
        let largest = [b"\x80\x02\x8a\x09".as_slice(), &[0xff; 8], b"\0."].concat();
        assert_eq!(pickled("18446744073709551615", 0), largest);
    }

    #[test]
    fn only_the_lists_outside_are_tuples() {
        assert_eq!(pickled("[[[]],{}]", 2), b"\x80\x02((](et}(ut.");
        // A mapping is a level, too.
        assert_eq!(pickled(r#"[{"":[]}]"#, 2), b"\x80\x02(}(X\0\0\0\0](eut.");
    }

    #[test]
    fn invalid_json_has_no_pickle() {
        for json in ["", "[1", "NaN", "1 2", &"[".repeat(128)] {
            assert!(of_json(json.as_bytes(), 0).is_err(), "{json}");
        }
    }
}
