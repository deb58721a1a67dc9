//! The names under which a replica asks for the lease: a new one for each tenure, and the same until there is
//! one.

use std::sync::Arc;

use super::Named;
use crate::leader::lease;

/// The present one, and what is known of others on this machine.
#[derive(Debug)]
pub(super) struct Names {
    /// Before whoever keeps the names on this machine has added to it.
    drawn: Arc<str>,
    holder: Arc<str>,
    gone: Arc<[String]>,
}

impl Names {
    pub(super) fn new(drawn: Arc<str>) -> Names {
        Names { holder: Arc::clone(&drawn), drawn, gone: Arc::default() }
    }

    /// The name for the next tenure.
    pub(super) fn renew(&mut self, drawn: Arc<str>) {
        self.holder = Arc::clone(&drawn);
        self.drawn = drawn;
    }

    /// What is to be kept on this machine.
    pub(super) fn drawn(&self) -> Arc<str> {
        Arc::clone(&self.drawn)
    }

    /// The name to ask under.
    pub(super) fn holder(&self) -> Arc<str> {
        Arc::clone(&self.holder)
    }

    /// What is kept on this machine.
    pub(super) fn know(&mut self, named: Named) {
        (self.holder, self.gone) = (named.holder, named.gone);
    }

    /// Whether a lease bears the name under which we ask for one.
    pub(super) fn is_ours(&self, lease: &str) -> bool {
        lease::holder(lease) == Some(&*self.holder)
    }

    /// Whether the process that got this lease is known to be gone.
    pub(super) fn is_gone(&self, lease: &str) -> bool {
        let holder = lease::holder(lease);
        self.gone.iter().any(|gone| Some(&**gone) == holder)
    }
}
