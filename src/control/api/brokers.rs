//! Routes that ask the brokers, without the loop.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::Api;
use super::answer::{Refusal, exact};
use super::input::{Body, Names, Query};
use crate::control::Question;
use crate::control::wire::WorkersBody;
use crate::service::history::{self, HistoryRequest};
use crate::text::duration;

/// Maximum and default number of messages shown.
const MAX_MESSAGES: usize = 1000;
const DEFAULT_MESSAGES: usize = 10;
/// Maximum timeout; slower workers are of no use.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// Asks on a separate thread, so that nobody else waits.
async fn look(api: &Api, question: Question) -> Result<Response, Refusal> {
    let looks = Arc::clone(&api.looks);
    let permit = looks.acquire_owned().await.map_err(|_| Refusal::stopping())?;
    let look = Arc::clone(&api.backend.look);
    // The permit lasts as long as the thread, even if the client is gone.
    let looking = spawn_blocking(move || {
        let seen = look(question);
        drop(permit);
        seen
    });
    let seen: Value = looking.await.map_err(|_| Refusal::stopping())??;
    Ok(exact(&seen))
}

pub(super) async fn leader(State(api): State<Api>) -> Result<Response, Refusal> {
    look(&api, Question::Leader).await
}

pub(super) async fn messages(
    State(api): State<Api>,
    Names(queue): Names<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = Query::read(query.as_deref(), &["count"])?;
    let count = query.or("count", DEFAULT_MESSAGES, |text| number("count", text, MAX_MESSAGES))?;
    look(&api, Question::Peek { queue, count }).await
}

pub(super) async fn history(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = Query::read(query.as_deref(), &["entry", "from", "to", "count"])?;
    let text = |name| query.get(name).map(str::to_owned);
    let count = |text: &str| number("count", text, history::MAX_COUNT);
    let count = query.or("count", history::DEFAULT_COUNT, count)?;
    let asked = HistoryRequest { entry: text("entry"), from: text("from"), to: text("to"), count };
    look(&api, Question::History(asked)).await
}

fn number(name: &str, text: &str, max: usize) -> Result<usize, Refusal> {
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    let message = || format!("`{name}` is a number from 1 to {max}");
    number.ok_or_else(|| Refusal::invalid(message()))
}

pub(super) async fn outcome(
    State(api): State<Api>,
    Names((queue, task_id)): Names<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = Query::read(query.as_deref(), &["within"])?;
    let within = query.or("within", Duration::ZERO, |text| length("within", text))?;
    look(&api, Question::Outcome { queue, task_id, within }).await
}

pub(super) async fn workers(
    State(api): State<Api>,
    Body(WorkersBody { queues, timeout }): Body<WorkersBody>,
) -> Result<Response, Refusal> {
    let timeout = length("timeout", &timeout)?;
    if timeout > MAX_TIMEOUT {
        return Err(Refusal::invalid("`timeout` is at most 1m"));
    }
    look(&api, Question::Workers { queues, timeout }).await
}

fn length(name: &str, text: &str) -> Result<Duration, Refusal> {
    let invalid = |error: duration::DurationError| format!("`{name}`: {error}; {}", error.hint());
    duration::parse(text).map_err(|error| Refusal::invalid(invalid(error)))
}
