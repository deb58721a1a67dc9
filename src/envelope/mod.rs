//! Pure: a due slot becomes the bytes a worker takes. One file per worker kind.
//!
//! Nothing here reads a clock or draws a random number: whatever changes from push to push comes
//! in with the [`Task`], so equal tasks give equal bytes.

pub mod celery;
mod json;

use uuid::Uuid;

pub use crate::schedule::Kind;
use crate::schedule::{Message, UnixMs};

/// One message to be rendered: everything that decides its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// The entry whose slot this is.
    pub entry_name: &'a str,
    /// What the entry sends, templates already replaced.
    pub message: &'a Message,
    /// The same for every push of one slot.
    pub task_id: Uuid,
    /// The nominal instant, without jitter.
    pub slot: UnixMs,
    /// Why it is sent.
    pub kind: Kind,
    /// After this instant a worker drops the message; `None`: never.
    pub expires_at: Option<UnixMs>,
    /// When this push happens. Only lengths of time in the envelope are counted from it.
    pub now: UnixMs,
    /// Who sends it: `downbeat@<host>`.
    pub origin: &'a str,
    /// What must differ in every push.
    pub fresh: Fresh,
}

/// The random numbers of one push: drawn anew each time, also when a slot is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// Tells this push from all others to the worker's book of unacknowledged messages.
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
