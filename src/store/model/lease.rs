//! The lease: acquiring, renewing and resigning.

use std::sync::Arc;
use std::time::Duration;

use downbeat_time::UnixMs;

use super::Model;
use super::requests::term_of;
use crate::store::contract::{Acquire, Acquired, Renewed};
use crate::store::journal::shortened;
use crate::store::text::is_lease;

/// This many of the newest records include one of a leader; the others are manual messages.
const RECORDS_WITH_A_TERM: usize = 10;
/// The greatest term of ours; a greater one was written by somebody else.
const MAX_TERM: u64 = 100_000_000_000_000;

/// The contents of the lease key.
#[derive(Clone, Debug, Default)]
pub(super) struct LeaseKey {
    text: Option<Arc<str>>,
    /// `None`: it never expires.
    until: Option<UnixMs>,
    /// The unusable value, who saw it first, and when.
    strange: Option<(Arc<str>, Arc<str>, UnixMs)>,
}

impl LeaseKey {
    /// The current value.
    fn found(&self, now: UnixMs) -> Option<&Arc<str>> {
        self.text.as_ref().filter(|_| self.until.is_none_or(|until| until > now))
    }
}

impl Model {
    /// Whether the lease is this one.
    pub(crate) fn holds(&self, now: UnixMs, lease: &str) -> bool {
        self.lease.found(now).is_some_and(|found| **found == *lease)
    }

    /// Sets the lease; `until`: when it expires.
    pub(crate) fn set_lease(&mut self, text: Option<Arc<str>>, until: Option<UnixMs>) {
        self.lease = LeaseKey { text, until, strange: None };
    }

    /// Asks for the lease. A value that is not a lease, or never expires, is taken over after it has been there
    /// unchanged for a whole TTL; the exact lease that the caller replaces, at once.
    pub(crate) fn acquire(&mut self, now: UnixMs, request: &Acquire) -> Acquired {
        if let Some(found) = self.lease.found(now).cloned() {
            match self.lease.until.filter(|_| is_lease(&found)) {
                Some(_) if request.replaces.as_ref() == Some(&found) => {}
                Some(until) => {
                    return Acquired::Held {
                        lease: found.to_string(),
                        left: until.since(now),
                        now,
                    };
                }
                None => {
                    if let Some(why) = self.see_strange(now, found, request) {
                        return Acquired::Unreadable { why, now };
                    }
                }
            }
        }
        if !self.is_marked && !request.even_unmarked {
            return Acquired::Unmarked { now };
        }
        self.term = self.term.max(self.shown_term()) + 1;
        let lease: Arc<str> = format!("{} {}", self.term, request.holder).into();
        self.set_lease(Some(Arc::clone(&lease)), Some(now + request.ttl));
        Acquired::Ours { lease, now }
    }

    /// What is wrong with the lease; `None` once the caller has seen it unchanged for a whole TTL.
    fn see_strange(&mut self, now: UnixMs, found: Arc<str>, request: &Acquire) -> Option<String> {
        let strange = self.lease.strange.as_ref();
        let seen = strange.filter(|(by, text, _)| *by == request.holder && *text == found);
        let seen_at = seen.map_or(now, |(_, _, at)| *at);
        if seen.is_some() && now.since(seen_at) >= request.ttl {
            return None;
        }
        let why = format!("what stands there is {}", shortened(found.as_bytes()));
        self.lease.strange = Some((Arc::clone(&request.holder), found, seen_at));
        Some(why)
    }

    /// The greatest term that the lease key and the newest record of a leader show: the last term may have been
    /// deleted.
    fn shown_term(&self) -> u64 {
        let newest = self.journal.iter().flatten().rev().take(RECORDS_WITH_A_TERM);
        let recorded = newest.filter_map(|record| record.term).next();
        let leased = self.lease.text.as_deref().and_then(term_of);
        recorded.max(leased).filter(|term| *term < MAX_TERM).unwrap_or(0)
    }

    /// Renews the caller's own lease.
    pub(crate) fn renew(&mut self, now: UnixMs, lease: &str, ttl: Duration) -> Renewed {
        let kept = self.holds(now, lease);
        if kept {
            self.lease.until = Some(now + ttl);
        }
        Renewed { kept, now }
    }

    /// Gives up the caller's own lease; `false` if it is another's.
    pub(crate) fn resign(&mut self, now: UnixMs, lease: &str) -> bool {
        let ours = self.holds(now, lease);
        if ours {
            self.set_lease(None, None);
        }
        ours
    }
}
