//! Why no message was sent, or may not have been.

use super::Failure;
use crate::manual::Refused;

/// Why a command has sent nothing, or does not know.
pub(super) enum Unsent {
    /// The service or the broker refused.
    Refused(Refused),
    /// The request failed.
    Failed(Failure),
}

impl From<Refused> for Unsent {
    fn from(refused: Refused) -> Unsent {
        Unsent::Refused(refused)
    }
}

impl From<Failure> for Unsent {
    fn from(failure: Failure) -> Unsent {
        Unsent::Failed(failure)
    }
}
