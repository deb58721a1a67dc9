//! The campaign's log events.

use std::sync::Arc;
use std::time::Duration;

/// A log event of the campaign. A lease is `"<term> <holder>"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Log {
    /// This replica acquired the lease.
    Acquired(Arc<str>),
    /// Another replica has the lease.
    Following(Arc<str>),
    /// The process that holds the lease is gone.
    LeaderGone(Arc<str>),
    /// The namespace is new or was flushed: this replica waits this long for those that remember it.
    Unmarked(Duration),
    /// The lease key holds something unusable.
    Unreadable(String),
    /// The lease is another replica's.
    Lost(Arc<str>),
    /// The lease could not be renewed while it was trusted.
    NotRenewed(Arc<str>),
    /// This replica no longer leads, but has not resigned.
    SteppedDown(Arc<str>),
    /// This replica gave up the lease.
    Resigned(Arc<str>),
    /// This replica resigns because its clock is off by this many milliseconds.
    ClockIsOff(i64),
    /// This replica resigns: its writes have timed out for this long, and another replica's probe has passed.
    CannotPublish(Duration),
    /// Another replica has a different schedule.
    DifferentSchedule {
        /// The other replica's name.
        replica: String,
        /// The hash of its schedule.
        theirs: String,
        /// The hash of this replica's schedule.
        ours: String,
    },
    /// A replica's clock differs from the store's.
    SkewedClock {
        /// The replica's name.
        replica: String,
        /// The skew in milliseconds.
        skew_ms: i64,
    },
    /// The store does not answer.
    Away {
        /// The error.
        error: String,
        /// Whether it has answered before.
        answered_before: bool,
    },
    /// The store answers again, or for the first time.
    Back {
        /// Whether it answered before it went away.
        answered_before: bool,
    },
}
