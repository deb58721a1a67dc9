//! Encodes commands as HTTP requests.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Method, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde::Serialize;

use super::wire::{BackfillBody, MAX_REQUEST, TriggerBody, WorkersBody};
use super::{Command, Question};
use crate::service::history::HistoryRequest;
use crate::text::duration;

/// Characters to encode in a path segment: RFC 3986, section 2.3.
const SEGMENT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Why a command cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    /// It has a value without a JSON form.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A name is too long for a path.
    #[error(transparent)]
    Path(#[from] axum::http::Error),
    /// The service would refuse its size.
    #[error("the request has {0} bytes, and at most {MAX_REQUEST} are allowed")]
    TooLarge(usize),
}

impl Command {
    /// The HTTP request for this command.
    pub(super) fn request(&self) -> Result<Request<Body>, RequestError> {
        let get = |path: String| build(Method::GET, path, Vec::new());
        match self {
            Command::Status => get("/v1/status".to_owned()),
            Command::List => get("/v1/entries".to_owned()),
            Command::Entry(name) => get(format!("/v1/entries/{}", segment(name))),
            Command::Reload { wait } => {
                build(Method::POST, format!("/v1/reload?wait={wait}"), Vec::new())
            }
            Command::Resign => build(Method::POST, "/v1/resign".to_owned(), Vec::new()),
            Command::Trigger(trigger) => {
                let path = format!("/v1/entries/{}/trigger", segment(&trigger.entry));
                post(path, &TriggerBody::from((**trigger).clone()))
            }
            Command::Backfill(backfill) => {
                let path = format!("/v1/entries/{}/backfill", segment(&backfill.entry));
                post(path, &BackfillBody::from((**backfill).clone()))
            }
            Command::Pause(asked) if asked.resume => post("/v1/resume".to_owned(), asked),
            Command::Pause(asked) => post("/v1/pause".to_owned(), asked),
            Command::Look(Question::Peek { queue, count }) => {
                get(format!("/v1/queues/{}/messages?count={count}", segment(queue)))
            }
            Command::Look(Question::Workers { queues, timeout }) => {
                let timeout = duration::format(*timeout);
                let body = WorkersBody { queues: queues.clone(), timeout };
                post("/v1/workers/inspect".to_owned(), &body)
            }
            Command::Look(Question::Outcome { queue, task_id, within }) => {
                let (queue, task_id) = (segment(queue), segment(task_id));
                let within = within.as_millis();
                get(format!("/v1/queues/{queue}/tasks/{task_id}?within={within}ms"))
            }
            Command::Look(Question::History(HistoryRequest { entry, from, to, count })) => {
                let mut path = format!("/v1/history?count={count}");
                for (name, value) in [("entry", entry), ("from", from), ("to", to)] {
                    if let Some(value) = value {
                        path += &format!("&{name}={}", segment(value));
                    }
                }
                get(path)
            }
            Command::Look(Question::Leader) => get("/v1/leader".to_owned()),
        }
    }

    /// Maximum size of a response: `list` has up to a million entries, and `trigger` a message.
    pub(super) fn max_answer_bytes(&self) -> usize {
        match self {
            Command::List => 1 << 30,
            Command::Status
            | Command::Entry(_)
            | Command::Reload { .. }
            | Command::Resign
            | Command::Trigger(_)
            | Command::Backfill(_)
            | Command::Pause(_) => 64 << 20,
            // `peek` returns 8 MiB of messages, raw or decoded.
            Command::Look(_) => 128 << 20,
        }
    }
}

fn segment(name: &str) -> PercentEncode<'_> {
    utf8_percent_encode(name, &SEGMENT)
}

fn post(path: String, body: &impl Serialize) -> Result<Request<Body>, RequestError> {
    build(Method::POST, path, serde_json::to_vec(body)?)
}

fn build(method: Method, path: String, body: Vec<u8>) -> Result<Request<Body>, RequestError> {
    if body.len() > MAX_REQUEST {
        return Err(RequestError::TooLarge(body.len()));
    }
    let request = Request::builder().method(method).uri(path).header(HOST, "localhost");
    let request =
        if body.is_empty() { request } else { request.header(CONTENT_TYPE, "application/json") };
    Ok(request.body(Body::from(body))?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_request_too_large_for_the_service_is_not_sent() {
        for (length, fits) in [(MAX_REQUEST - 100, true), (MAX_REQUEST, false)] {
            let queues = vec!["q".repeat(length)];
            let command = Command::Look(Question::Workers { queues, timeout: Duration::ZERO });
            assert_eq!(command.request().is_ok(), fits);
        }
        let queue = "q".repeat(1 << 17);
        let command = Command::Look(Question::Peek { queue, count: 1 });
        assert!(matches!(command.request(), Err(RequestError::Path(_))));
    }
}
