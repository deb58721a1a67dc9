//! What is published when a leader resigns, on its way to whoever waits for that. Anybody may publish
//! anything: what is kept of it is bounded.

use std::sync::Arc;

use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc;

/// So many are kept until somebody looks.
const MAX_WAITING: usize = 16;
/// No lease is longer in bytes.
const MAX_LEASE: usize = 300;

/// Where they are published.
#[derive(Clone, Debug)]
pub(super) struct Resignations(mpsc::Sender<Arc<str>>);

impl Resignations {
    pub(super) fn channel() -> (Resignations, mpsc::Receiver<Arc<str>>) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        (Resignations(sender), receiver)
    }

    /// Takes in what the server has sent unasked.
    pub(super) fn hear(&self, push: &PushInfo) {
        let [_, Value::BulkString(lease)] = push.data.as_slice() else { return };
        if push.kind == PushKind::Message
            && lease.len() <= MAX_LEASE
            && let Ok(lease) = std::str::from_utf8(lease)
        {
            // Whoever has so many to look at has reason enough to ask.
            let _ = self.0.try_send(lease.into());
        }
    }
}
