//! Broker addresses, parsed once.
//!
//! [`Address::parse`] is the only parser. It turns a password into a [`Secret`], which is never shown,
//! and an [`AddressError`] has no text of the address, so no message can quote one.

mod display;
mod error;
mod host;
mod parameters;
mod parse;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use error::AddressError;
pub use host::HostPort;
pub(crate) use host::split_host_port;
pub(crate) use parse::is_scheme;

/// The default port of a Sentinel.
const SENTINEL_PORT: u16 = 26379;
/// Each Sentinel is asked within its share of a deadline.
const MAX_SENTINELS: usize = 16;

/// The address of any broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Redis or Valkey.
    Redis(RedisAddress),
    /// RabbitMQ.
    Amqp(AmqpAddress),
    /// A directory as written: the caller decides what relative paths count from.
    Spool(PathBuf),
}

/// A database of a Redis server.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RedisAddress {
    /// How to find the server.
    pub server: RedisServer,
    /// The login, if any.
    pub login: Option<Login>,
    /// The database number.
    pub database: u32,
}

/// How a Redis server is found.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum RedisServer {
    /// At a fixed address.
    At(Endpoint),
    /// Where its Sentinels report the master.
    Sentinel(Sentinels),
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A TCP port.
    Tcp {
        /// The host and its port.
        host: HostPort,
        /// Whether to use TLS.
        tls: bool,
    },
    /// A Unix socket.
    Socket(PathBuf),
}

/// The Sentinels of one master.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sentinels {
    /// The address of each Sentinel.
    pub nodes: Vec<HostPort>,
    /// Their name for the master.
    pub master: String,
    /// The login for the Sentinels; the master has its own.
    pub login: Option<Login>,
    /// Whether to use TLS for the Sentinels and the master.
    pub tls: bool,
}

/// A virtual host of an AMQP broker.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AmqpAddress {
    /// The host and its port.
    pub host: HostPort,
    /// Whether to use TLS.
    pub tls: bool,
    /// The login; `None` means `guest`.
    pub login: Option<Login>,
    /// The virtual host; `/` by default.
    pub virtual_host: String,
}

/// A user name and password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Login {
    /// The user name; `None` means Redis' default user.
    pub user: Option<String>,
    /// The password.
    pub password: Secret,
}

/// A text that is displayed as `***`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text)
    }
}

impl Secret {
    /// The text itself: only for a server or a parser.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Address {
    /// Whether the address contains a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        match self {
            Address::Redis(address) => address.has_password(),
            Address::Amqp(address) => address.has_password(),
            Address::Spool(_) => false,
        }
    }
}

impl RedisAddress {
    /// Whether the address contains a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        let of_sentinels = match &self.server {
            RedisServer::Sentinel(sentinels) => sentinels.login.is_some(),
            RedisServer::At(_) => false,
        };
        self.login.is_some() || of_sentinels
    }

    /// The databases of this address and of `other`, if both are on the same server.
    #[must_use]
    pub fn databases(&self, other: &RedisAddress) -> Option<(u32, u32)> {
        let is_same = match (&self.server, &other.server) {
            (RedisServer::Sentinel(one), RedisServer::Sentinel(other)) => {
                (&one.nodes, &one.master, one.tls) == (&other.nodes, &other.master, other.tls)
            }
            (one, other) => one == other,
        };
        is_same.then_some((self.database, other.database))
    }
}

impl AmqpAddress {
    /// Whether the address contains a password; that of `guest` is public.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.login.as_ref().is_some_and(|login| login.password.expose() != "guest")
    }
}
