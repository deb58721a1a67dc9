//! The holder's name that a replica asks for the lease under: a new one for each tenure, unchanged until the
//! tenure begins.

use std::sync::Arc;

use super::Named;
use crate::leader::lease;

/// The current name, and the holders on this machine that are known to be gone.
#[derive(Debug)]
pub(super) struct Names {
    /// The name before the tenure file has added to it.
    drawn: Arc<str>,
    holder: Arc<str>,
    gone: Arc<[String]>,
}

impl Names {
    pub(super) fn new(drawn: Arc<str>) -> Names {
        Names { holder: Arc::clone(&drawn), drawn, gone: Arc::default() }
    }

    /// Takes a new name for the next tenure.
    pub(super) fn renew(&mut self, drawn: Arc<str>) {
        self.holder = Arc::clone(&drawn);
        self.drawn = drawn;
    }

    /// The name to record on this machine.
    pub(super) fn drawn(&self) -> Arc<str> {
        Arc::clone(&self.drawn)
    }

    /// The name to ask under.
    pub(super) fn holder(&self) -> Arc<str> {
        Arc::clone(&self.holder)
    }

    /// Notes what the tenure file answered.
    pub(super) fn update(&mut self, named: Named) {
        (self.holder, self.gone) = (named.holder, named.gone);
    }

    /// Whether the lease is held under our current name.
    pub(super) fn is_ours(&self, lease: &str) -> bool {
        lease::holder(lease) == Some(&*self.holder)
    }

    /// Whether the process that holds this lease is known to be gone.
    pub(super) fn is_gone(&self, lease: &str) -> bool {
        let holder = lease::holder(lease);
        self.gone.iter().any(|gone| Some(&**gone) == holder)
    }
}
