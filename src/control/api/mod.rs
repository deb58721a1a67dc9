//! The routes under `/v1`: some ask the loop, others the brokers.
//!
//! Routes that only read are separate from those that act, so that a public listener can serve just the
//! former.

mod answer;
mod brokers;
mod input;
mod service;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::map_response_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use tokio::sync::{Semaphore, mpsc};

pub(crate) use self::answer::Refusal;
use super::Backend;
use super::wire::headers_of;
use crate::service::Request;

/// A list of all routes, for exploring.
pub(crate) const RESOURCES: &str = "\
GET /v1/status
GET /v1/leader
GET /v1/entries
GET /v1/entries/NAME
GET /v1/history?entry=NAME&from=TIME&to=TIME&count=50
GET /v1/queues/NAME/messages?count=10
GET /v1/queues/NAME/tasks/ID?within=1s
POST /v1/workers/inspect {\"queues\": [NAME, …], \"timeout\": \"1s\"}
POST /v1/entries/NAME/trigger {\"slot\", \"args\", \"kwargs\", \"queue\", \"id\", \"by\", \"dry_run\", \"wants_result\"}
POST /v1/entries/NAME/backfill {\"from\", \"to\", \"queue\", \"run\", \"by\", \"again\", \"ended\", \"dry_run\"}
POST /v1/pause {\"entries\": [NAME, …], \"tags\": [TAG, …], \"all\", \"note\", \"until\", \"by\"}
POST /v1/resume {\"entries\": [NAME, …], \"tags\": [TAG, …], \"all\", \"by\"}
POST /v1/reload?wait=true
POST /v1/resign
";

/// Maximum number of concurrent questions to brokers, each on its own thread.
const MAX_LOOKS: usize = 16;

/// The state of the routes: whom they ask.
#[derive(Clone)]
pub struct Api {
    service: mpsc::Sender<Request>,
    backend: Backend,
    looks: Arc<Semaphore>,
    /// Limits lists to one at a time: a list of a million entries takes memory.
    lists: Arc<Semaphore>,
}

impl Api {
    /// Asks the loop that receives from `service`, and the brokers through `backend`.
    #[must_use]
    pub fn new(service: mpsc::Sender<Request>, backend: Backend) -> Api {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Api { service, backend, looks: semaphore(MAX_LOOKS), lists: semaphore(1) }
    }

    /// The channel to the loop.
    pub(crate) fn service(&self) -> &mpsc::Sender<Request> {
        &self.service
    }

    /// Adds headers to every response that identify the service.
    pub(crate) fn sign(&self, routes: Router) -> Router {
        let headers = Arc::new(headers_of(&self.backend.identity));
        routes.layer(map_response_with_state(headers, sign))
    }
}

async fn sign(State(headers): State<Arc<HeaderMap>>, mut answer: Response) -> Response {
    answer.headers_mut().extend(HeaderMap::clone(&headers));
    answer
}

/// Routes that only read.
pub(crate) fn reading(api: Api) -> Router {
    Router::new()
        .route("/v1/status", get(service::status))
        .route("/v1/leader", get(brokers::leader))
        .route("/v1/entries", get(service::entries))
        .route("/v1/entries/{entry}", get(service::entry))
        .route("/v1/history", get(brokers::history))
        .route("/v1/queues/{queue}/messages", get(brokers::messages))
        .route("/v1/queues/{queue}/tasks/{task_id}", get(brokers::outcome))
        .with_state(api)
}

/// Routes that act.
pub(crate) fn acting(api: Api) -> Router {
    Router::new()
        .route("/v1/entries/{entry}/trigger", post(service::trigger))
        .route("/v1/entries/{entry}/backfill", post(service::backfill))
        .route("/v1/pause", post(service::pause))
        .route("/v1/resume", post(service::resume))
        .route("/v1/workers/inspect", post(brokers::workers))
        .route("/v1/reload", post(service::reload))
        .route("/v1/resign", post(service::resign))
        .with_state(api)
}

/// The path does not exist.
pub(crate) async fn not_found() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "nothing is at this path; `GET /` lists all paths")
}

/// The path exists, but not with this method.
pub(crate) async fn method_not_allowed() -> Refusal {
    let message = "this path takes other methods; the header `allow` names them";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, message)
}

#[cfg(test)]
mod tests;
