//! A connection that is opened on demand, with a deadline for every call.

use std::collections::HashMap;
use std::time::Duration;

use redis::{FromRedisValue, Pipeline, RedisError};

use super::connect::{self, Connection, Opening, Server};
use super::failure::explain;
use super::listener::Listener;
use super::sentinel::Sentinels;
use super::{inspect, lua};
use crate::address::{RedisAddress, RedisServer};
use crate::store::contract::StoreError;
use crate::tls::Tls;

/// One server, with at most one open connection.
#[derive(Debug)]
pub(super) struct Link {
    address: RedisAddress,
    place: Place,
    tls: Tls,
    deadline: Duration,
    /// Whether the server must support scripts.
    is_store: bool,
    /// The commands that every new connection begins with.
    setup: Pipeline,
    listener: Option<Listener>,
    connection: Option<Connection>,
    /// After how long the server closes an idle connection, if it said so.
    idle_timeout: Option<Duration>,
}

/// The server's location.
#[derive(Debug)]
enum Place {
    At(Server),
    KnownTo(Sentinels),
}

impl Link {
    /// Creates a link without connecting. A call takes at most about `deadline`, twice that if it has to
    /// connect, and three times that with Sentinels.
    pub(super) fn new(address: &RedisAddress, tls: &Tls, deadline: Duration) -> Link {
        let link = Link::without_scripts(address, tls, deadline);
        Link { setup: lua::load_all(), is_store: true, ..link }
    }

    /// The same for a server on which no script is called.
    pub(super) fn without_scripts(address: &RedisAddress, tls: &Tls, deadline: Duration) -> Link {
        let settings = connect::settings(address.login.as_ref(), address.database);
        let place = match &address.server {
            RedisServer::At(endpoint) => Place::At(Server { endpoint: endpoint.clone(), settings }),
            RedisServer::Sentinel(named) => Place::KnownTo(Sentinels::new(named, settings)),
        };
        Link {
            address: address.clone(),
            place,
            tls: tls.clone(),
            deadline,
            is_store: false,
            setup: Pipeline::new(),
            listener: None,
            connection: None,
            idle_timeout: None,
        }
    }

    /// Subscribes every connection to these channels; their messages go to `listener`.
    pub(super) fn listen(mut self, channels: &[String], listener: Listener) -> Link {
        for channel in channels {
            self.setup.cmd("SUBSCRIBE").arg(channel).ignore();
        }
        self.listener = Some(listener);
        self
    }

    /// The connection, opened if there is none. Nothing is written before the server is known to support it.
    pub(super) async fn connection(&mut self) -> Result<Connection, StoreError> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        match self.connect().await {
            Ok(connection) => Ok(self.connection.insert(connection).clone()),
            Err(StoreError::Unavailable(text)) => {
                Err(StoreError::Unavailable(format!("no connection to {}: {text}", self.address)))
            }
            Err(StoreError::Refused(text)) => {
                Err(StoreError::Refused(format!("no connection to {}: {text}", self.address)))
            }
            Err(StoreError::Unusable(text)) => {
                Err(StoreError::Unusable(format!("{} cannot be used: {text}", self.address)))
            }
            Err(error @ StoreError::Unanswered(_)) => Err(error),
        }
    }

    async fn connect(&mut self) -> Result<Connection, StoreError> {
        let listener = self.listener.as_ref();
        let opening = Opening { tls: &self.tls, deadline: self.deadline };
        let mut connection = match &mut self.place {
            Place::At(server) => opening.open(server, listener).await?,
            Place::KnownTo(sentinels) => sentinels.connect(&opening, listener).await?,
        };
        if self.is_store {
            inspect::inspect(&mut connection).await?;
        }
        if self.is_store {
            self.idle_timeout = idle_timeout(&mut connection).await;
        }
        if !self.setup.is_empty() {
            let () = self.setup.query_async(&mut connection).await.map_err(explain)?;
        }
        Ok(connection)
    }

    /// Sends a pipeline and waits for its answers; after an error the next call reconnects.
    pub(super) async fn ask<T: FromRedisValue>(
        &mut self,
        pipeline: &Pipeline,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection().await?;
        let answer = pipeline.query_async(&mut connection).await;
        answer.map_err(|error| {
            self.drop_connection();
            match StoreError::from(explain(error)) {
                StoreError::Unavailable(text) => {
                    StoreError::Unavailable(format!("{text} (at {})", self.address))
                }
                StoreError::Refused(text) => {
                    StoreError::Refused(format!("{text} (at {})", self.address))
                }
                error => error,
            }
        })
    }

    /// Loads the scripts again after somebody has removed them.
    pub(super) async fn load_scripts(connection: &mut Connection) -> Result<(), RedisError> {
        lua::load_all().query_async(connection).await
    }

    /// After how long the server closes an idle connection, if it does and has said so.
    pub(super) fn idle_timeout(&self) -> Option<Duration> {
        self.idle_timeout
    }

    /// The server's address, for display.
    pub(super) fn address(&self) -> &RedisAddress {
        &self.address
    }

    /// Whether this is the current connection.
    pub(super) fn is_over(&self, connection: &Connection) -> bool {
        self.connection.as_ref().is_some_and(|present| present.is_same(connection))
    }

    /// The connection, if there is one.
    pub(super) fn current(&self) -> Option<Connection> {
        self.connection.clone()
    }

    /// Drops the connection; the next call reconnects.
    pub(super) fn drop_connection(&mut self) {
        self.connection = None;
    }
}

/// The server's timeout for idle connections, if it has one and says so.
async fn idle_timeout(connection: &mut Connection) -> Option<Duration> {
    let mut call = redis::cmd("CONFIG");
    // An ACL may forbid this.
    let said = call.arg("GET").arg("timeout").query_async(connection).await;
    let said: HashMap<String, u64> = said.unwrap_or_default();
    said.get("timeout").filter(|seconds| **seconds > 0).map(|seconds| Duration::from_secs(*seconds))
}
