//! Serves health, status and metrics over HTTP: `/livez`, `/readyz`, `/leaderz`, `/status`, `/metrics`.
//! `routes` lists what is served here and on the control socket.
//!
//! It has its own thread and reads what the loop publishes at each iteration, so that no client can
//! delay a slot: the loop neither waits for this thread nor receives requests from it. Connections are
//! bounded in number, duration and size, so that silent clients use up nothing either.
//!
//! A loopback address only answers requests for this machine. Otherwise a page in a user's browser
//! whose own name resolves to 127.0.0.1 ("DNS rebinding") could read everything.

mod host;
mod metrics;
mod probes;
mod routes;

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tracing::warn;

pub use self::probes::LIVE_WITHIN;
pub use self::routes::on_socket;
use crate::service::View;

/// Maximum number of open connections; another one replaces the oldest.
const MAX_CONNECTIONS: usize = 64;
/// How long a client may take to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum duration of a connection, which is for one request.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum bytes of a request's head.
const MAX_HEAD: usize = 16 << 10;

/// A bound address, not yet serving.
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
    /// Listens at the address; port 0 means any free one.
    ///
    /// # Errors
    /// If the address is in use, not on this machine, or not permitted.
    pub fn bind(address: SocketAddr) -> io::Result<Server> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Server { listener, runtime })
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// If the operating system does not report it.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Starts to serve what `view` shows, on a separate thread.
    ///
    /// # Errors
    /// If no thread can be started, or the operating system does not report the address.
    pub fn serve(self, view: View) -> io::Result<Serving> {
        let (stop, stopped) = oneshot::channel::<()>();
        let address = self.address()?;
        let Server { listener, runtime } = self;
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    Err(error) = accept(listener, routes(view, address)) => {
                        warn!(%error, "failed to serve health and metrics");
                    }
                    _ = stopped => {}
                }
            });
        };
        std::thread::Builder::new().name("http".to_owned()).spawn(serve)?;
        Ok(Serving(stop))
    }
}

/// Accepts connections forever.
async fn accept(listener: TcpListener, routes: Router) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut open: VecDeque<AbortHandle> = VecDeque::with_capacity(MAX_CONNECTIONS);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if open.len() == MAX_CONNECTIONS
                    && let Some(oldest) = open.pop_front()
                {
                    oldest.abort();
                }
                open.push_back(tokio::spawn(converse(stream, routes.clone())).abort_handle());
                // Pending requests are answered before new connections can replace theirs.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                warn!(%error, "failed to accept a connection for health and metrics");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Serves one request and response. Errors concern only the client.
async fn converse(stream: TcpStream, routes: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
}

/// The routes of the address.
fn routes(view: View, address: SocketAddr) -> Router {
    let routes = routes::on_tcp(view);
    match host::Allowed::on(address) {
        Some(allowed) => routes.layer(from_fn_with_state(allowed, host::check)),
        None => routes,
    }
}
