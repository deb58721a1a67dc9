//! The control socket: `status`, `list`, `reload`, `resign`, `trigger`, `backfill`, `peek`,
//! `check --workers` and `trigger --wait` ask the running service.
//!
//! One JSON line goes in, one JSON line comes back. The service itself asks its brokers, whose passwords
//! a command need not know: no secret goes over the socket, and every answer names the broker.

mod runtime_dir;

use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{self, Instant, timeout_at};
use tracing::warn;

pub use self::runtime_dir::Untrusted;
use crate::by_hand::{Backfill, Trigger};
use crate::config::Identity;
use crate::service::Request;

/// No command is longer.
const LONGEST_COMMAND: u64 = 1 << 20;
/// No answer takes longer from its first byte to its last.
const MAX_TRANSFER: Duration = Duration::from_secs(60);
/// A client that says nothing for so long is hung up on.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// What can be asked of a running service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Answers [`crate::service::status::Status`].
    Status,
    /// Answers a list of [`crate::service::status::EntryStatus`].
    List,
    /// Answers what changed, or the problems found; without `wait`, at once.
    Reload {
        /// Until the new schedule is live or refused.
        wait: bool,
    },
    /// Answers once the lease is given up, or why it is not.
    Resign,
    /// Answers [`crate::by_hand::Triggered`] or [`crate::by_hand::Refused`].
    Trigger(Box<Trigger>),
    /// Answers [`crate::by_hand::Backfilled`] or [`crate::by_hand::Refused`].
    Backfill(Box<Backfill>),
    /// Answers as the question says; answered outside the service loop.
    Look(Question),
}

/// What can be seen on the service's brokers, over connections of their own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Question {
    /// The first messages that wait in a queue.
    Peek {
        /// As entries name it.
        queue: String,
        /// At most so many.
        count: usize,
    },
    /// What live Celery workers have, of those that serve queues such as these.
    Workers {
        /// As entries name them.
        queues: Vec<String>,
        /// How long they may take to answer.
        timeout: Duration,
    },
    /// What became of a task; answered when it has come to an end, and in time in any case.
    Outcome {
        /// The queue that it was sent to.
        queue: String,
        /// Its id.
        task_id: String,
        /// How long to look for the end; at most a second.
        within: Duration,
    },
    /// The lease, if anybody holds it.
    Leader,
}

/// Answers questions on a thread that may wait.
pub type Look = dyn Fn(Question) -> Result<serde_json::Value, serde_json::Value> + Send + Sync;

/// What answers outside the service loop.
#[derive(Clone)]
pub struct Backend {
    /// Goes along with every answer.
    pub identity: Identity,
    /// Looks at the brokers.
    pub look: Arc<Look>,
}

impl Command {
    /// No answer is larger: `list` has up to a million entries, and `trigger` a message.
    fn max_answer_bytes(&self) -> u64 {
        match self {
            Command::List => 1 << 30,
            Command::Status
            | Command::Reload { .. }
            | Command::Resign
            | Command::Trigger(_)
            | Command::Backfill(_) => 64 << 20,
            // `peek` has 8 MiB of messages, raw or decoded.
            Command::Look(_) => 128 << 20,
        }
    }
}

/// What comes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ok(serde_json::Value),
    Error(serde_json::Value),
}

/// An answer, and whose.
#[derive(Debug, Serialize, Deserialize)]
struct Reply {
    #[serde(default)]
    service: Identity,
    #[serde(flatten)]
    answer: Answer,
}

/// Where the socket of a service with this runtime directory is.
#[must_use]
pub fn socket_path(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("control.sock")
}

/// A socket that is removed when dropped.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Server {
    /// Listens in the runtime directory, which is made if need be. Only root and the service's own
    /// user may connect.
    ///
    /// # Errors
    /// When the directory cannot be used or is not ours alone, or another service answers on the
    /// socket.
    pub async fn bind(runtime_dir: &Path) -> io::Result<Server> {
        runtime_dir::prepare(runtime_dir)?;
        let path = socket_path(runtime_dir);
        match UnixStream::connect(&path).await.map_err(|error| (error.kind(), error)) {
            // Nobody listens: what is there, if anything, was left behind.
            Err((ErrorKind::NotFound | ErrorKind::ConnectionRefused, _)) => {}
            // The latter when its backlog is full.
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
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Server { listener, path })
    }

    /// Serves on a task of its own until what is given back is dropped; the socket goes with it.
    #[must_use]
    pub fn spawn(self, service: mpsc::Sender<Request>, backend: Backend) -> Serving {
        Serving(tokio::spawn(self.serve(service, backend)))
    }

    /// Hands what is asked to the service, for ever.
    async fn serve(self, service: mpsc::Sender<Request>, backend: Backend) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (service, backend) = (service.clone(), backend.clone());
                    tokio::spawn(async move {
                        let _ = converse(stream, service, backend).await;
                    });
                }
                Err(error) => {
                    warn!(%error, "could not accept on the control socket");
                    time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

/// Stops serving when dropped.
#[derive(Debug)]
pub struct Serving(tokio::task::JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn converse(
    stream: UnixStream,
    service: mpsc::Sender<Request>,
    backend: Backend,
) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(LONGEST_COMMAND));
    time::timeout(READ_TIMEOUT, reader.read_line(&mut line)).await??;
    let answer = match serde_json::from_str(&line) {
        Ok(Command::Look(question)) => look(question, Arc::clone(&backend.look)).await,
        Ok(command) => ask_service(command, &service).await,
        Err(error) => Answer::Error(format!("not a command: {error}").into()),
    };
    let mut bytes = serde_json::to_vec(&Reply { service: backend.identity, answer })?;
    bytes.push(b'\n');
    writer.write_all(&bytes).await
}

/// On a thread of its own, so that the loop's does not wait.
async fn look(question: Question, look: Arc<Look>) -> Answer {
    match tokio::task::spawn_blocking(move || look(question)).await {
        Ok(Ok(value)) => Answer::Ok(value),
        Ok(Err(error)) => Answer::Error(error),
        Err(_) => Answer::Error("the service is stopping".into()),
    }
}

async fn ask_service(command: Command, service: &mpsc::Sender<Request>) -> Answer {
    match command {
        Command::Status => plain(forward(service, Request::Status).await),
        Command::List => plain(forward(service, Request::List).await),
        Command::Reload { wait: true } => result(forward(service, Request::Reload).await),
        Command::Reload { wait: false } => {
            let asked = service.send(Request::Reload(oneshot::channel().0)).await;
            plain(asked.ok().map(|()| "reload asked for; `status` tells how it went"))
        }
        Command::Resign => result(forward(service, Request::Resign).await),
        Command::Trigger(trigger) => {
            result(forward(service, |answer| Request::Trigger(trigger, answer)).await)
        }
        Command::Backfill(backfill) => {
            result(forward(service, |answer| Request::Backfill(backfill, answer)).await)
        }
        Command::Look(_) => Answer::Error("answered outside the service loop".into()),
    }
}

/// `None` when the service is stopping.
async fn forward<T>(
    service: &mpsc::Sender<Request>,
    request: impl FnOnce(oneshot::Sender<T>) -> Request,
) -> Option<T> {
    let (answer, answered) = oneshot::channel();
    service.send(request(answer)).await.ok()?;
    answered.await.ok()
}

fn plain<T: Serialize>(answer: Option<T>) -> Answer {
    result(answer.map(Ok::<T, String>))
}

fn result<T: Serialize, E: Serialize>(answer: Option<Result<T, E>>) -> Answer {
    let json = |value: Result<_, serde_json::Error>| value.unwrap_or(serde_json::Value::Null);
    match answer {
        Some(Ok(value)) => Answer::Ok(json(serde_json::to_value(value))),
        Some(Err(error)) => Answer::Error(json(serde_json::to_value(error))),
        None => Answer::Error("the service is stopping".into()),
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Another user may have modified the directory, so nothing was asked.
    #[error("nothing was asked: {0}")]
    Untrusted(#[from] Untrusted),
    /// It did not answer, or with something else than was asked for.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Asks the service that listens in this runtime directory, which says who it is; `None` when none
/// does. It has to begin its answer within `timeout`, the time to connect included.
///
/// # Errors
/// When the directory or what listens there is not to be trusted, or there is no answer.
pub async fn ask<T: DeserializeOwned, E: DeserializeOwned>(
    runtime_dir: &Path,
    command: &Command,
    timeout: Duration,
) -> Result<Option<(Identity, Result<T, E>)>, AskError> {
    let Some(owner) = runtime_dir::owner(runtime_dir)? else { return Ok(None) };
    let (owner, socket) = (owner?, socket_path(runtime_dir));
    let begun_by = Instant::now() + timeout;
    let connecting = timeout_at(begun_by, UnixStream::connect(&socket)).await;
    let stream = match connecting.map_err(io::Error::from)? {
        Ok(stream) => stream,
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    runtime_dir::check_listener(&socket, stream.peer_cred()?.uid(), owner)?;
    let line = converse_with(stream, command, begun_by).await?;
    let Reply { service, answer } = serde_json::from_slice(&line).map_err(io::Error::from)?;
    let answer = match answer {
        Answer::Ok(value) => Ok(serde_json::from_value(value).map_err(io::Error::from)?),
        // That it is stopping is said in words, whatever was asked.
        Answer::Error(error) => {
            let words = error.as_str().unwrap_or("an error of an unknown kind").to_owned();
            Err(serde_json::from_value(error).map_err(|_| io::Error::other(words))?)
        }
    };
    Ok(Some((service, answer)))
}

/// Sends the command and reads the line that comes back, which begins by `begun_by`.
async fn converse_with(
    mut stream: UnixStream,
    command: &Command,
    begun_by: Instant,
) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(command)?;
    bytes.push(b'\n');
    timeout_at(begun_by, stream.write_all(&bytes)).await??;
    let max_bytes = command.max_answer_bytes();
    let mut reader = BufReader::new(stream.take(max_bytes));
    let mut line = Vec::new();
    timeout_at(begun_by, reader.fill_buf()).await??;
    let ended_by = Instant::now() + MAX_TRANSFER;
    while line.last() != Some(&b'\n') {
        let reading = timeout_at(ended_by, reader.fill_buf()).await;
        let read = reading.map_err(|_| {
            let limit = MAX_TRANSFER.as_secs();
            io::Error::other(format!("its answer did not end within {limit} s"))
        })??;
        if read.is_empty() {
            break;
        }
        let end = read.iter().position(|byte| *byte == b'\n').map_or(read.len(), |at| at + 1);
        line.extend_from_slice(&read[..end]);
        reader.consume(end);
    }
    match line.last() {
        Some(b'\n') => Ok(line),
        _ if line.len() as u64 == max_bytes => {
            Err(io::Error::other(format!("its answer is longer than {} MiB", max_bytes >> 20)))
        }
        _ => Err(io::Error::other("it hung up")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tokio::net::UnixSocket;

    use super::*;

    fn runtime_dir() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        folder
    }

    #[tokio::test]
    async fn a_socket_is_taken_over_only_when_nobody_listens_on_it() {
        let folder = runtime_dir();
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

    #[tokio::test(start_paused = true)]
    async fn a_client_that_asks_nothing_is_hung_up_on() {
        let folder = runtime_dir();
        let server = Server::bind(folder.path()).await.unwrap();
        let look: Arc<Look> = Arc::new(|_| Ok(Value::Null));
        let backend = Backend { identity: Identity::default(), look };
        let _serving = server.spawn(mpsc::channel(1).0, backend);
        let mut client = UnixStream::connect(socket_path(folder.path())).await.unwrap();
        let mut answer = Vec::new();
        let hung_up = time::timeout(2 * READ_TIMEOUT, client.read_to_end(&mut answer)).await;
        hung_up.expect("it is in time").unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_reads_or_answers_nothing_is_given_up() {
        let folder = runtime_dir();
        let _listener = UnixListener::bind(socket_path(folder.path())).unwrap();
        // Larger than what a socket takes that nobody reads from.
        let large = Question::Peek { queue: "q".repeat(1 << 20), count: 1 };
        for command in [Command::Status, Command::Look(large)] {
            let limit = Duration::from_secs(10);
            let asked = ask::<Value, Value>(folder.path(), &command, limit);
            let error = time::timeout(2 * limit, asked).await.expect("it is in time").unwrap_err();
            let AskError::Io(error) = error else { panic!("{error}") };
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_ends_is_given_up() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let drip = async move {
            for _ in 0..1000 {
                theirs.write_all(b"x").await.unwrap();
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        };
        let drip = tokio::spawn(drip);
        let begun_by = Instant::now() + Duration::from_secs(10);
        let answered = converse_with(ours, &Command::Status, begun_by).await;
        drip.abort();
        assert_eq!(answered.unwrap_err().to_string(), "its answer did not end within 60 s");
    }
}
