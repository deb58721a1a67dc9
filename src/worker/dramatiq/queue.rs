//! How the workers of a Dramatiq queue are configured.

/// The settings of a queue of Dramatiq workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DramatiqQueue {
    /// The prefix of every key, followed by a colon.
    pub namespace: Box<str>,
}

impl Default for DramatiqQueue {
    fn default() -> DramatiqQueue {
        DramatiqQueue { namespace: "dramatiq".into() }
    }
}
