//! `/livez`, `/readyz`, `/leaderz`, `/status`, `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::{mpsc, oneshot};

use super::metrics;
use crate::clock::Now;
use crate::control::Refusal;
use crate::escape::escape_lines;
use crate::mask::mask;
use crate::service::heartbeat::Heartbeat;
use crate::service::status::Status;
use crate::service::{Request, View};

/// A loop that is silent for longer hangs: when idle, it iterates twice in this time, and none of its
/// calls may take longer than 5 s.
pub const LIVE_WITHIN: Duration = Duration::from_secs(60);

/// All paths, one per line.
pub(super) const PATHS: &str = "/livez\n/readyz\n/leaderz\n/status\n/metrics\n";

/// Where the state of the service comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// What the loop published at its last iteration.
    View(Arc<View>),
    /// The loop itself.
    Loop(Heartbeat, mpsc::Sender<Request>),
}

impl Source {
    /// How long ago the loop last made progress.
    fn age(&self) -> Duration {
        match self {
            Source::View(view) => view.heartbeat.age(),
            Source::Loop(heartbeat, _) => heartbeat.age(),
        }
    }

    async fn status(&self) -> Result<Status, Refusal> {
        match self {
            Source::View(view) => Ok(view.status(Now::read())),
            Source::Loop(_, service) => {
                let (answer, answered) = oneshot::channel();
                let asked = service.send(Request::Status(answer)).await;
                asked.map_err(|_| Refusal::stopping())?;
                answered.await.map_err(|_| Refusal::stopping())
            }
        }
    }
}

pub(super) fn routes(source: Source) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/leaderz", get(leaderz))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .with_state(source)
}

/// Whether the loop makes progress.
async fn livez(State(source): State<Source>) -> Response {
    liveness(source.age()).into_response()
}

fn liveness(age: Duration) -> (StatusCode, String) {
    let text = format!("the main loop last ran {:.1} s ago\n", age.as_secs_f64());
    if age <= LIVE_WITHIN {
        return (StatusCode::OK, text);
    }
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

/// Whether a schedule is loaded, in either role; nothing is served before that.
async fn readyz(State(source): State<Source>) -> Result<Response, Refusal> {
    let entries = source.status().await?.schedule.map(|schedule| schedule.entries);
    Ok(match entries {
        Some(entries) => format!("{entries} entries are loaded\n").into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "no schedule is loaded\n").into_response(),
    })
}

async fn leaderz(State(source): State<Source>) -> Result<Response, Refusal> {
    let status = source.status().await?;
    let code = if status.leads() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((code, status.role.unwrap_or_default() + "\n").into_response())
}

/// The JSON of `downbeat status --json`.
async fn status(State(source): State<Source>) -> Result<Response, Refusal> {
    Ok(match serde_json::to_string_pretty(&source.status().await?.with_troubles()) {
        Ok(json) => (typed("application/json"), mask(&escape_lines(&json)).into_owned() + "\n")
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    })
}

async fn metrics(State(source): State<Source>) -> Result<Response, Refusal> {
    Ok(match metrics::text(&source.status().await?) {
        Ok(text) => (typed(prometheus::TEXT_FORMAT), text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    })
}

fn typed(media_type: &'static str) -> [(HeaderName, &'static str); 1] {
    [(CONTENT_TYPE, media_type)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_was_silent_for_too_long_is_not_live() {
        let live = |age| liveness(age).0 == StatusCode::OK;
        assert!(live(Duration::ZERO) && live(LIVE_WITHIN));
        assert!(!live(LIVE_WITHIN + Duration::from_millis(1)));
        assert_eq!(
            liveness(Duration::from_millis(61_040)).1,
            "the main loop last ran 61.0 s ago\n"
        );
    }
}
