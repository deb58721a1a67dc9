//! What a campaign says in the log.

use std::sync::Arc;
use std::time::Duration;

/// Something to be logged. A lease is `"<term> <holder>"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Log {
    /// This replica has the lease.
    Acquired(Arc<str>),
    /// Another has it.
    Following(Arc<str>),
    /// The process is gone that has it.
    LeaderGone(Arc<str>),
    /// The namespace is new or was flushed: those who remember are waited for so long.
    Unmarked(Duration),
    /// What stands in the place of the lease cannot be used.
    Unreadable(String),
    /// The lease is another's.
    Lost(Arc<str>),
    /// It could not be renewed while it was trusted.
    NotRenewed(Arc<str>),
    /// This replica leads no more, without having given it up.
    SteppedDown(Arc<str>),
    /// It was given up.
    Resigned(Arc<str>),
    /// It is given up, as this machine's clock is off by so many milliseconds.
    ClockIsOff(i64),
    /// It is given up, as writes have timed out for so long while another replica's probe has passed.
    CannotPublish(Duration),
    /// Another replica has another schedule.
    DifferentSchedule {
        /// Its name.
        replica: String,
        /// The hash of its schedule.
        theirs: String,
        /// The hash of ours.
        ours: String,
    },
    /// A replica's clock differs from the store's.
    SkewedClock {
        /// Its name.
        replica: String,
        /// By so many milliseconds.
        skew_ms: i64,
    },
    /// The store does not answer.
    Away {
        /// Why.
        error: String,
        /// It did before.
        answered_before: bool,
    },
    /// The store answers.
    Back {
        /// It did before it went away.
        answered_before: bool,
    },
}
