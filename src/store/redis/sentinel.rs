//! Asks the Sentinels for the master before each connection.

use std::time::Duration;

use redis::{RedisConnectionInfo, Value};
use tokio::time::timeout;
use tracing::info;

use super::connect::{self, Connection, Opening, Server};
use super::failure::{Failure, Kind, explain};
use super::listener::Listener;
use crate::address::{self, Endpoint, HostPort};
use crate::store::contract::StoreError;

/// The Sentinels of one master.
#[derive(Debug)]
pub(super) struct Sentinels {
    /// In the order in which they are asked: the last one that knew the master comes first.
    nodes: Vec<Server>,
    name: String,
    /// Whether the Sentinels and the master are reached by TLS.
    tls: bool,
    /// How connections to the master begin.
    settings: RedisConnectionInfo,
    /// Where the master was found last.
    found: Option<HostPort>,
}

impl Sentinels {
    /// `settings` are for connections to the master.
    pub(super) fn new(named: &address::Sentinels, settings: RedisConnectionInfo) -> Sentinels {
        let address::Sentinels { nodes, master, login, tls } = named;
        let own = connect::settings(login.as_ref(), 0);
        let at = |host: &HostPort| Endpoint::Tcp { host: host.clone(), tls: *tls };
        let node = |host| Server { endpoint: at(host), settings: own.clone() };
        let nodes = nodes.iter().map(node).collect();
        let name = master.clone();
        Sentinels { nodes, name, tls: *tls, settings, found: None }
    }

    /// Connects to the server that the Sentinels name as the master, if it says that it is.
    ///
    /// A Sentinel that was cut off may name an old master; then the next is asked. Asking takes at most one
    /// deadline, and so does connecting to a named server.
    pub(super) async fn connect(
        &mut self,
        opening: &Opening<'_>,
        listener: Option<&Listener>,
    ) -> Result<Connection, StoreError> {
        let share = opening.deadline / u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let (mut tried, mut failures) = (Vec::new(), Vec::new());
        for index in 0..self.nodes.len() {
            let node = self.nodes[index].endpoint.to_string();
            let found = match self.ask(index, opening, share).await {
                Ok(Some(found)) => found,
                Ok(None) => {
                    failures.push(format!("{node} knows no master named `{}`", self.name));
                    continue;
                }
                Err(error) => {
                    failures.push(format!("{node}: {error}"));
                    continue;
                }
            };
            let endpoint = Endpoint::Tcp { host: found.clone(), tls: self.tls };
            let master = Server { endpoint, settings: self.settings.clone() };
            if tried.contains(&found) {
                continue;
            }
            match connect_to_master(&master, opening, listener).await {
                Ok(connection) => {
                    self.nodes[..=index].rotate_right(1);
                    if self.found.as_ref().is_some_and(|before| *before != found) {
                        info!(master = %found, "followed a failover to another master");
                    }
                    self.found = Some(found);
                    return Ok(connection);
                }
                Err(error) => {
                    failures.push(format!("{node} names {found}: {error}"));
                }
            }
            tried.push(found);
        }
        Err(StoreError::Unavailable(format!("no master was found: {}", failures.join("; "))))
    }

    async fn ask(
        &self,
        index: usize,
        opening: &Opening<'_>,
        share: Duration,
    ) -> Result<Option<HostPort>, Failure> {
        let asking = async {
            let mut connection = opening.open(&self.nodes[index], None).await?;
            let mut call = redis::cmd("SENTINEL");
            call.arg("get-master-addr-by-name").arg(&self.name);
            call.query_async(&mut connection).await.map_err(explain)
        };
        let late = |_| Failure::other("it did not answer in time");
        let found: Result<Option<(String, u16)>, _> = timeout(share, asking).await.map_err(late)?;
        let found = found.map_err(|failure| match failure.kind {
            Kind::Login => failure.with_hint(OWN_LOGIN),
            Kind::Unusable | Kind::Refused | Kind::Other => failure,
        });
        Ok(found?.map(|(host, port)| HostPort::new(&host, port)))
    }
}

/// The hint that the login in front of the hosts is the master's.
const OWN_LOGIN: &str = "`sentinel_user` and `sentinel_password` are the Sentinels' own login";

async fn connect_to_master(
    server: &Server,
    opening: &Opening<'_>,
    listener: Option<&Listener>,
) -> Result<Connection, Failure> {
    let mut connection = opening.open(server, listener).await?;
    let role: Vec<Value> =
        redis::cmd("ROLE").query_async(&mut connection).await.map_err(explain)?;
    let role = role.first().and_then(|role| redis::from_redis_value_ref::<String>(role).ok());
    match role.as_deref() {
        Some("master") => Ok(connection),
        // It may soon become the master, or may have just been it.
        _ => Err(Failure::other("that server is currently not a master")),
    }
}
