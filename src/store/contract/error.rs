//! Why a request failed.

/// Why a request to a store failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was done: the store cannot be reached.
    #[error("{0}")]
    Unavailable(String),
    /// Nothing was done: the store itself refused the request.
    #[error("{0}")]
    Refused(String),
    /// The request was sent but not answered: it may have been carried out.
    #[error("{0}")]
    Unanswered(String),
    /// The configuration is wrong, which no retry cures.
    #[error("{0}")]
    Unusable(String),
}

impl StoreError {
    /// Whether nothing was done, and a retry may succeed.
    #[must_use]
    pub fn is_undone(&self) -> bool {
        matches!(self, StoreError::Unavailable(_) | StoreError::Refused(_))
    }

    /// Whether the store itself refused; otherwise it is unreachable or silent.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, StoreError::Refused(_) | StoreError::Unusable(_))
    }
}
