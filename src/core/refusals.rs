//! Counts writes that the store refused as a whole, by reason.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::SinceBoot;
use crate::leader::lease::Lease;
use crate::store::contract::Reply;

/// Writes refused since the start, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RefusedWrites {
    /// The lease was another's or had expired.
    pub fenced: u64,
    /// There were writes that the leader did not know of.
    pub stale: u64,
    /// The journal was evicted or deleted.
    pub lost: u64,
}

/// Refused writes, and what is needed to log and judge them.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// The counts.
    pub(super) counts: RefusedWrites,
    /// The last reason logged; reset when a write succeeds.
    logged: Option<&'static str>,
    fenced: Option<Fenced>,
}

/// A tenure with a fenced write.
#[derive(Debug)]
struct Fenced {
    tenure: Arc<str>,
    /// When the lease was last renewed, as far as we know.
    renewed_at: Option<SinceBoot>,
    /// How many later refusals have found it renewed since.
    renewals: u32,
}

impl Refusals {
    /// Counts a refusal. Returns its reason if that is not the last one logged.
    pub(super) fn note(&mut self, refusal: &Reply) -> Option<&'static str> {
        let RefusedWrites { fenced, stale, lost } = &mut self.counts;
        let (count, reason) = match refusal {
            Reply::Fenced => (fenced, "fenced"),
            Reply::Stale => (stale, "stale"),
            Reply::Lost => (lost, "lost"),
            Reply::Revised | Reply::Early { .. } | Reply::Written { .. } => return None,
        };
        *count += 1;
        (self.logged.replace(reason) != Some(reason)).then_some(reason)
    }

    /// Notes that a write succeeded.
    pub(super) fn end(&mut self) {
        self.logged = None;
    }

    /// Whether the campaign keeps renewing a lease under which writes are fenced, and so must be using another
    /// server. To be called when a write was fenced.
    ///
    /// The first renewal after a refusal may be a late answer. The second was requested after the refusal.
    pub(super) fn is_lease_on_another_server(&mut self, lease: Option<&Lease>) -> bool {
        let Some(lease) = lease else { return false };
        let renewed_at = lease.broker_clock.map(|reading| reading.at);
        match &mut self.fenced {
            Some(fenced) if fenced.tenure == lease.text => {
                if renewed_at > fenced.renewed_at {
                    fenced.renewed_at = renewed_at;
                    fenced.renewals += 1;
                }
                fenced.renewals >= 2
            }
            fenced => {
                let tenure = Arc::clone(&lease.text);
                *fenced = Some(Fenced { tenure, renewed_at, renewals: 0 });
                false
            }
        }
    }
}
