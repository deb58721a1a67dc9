//! Health, status and metrics over HTTP: `/livez`, `/readyz`, `/leaderz`, `/status`, `/metrics`.
//!
//! It has a thread of its own and reads what the loop leaves behind at each turn, so that nothing a
//! client does can delay a slot: the loop neither waits for it nor is asked by it. Connections are
//! bounded in number, time and size, so that clients who say nothing use up nothing either.
//!
//! On a loopback address only requests for this machine are answered: a page in somebody's browser
//! whose own name is made to resolve to 127.0.0.1 ("DNS rebinding") would read everything else.

mod host;
mod metrics;

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tracing::warn;

use crate::escape::escape_lines;
use crate::mask::mask;
use crate::service::View;
use crate::service::status::Status;

/// Open at once; the next one takes the place of the oldest.
const MOST_CONNECTIONS: usize = 64;
/// A client has so long to ask.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// A connection lasts no longer: it is for one question.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const LONGEST_HEAD: usize = 16 << 10;
/// A loop that was silent for longer hangs: idle it turns twice in this time, and no call that it
/// makes is given longer than 5 s.
pub const LIVE_WITHIN: Duration = Duration::from_secs(60);

/// An address that is listened on, and answers once it serves.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    runtime: Runtime,
}

/// Stops serving when dropped.
#[derive(Debug)]
pub struct Serving(
    #[expect(dead_code, reason = "told to stop by being dropped")] oneshot::Sender<()>,
);

impl Server {
    /// Listens from here on; port 0 stands for any that is free.
    ///
    /// # Errors
    /// When the address is in use, not of this machine, or not allowed.
    pub fn bind(address: SocketAddr) -> io::Result<Server> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Server { listener, runtime })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers from now on what `view` shows, on a thread of its own.
    ///
    /// # Errors
    /// When there can be no more threads, or the operating system does not say where it listens.
    pub fn serve(self, view: View) -> io::Result<Serving> {
        let (stop, stopped) = oneshot::channel::<()>();
        let address = self.address()?;
        let Server { listener, runtime } = self;
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    Err(error) = accept(listener, routes(view, address)) => {
                        warn!(%error, "health and metrics are not served");
                    }
                    _ = stopped => {}
                }
            });
        };
        std::thread::Builder::new().name("http".to_owned()).spawn(serve)?;
        Ok(Serving(stop))
    }
}

/// Takes connections for ever.
async fn accept(listener: TcpListener, routes: Router) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut open: VecDeque<AbortHandle> = VecDeque::with_capacity(MOST_CONNECTIONS);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if open.len() == MOST_CONNECTIONS
                    && let Some(oldest) = open.pop_front()
                {
                    oldest.abort();
                }
                open.push_back(tokio::spawn(converse(stream, routes.clone())).abort_handle());
                // Who has asked already is answered before others can take its place.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                warn!(%error, "could not accept a connection for health and metrics");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// One question, one answer. What goes wrong is the client's business.
async fn converse(stream: TcpStream, routes: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ASK_WITHIN)
        .max_buf_size(LONGEST_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let _ = tokio::time::timeout(ANSWER_WITHIN, connection).await;
}

fn routes(view: View, address: SocketAddr) -> Router {
    let routes = Router::new()
        .route("/", get(index))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/leaderz", get(leaderz))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(view));
    match host::Allowed::on(address) {
        Some(allowed) => routes.layer(from_fn_with_state(allowed, host::check)),
        None => routes,
    }
}

async fn index() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("downbeat {version}\n\n/livez\n/readyz\n/leaderz\n/status\n/metrics\n")
}

/// Whether the loop turns.
async fn livez(State(view): State<Arc<View>>) -> Response {
    liveness(view.heartbeat.age()).into_response()
}

fn liveness(age: Duration) -> (StatusCode, String) {
    let text = format!("the loop turned {:.1} s ago\n", age.as_secs_f64());
    if age <= LIVE_WITHIN {
        return (StatusCode::OK, text);
    }
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

/// Whether a schedule is loaded, in whatever role; nothing is served before.
async fn readyz(State(view): State<Arc<View>>) -> Response {
    let entries = view.status().schedule.map(|schedule| schedule.entries);
    match entries {
        Some(entries) => format!("{entries} entries are loaded\n").into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "no schedule is loaded\n").into_response(),
    }
}

async fn leaderz(State(view): State<Arc<View>>) -> Response {
    let status = view.status();
    let code = if status.leads() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, status.role.unwrap_or_default() + "\n").into_response()
}

/// The JSON of `downbeat status --json`.
async fn status(State(view): State<Arc<View>>) -> Response {
    match serde_json::to_string_pretty(&view.status()) {
        Ok(json) => (typed("application/json"), mask(&escape_lines(&json)).into_owned() + "\n")
            .into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn metrics(State(view): State<Arc<View>>) -> Response {
    let status: Status = view.status();
    match metrics::text(&status) {
        Ok(text) => (typed(prometheus::TEXT_FORMAT), text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
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
        assert_eq!(liveness(Duration::from_millis(61_040)).1, "the loop turned 61.0 s ago\n");
    }
}
