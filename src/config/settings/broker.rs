//! `broker`, `broker_file` and `state`, and which addresses each setting accepts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::overrides::{Caller, Overrides};
use super::refusal::Refusal;
use super::sources::{Given, Names, Origin, Sources};
use super::unit::{self, BrokerSource};
use crate::address::{Address, AddressError, AmqpAddress, RedisAddress, Secret};

/// Where messages and state are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broker {
    /// A Redis or Valkey server.
    Redis(RedisAddress),
    /// A directory on this machine.
    Spool(PathBuf),
}

/// The hint if `state` is missing.
const STATE_HINT: &str = "name a Redis: `state: redis://HOST:6379/0`";

/// The store of the state, and the AMQP broker if `broker` names one. An AMQP broker requires `state`;
/// any other broker holds the state itself.
pub(super) fn read(
    overrides: &Overrides,
    file: Option<&Path>,
    from: &mut Sources<'_, '_, '_>,
) -> (Option<Broker>, Option<Arc<AmqpAddress>>) {
    let names = Names { key: "state", flag: "--state", env: "DOWNBEAT_STATE" };
    let state = from.setting(names, exposed(overrides.state.as_ref()));
    match named(overrides, file, from) {
        Some((Address::Amqp(address), place)) => {
            let state = state.or_else(|| from.variable("state", "REDIS_URL"));
            if state.is_none() {
                from.error(&place, "an AMQP broker cannot hold lease and progress", STATE_HINT);
            }
            let address_of_state = from.check(state.as_ref(), self::state);
            if let (Some(given), Some(address)) = (&state, &address_of_state)
                && address.has_password()
            {
                from.note_secret(given);
            }
            (address_of_state.map(Broker::Redis), Some(Arc::new(address)))
        }
        found => {
            // A broker that could not be read has its own problem, and may be an AMQP one.
            let is_known = found.is_some() || !from.is_noted("broker");
            if let Some(state) = state.filter(|_| is_known) {
                let hint = "leave it out: `broker` holds the state, unless it is `amqp://…`";
                from.error(&state.place, "`state` without an AMQP broker", hint);
            }
            let store = found.and_then(|(address, _)| match address {
                Address::Redis(address) => Some(Broker::Redis(address)),
                Address::Spool(path) => Some(Broker::Spool(path)),
                Address::Amqp(_) => None,
            });
            (store, None)
        }
    }
}

/// The broker from the strongest source: a URL, or a file that holds one.
fn named(
    overrides: &Overrides,
    file: Option<&Path>,
    from: &mut Sources<'_, '_, '_>,
) -> Option<(Address, Origin)> {
    let given = strongest(overrides, file, from)?;
    let base = from.base_of(&given);
    let address = from.check(Some(&given), |text| broker(text, &base))?;
    if address.has_password() {
        from.note_secret(&given);
    }
    Some((address, given.place))
}

/// A credential from the service manager counts as a file that the environment names; a command outside
/// the service reads the service's.
fn strongest(
    overrides: &Overrides,
    file: Option<&Path>,
    from: &mut Sources<'_, '_, '_>,
) -> Option<Given> {
    let url = Names { key: "broker", flag: "--broker", env: "DOWNBEAT_BROKER" };
    let path = Names { key: "broker_file", flag: "--broker-file", env: "DOWNBEAT_BROKER_FILE" };
    let in_file = overrides.broker_file.as_ref().map(|path| path.display().to_string());
    let url = from.setting(url, exposed(overrides.broker.as_ref()));
    let path = from.setting(path, in_file);
    let only_in_file =
        [&url, &path].into_iter().flatten().all(|given| matches!(given.place, Origin::File(_)));
    if only_in_file {
        if let Some(credential) = from.credential("broker", "CREDENTIALS_DIRECTORY") {
            return from.content(&credential);
        }
        if from.caller == Caller::Command
            && let Some(source) =
                file.and_then(|file| unit::overriding_broker(Path::new("/"), file))
        {
            return of_unit(source, from);
        }
    }
    let chosen = match (url, path) {
        (Some(url), Some(path)) if url.place.rank() == path.place.rank() => {
            from.error(&path.place, "`broker` and `broker_file` are both set", "keep one of them");
            return None;
        }
        (Some(url), Some(path)) if url.place.rank() < path.place.rank() => Some(url),
        (_, Some(path)) => {
            from.note("broker", &path.place);
            from.content(&path)
        }
        (url, None) => url,
    };
    chosen.or_else(|| from.variable("broker", "REDIS_URL"))
}

/// The broker that the service's unit names, as far as a command can read it.
fn of_unit(source: BrokerSource, from: &mut Sources<'_, '_, '_>) -> Option<Given> {
    let place = Origin::Credential;
    from.note("broker", &place);
    match source {
        BrokerSource::Credential(path) => {
            from.content(&Given::new(path.display().to_string(), place))
        }
        BrokerSource::Environment(path) => {
            let path = path.display();
            from.note_unknown_broker(format!(
                "{path}, read when the service starts, names its broker"
            ));
            None
        }
    }
}

/// A flag's address in plain text, for parsing.
fn exposed(flag: Option<&Secret>) -> Option<String> {
    flag.map(|secret| secret.expose().to_owned())
}

/// Parses `broker`: a store of state and messages, or an AMQP broker, which holds messages only.
/// Relative spool paths count from `base`.
fn broker(text: &str, base: &Path) -> Result<Address, Refusal> {
    Ok(match Address::parse(text)? {
        Address::Spool(path) => Address::Spool(base.join(path)),
        address => address,
    })
}

/// Parses `state`, which goes with an AMQP broker.
fn state(text: &str) -> Result<RedisAddress, Refusal> {
    match Address::parse(text)? {
        Address::Redis(address) => Ok(address),
        Address::Spool(_) => refuse("a spool holds no state for AMQP", STATE_HINT),
        Address::Amqp(_) => refuse("an AMQP broker cannot hold lease and progress", STATE_HINT),
    }
}

/// Parses the `broker` of a single queue.
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

/// Parses the `results` of a queue.
pub(super) fn results(text: &str) -> Result<RedisAddress, Refusal> {
    const HINT: &str = "write `redis://HOST:6379/1` or `unix:///PATH?db=1`";
    match Address::parse(text) {
        Ok(Address::Redis(address)) => Ok(address),
        Ok(Address::Spool(_)) => refuse("a spool is not a Redis server", HINT),
        Ok(Address::Amqp(_)) => refuse("an AMQP broker is not a Redis server", HINT),
        Err(error @ (AddressError::NotAnAddress | AddressError::UnknownScheme)) => {
            refuse(&error.to_string(), HINT)
        }
        Err(error) => Err(error.into()),
    }
}

fn refuse<T>(message: &str, hint: &str) -> Result<T, Refusal> {
    Err(Refusal::new(message, hint))
}

/// The address without secrets.
impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broker::Redis(address) => address.fmt(f),
            Broker::Spool(path) => write!(f, "spool:{}", path.display()),
        }
    }
}
