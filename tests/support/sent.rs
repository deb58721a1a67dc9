//! A Celery message from a queue, decoded for assertions.

use base64::Engine as _;
use downbeat_time::UnixMs;
use serde_json::Value;

/// One message of a queue.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    /// Task id.
    pub(crate) id: String,
    /// Registered name of the task.
    pub(crate) task: String,
    /// Header `downbeat_entry`.
    pub(crate) entry: String,
    /// Header `downbeat_slot` as written.
    pub(crate) slot: String,
    /// Header `downbeat_kind`.
    pub(crate) kind: String,
    /// Positional arguments.
    pub(crate) args: Value,
    /// Keyword arguments.
    pub(crate) kwargs: Value,
    /// All headers.
    pub(crate) headers: Value,
    /// All properties.
    pub(crate) properties: Value,
}

impl Sent {
    /// Panics if `envelope` is not one of ours.
    pub(crate) fn decode(envelope: &[u8]) -> Sent {
        let envelope: Value = serde_json::from_slice(envelope).unwrap();
        let body = envelope["body"].as_str().unwrap();
        let body = base64::prelude::BASE64_STANDARD.decode(body).unwrap();
        let [args, kwargs, _embed]: [Value; 3] = serde_json::from_slice(&body).unwrap();
        let headers = envelope["headers"].clone();
        let header = |name: &str| {
            let value = headers[name].as_str();
            value.unwrap_or_else(|| panic!("no header {name}: {headers}")).to_owned()
        };
        Sent {
            id: header("id"),
            task: header("task"),
            entry: header("downbeat_entry"),
            slot: header("downbeat_slot"),
            kind: header("downbeat_kind"),
            args,
            kwargs,
            properties: envelope["properties"].clone(),
            headers,
        }
    }

    /// The slot as an instant.
    pub(crate) fn slot_ms(&self) -> i64 {
        instant(&self.slot).0
    }
}

/// Parses an RFC 3339 instant.
pub(crate) fn instant(text: &str) -> UnixMs {
    text.parse::<jiff::Timestamp>().unwrap_or_else(|error| panic!("{text}: {error}")).into()
}
