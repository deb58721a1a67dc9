//! Broker addresses, parsed once.
//!
//! [`Address::parse`] is the only reader. A password is a [`Secret`] from then on, which nothing
//! shows, and an [`AddressError`] holds no text of the address, so no message can repeat one.

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
    /// A folder, as written: relative paths count from where the address is written.
    Spool(PathBuf),
}

/// A database of a Redis server.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RedisAddress {
    /// Where the server is.
    pub server: RedisServer,
    /// Who connects to it.
    pub login: Option<Login>,
    /// The database's number.
    pub database: u32,
}

/// How a Redis server is found.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum RedisServer {
    /// It is always here.
    At(Endpoint),
    /// Wherever its Sentinels say that the master is.
    Sentinel(Sentinels),
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// At a port.
    Tcp {
        /// The host and its port.
        host: HostPort,
        /// Whether it is reached by TLS.
        tls: bool,
    },
    /// At a socket of this machine.
    Socket(PathBuf),
}

/// The Sentinels of one master.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sentinels {
    /// Where each listens.
    pub nodes: Vec<HostPort>,
    /// Their name for the master.
    pub master: String,
    /// Who connects to the Sentinels; the master has a login of its own.
    pub login: Option<Login>,
    /// Whether all of them are reached by TLS, the master too.
    pub tls: bool,
}

/// A virtual host of an AMQP broker.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AmqpAddress {
    /// The host and its port.
    pub host: HostPort,
    /// Whether it is reached by TLS.
    pub tls: bool,
    /// Who connects to it; `None`: `guest`.
    pub login: Option<Login>,
    /// The virtual host; `/` by default.
    pub virtual_host: String,
}

/// Who connects.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Login {
    /// The user's name; `None`: Redis' default user.
    pub user: Option<String>,
    /// The user's password.
    pub password: Secret,
}

/// A text that is shown as `***`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text)
    }
}

impl Secret {
    /// The text itself, for a server or a parser only.
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

    /// The databases of this address and of `other`, if both name the same server.
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
    /// Whether the address contains a password; everybody knows that of `guest`.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.login.as_ref().is_some_and(|login| login.password.expose() != "guest")
    }
}
