//! Routes that ask the loop.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::oneshot;

use super::Api;
use super::answer::{Refusal, exact, masked};
use super::input::{Body, Names, Query};
use crate::control::wire::{BackfillBody, TriggerBody};
use crate::pausing;
use crate::service::Request;

/// A longer list is serialized on a separate thread, so that other clients do not wait.
const MANY: usize = 1000;

/// Returns the loop's reply.
async fn forward<T>(
    api: &Api,
    request: impl FnOnce(oneshot::Sender<T>) -> Request,
) -> Result<T, Refusal> {
    let (answer, answered) = oneshot::channel();
    api.service.send(request(answer)).await.map_err(|_| Refusal::stopping())?;
    answered.await.map_err(|_| Refusal::stopping())
}

pub(super) async fn status(State(api): State<Api>) -> Result<Response, Refusal> {
    Ok(masked(StatusCode::OK, &forward(&api, Request::Status).await?.with_troubles()))
}

pub(super) async fn entries(State(api): State<Api>) -> Result<Response, Refusal> {
    let _one = api.lists.acquire().await.map_err(|_| Refusal::stopping())?;
    let entries = forward(&api, Request::List).await?;
    if entries.len() <= MANY {
        return Ok(masked(StatusCode::OK, &entries));
    }
    let laid_out = tokio::task::spawn_blocking(move || masked(StatusCode::OK, &entries)).await;
    laid_out.map_err(|_| Refusal::stopping())
}

pub(super) async fn entry(
    State(api): State<Api>,
    Names(entry): Names<String>,
) -> Result<Response, Refusal> {
    let detail = forward(&api, |answer| Request::Entry(entry, answer)).await?;
    Ok(masked(StatusCode::OK, &detail?))
}

pub(super) async fn reload(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = Query::read(query.as_deref(), &["wait"])?;
    let waits = query.or("wait", false, |text| match text {
        "true" | "" => Ok(true),
        "false" => Ok(false),
        _ => Err(Refusal::invalid("`wait` is `true` or `false`")),
    })?;
    if waits {
        let difference = forward(&api, Request::Reload).await?.map_err(Refusal::invalid)?;
        return Ok(masked(StatusCode::OK, &difference));
    }
    let asked = api.service.send(Request::Reload(oneshot::channel().0)).await;
    asked.map_err(|_| Refusal::stopping())?;
    Ok(masked(
        StatusCode::ACCEPTED,
        &"reload asked for; `status` tells how it went, and `reload --wait` waits for that",
    ))
}

pub(super) async fn resign(State(api): State<Api>) -> Result<Response, Refusal> {
    let resigned = forward(&api, Request::Resign).await?;
    resigned.map_err(|why| Refusal::new(StatusCode::CONFLICT, why))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn trigger(
    State(api): State<Api>,
    Names(entry): Names<String>,
    Body(body): Body<TriggerBody>,
) -> Result<Response, Refusal> {
    let trigger = Box::new(body.for_entry(entry));
    let triggered = forward(&api, |answer| Request::Trigger(trigger, answer)).await?;
    Ok(exact(&triggered?))
}

pub(super) async fn backfill(
    State(api): State<Api>,
    Names(entry): Names<String>,
    Body(body): Body<BackfillBody>,
) -> Result<Response, Refusal> {
    let backfill = Box::new(body.for_entry(entry));
    let backfilled = forward(&api, |answer| Request::Backfill(backfill, answer)).await?;
    Ok(exact(&backfilled?))
}

pub(super) async fn pause(
    State(api): State<Api>,
    Body(asked): Body<pausing::Request>,
) -> Result<Response, Refusal> {
    let answered = forward(&api, |answer| Request::Pause(Box::new(asked), answer)).await?;
    Ok(masked(StatusCode::OK, &answered?))
}

pub(super) async fn resume(
    State(api): State<Api>,
    Body(asked): Body<pausing::Request>,
) -> Result<Response, Refusal> {
    if asked.note.is_some() || asked.until.is_some() {
        return Err(Refusal::invalid("resuming takes neither `note` nor `until`"));
    }
    let asked = Box::new(pausing::Request { resume: true, ..asked });
    let answered = forward(&api, |answer| Request::Pause(asked, answer)).await?;
    Ok(masked(StatusCode::OK, &answered?))
}
