//! Health, status and metrics over HTTP: `/livez`, `/readyz`, `/leaderz`, `/status`, `/metrics`. `routes`
//! says what is answered here, and what on the control socket.
//!
//! It has a thread of its own and reads what the loop leaves behind at each turn, so that nothing a
//! client does can delay a slot: the loop neither waits for it nor is asked by it. Connections are
//! bounded in number, time and size, so that clients who say nothing use up nothing either.
//!
//! On a loopback address only requests for this machine are answered: a page in somebody's browser
//! whose own name is made to resolve to 127.0.0.1 ("DNS rebinding") would read everything else.

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

/// Open at once; the next one takes the place of the oldest.
const MOST_CONNECTIONS: usize = 64;
/// A client has so long to ask.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// A connection lasts no longer: it is for one question.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const LONGEST_HEAD: usize = 16 << 10;

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

/// What is answered at the address.
fn routes(view: View, address: SocketAddr) -> Router {
    let routes = routes::on_tcp(view);
    match host::Allowed::on(address) {
        Some(allowed) => routes.layer(from_fn_with_state(allowed, host::check)),
        None => routes,
    }
}
