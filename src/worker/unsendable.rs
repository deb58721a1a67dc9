//! Why a message cannot be sent.

/// Why a message cannot be sent to its queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unsendable {
    /// The key of the entry that is wrong.
    pub field: &'static str,
    /// What is wrong.
    pub message: String,
}

impl Unsendable {
    pub(super) fn new(field: &'static str, message: impl Into<String>) -> Unsendable {
        Unsendable { field, message: message.into() }
    }
}
