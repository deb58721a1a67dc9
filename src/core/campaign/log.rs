//! The campaign's log events.

use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, info, warn};

use crate::leader::lease::term;

/// A log event of the campaign, which writes none itself. A lease is `"<term> <holder>"`.
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

impl Log {
    /// Writes the event to the log.
    pub fn write(&self) {
        match self {
            Log::Acquired(lease) => debug!(%lease, "acquired the lease"),
            Log::Following(leader) => info!(%leader, "became follower"),
            Log::LeaderGone(leader) => {
                info!(%leader, "found the leader's process gone; replacing its lease");
            }
            Log::Unmarked(wait) => warn!(
                wait_ms = wait.as_millis(),
                "found an empty namespace; waiting for replicas that remember it"
            ),
            Log::Unreadable(why) => {
                warn!(error = why, "found an unusable lease; replacing it unless it changes");
            }
            Log::Lost(lease) => warn!(term = term(lease), "lost the lease"),
            Log::NotRenewed(lease) => {
                warn!(term = term(lease), "failed to renew the lease in time");
            }
            Log::SteppedDown(lease) => info!(term = term(lease), "stepped down"),
            Log::Resigned(lease) => info!(term = term(lease), "resigned"),
            Log::ClockIsOff(skew_ms) => {
                warn!(skew_ms, "resigning because this machine's clock is off")
            }
            Log::CannotPublish(stuck) => warn!(
                stuck_ms = stuck.as_millis(),
                "resigning because batches time out here, but get through from another replica"
            ),
            Log::DifferentSchedule { replica, theirs, ours } => {
                warn!(%replica, %theirs, %ours, "found a replica with a different schedule");
            }
            Log::SkewedClock { replica, skew_ms } => {
                warn!(%replica, skew_ms, "found a replica whose clock is off");
            }
            Log::Away { error, answered_before: true } => {
                warn!(%error, "lost the broker; retrying")
            }
            Log::Away { error, .. } => warn!(%error, "found the broker unavailable; retrying"),
            Log::Back { answered_before: true } => info!("reached the broker again"),
            Log::Back { .. } => info!("reached the broker"),
        }
    }
}
