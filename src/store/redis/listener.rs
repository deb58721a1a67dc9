//! Passes on messages of channels. Anybody may publish anything, so what is kept is bounded.

use std::sync::Arc;

use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc;

/// The sending end for messages of a connection's channels.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    heard: mpsc::Sender<Arc<str>>,
    max_bytes: usize,
}

impl Listener {
    /// Keeps at most `max_waiting` unread messages of at most `max_bytes` each; further and longer ones are dropped.
    pub(super) fn channel(
        max_waiting: usize,
        max_bytes: usize,
    ) -> (Listener, mpsc::Receiver<Arc<str>>) {
        let (heard, receiver) = mpsc::channel(max_waiting);
        (Listener { heard, max_bytes }, receiver)
    }

    /// Passes on what the server pushed, if it is a message.
    pub(super) fn on_push(&self, push: &PushInfo) {
        let [_, Value::BulkString(message)] = push.data.as_slice() else { return };
        if push.kind == PushKind::Message
            && message.len() <= self.max_bytes
            && let Ok(message) = std::str::from_utf8(message)
        {
            // A receiver with this many unread has enough to do.
            let _ = self.heard.try_send(message.into());
        }
    }
}
