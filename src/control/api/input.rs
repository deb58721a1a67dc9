//! Extracts the parts of a request, within bounds.

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

/// The decoded names in a path.
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

/// A JSON body; an empty one counts as `{}`.
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

/// The parameters of a query, each at most once.
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Parses a query that may have only these parameters.
    pub(super) fn read(
        query: Option<&str>,
        names: &'static [&'static str],
    ) -> Result<Query, Refusal> {
        let mut read = Query(Vec::new());
        let parts = query.filter(|query| !query.is_empty());
        for part in parts.into_iter().flat_map(|query| query.split('&')) {
            let (found, value) = part.split_once('=').unwrap_or((part, ""));
            let name = names.iter().find(|name| **name == found && !read.has(name));
            let name = name.ok_or_else(|| Refusal::invalid(takes(names)))?;
            let value = percent_decode_str(value).decode_utf8();
            let value = value.map_err(|_| Refusal::invalid(format!("`{name}` is not UTF-8")))?;
            read.0.push((name, value.into_owned()));
        }
        Ok(read)
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| *found == name)
    }

    /// The value of a parameter, if present.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter as `read` parses it, or `default`.
    pub(super) fn or<T>(
        &self,
        name: &str,
        default: T,
        read: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.get(name).map_or(Ok(default), read)
    }
}

fn takes(names: &[&str]) -> String {
    match names {
        [name] => format!("the query takes `{name}` only, and once"),
        names => format!("the query takes `{}`, each once", names.join("`, `")),
    }
}
