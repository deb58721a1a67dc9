//! A connection that is made when needed, and a deadline on every call.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, FromRedisValue,
    IntoConnectionInfo, Pipeline, ProtocolVersion, PushInfo, RedisConnectionInfo, TlsCertificates,
};
use tokio::sync::mpsc::UnboundedSender;

use super::scripts;
use super::sentinel::Sentinels;
use crate::address::{HostPort, Login, RedisAddress, RedisServer};
use crate::broker::BrokerError;
use crate::tls::{self, Content, Tls, TlsError};

/// One server, reached over at most one connection at a time.
#[derive(Debug)]
pub(super) struct Link {
    place: Place,
    tls: Tls,
    deadline: Duration,
    /// What every new connection begins with.
    setup: Pipeline,
    pushes: Option<UnboundedSender<PushInfo>>,
    connection: Option<MultiplexedConnection>,
}

/// Where the server is.
#[derive(Debug)]
enum Place {
    At(ConnectionInfo),
    KnownTo(Sentinels),
}

/// How connections are made.
pub(super) struct Opening<'a> {
    tls: &'a Tls,
    /// For connecting, and for each answer.
    pub(super) deadline: Duration,
    /// Where what the server tells of itself goes.
    pub(super) pushes: Option<&'a UnboundedSender<PushInfo>>,
}

impl Opening<'_> {
    pub(super) async fn open(
        &self,
        server: ConnectionInfo,
        pushes: Option<&UnboundedSender<PushInfo>>,
    ) -> Result<MultiplexedConnection, BrokerError> {
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.deadline))
            .set_response_timeout(Some(self.deadline));
        if let Some(sender) = pushes {
            config = config.set_push_sender(sender.clone());
        }
        let client = client(server, self.tls)?;
        client.get_multiplexed_async_connection_with_config(&config).await.map_err(explain)
    }
}

impl Link {
    /// No call takes longer than about `deadline`, connecting included twice that, and with
    /// Sentinels three times.
    pub(super) fn new(address: &RedisAddress, tls: &Tls, deadline: Duration) -> Link {
        Link { setup: scripts::load_all(), ..Link::without_scripts(address, tls, deadline) }
    }

    /// For a server on which no script is called.
    pub(super) fn without_scripts(address: &RedisAddress, tls: &Tls, deadline: Duration) -> Link {
        let settings = settings(address.login.as_ref(), address.database);
        let place = match &address.server {
            RedisServer::Tcp { host, tls } => Place::At(server(tcp(host, *tls), &settings)),
            RedisServer::Socket(path) => {
                Place::At(server(ConnectionAddr::Unix(path.clone()), &settings))
            }
            RedisServer::Sentinel(named) => Place::KnownTo(Sentinels::new(named, settings)),
        };
        let (tls, setup) = (tls.clone(), Pipeline::new());
        Link { place, tls, deadline, setup, pushes: None, connection: None }
    }

    /// Subscribes every connection to `channel`; what is told there goes to `sender`.
    pub(super) fn listen(mut self, channel: String, sender: UnboundedSender<PushInfo>) -> Link {
        self.setup.cmd("SUBSCRIBE").arg(channel).ignore();
        self.pushes = Some(sender);
        self
    }

    /// The connection, made now if there is none.
    pub(super) async fn connection(&mut self) -> Result<MultiplexedConnection, BrokerError> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let pushes = self.pushes.as_ref();
        let opening = Opening { tls: &self.tls, deadline: self.deadline, pushes };
        let mut connection = match &mut self.place {
            Place::At(server) => {
                opening.open(server.clone(), pushes).await.map_err(|error| match error {
                    BrokerError::Unavailable(text) => BrokerError::Unavailable(format!(
                        "no connection to {}: {text}",
                        server.addr()
                    )),
                    error => error,
                })?
            }
            Place::KnownTo(sentinels) => sentinels.connect(&opening).await?,
        };
        if !self.setup.is_empty() {
            let () = self.setup.query_async(&mut connection).await.map_err(explain)?;
        }
        Ok(self.connection.insert(connection).clone())
    }

    /// Sends a pipeline and waits for its answers; after an error the next call connects anew.
    pub(super) async fn ask<T: FromRedisValue>(
        &mut self,
        pipeline: &Pipeline,
    ) -> Result<T, BrokerError> {
        let mut connection = self.connection().await?;
        let answer = pipeline.query_async(&mut connection).await.map_err(explain);
        if answer.is_err() {
            self.drop_connection();
        }
        answer
    }

    /// The connection, if there is one.
    pub(super) fn current(&self) -> Option<MultiplexedConnection> {
        self.connection.clone()
    }

    /// The number of the database.
    pub(super) fn database(&self) -> i64 {
        match &self.place {
            Place::At(server) => server.redis_settings().db(),
            Place::KnownTo(sentinels) => sentinels.database(),
        }
    }

    /// The next call connects anew.
    pub(super) fn drop_connection(&mut self) {
        self.connection = None;
    }
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

pub(super) fn tcp(HostPort { host, port }: &HostPort, tls: bool) -> ConnectionAddr {
    let (host, port) = (host.clone(), *port);
    match tls {
        true => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        false => ConnectionAddr::Tcp(host, port),
    }
}

/// One server.
pub(super) fn server(place: ConnectionAddr, settings: &RedisConnectionInfo) -> ConnectionInfo {
    let info = place.into_connection_info().expect("an address is a place to connect to");
    info.set_redis_settings(settings.clone())
}

/// A client of one server; the files that TLS needs are read now.
fn client(server: ConnectionInfo, tls: &Tls) -> Result<Client, BrokerError> {
    if !matches!(server.addr(), ConnectionAddr::TcpTls { .. }) {
        return Client::open(server).map_err(explain);
    }
    let unavailable = |error: TlsError| BrokerError::Unavailable(error.to_string());
    let Content { ca, client } = tls.read().map_err(unavailable)?;
    let client =
        client.map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
    let certificates = TlsCertificates { client_tls: client, root_cert: ca };
    Client::build_with_tls(server, certificates).map_err(explain)
}

/// Says what went wrong; nothing in it names a password.
pub(super) fn explain(error: redis::RedisError) -> BrokerError {
    use redis::ErrorKind::{AuthenticationFailed, Extension, InvalidClientConfig};
    if let Some(text) = tls::explain(&error) {
        return BrokerError::Unavailable(text);
    }
    // Of several commands, the first that was refused.
    let said = error.clone().into_server_errors();
    let said = said.as_deref().and_then(|all| all.first()).map(|(_, said)| said);
    let code = said.map(redis::ServerError::code);
    let text = match said.and_then(|said| Some((said.code(), said.details()?))) {
        Some((code, detail)) => format!("{code} {detail}"),
        None => error.to_string(),
    };
    let login =
        error.kind() == AuthenticationFailed || matches!(code, Some("WRONGPASS" | "NOAUTH"));
    if code == Some("NOPERM") || text.contains("The user executing the script") {
        let hint = "docs/brokers.md says what the user needs";
        return BrokerError::Unavailable(format!("redis refused: {text}; {hint}"));
    }
    match error.kind() {
        InvalidClientConfig => BrokerError::Unusable(text),
        _ if login => BrokerError::Unavailable(format!("redis refused the login: {text}")),
        Extension => BrokerError::Unavailable(format!("redis answered {text}")),
        _ if error.is_timeout() => {
            BrokerError::Unavailable("redis did not answer in time".to_owned())
        }
        _ => BrokerError::Unavailable(text),
    }
}
