//! Why a setting's value is refused.

use crate::address::AddressError;
use crate::text::duration::{DurationError, DurationProblem};
use crate::tls::PinError;

/// What is wrong with a value, and what to write instead. Neither quotes the value, which may be a
/// misplaced password.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) hint: String,
}

impl Refusal {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal { message: message.into(), hint: hint.into() }
    }
}

impl From<AddressError> for Refusal {
    fn from(error: AddressError) -> Refusal {
        Refusal::new(error.to_string(), error.hint())
    }
}

impl From<PinError> for Refusal {
    fn from(error: PinError) -> Refusal {
        Refusal::new(error.to_string(), error.hint())
    }
}

/// The error's own text and hint quote the value.
impl From<DurationError> for Refusal {
    fn from(error: DurationError) -> Refusal {
        let message = match error.problem {
            DurationProblem::NoUnit(_) => "a duration without a unit".to_owned(),
            DurationProblem::UnknownUnit(_) => "an unknown unit in a duration".to_owned(),
            DurationProblem::NotOne(_) => "this is not a duration".to_owned(),
            DurationProblem::Fraction | DurationProblem::Order | DurationProblem::TooLong => {
                error.problem.to_string()
            }
        };
        Refusal::new(message, "write it like `90s`, `5m`, `1h30m`, `2d`, `1w` or `500ms`")
    }
}
