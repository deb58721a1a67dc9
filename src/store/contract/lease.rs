//! The lease, and what replicas announce.

use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

/// A request for the lease.
#[derive(Clone, Debug)]
pub struct Acquire {
    /// Host, pid and a new random number.
    pub holder: Arc<str>,
    /// How long the lease lasts.
    pub ttl: Duration,
    /// Whether the lease may be taken in a namespace without a marker.
    pub even_unmarked: bool,
    /// `"<term> <holder>"` of a tenure whose process is known to be gone: if the lease is exactly this one, it
    /// counts as expired.
    pub replaces: Option<Arc<str>>,
}

/// The outcome of asking for the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// The caller has the lease.
    Ours {
        /// `"<term> <holder>"`.
        lease: Arc<str>,
        /// The store's clock.
        now: UnixMs,
    },
    /// The lease is another's, and cannot expire before `left` is over.
    Held {
        /// `"<term> <holder>"`, or what the key holds instead, shortened.
        lease: String,
        /// The remaining time.
        left: Duration,
        /// The store's clock.
        now: UnixMs,
    },
    /// Nobody leads, and the store has nothing of the namespace.
    Unmarked {
        /// The store's clock.
        now: UnixMs,
    },
    /// The key holds no lease of ours, or one that never expires. It is taken over after it has been there
    /// unchanged for one TTL (ask again with the same holder).
    Unreadable {
        /// What is wrong, in words.
        why: String,
        /// The store's clock.
        now: UnixMs,
    },
}

/// The outcome of renewing the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// `false`: the lease is another's or has expired.
    pub kept: bool,
    /// The store's clock.
    pub now: UnixMs,
}

/// The announcements of the replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// At most [`MAX_REPLICAS`].
    pub replicas: Vec<Announcement>,
    /// The total number of replicas.
    pub count: usize,
}

/// One replica's announcement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announcement {
    /// The replica's name.
    pub replica: String,
    /// Unparsed JSON; at most [`MAX_ANNOUNCEMENT`] bytes.
    pub said: String,
    /// The time since the announcement, by the store's clock.
    pub age: Duration,
}

/// The maximum number of replicas returned.
pub const MAX_REPLICAS: usize = 100;
/// The maximum length of an announcement in bytes.
pub const MAX_ANNOUNCEMENT: usize = 4_096;
