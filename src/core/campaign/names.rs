//! The names under which a replica asks for the lease: a new one for each tenure, and the same until there is
//! one.

use std::sync::Arc;

use super::{Named, SOLE};
use crate::leader::peer::Peer;

/// The present one, and what is known of others on this machine.
#[derive(Debug)]
pub(super) struct Names {
    shared: bool,
    /// Before whoever keeps the names on this machine has added to it.
    drawn: Arc<str>,
    holder: Arc<str>,
    gone: Arc<[String]>,
}

impl Names {
    pub(super) fn new(shared: bool, myself: &Peer, rng: &mut fastrand::Rng) -> Names {
        let drawn: Arc<str> = SOLE.into();
        let holder = Arc::clone(&drawn);
        let mut names = Names { shared, drawn, holder, gone: Arc::default() };
        names.draw(myself, rng);
        names
    }

    /// Draws the name for the next tenure.
    pub(super) fn draw(&mut self, myself: &Peer, rng: &mut fastrand::Rng) {
        if self.shared {
            self.drawn = myself.new_holder(rng).into();
            self.holder = Arc::clone(&self.drawn);
        }
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
        holder_of(lease) == Some(&*self.holder)
    }

    /// Whether the process that got this lease is known to be gone.
    pub(super) fn is_gone(&self, lease: &str) -> bool {
        let holder = holder_of(lease);
        self.gone.iter().any(|gone| Some(&**gone) == holder)
    }
}

/// The holder in `"<term> <holder>"`.
fn holder_of(lease: &str) -> Option<&str> {
    lease.split_once(' ').map(|(_, holder)| holder)
}
