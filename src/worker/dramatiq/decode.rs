//! Decodes messages from any producer.

use downbeat_time::UnixMs;
use serde_json::Value;

use crate::worker::decode::{object, take_text};
use crate::worker::{DecodeError, Waiting};

/// Decodes the message that the hash holds for an id.
pub(super) fn decode(stored: &[Option<Vec<u8>>]) -> Result<Waiting, DecodeError> {
    let Some(Some(message)) = stored.first() else {
        return Err(DecodeError::Gone("its message is gone"));
    };
    let mut message = object(message)?;
    let options = match message.shift_remove("options") {
        Some(Value::Object(options)) => options,
        _ => {
            return Err(DecodeError::Malformed(
                "a message without `options`, which no worker reads",
            ));
        }
    };
    let sent_at = message.get("message_timestamp").and_then(Value::as_i64).map(UnixMs);
    let max_age = options.get("max_age").and_then(Value::as_i64).filter(|age| *age > 0);
    let expires_at =
        sent_at.zip(max_age).map(|(UnixMs(sent_at), age)| UnixMs(sent_at.saturating_add(age)));
    Ok(Waiting {
        task_id: take_text(&mut message, "message_id"),
        task: take_text(&mut message, "actor_name"),
        args: message.shift_remove("args"),
        kwargs: message.shift_remove("kwargs"),
        sent_at,
        not_before: options.get("eta").and_then(Value::as_i64).map(UnixMs),
        expires_at,
        ..Waiting::with_headers(options)
    })
}
