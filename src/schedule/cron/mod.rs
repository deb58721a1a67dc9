//! Cron expressions.

use super::unix_ms::UnixMs;
use super::zone::Zone;

/// A crontab line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cron {}

impl Cron {
    /// The first slot strictly later than `after`.
    #[must_use]
    pub fn next(&self, _zone: &Zone, after: UnixMs) -> Option<UnixMs> {
        Some(after)
    }
}
