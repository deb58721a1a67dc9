//! Which of all addresses each setting may name.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::address::{Address, AddressError, AmqpAddress, RedisAddress};

/// Where messages and state go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broker {
    /// A Redis or Valkey server.
    Redis(RedisAddress),
    /// A directory on this machine.
    Spool(PathBuf),
}

/// What `broker` may name: a store of state and messages, or an AMQP broker, which holds messages
/// only.
pub(super) enum Named {
    Store(Broker),
    Amqp(Arc<AmqpAddress>),
}

impl Named {
    /// Whether somebody who reads the address learns a password.
    pub(super) fn has_password(&self) -> bool {
        match self {
            Named::Store(Broker::Redis(address)) => address.has_password(),
            Named::Store(Broker::Spool(_)) => false,
            Named::Amqp(address) => address.has_password(),
        }
    }
}

/// What is wrong, and what to write instead.
type Refusal = (String, String);

/// What to write where a state is needed.
pub(super) const STATE_HINT: &str = "name a Redis: `state: redis://HOST:6379/0`";

/// Reads `broker`; relative spool paths count from `base`.
pub(super) fn broker(text: &str, base: &Path) -> Result<Named, Refusal> {
    Ok(match Address::parse(text)? {
        Address::Redis(address) => Named::Store(Broker::Redis(address)),
        Address::Spool(path) => Named::Store(Broker::Spool(base.join(path))),
        Address::Amqp(address) => Named::Amqp(Arc::new(address)),
    })
}

/// Reads `state`, which stands beside an AMQP broker.
pub(super) fn state(text: &str) -> Result<RedisAddress, Refusal> {
    match Address::parse(text)? {
        Address::Redis(address) => Ok(address),
        Address::Spool(_) => refuse("a spool holds no state for AMQP", STATE_HINT),
        Address::Amqp(_) => refuse("an AMQP broker cannot hold lease and progress", STATE_HINT),
    }
}

/// Reads the `broker` of a single queue.
pub(super) fn amqp(text: &str) -> Result<AmqpAddress, Refusal> {
    const HINT: &str = "write `amqp://HOST:5672//`";
    match Address::parse(text) {
        Ok(Address::Amqp(address)) => Ok(address),
        Err(error) if text.starts_with("amqp://") || text.starts_with("amqps://") => {
            Err(error.into())
        }
        _ => refuse("this is not the address of an AMQP broker", HINT),
    }
}

/// Reads the `results` of a queue.
pub(super) fn results(text: &str) -> Result<RedisAddress, Refusal> {
    const HINT: &str = "write `redis://HOST:6379/1` or `unix:///PATH?db=1`";
    match Address::parse(text) {
        Ok(Address::Redis(address)) => Ok(address),
        Ok(Address::Spool(_)) => refuse("a spool is no Redis server", HINT),
        Ok(Address::Amqp(_)) => refuse("an AMQP broker is no Redis server", HINT),
        Err(error @ (AddressError::NotAnAddress | AddressError::UnknownScheme)) => {
            refuse(&error.to_string(), HINT)
        }
        Err(error) => Err(error.into()),
    }
}

fn refuse<T>(message: &str, hint: &str) -> Result<T, Refusal> {
    Err((message.to_owned(), hint.to_owned()))
}

/// The address as it may be shown.
impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broker::Redis(address) => address.fmt(f),
            Broker::Spool(path) => write!(f, "spool:{}", path.display()),
        }
    }
}
