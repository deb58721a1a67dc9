//! Opens a connection to a server: the stream, TLS if needed, and the login. Errors say what to do.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Cmd, Pipeline, ProtocolVersion, PushInfo, RedisConnectionInfo,
    RedisError, RedisFuture, Value,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::failure::{Failure, explain};
use super::listener::Listener;
use crate::address::{Endpoint, HostPort, Login};
use crate::tls::{self, Tls};

/// A connection that closes with the last of its clones.
#[derive(Clone)]
pub(super) struct Connection {
    calls: MultiplexedConnection,
    driver: Arc<Driver>,
}

impl Connection {
    /// Whether the connection is known to be closed.
    pub(super) fn is_closed(&self) -> bool {
        self.driver.0.is_finished()
    }

    /// Whether both are clones of one connection.
    pub(super) fn is_same(&self, other: &Connection) -> bool {
        Arc::ptr_eq(&self.driver, &other.driver)
    }
}

/// The task that reads and writes; aborted on drop, because a silent server would keep it forever.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, call: &'a Cmd) -> RedisFuture<'a, Value> {
        self.calls.req_packed_command(call)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        calls: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.calls.req_packed_commands(calls, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.calls.get_db()
    }
}

/// A server's address, and how connections to it begin.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) endpoint: Endpoint,
    pub(super) settings: RedisConnectionInfo,
}

/// How a connection begins.
pub(super) fn settings(login: Option<&Login>, database: u32) -> RedisConnectionInfo {
    let settings = RedisConnectionInfo::default().set_db(database.into());
    let settings = settings.set_protocol(ProtocolVersion::RESP3);
    let Some(Login { user, password }) = login else { return settings };
    let settings = settings.set_password(password.expose());
    match user {
        Some(user) => settings.set_username(user),
        None => settings,
    }
}

/// Options for opening connections.
pub(super) struct Opening<'a> {
    pub(super) tls: &'a Tls,
    /// The timeout for connecting, and for each answer.
    pub(super) deadline: Duration,
}

impl Opening<'_> {
    /// Opens a connection to `server` and logs in. Messages that the server pushes go to `listener`.
    pub(super) async fn open(
        &self,
        server: &Server,
        listener: Option<&Listener>,
    ) -> Result<Connection, Failure> {
        let until = Instant::now() + self.deadline;
        let settings = &server.settings;
        match &server.endpoint {
            Endpoint::Socket(path) => {
                let stream = timeout_at(until, UnixStream::connect(path)).await;
                let stream = stream.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
                let stream = stream.map_err(|error| Failure::other(of_socket(&error)))?;
                self.log_in(stream, settings, listener, until).await.map_err(explain)
            }
            Endpoint::Tcp { host, tls: false } => {
                let stream = reach(host, until).await?;
                let done = self.log_in(stream, settings, listener, until).await;
                done.map_err(|error| match is_no_redis(&error) {
                    true => Failure::other(format!(
                        "the server there does not speak the Redis protocol ({error}); if it \
                         speaks TLS on that port, write `rediss://`"
                    )),
                    false => explain(error),
                })
            }
            Endpoint::Tcp { host, tls: true } => {
                let connector = self.tls.connector(host);
                let connector = connector.map_err(|error| Failure::other(error.to_string()))?;
                let stream = reach(host, until).await?;
                let stream = match timeout_at(until, connector.connect(stream)).await {
                    Ok(stream) => stream.map_err(|error| Failure::other(of_tls(&error)))?,
                    // A Redis without TLS waits for the end of a line.
                    Err(_) => {
                        let text = "no TLS connection: no answer in time; if the server does not \
                                    speak TLS on that port, write `redis://`";
                        return Err(Failure::other(text));
                    }
                };
                self.log_in(stream, settings, listener, until).await.map_err(explain)
            }
        }
    }

    async fn log_in<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
        &self,
        stream: S,
        settings: &RedisConnectionInfo,
        listener: Option<&Listener>,
        until: Instant,
    ) -> Result<Connection, RedisError> {
        let mut config = AsyncConnectionConfig::new().set_response_timeout(Some(self.deadline));
        if let Some(listener) = listener.cloned() {
            config = config.set_push_sender(move |push: PushInfo| {
                listener.on_push(&push);
                Ok::<(), Infallible>(())
            });
        }
        let login = MultiplexedConnection::new_with_config(settings, stream, config);
        let late = |_| RedisError::from(io::Error::from(ErrorKind::TimedOut));
        let (calls, driver) = timeout_at(until, login).await.map_err(late)??;
        Ok(Connection { calls, driver: Arc::new(Driver(tokio::spawn(driver))) })
    }
}

/// Connects to the first of the host's addresses that answers.
async fn reach(server: &HostPort, until: Instant) -> Result<TcpStream, Failure> {
    let late = || Failure::other("no answer in time");
    let found =
        timeout_at(until, lookup_host((server.host(), server.port()))).await.map_err(|_| late())?;
    let found: Vec<_> = found.map_err(Failure::other)?.collect();
    let mut failed = Failure::other("the host has no address");
    for (index, address) in found.iter().enumerate() {
        // An address that does not answer must leave time for the others.
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(found.len() - index).unwrap_or(u32::MAX);
        match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(Failure::other)?;
                return Ok(stream);
            }
            Ok(Err(error)) => failed = Failure::other(error),
            Err(_) => failed = late(),
        }
    }
    Err(failed)
}

/// Whether the answer was not in Redis' protocol, or the server closed the connection.
fn is_no_redis(error: &RedisError) -> bool {
    error.kind() == redis::ErrorKind::Parse || error.is_connection_dropped()
}

fn of_socket(error: &io::Error) -> String {
    let hint = match error.kind() {
        ErrorKind::PermissionDenied => {
            "this user may not write to the socket: make it a member of the socket's group \
             (`usermod -aG redis USER`), and set `unixsocketperm 770` in redis.conf"
        }
        ErrorKind::NotFound => {
            "there is no such socket: start the server, and set `unixsocket` in redis.conf"
        }
        ErrorKind::ConnectionRefused => "no server listens on the socket: start it",
        _ => return error.to_string(),
    };
    format!("{hint} ({error})")
}

fn of_tls(error: &io::Error) -> String {
    let text = tls::explain(error).unwrap_or_else(|| format!("no TLS connection: {error}"));
    let is_plain = tls::is_plain(error);
    if is_plain { format!("{text}; write `redis://`") } else { text }
}
