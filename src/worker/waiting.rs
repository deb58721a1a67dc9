//! A message that waits for a worker, as far as it can be read.

use downbeat_time::UnixMs;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::decode::instant;

/// One message, as far as it could be read; `None` for what it does not say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// The id that its worker uses.
    pub task_id: Option<String>,
    /// The task to run.
    pub task: Option<String>,
    /// A list, unless its producer used something else.
    pub args: Option<Value>,
    /// A mapping, unless its producer used something else.
    pub kwargs: Option<Value>,
    /// The producer's description of the call, if the arguments cannot be read.
    pub call: Option<String>,
    /// Why the arguments cannot be read.
    pub unread: Option<String>,
    /// The entry that it was sent for, if a scheduler sent it.
    pub entry: Option<String>,
    /// The slot that it was sent for.
    pub slot: Option<UnixMs>,
    /// Why downbeat sent it: the words of `downbeat_kind`.
    pub kind: Option<String>,
    /// When it was sent, if the message says so.
    pub sent_at: Option<UnixMs>,
    /// Workers hold it back until then.
    pub not_before: Option<UnixMs>,
    /// Workers drop it after that.
    pub expires_at: Option<UnixMs>,
    /// How urgent it is; what the number means depends on the kind.
    pub priority: Option<i64>,
    /// Everything else that the message carries, unchanged.
    pub headers: Map<String, Value>,
}

impl Waiting {
    /// A message with these `headers`; reads the ones that downbeat writes.
    pub(super) fn with_headers(headers: Map<String, Value>) -> Waiting {
        let text = |name: &str| headers.get(name).and_then(Value::as_str);
        Waiting {
            entry: text("downbeat_entry").map(str::to_owned),
            slot: text("downbeat_slot").and_then(instant),
            kind: text("downbeat_kind").map(str::to_owned),
            headers,
            ..Waiting::default()
        }
    }
}
