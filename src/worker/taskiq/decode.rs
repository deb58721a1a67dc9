//! Decodes messages of any producer.

use downbeat_time::UnixMs;
use serde_json::{Map, Value};

use crate::worker::decode::{object, take_text};
use crate::worker::{DecodeError, Waiting};

/// Decodes a message of a list, or an entry of a stream: its id, and alternating fields and values.
pub(super) fn decode(
    element: &[u8],
    fields: Option<&[Option<Vec<u8>>]>,
) -> Result<Waiting, DecodeError> {
    let Some(fields) = fields else { return message(element) };
    let mut pairs = fields.chunks_exact(2);
    let data = pairs.find(|pair| pair[0].as_deref() == Some(b"data"));
    let Some(data) = data.and_then(|pair| pair[1].as_deref()) else {
        return Err(DecodeError::Malformed("an entry without `data`, which no worker can read"));
    };
    // Redis takes ids from its clock: milliseconds, a hyphen, a number.
    let id = std::str::from_utf8(element).ok().and_then(|id| id.split_once('-'));
    let sent_at = id.and_then(|(ms, _)| ms.parse().ok()).map(UnixMs);
    Ok(Waiting { sent_at, ..message(data)? })
}

fn message(json: &[u8]) -> Result<Waiting, DecodeError> {
    let mut message = object(json)?;
    let labels = match message.shift_remove("labels") {
        Some(Value::Object(labels)) => labels,
        _ => {
            return Err(DecodeError::Malformed("a message without `labels`, which workers drop"));
        }
    };
    let labels = match message.shift_remove("labels_types") {
        Some(Value::Object(types)) => typed(labels, &types),
        _ => labels,
    };
    Ok(Waiting {
        task_id: take_text(&mut message, "task_id"),
        task: take_text(&mut message, "task_name"),
        args: message.shift_remove("args"),
        kwargs: message.shift_remove("kwargs"),
        ..Waiting::with_headers(labels)
    })
}

/// taskiq's own client writes labels as texts, and beside them the numbers of their types. Labels of other
/// types stay texts.
fn typed(mut labels: Map<String, Value>, types: &Map<String, Value>) -> Map<String, Value> {
    const INT: u64 = 2;
    const FLOAT: u64 = 4;
    const BOOL: u64 = 5;
    for (name, label) in &mut labels {
        let Some(text) = label.as_str() else { continue };
        let value = match types.get(name).and_then(Value::as_u64) {
            Some(INT) => text.parse::<i64>().ok().map(Value::from),
            Some(FLOAT) => text.parse::<f64>().ok().map(Value::from),
            Some(BOOL) => Some(text.eq_ignore_ascii_case("true").into()),
            _ => None,
        };
        if let Some(value) = value {
            *label = value;
        }
    }
    labels
}
