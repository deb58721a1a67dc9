//! What a request holds, read within bounds and into parts.

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use tokio::time;

use super::answer::Refusal;
use crate::control::body::{self, ReadError};
use crate::control::server::READ_TIMEOUT;
use crate::control::wire::MAX_REQUEST;

/// The names in a path, decoded.
pub(super) struct Names<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Names<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Names<T>, Refusal> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(names)) => Ok(Names(names)),
            Err(error) => Err(Refusal::new(error.status(), error.body_text())),
        }
    }
}

/// A body of JSON; one that is empty stands for `{}`.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Body<T>, Refusal> {
        let reading = body::read(request.into_body(), MAX_REQUEST);
        let Ok(read) = time::timeout(READ_TIMEOUT, reading).await else {
            let limit = READ_TIMEOUT.as_secs();
            let message = format!("the body did not arrive within {limit} s");
            return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, message));
        };
        let bytes = read.map_err(|error| match error {
            ReadError::TooLarge => Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body is longer than {MAX_REQUEST} bytes"),
            ),
            ReadError::Broken(error) => Refusal::new(StatusCode::BAD_REQUEST, error),
        })?;
        let json = if bytes.is_empty() { b"{}" } else { &bytes[..] };
        serde_json::from_slice(json).map(Body).map_err(|error| {
            if error.is_data() {
                Refusal::invalid(format!("the body does not fit: {error}"))
            } else {
                Refusal::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}"))
            }
        })
    }
}

/// The value of the one parameter that a query may have.
pub(super) struct Query(Option<String>);

impl Query {
    /// Reads a query, in which nothing but `name` may stand, once.
    pub(super) fn read(query: Option<&str>, name: &str) -> Result<Query, Refusal> {
        let query = query.unwrap_or_default();
        if query.is_empty() {
            return Ok(Query(None));
        }
        let value = match query.split_once('=') {
            Some((found, value)) if found == name && !value.contains('&') => value,
            None if query == name => "",
            _ => return Err(Refusal::invalid(format!("the query takes `{name}` only, and once"))),
        };
        let value = percent_decode_str(value).decode_utf8();
        let value = value.map_err(|_| Refusal::invalid(format!("`{name}` is not UTF-8")))?;
        Ok(Query(Some(value.into_owned())))
    }

    /// The value as `read` makes it of the text, or `usual`.
    pub(super) fn or<T>(
        self,
        usual: T,
        read: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.0.map_or(Ok(usual), |text| read(&text))
    }
}
