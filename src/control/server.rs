//! Listens on the control socket.
//!
//! It has its own thread, so that reading requests and writing responses takes no time from the loop.
//! Connections are bounded in number, duration and size. Idle ones make way for new ones.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time;
use tracing::warn;

use super::wire::MAX_HEAD;
use super::{runtime_dir, socket_path};

/// Maximum number of open connections; another one replaces the oldest idle one.
const MAX_CONNECTIONS: usize = 32;
/// How long a client may be silent before its connection is closed.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// The age at which a connection accepts no more requests.
const MAX_CONNECTION: Duration = Duration::from_secs(600);
/// How long an old connection may take to finish its response.
const MAX_TRANSFER: Duration = Duration::from_secs(60);
/// How long the last responses may take when the service stops.
const STOP_TIMEOUT: Duration = Duration::from_millis(500);

/// A socket file that is removed when dropped.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A bound socket that is removed when dropped.
#[derive(Debug)]
pub struct Server {
    socket: SocketFile,
    listener: UnixListener,
}

impl Server {
    /// Listens in the runtime directory, which it creates if needed. Only root and the service's own
    /// user may connect.
    ///
    /// # Errors
    /// If the directory cannot be used or is accessible to others, or another service answers on the
    /// socket.
    pub async fn bind(runtime_dir: &Path) -> io::Result<Server> {
        runtime_dir::prepare(runtime_dir)?;
        let path = socket_path(runtime_dir);
        match UnixStream::connect(&path).await.map_err(|error| (error.kind(), error)) {
            // Nobody listens: a socket there was left behind.
            Err((ErrorKind::NotFound | ErrorKind::ConnectionRefused, _)) => {}
            // The latter if its backlog is full.
            Ok(_) | Err((ErrorKind::WouldBlock, _)) => {
                let text = "another service listens there";
                return Err(io::Error::new(ErrorKind::AddrInUse, text));
            }
            Err((_, error)) => return Err(error),
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        let socket = SocketFile(path);
        std::fs::set_permissions(&socket.0, std::fs::Permissions::from_mode(0o600))?;
        Ok(Server { socket, listener })
    }

    /// Starts to serve on a separate thread.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn serve(self, routes: Router) -> io::Result<Serving> {
        let Server { socket, listener } = self;
        let listener = listener.into_std()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopping) = watch::channel(());
        let serve = move || {
            if let Err(error) = runtime.block_on(accept(listener, &routes, stopping)) {
                warn!(%error, "failed to serve the control socket");
            }
            // Does not wait for requests that still ask a broker.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("control".to_owned()).spawn(serve)?;
        Ok(Serving { socket: Some(socket), stop: Some(stop), thread: Some(thread) })
    }
}

/// Stops serving when dropped, after responding to open requests. It removes the socket first.
#[derive(Debug)]
pub struct Serving {
    socket: Option<SocketFile>,
    stop: Option<watch::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.socket.take());
        drop(self.stop.take());
        let ended = self.thread.take().map(thread::JoinHandle::join);
        if ended.is_some_and(|ended| ended.is_err()) {
            warn!("stopped with requests on the control socket unanswered");
        }
    }
}

/// An open connection, and whether a request on it awaits its response.
struct Open {
    is_asked: Arc<AtomicBool>,
    task: AbortHandle,
}

/// Accepts connections until told to stop.
async fn accept(
    listener: std::os::unix::net::UnixListener,
    routes: &Router,
    mut stopping: watch::Receiver<()>,
) -> io::Result<()> {
    let listener = UnixListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    let mut open: VecDeque<Open> = VecDeque::with_capacity(MAX_CONNECTIONS);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.changed() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                make_room(&mut open, &mut connections).await;
                let is_asked = Arc::new(AtomicBool::new(false));
                let conversation =
                    converse(stream, routes.clone(), stopping.clone(), Arc::clone(&is_asked));
                open.push_back(Open { is_asked, task: connections.spawn(conversation) });
                // Pending requests are answered before new connections can replace theirs.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                warn!(%error, "failed to accept a connection on the control socket");
                time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = time::timeout(STOP_TIMEOUT, all).await;
    Ok(())
}

/// Waits until there is room for another connection.
async fn make_room(open: &mut VecDeque<Open>, connections: &mut JoinSet<()>) {
    while connections.try_join_next().is_some() {}
    open.retain(|open| !open.task.is_finished());
    while open.len() >= MAX_CONNECTIONS {
        let idle = open.iter().position(|open| !open.is_asked.load(Ordering::Relaxed));
        match idle.and_then(|at| open.remove(at)) {
            Some(idle) => idle.task.abort(),
            None => {
                connections.join_next().await;
                open.retain(|open| !open.task.is_finished());
            }
        }
    }
}

/// Serves one connection. Errors concern only the client.
async fn converse(
    stream: UnixStream,
    routes: Router,
    mut stopping: watch::Receiver<()>,
    is_asked: Arc<AtomicBool>,
) {
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |request| {
        is_asked.store(true, Ordering::Relaxed);
        let (answer, is_asked) = (routes.call(request), Arc::clone(&is_asked));
        async move {
            let answer = answer.await;
            is_asked.store(false, Ordering::Relaxed);
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopping.changed() => {}
        () = time::sleep(MAX_CONNECTION) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = time::timeout(MAX_TRANSFER, connection).await;
}

#[cfg(test)]
pub(in crate::control) mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixSocket;
    use tokio::time::Instant;

    use super::*;

    fn own_folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        folder
    }

    #[tokio::test]
    async fn a_socket_is_taken_over_only_if_nobody_listens_on_it() {
        let folder = own_folder();
        let path = socket_path(folder.path());
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&path).unwrap();
        let listener = socket.listen(1).unwrap();
        let error = Server::bind(folder.path()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
        let mut waiting = Vec::new();
        let full = loop {
            match UnixStream::connect(&path).await {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
        let error = Server::bind(folder.path()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
        assert!(path.exists());
        drop(listener);
        assert!(path.exists());
        let server = Server::bind(folder.path()).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(server);
        assert!(!path.exists());
    }

    /// What `routes` respond to these bytes before the connection is closed, and after how long.
    pub(in crate::control) async fn answer_to(routes: Router, bytes: &[u8]) -> (String, Duration) {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let (_stop, stopping) = watch::channel(());
        let begun = Instant::now();
        tokio::spawn(converse(theirs, routes, stopping, Arc::default()));
        ours.write_all(bytes).await.unwrap();
        let mut said = String::new();
        ours.read_to_string(&mut said).await.unwrap();
        (said, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_disconnected() {
        let routes = || Router::new().route("/", get(async || "here"));
        for head in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: localhost\r\nx: "] {
            let (said, after) = answer_to(routes(), head.as_bytes()).await;
            assert_eq!(said, "", "{head}");
            assert!(after >= READ_TIMEOUT && after < READ_TIMEOUT * 2, "{head}: {after:?}");
        }
        let (said, after) = answer_to(routes(), b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        assert!(said.ends_with("\r\n\r\nhere"), "{said}");
        assert!(after >= READ_TIMEOUT && after < READ_TIMEOUT * 2, "{after:?}");
    }

    #[tokio::test]
    async fn open_requests_are_answered_before_it_stops() {
        let folder = own_folder();
        let path = socket_path(folder.path());
        let (asked_in, mut asked) = tokio::sync::mpsc::channel(1);
        let slow = get(async move || {
            asked_in.send(()).await.unwrap();
            time::sleep(Duration::from_millis(50)).await;
            "done"
        });
        let server = Server::bind(folder.path()).await.unwrap();
        let serving = server.serve(Router::new().route("/", slow)).unwrap();
        let mut stream = UnixStream::connect(&path).await.unwrap();
        let idle = UnixStream::connect(&path).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        asked.recv().await.unwrap();
        drop(serving);
        assert!(!path.exists());
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.ends_with("done"), "{said}");
        drop(idle);
    }

    #[tokio::test]
    async fn idle_connections_make_way_for_others_and_busy_ones_do_not() {
        let folder = own_folder();
        let path = socket_path(folder.path());
        let (open_in, open) = watch::channel(false);
        let (asked_in, mut asked) = tokio::sync::mpsc::channel(1);
        let slow = get(async move || {
            asked_in.send(()).await.unwrap();
            open.clone().wait_for(|open| *open).await.unwrap();
            "done"
        });
        let fast = get(async || "here");
        let server = Server::bind(folder.path()).await.unwrap();
        let routes = Router::new().route("/slow", slow).route("/", fast);
        let serving = server.serve(routes).unwrap();
        let mut busy = UnixStream::connect(&path).await.unwrap();
        busy.write_all(b"GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        asked.recv().await.unwrap();
        let mut idle = Vec::new();
        for _ in 0..MAX_CONNECTIONS * 2 {
            idle.push(UnixStream::connect(&path).await.unwrap());
        }
        let mut other = UnixStream::connect(&path).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        other.write_all(request).await.unwrap();
        let mut said = String::new();
        other.read_to_string(&mut said).await.unwrap();
        assert!(said.ends_with("here"), "{said}");
        // The oldest idle one was closed.
        let mut byte = [0];
        assert_eq!(idle[0].read(&mut byte).await.unwrap(), 0);
        open_in.send(true).unwrap();
        let mut answer = vec![0; 1 << 10];
        let length = busy.read(&mut answer).await.unwrap();
        assert!(answer[..length].ends_with(b"done"));
        drop(serving);
    }
}
