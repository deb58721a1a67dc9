//! How the workers of a BullMQ queue are configured.

/// The settings of a queue of BullMQ workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BullmqQueue {
    /// The prefix of every key, followed by a colon.
    pub prefix: Box<str>,
}

impl Default for BullmqQueue {
    fn default() -> BullmqQueue {
        BullmqQueue { prefix: "bull".into() }
    }
}
