//! Since when an entry is in the schedule with its present timing.

use std::sync::Arc;
use std::time::Duration;

use super::progress::Progress;
use super::unix_ms::UnixMs;

/// Records of entries that left the schedule are kept this long, so that an entry which comes back
/// is not taken for one whose slots were never sent.
pub const RETIRED_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// One stay of an entry in the schedule with one timing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The timing in its canonical form; `None` once the entry has left the schedule.
    pub timing: Option<Arc<str>>,
    /// No slot at or before this instant fires. Of a retired entry: when it left.
    pub since: UnixMs,
}

/// One fenced write that changes which entries are live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrationChange {
    /// A registration begins, or a remembered or repaired one is written down again.
    Begin {
        /// The entry's name.
        entry: Box<str>,
        /// Its timing in canonical form.
        timing: Arc<str>,
        /// No slot at or before this instant fires. The leader has taken care that it is not before
        /// the entry's last progress.
        since: UnixMs,
        /// The progress to write along with it, in place of what is there; `None` leaves none.
        progress: Option<Progress>,
    },
    /// The entry left the schedule or was disabled.
    Retire {
        /// The entry's name.
        entry: Box<str>,
        /// When.
        at: UnixMs,
        /// Its last progress, which is folded along with it; `None` leaves what is there.
        progress: Option<Progress>,
    },
    /// The records of an entry that left long ago are dropped.
    Forget {
        /// The entry's name.
        entry: Box<str>,
    },
}

impl RegistrationChange {
    /// The name of the entry that changes.
    #[must_use]
    pub fn entry(&self) -> &str {
        match self {
            RegistrationChange::Begin { entry, .. }
            | RegistrationChange::Retire { entry, .. }
            | RegistrationChange::Forget { entry } => entry,
        }
    }
}
