//! `every`: equal steps of real time, anchored to a fixed instant.

use super::unix_ms::UnixMs;

/// Slots are `offset + n × period`, whatever restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {}

impl Interval {
    /// The first slot strictly later than `after`.
    #[must_use]
    pub fn next(&self, after: UnixMs) -> Option<UnixMs> {
        Some(after)
    }
}
