//! A writer of JSON into one buffer: messages are mostly constant text, and sending ten thousand at
//! once should not build ten thousand trees.

use downbeat_time::{UnixMs, UtcText};
use uuid::Uuid;

use super::Task;

/// A growing JSON text; the caller is responsible for the grammar.
pub(super) struct JsonWriter(Vec<u8>);

impl JsonWriter {
    pub(super) fn with_capacity(bytes: usize) -> JsonWriter {
        JsonWriter(Vec::with_capacity(bytes))
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Text that already is JSON.
    pub(super) fn raw(&mut self, json: &str) -> &mut JsonWriter {
        self.0.extend_from_slice(json.as_bytes());
        self
    }

    /// A quoted string.
    pub(super) fn string(&mut self, text: &str) -> &mut JsonWriter {
        // Writing a string to a Vec cannot fail.
        let _ = serde_json::to_writer(&mut self.0, text);
        self
    }

    /// A quoted string, or `null`.
    pub(super) fn string_or_null(&mut self, text: Option<&str>) -> &mut JsonWriter {
        match text {
            Some(text) => self.string(text),
            None => self.raw("null"),
        }
    }

    /// A number without a fraction if it is whole; `null` if it is absent or not finite.
    pub(super) fn number_or_null(&mut self, number: Option<f64>) -> &mut JsonWriter {
        match number.filter(|number| number.is_finite()) {
            Some(number) => self.display(number),
            None => self.raw("null"),
        }
    }

    /// A value whose text needs no escaping.
    pub(super) fn display(&mut self, value: impl std::fmt::Display) -> &mut JsonWriter {
        use std::io::Write as _;
        // Writing to a Vec cannot fail.
        let _ = write!(self.0, "{value}");
        self
    }

    /// The standard base64 of `bytes`, without quotes.
    pub(super) fn base64(&mut self, bytes: &[u8]) -> &mut JsonWriter {
        use base64::Engine as _;
        let start = self.0.len();
        self.0.resize(start + bytes.len().div_ceil(3) * 4, 0);
        let encoded = base64::prelude::BASE64_STANDARD.encode_slice(bytes, &mut self.0[start..]);
        debug_assert_eq!(encoded.ok(), Some(self.0.len() - start));
        self
    }

    /// 36 characters with hyphens, without quotes.
    pub(super) fn uuid(&mut self, id: Uuid) -> &mut JsonWriter {
        let mut text = Uuid::encode_buffer();
        self.0.extend_from_slice(id.hyphenated().encode_lower(&mut text).as_bytes());
        self
    }

    /// The members of an object, each followed by a comma; nothing without an object or members.
    pub(super) fn members(&mut self, object: Option<&str>) -> &mut JsonWriter {
        let inner =
            object.map(str::trim).and_then(|text| text.strip_prefix('{')?.strip_suffix('}'));
        match inner.map(str::trim).filter(|members| !members.is_empty()) {
            Some(members) => self.raw(members).raw(","),
            None => self,
        }
    }

    /// The slot and origin of a message, in members that are the same for every kind of worker.
    pub(super) fn provenance(&mut self, task: &Task<'_>) -> &mut JsonWriter {
        self.raw(r#""downbeat_entry":"#).string(task.entry_name);
        self.raw(r#","downbeat_slot":""#).utc_reading(task.slot);
        self.raw(r#"Z","downbeat_kind":""#).raw(task.kind);
        self.raw(r#"","traceparent":"00-"#).hex(&task.fresh.trace_id.to_be_bytes());
        self.raw("-").hex(&task.fresh.span_id.to_be_bytes()).raw(r#"-01""#)
    }

    /// Lower-case hexadecimal, most significant byte first, without quotes.
    pub(super) fn hex(&mut self, bytes: &[u8]) -> &mut JsonWriter {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let start = self.0.len();
        self.0.resize(start + 2 * bytes.len(), 0);
        for (digits, byte) in self.0[start..].chunks_exact_mut(2).zip(bytes) {
            digits[0] = DIGITS[usize::from(byte >> 4)];
            digits[1] = DIGITS[usize::from(byte & 15)];
        }
        self
    }

    /// `2026-11-21T03:00:00.000`: UTC to the millisecond, without zone or quotes.
    pub(super) fn utc_reading(&mut self, instant: UnixMs) -> &mut JsonWriter {
        self.0.extend_from_slice(UtcText::of(instant.to_jiff()).millis().as_bytes());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut JsonWriter) -> &mut JsonWriter) -> String {
        let mut json = JsonWriter::with_capacity(0);
        write(&mut json);
        String::from_utf8(json.into_bytes()).unwrap()
    }

    #[test]
    fn readings_have_a_fixed_width() {
        let reading = |ms| written(|json| json.utc_reading(UnixMs(ms)));
        assert_eq!(reading(0), "1970-01-01T00:00:00.000");
        assert_eq!(reading(1_700_000_000_007), "2023-11-14T22:13:20.007");
        assert_eq!(reading(-1), "1969-12-31T23:59:59.999");
        assert_eq!(reading(i64::MAX), "9999-12-30T22:00:00.999");
        assert_eq!(reading(-62_135_596_800_000), "0001-01-01T00:00:00.000");
    }

    #[test]
    fn base64_is_padded() {
        for (bytes, text) in [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj")] {
            assert_eq!(written(|json| json.base64(bytes.as_bytes())), text);
        }
    }

    #[test]
    fn whole_numbers_have_no_fraction() {
        assert_eq!(written(|json| json.number_or_null(Some(30.0))), "30");
        assert_eq!(written(|json| json.number_or_null(Some(20.5))), "20.5");
        assert_eq!(written(|json| json.number_or_null(Some(f64::NAN))), "null");
        assert_eq!(written(|json| json.number_or_null(None)), "null");
    }

    #[test]
    fn hexadecimal_keeps_leading_zeroes() {
        assert_eq!(written(|json| json.hex(&0x0a_ff_u32.to_be_bytes())), "00000aff");
    }
}
