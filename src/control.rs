//! The control socket: `status`, `list`, `reload`, `resign`, `trigger` and `backfill` ask the running
//! service.
//!
//! One JSON line goes in, one JSON line comes back.

use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::by_hand::{Backfill, Trigger};
use crate::service::Request;

/// No command is longer.
const LONGEST_COMMAND: u64 = 1 << 20;
/// A client that says nothing for so long is hung up on.
const PATIENCE: Duration = Duration::from_secs(10);

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
}

/// What comes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ok(serde_json::Value),
    Error(serde_json::Value),
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
    /// Listens in the runtime directory, which is made if need be. Only the service's own user may
    /// connect.
    ///
    /// # Errors
    /// When the directory cannot be used, or another service answers on the socket.
    pub async fn bind(runtime_dir: &Path) -> io::Result<Server> {
        std::fs::create_dir_all(runtime_dir)?;
        let path = socket_path(runtime_dir);
        if UnixStream::connect(&path).await.is_ok() {
            let text = "another service listens there; give this one its own --runtime-dir";
            return Err(io::Error::new(ErrorKind::AddrInUse, text));
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
    pub fn spawn(self, service: mpsc::Sender<Request>) -> Serving {
        Serving(tokio::spawn(self.serve(service)))
    }

    /// Hands what is asked to the service, for ever.
    async fn serve(self, service: mpsc::Sender<Request>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let service = service.clone();
                    tokio::spawn(async move {
                        let _ = converse(stream, service).await;
                    });
                }
                Err(error) => {
                    warn!(%error, "could not accept on the control socket");
                    tokio::time::sleep(Duration::from_secs(1)).await;
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

async fn converse(stream: UnixStream, service: mpsc::Sender<Request>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(LONGEST_COMMAND));
    tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await??;
    let answer = match serde_json::from_str(&line) {
        Ok(command) => ask_service(command, &service).await,
        Err(error) => Answer::Error(format!("not a command: {error}").into()),
    };
    let mut bytes = serde_json::to_vec(&answer)?;
    bytes.push(b'\n');
    writer.write_all(&bytes).await
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

/// Asks the service behind `socket`; `None` when none listens there.
///
/// # Errors
/// When one listens but does not answer in time, or with something else than was asked for.
pub fn ask<T: DeserializeOwned, E: DeserializeOwned>(
    socket: &Path,
    command: &Command,
    patience: Duration,
) -> io::Result<Option<Result<T, E>>> {
    use std::io::{BufRead as _, Write as _};
    use std::os::unix::net::UnixStream;
    let mut stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let mut bytes = serde_json::to_vec(command)?;
    bytes.push(b'\n');
    stream.write_all(&bytes)?;
    let mut line = String::new();
    io::BufReader::new(stream).read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::Error::other("it hung up"));
    }
    let answer = serde_json::from_str(&line)?;
    Ok(Some(match answer {
        Answer::Ok(value) => Ok(serde_json::from_value(value)?),
        // That it is stopping is said in words, whatever was asked.
        Answer::Error(error) => {
            let words = error.as_str().unwrap_or("an error of an unknown kind").to_owned();
            Err(serde_json::from_value(error).map_err(|_| io::Error::other(words))?)
        }
    }))
}
