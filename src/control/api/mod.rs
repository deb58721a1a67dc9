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
use axum::routing::{MethodRouter, get, post};
use tokio::sync::{Semaphore, mpsc};

pub(crate) use self::answer::Refusal;
use super::Backend;
use super::wire::headers_of;
use crate::service::Request;

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

/// A route: its line in the list of all routes, in which names are in capitals, and what answers.
type Route = (&'static str, MethodRouter<Api>);

/// Routes that only read.
fn reading_routes() -> Vec<Route> {
    vec![
        ("GET /v1/status", get(service::status)),
        ("GET /v1/leader", get(brokers::leader)),
        ("GET /v1/entries", get(service::entries)),
        ("GET /v1/entries/NAME", get(service::entry)),
        ("GET /v1/history?entry=NAME&from=TIME&to=TIME&count=50", get(brokers::history)),
        ("GET /v1/queues/NAME/messages?count=10", get(brokers::messages)),
        ("GET /v1/queues/NAME/tasks/ID?within=1s", get(brokers::outcome)),
    ]
}

/// Routes that act.
fn acting_routes() -> Vec<Route> {
    vec![
        (
            r#"POST /v1/workers/inspect {"queues": [NAME, …], "timeout": "1s"}"#,
            post(brokers::workers),
        ),
        (
            r#"POST /v1/entries/NAME/trigger {"slot", "args", "kwargs", "queue", "id", "by", "dry_run", "wants_result"}"#,
            post(service::trigger),
        ),
        (
            r#"POST /v1/entries/NAME/backfill {"from", "to", "queue", "run", "by", "again", "ended", "dry_run"}"#,
            post(service::backfill),
        ),
        (
            r#"POST /v1/pause {"entries": [NAME, …], "tags": [TAG, …], "all", "note", "until", "by"}"#,
            post(service::pause),
        ),
        (
            r#"POST /v1/resume {"entries": [NAME, …], "tags": [TAG, …], "all", "by"}"#,
            post(service::resume),
        ),
        ("POST /v1/reload?wait=true", post(service::reload)),
        ("POST /v1/resign", post(service::resign)),
    ]
}

/// A list of all routes, for exploring.
pub(crate) fn index() -> String {
    let routes = reading_routes().into_iter().chain(acting_routes());
    routes.map(|(line, _)| format!("{line}\n")).collect()
}

pub(crate) fn reading(api: Api) -> Router {
    router(reading_routes(), api)
}

pub(crate) fn acting(api: Api) -> Router {
    router(acting_routes(), api)
}

fn router(routes: Vec<Route>, api: Api) -> Router {
    let add = |router: Router<Api>, (line, answer): Route| router.route(&path(line), answer);
    routes.into_iter().fold(Router::new(), add).with_state(api)
}

/// The path of a line, as the router takes it: `/v1/entries/{NAME}`.
fn path(line: &str) -> String {
    let path = line.split([' ', '?']).nth(1).unwrap_or_default();
    path.replace("NAME", "{NAME}").replace("ID", "{ID}")
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
