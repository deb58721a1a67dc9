//! JSON responses.
//!
//! Hidden characters are escaped, as a response may be read on a terminal; this does not change the
//! JSON. Passwords are hidden, except in messages, which are shown exactly.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use crate::control::wire::ErrorBody;
use crate::control::{LookError, LookErrorKind};
use crate::escape::escape_lines;
use crate::mask::mask;
use crate::refused::Refused;

/// A response without changes.
pub(super) fn exact(value: &impl Serialize) -> Response {
    answer(StatusCode::OK, value, |json| json)
}

/// A response with passwords hidden.
pub(super) fn masked(status: StatusCode, value: &impl Serialize) -> Response {
    answer(status, value, |json| mask(&json).into_owned())
}

fn answer(status: StatusCode, value: &impl Serialize, shown: fn(String) -> String) -> Response {
    match serde_json::to_string(value) {
        Ok(json) => {
            let json = shown(escape_lines(&json).into_owned()) + "\n";
            (status, [(CONTENT_TYPE, "application/json")], json).into_response()
        }
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("no JSON: {error}\n")).into_response()
        }
    }
}

/// An error response.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    body: ErrorBody,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl ToString) -> Refusal {
        Refusal { status, body: ErrorBody { error: message.to_string(), detail: None } }
    }

    /// The loop accepts no more requests.
    pub(crate) fn stopping() -> Refusal {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the service is stopping")
    }

    pub(super) fn invalid(message: impl ToString) -> Refusal {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    fn with(mut self, detail: Value) -> Refusal {
        self.body.detail = Some(detail);
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let ErrorBody { error, detail } = self.body;
        // Masks each text separately: within JSON, a line of its own looks like part of a word.
        let body = ErrorBody { error: mask(&error).into_owned(), detail: detail.map(hide) };
        answer(self.status, &body, |json| json)
    }
}

/// Hides passwords in the texts of a value.
fn hide(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(mask(&text).into_owned()),
        Value::Array(values) => values.into_iter().map(hide).collect(),
        Value::Object(pairs) => {
            pairs.into_iter().map(|(name, value)| (mask(&name).into_owned(), hide(value))).collect()
        }
        value @ (Value::Null | Value::Bool(_) | Value::Number(_)) => value,
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Refusal {
        let status = match &refused {
            Refused::NoSuchEntry { .. } | Refused::NoSuchTag { .. } => StatusCode::NOT_FOUND,
            Refused::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refused::Unfinished { .. } | Refused::Used { .. } | Refused::Shadow => {
                StatusCode::CONFLICT
            }
            Refused::NotSent(_)
            | Refused::Unreachable(_)
            | Refused::NotChanged(_)
            | Refused::ChangeUnreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
            // Not 503, which invites a retry.
            Refused::Uncertain { .. } | Refused::ChangeUncertain(_) => StatusCode::BAD_GATEWAY,
        };
        let detail = serde_json::to_value(&refused).unwrap_or(Value::Null);
        let way_out = match &refused {
            Refused::Unfinished { .. } => {
                "; name that run as `run` to go on with it, or set `again` to send them again"
            }
            Refused::Used { .. } => "; leave the id out, or choose another",
            _ => "",
        };
        Refusal::new(status, format!("{refused}{way_out}")).with(detail)
    }
}

impl From<LookError> for Refusal {
    fn from(error: LookError) -> Refusal {
        let LookError { kind, message, detail } = error;
        let status = match kind {
            LookErrorKind::Conflict => StatusCode::CONFLICT,
            LookErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            LookErrorKind::Broker => StatusCode::BAD_GATEWAY,
            LookErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Refusal::new(status, message).with(detail)
    }
}
