//! How the workers of a Sidekiq queue are configured.

/// The settings of a queue of Sidekiq workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SidekiqQueue {
    /// The prefix of every key, followed by a colon; `None` means no prefix.
    pub namespace: Option<Box<str>>,
}
