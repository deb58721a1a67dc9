//! How a stream is configured.

use std::num::NonZeroU32;

/// The settings of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamQueue {
    /// Roughly how many entries are kept, read or not; `None` means all.
    pub maxlen: Option<NonZeroU32>,
}
