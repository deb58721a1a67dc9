//! Decodes entries of any producer.

use downbeat_time::UnixMs;
use serde_json::Value;

use crate::worker::json::message;
use crate::worker::{DecodeError, Waiting};

/// Decodes a stream entry: its id, and alternating fields and values. Entries of other producers may
/// lack `message`.
pub(super) fn decode(id: &[u8], fields: &[Option<Vec<u8>>]) -> Result<Waiting, DecodeError> {
    let id = String::from_utf8_lossy(id);
    let text = |bytes: &Option<Vec<u8>>| {
        String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
    };
    let message = fields.chunks_exact(2).find(|pair| pair[0].as_deref() == Some(b"message"));
    let mut waiting = match message {
        Some(pair) => message::decode(pair[1].as_deref().unwrap_or_default())?,
        None => {
            let fields = fields.chunks_exact(2);
            let fields = fields.map(|pair| (text(&pair[0]), Value::String(text(&pair[1]))));
            Waiting { kwargs: Some(fields.collect()), ..Waiting::default() }
        }
    };
    // Redis takes ids from its clock: milliseconds, a hyphen, a number.
    waiting.sent_at = id.split_once('-').and_then(|(ms, _)| ms.parse().ok()).map(UnixMs);
    waiting.task_id.get_or_insert_with(|| id.into_owned());
    Ok(waiting)
}
