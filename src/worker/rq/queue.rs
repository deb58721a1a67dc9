//! How the workers of an RQ queue are configured.

/// The settings of a queue of RQ workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RqQueue {
    /// The serializer that the workers are configured with.
    pub serializer: Serializer,
}

/// How Python values become bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serializer {
    /// Python's own pickles.
    #[default]
    Pickle,
    /// JSON.
    Json,
}
