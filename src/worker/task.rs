//! A message with everything that determines its bytes.

use downbeat_time::UnixMs;
use uuid::Uuid;

use super::message::Message;

/// A message to render, with everything that determines its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// The entry of the slot.
    pub entry_name: &'a str,
    /// The entry's message, with its templates filled in.
    pub message: &'a Message,
    /// The same for every push of a slot.
    pub task_id: Uuid,
    /// The nominal instant, without jitter.
    pub slot: UnixMs,
    /// Why it is sent: the header `downbeat_kind`.
    pub kind: &'static str,
    /// The instant after which workers drop the message; `None` means never.
    pub expires_at: Option<UnixMs>,
    /// When this push happens. Only durations in the message are counted from it.
    pub now: UnixMs,
    /// The sender: `downbeat@<host>`.
    pub origin: &'a str,
    /// What must differ in every push.
    pub fresh: Fresh,
}

/// Random numbers of one push, drawn again when a slot is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// Distinguishes this push in the worker's record of unacknowledged messages.
    pub delivery_tag: Uuid,
    /// The W3C trace that the task starts; never 0.
    pub trace_id: u128,
    /// The root span of that trace; never 0.
    pub span_id: u64,
}

impl Fresh {
    /// Draws the numbers of one push.
    ///
    /// `rng` must have been seeded from the operating system (as `fastrand::Rng::new` does), or
    /// two replicas may draw the same tags.
    #[must_use]
    pub fn draw(rng: &mut fastrand::Rng) -> Fresh {
        let tag = rng.u128(..).to_be_bytes();
        Fresh {
            delivery_tag: uuid::Builder::from_random_bytes(tag).into_uuid(),
            trace_id: rng.u128(1..),
            span_id: rng.u64(1..),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_push_draws_other_numbers() {
        let rng = &mut fastrand::Rng::with_seed(7);
        let (one, other) = (Fresh::draw(rng), Fresh::draw(rng));
        assert_ne!(one.delivery_tag, other.delivery_tag);
        assert_ne!(one.trace_id, other.trace_id);
        assert_ne!(one.span_id, other.span_id);
        assert_eq!(one.delivery_tag.get_version_num(), 4);
    }
}
