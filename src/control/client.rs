//! Sends commands to the running service.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use axum::http::StatusCode;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::body::{self, ReadError};
use super::runtime_dir::{self, Untrusted};
use super::wire::{ErrorBody, MAX_HEAD, service_of};
use super::{Command, socket_path};
use crate::config::Identity;

/// Maximum time of a response from its first byte to its last.
const MAX_TRANSFER: Duration = Duration::from_secs(60);

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Another user may have modified the directory, so nothing was sent.
    #[error("nothing was asked: {0}")]
    Untrusted(#[from] Untrusted),
    /// The connection failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The service did not respond, or not as expected: it may have carried out the command.
    #[error("{0}")]
    Unanswered(#[source] io::Error),
}

/// Asks the service that listens in this runtime directory, and returns its identity and reply; `None`
/// if none listens. The response must begin within `timeout`, which includes connecting.
///
/// # Errors
/// If the directory or its listener is not trusted, or there is no response.
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
    let answer = converse_with(stream, command, begun_by).await.map_err(AskError::Unanswered)?;
    let reply = match answer.read() {
        Ok(done) => Ok(done),
        Err(ReplyError::Refused(refusal)) => Err(refusal),
        Err(ReplyError::Unreadable(error)) => return Err(AskError::Unanswered(error)),
    };
    Ok(Some((answer.service, reply)))
}

/// A response.
#[derive(Debug)]
struct Answer {
    service: Identity,
    status: StatusCode,
    body: Vec<u8>,
}

/// Why a response is not the success that was asked for.
enum ReplyError<E> {
    /// The service refused, and said why.
    Refused(E),
    /// It is not as expected.
    Unreadable(io::Error),
}

impl Answer {
    fn read<T: DeserializeOwned, E: DeserializeOwned>(&self) -> Result<T, ReplyError<E>> {
        if !self.status.is_success() {
            return Err(self.refusal().map_or_else(ReplyError::Unreadable, ReplyError::Refused));
        }
        let json = if self.body.is_empty() { b"null" } else { &self.body[..] };
        serde_json::from_slice(json).map_err(|error| ReplyError::Unreadable(error.into()))
    }

    fn refusal<E: DeserializeOwned>(&self) -> io::Result<E> {
        let read = serde_json::from_slice(&self.body);
        let ErrorBody { error, detail } =
            read.map_err(|_| io::Error::other(format!("it answered {}", self.status)))?;
        // That the service is stopping is said in words, whatever the request.
        let detail = detail.unwrap_or_else(|| Value::from(&*error));
        serde_json::from_value(detail).map_err(|_| io::Error::other(error))
    }
}

/// Sends the command and reads the response, which must begin by `begun_by`.
async fn converse_with(
    stream: UnixStream,
    command: &Command,
    begun_by: Instant,
) -> io::Result<Answer> {
    let request = command.request().map_err(io::Error::other)?;
    // Ends with this function, whatever it is waiting for.
    let mut connection = JoinSet::new();
    let asking = async {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD);
        let (mut sender, ours) = builder.handshake(TokioIo::new(stream)).await?;
        connection.spawn(ours);
        sender.send_request(request).await
    };
    let answer = timeout_at(begun_by, asking).await?.map_err(|error| broken(&error))?;
    let (head, body) = answer.into_parts();
    let service = service_of(&head.headers).ok_or_else(|| {
        io::Error::other(format!("it answered {} and did not say who it is", head.status))
    })?;
    let ended_by = Instant::now() + MAX_TRANSFER;
    let max_bytes = command.max_answer_bytes();
    let reading = timeout_at(ended_by, body::read(body, max_bytes)).await;
    let read = reading.map_err(|_| {
        let limit = MAX_TRANSFER.as_secs();
        io::Error::other(format!("its answer did not end within {limit} s"))
    })?;
    let body = read.map_err(|error| match error {
        ReadError::TooLarge => {
            io::Error::other(format!("its answer is longer than {} MiB", max_bytes >> 20))
        }
        ReadError::Broken(error) => broken(&error),
    })?;
    Ok(Answer { service, status: head.status, body })
}

/// The error, to follow "did not answer".
fn broken(error: &hyper::Error) -> io::Error {
    if error.is_parse() {
        return io::Error::other("it does not speak HTTP; an older downbeat has to be restarted");
    }
    let source = error.source();
    let below = source.and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind);
    let is_end = error.is_incomplete_message() || error.is_canceled() || error.is_closed();
    if is_end || below == Some(ErrorKind::UnexpectedEof) {
        return io::Error::other("it hung up");
    }
    io::Error::other(source.map_or_else(|| error.to_string(), ToString::to_string))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    use super::*;
    use crate::control::Question;

    /// The error of a command whose service responds with `head` and then, byte by byte, forever.
    async fn error_of_slow_response(head: &str) -> String {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let head = head.to_owned();
        let drip = async move {
            theirs.read_u8().await.unwrap();
            theirs.write_all(head.as_bytes()).await.unwrap();
            for _ in 0..1000 {
                theirs.write_all(b"x").await.unwrap();
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        };
        let drip = tokio::spawn(drip);
        let begun_by = Instant::now() + Duration::from_secs(10);
        let answered = converse_with(ours, &Command::Status, begun_by).await;
        drip.abort();
        let error = answered.unwrap_err();
        format!("{error} ({})", error.kind())
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_ends_is_given_up() {
        let head = "HTTP/1.1 200 OK\r\ndownbeat-namespace: a\r\n\r\n";
        let output = error_of_slow_response(head).await;
        assert_eq!(output, "its answer did not end within 60 s (other error)");
        let output = error_of_slow_response("HTTP/1.1 200 OK\r\nx: ").await;
        assert!(output.ends_with("(timed out)"), "{output}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_reads_or_answers_nothing_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        let _listener = UnixListener::bind(socket_path(folder.path())).unwrap();
        // Larger than what a socket accepts without a reader.
        let queues = vec!["q".repeat((1 << 19) - 100); 2];
        let large = Command::Look(Question::Workers { queues, timeout: Duration::ZERO });
        for command in [Command::Status, large] {
            let limit = Duration::from_secs(10);
            let asked = ask::<Value, Value>(folder.path(), &command, limit);
            let asked = tokio::time::timeout(2 * limit, asked).await.expect("it is in time");
            let AskError::Unanswered(error) = asked.unwrap_err() else { panic!("it is asked") };
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        }
    }

    #[tokio::test]
    async fn what_is_not_a_response_of_a_service_is_refused() {
        for (said, output) in [
            ("{\"ok\":null}\n", "it does not speak HTTP; an older downbeat has to be restarted"),
            ("HTTP/1.1 200 OK\r\n\r\n1", "it answered 200 OK and did not say who it is"),
            (
                "HTTP/1.1 200 OK\r\ndownbeat-namespace: a\r\ncontent-length: 9\r\n\r\n1",
                "it hung up",
            ),
            ("", "it hung up"),
        ] {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let asked = async move {
                let mut bytes = vec![0; 1 << 10];
                let _ = theirs.read(&mut bytes).await.unwrap();
                theirs.write_all(said.as_bytes()).await.unwrap();
            };
            let begun_by = Instant::now() + Duration::from_secs(60);
            let (answered, ()) =
                tokio::join!(converse_with(ours, &Command::Status, begun_by), asked);
            assert_eq!(answered.unwrap_err().to_string(), output);
        }
    }
}
