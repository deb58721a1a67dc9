//! Registrations: since when an entry has been in the schedule with its current timing.

use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use super::progress::Progress;

/// How long records of entries that left the schedule are kept, so that an entry that comes back does not count
/// as new.
pub const RETIRED_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// An entry's time in the schedule with one timing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The timing in its canonical form; `None` once the entry has left the schedule.
    pub timing: Option<Arc<str>>,
    /// No slot at or before this instant fires. If the entry has left: when it did.
    pub since: UnixMs,
}

/// A change of which entries are live, part of a fenced write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrationChange {
    /// A registration begins, or a remembered or repaired one is written again.
    Begin {
        /// The entry's name.
        entry: Box<str>,
        /// Its timing in canonical form.
        timing: Arc<str>,
        /// No slot at or before this instant fires. It is not before the entry's last progress.
        since: UnixMs,
        /// The progress to write with it, replacing what is stored; `None` leaves none.
        progress: Option<Progress>,
    },
    /// The entry left the schedule or was disabled.
    Retire {
        /// The entry's name.
        entry: Box<str>,
        /// When.
        at: UnixMs,
        /// Its last progress, which is folded as well; `None` leaves what is there.
        progress: Option<Progress>,
    },
    /// The records of an entry that left long ago are deleted.
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
