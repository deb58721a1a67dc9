//! Decodes jobs from any producer.

use downbeat_time::UnixMs;
use serde_json::Value;

use crate::worker::decode::{object, take_text};
use crate::worker::{DecodeError, Waiting};

/// Decodes a job from the list.
pub(super) fn decode(element: &[u8]) -> Result<Waiting, DecodeError> {
    let mut job = object(element)?;
    let Some(task) = take_text(&mut job, "class") else {
        return Err(DecodeError::Malformed("a job without `class`, which no worker runs"));
    };
    let sent_at = job.get("enqueued_at").or(job.get("created_at")).and_then(time);
    Ok(Waiting {
        task_id: take_text(&mut job, "jid"),
        task: Some(task),
        args: job.shift_remove("args"),
        sent_at,
        ..Waiting::with_headers(job)
    })
}

/// Versions before 8 write seconds with a fraction, later ones milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "it saturates")]
fn time(value: &Value) -> Option<UnixMs> {
    match value.as_i64() {
        Some(ms) if ms > 100_000_000_000 => Some(UnixMs(ms)),
        _ => Some(UnixMs((value.as_f64()? * 1000.0).round() as i64)),
    }
}
