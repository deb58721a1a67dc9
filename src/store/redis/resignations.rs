//! Passes on resignations that leaders publish. Anybody may publish anything, so what is kept is bounded.

use std::sync::Arc;

use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc;

/// The maximum number of unread resignations kept.
const MAX_WAITING: usize = 16;
/// The maximum length of a lease in bytes.
const MAX_LEASE: usize = 300;

/// The sending end for resignations.
#[derive(Clone, Debug)]
pub(super) struct Resignations(mpsc::Sender<Arc<str>>);

impl Resignations {
    pub(super) fn channel() -> (Resignations, mpsc::Receiver<Arc<str>>) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        (Resignations(sender), receiver)
    }

    /// Passes on a message that the server pushed, if it is a resignation.
    pub(super) fn on_push(&self, push: &PushInfo) {
        let [_, Value::BulkString(lease)] = push.data.as_slice() else { return };
        if push.kind == PushKind::Message
            && lease.len() <= MAX_LEASE
            && let Ok(lease) = std::str::from_utf8(lease)
        {
            // A receiver with this many unread has reason enough to ask for the lease.
            let _ = self.0.try_send(lease.into());
        }
    }
}
