//! Parses addresses.

use std::path::PathBuf;

use super::host::{HostPortError, split_host_port};
use super::parameters::{Family, Parameters, database, decoded};
use super::{
    Address, AddressError, AmqpAddress, Endpoint, HostPort, Login, MAX_SENTINELS, RedisAddress,
    RedisServer, SENTINEL_PORT, Secret, Sentinels,
};

const REDIS: Defaults = Defaults { port: 6379, address: "redis://HOST:6379/0", shown: ":6379" };
const REDIS_TLS: Defaults =
    Defaults { port: 6379, address: "rediss://HOST:6379/0", shown: ":6379" };
const SENTINEL: Defaults = Defaults {
    port: SENTINEL_PORT,
    address: "sentinel://HOST:26379,HOST:26379,HOST:26379/0?master=NAME",
    shown: ":26379",
};
const AMQP: Defaults = Defaults { port: 5672, address: "amqp://HOST:5672//", shown: ":5672" };
const AMQP_TLS: Defaults = Defaults { port: 5671, address: "amqps://HOST:5671//", shown: ":5671" };

/// A scheme's default port, and what its hints show.
#[derive(Clone, Copy)]
struct Defaults {
    port: u16,
    address: &'static str,
    shown: &'static str,
}

/// Parses what follows a scheme's `://`.
type Reader = fn(&str) -> Result<Address, AddressError>;

/// All schemes with `://`, including those of other clients that are refused with a hint.
const SCHEMES: [(&str, Reader); 14] = [
    ("redis", |rest| redis(rest, REDIS, false)),
    ("rediss", |rest| redis(rest, REDIS_TLS, true)),
    ("unix", |rest| socket(rest, Family::Redis { tls: false })),
    ("redis+unix", |rest| socket(rest, Family::Redis { tls: false })),
    ("redis+socket", |rest| socket(rest, Family::KombuSocket)),
    ("sentinel", |rest| sentinel(rest, false)),
    ("rediss+sentinel", |rest| sentinel(rest, true)),
    ("amqp", |rest| amqp(rest, AMQP, false)),
    ("amqps", |rest| amqp(rest, AMQP_TLS, true)),
    ("redis+cluster", |_| Err(AddressError::Cluster)),
    ("redis+sentinel", |_| Err(AddressError::OtherSentinels("redis+sentinel"))),
    ("redis-sentinel", |_| Err(AddressError::OtherSentinels("redis-sentinel"))),
    ("rediss-sentinel", |_| Err(AddressError::OtherSentinels("rediss-sentinel"))),
    ("sentinels", |_| Err(AddressError::OtherSentinels("sentinels"))),
];

/// Whether text that starts with this word and a colon is, or was meant as, an address.
pub(crate) fn is_scheme(name: &str) -> bool {
    SCHEMES.iter().any(|(scheme, _)| *scheme == name)
}

impl Address {
    /// Parses an address.
    ///
    /// # Errors
    /// What is wrong. The error never quotes the input.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        if let Some(path) = text.strip_prefix("spool:") {
            return spool(path).map(Address::Spool);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(AddressError::NotAnAddress);
        };
        let known = SCHEMES.iter().find(|(name, _)| *name == scheme);
        let (_, read) = known.ok_or(AddressError::UnknownScheme)?;
        if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(AddressError::WhiteSpace);
        }
        read(rest)
    }
}

/// `[USER:PASSWORD@]HOST[:PORT][/DATABASE][?PARAMETERS]`
fn redis(rest: &str, defaults: Defaults, tls: bool) -> Result<Address, AddressError> {
    let Split { login, servers, path, query } = Split::of(rest)?;
    let host = host_port(servers, defaults)?;
    let parameters = Family::Redis { tls }.read(query)?;
    let in_path = path_database(path)?;
    if in_path.is_some() && parameters.database.is_some_and(|other| in_path != Some(other)) {
        return Err(AddressError::TwoDatabases);
    }
    let database = in_path.or(parameters.database).unwrap_or(0);
    let login = either(login, parameters)?;
    let server = RedisServer::At(Endpoint::Tcp { host, tls });
    Ok(Address::Redis(RedisAddress { server, login, database }))
}

/// `[USER:PASSWORD@]/PATH[?PARAMETERS]`
fn socket(rest: &str, family: Family) -> Result<Address, AddressError> {
    let (rest, query) = query(rest)?;
    let (front, path) = rest.split_at(rest.find('/').ok_or(AddressError::RelativeSocket)?);
    let login = match front.strip_suffix('@') {
        Some(login) => login_of(login)?,
        None if front.is_empty() => None,
        None => return Err(AddressError::RelativeSocket),
    };
    if has_login(path) {
        return Err(AddressError::PathOfAServer("socket"));
    }
    if path.contains(['=', '&']) {
        return Err(AddressError::ParameterInPath);
    }
    let path = decoded(path)?;
    if path.trim_matches('/').is_empty() || path.contains('\0') {
        return Err(AddressError::RelativeSocket);
    }
    let parameters = family.read(query)?;
    let database = parameters.database.unwrap_or(0);
    let login = either(login, parameters)?;
    let server = RedisServer::At(Endpoint::Socket(path.into()));
    Ok(Address::Redis(RedisAddress { server, login, database }))
}

/// `[USER:PASSWORD@]HOST[:PORT],…[/DATABASE]?master=NAME[&sentinel_user=…][&sentinel_password=…]`
fn sentinel(rest: &str, tls: bool) -> Result<Address, AddressError> {
    if rest.contains(';') {
        return Err(AddressError::SeveralAddresses);
    }
    let Split { login, servers, path, query } = Split::of(rest)?;
    let nodes = servers.split(',').map(|server| host_port(server, SENTINEL));
    let nodes: Vec<_> = nodes.collect::<Result<_, _>>()?;
    if nodes.len() > MAX_SENTINELS {
        return Err(AddressError::TooManySentinels);
    }
    let Parameters { user, password, master, .. } = Family::Sentinel.read(query)?;
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let master = master.filter(|master| master.bytes().all(is_name));
    let master = master.ok_or(AddressError::NoMaster)?;
    let sentinel_login = match (user, password) {
        (Some(_), None) => return Err(AddressError::NoSentinelPassword),
        (user, password) => password.map(|password| Login { user, password }),
    };
    let server = RedisServer::Sentinel(Sentinels { nodes, master, login: sentinel_login, tls });
    let database = path_database(path)?.unwrap_or(0);
    Ok(Address::Redis(RedisAddress { server, login, database }))
}

/// `[USER:PASSWORD@]HOST[:PORT][/VIRTUAL-HOST]`
fn amqp(rest: &str, defaults: Defaults, tls: bool) -> Result<Address, AddressError> {
    // Unit tests use such addresses without a broker.
    if cfg!(not(any(feature = "amqp", test))) {
        return Err(AddressError::WithoutAmqp);
    }
    let Split { login, servers, path, query } = Split::of(rest)?;
    let host = host_port(servers, defaults)?;
    Family::Amqp.read(query)?;
    let virtual_host = match decoded(path)? {
        path if path.is_empty() => "/".to_owned(),
        path => path,
    };
    Ok(Address::Amqp(AmqpAddress { host, tls, login, virtual_host }))
}

/// The path of a directory, with or without `//` in front.
fn spool(text: &str) -> Result<PathBuf, AddressError> {
    let path = text.strip_prefix("//").unwrap_or(text);
    if path.is_empty() {
        return Err(AddressError::NoPath);
    }
    if looks_like_a_server(text) {
        return Err(AddressError::PathOfAServer("spool"));
    }
    if path.starts_with(['~', '$']) {
        return Err(AddressError::NotExpanded);
    }
    // Several leading slashes mean the same as one.
    let slashes = path.len() - path.trim_start_matches('/').len();
    Ok(path[slashes.saturating_sub(1)..].into())
}

/// Whether what follows `spool:` may contain a login or parameters.
fn looks_like_a_server(text: &str) -> bool {
    let path = text.trim_start_matches('/');
    let has_scheme = path.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme));
    // `HOST:PORT` and `//HOST`: a directory of such a name is `./HOST:PORT`.
    let has_port = text.split('/').next().is_some_and(|first| first.contains(':'));
    let has_host = text.strip_prefix("//").is_some_and(|host| !host.starts_with('/'));
    let odd = |c: char| matches!(c, '?' | '#') || c.is_control();
    has_scheme
        || has_port
        || has_host
        || has_login(path)
        || text.contains("://")
        || text.contains(odd)
}

/// Whether a path may contain a login: in its first part, with a colon, or before another path.
fn has_login(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next();
    first.is_some_and(|first| first.contains('@'))
        || path.rsplit_once('@').is_some_and(|(login, _)| login.contains(':'))
        || path.contains("@/")
}

/// An address of one or more hosts, split at its separators.
struct Split<'a> {
    login: Option<Login>,
    servers: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Split<'a> {
    fn of(rest: &'a str) -> Result<Split<'a>, AddressError> {
        let (login, server) = rest.rsplit_once('@').unwrap_or(("", rest));
        if login.contains(['/', '?', '#', '@']) {
            return Err(AddressError::LoginMustBeEncoded);
        }
        let (server, query) = query(server)?;
        let (servers, path) = server.split_once('/').unwrap_or((server, ""));
        Ok(Split { login: login_of(login)?, servers, path, query })
    }
}

/// The text before the `?` and the text after it.
fn query(text: &str) -> Result<(&str, Option<&str>), AddressError> {
    if text.contains('#') {
        return Err(AddressError::Fragment);
    }
    Ok(match text.split_once('?') {
        Some((text, query)) => (text, Some(query)),
        None => (text, None),
    })
}

/// `[USER]:PASSWORD`, or nothing.
fn login_of(text: &str) -> Result<Option<Login>, AddressError> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let user = Some(decoded(user)?).filter(|user| !user.is_empty());
    let password = decoded(password)?;
    match (user, password.is_empty()) {
        (None, true) => Ok(None),
        (Some(_), true) => Err(AddressError::NoPassword),
        (user, false) => Ok(Some(Login { user, password: Secret(password) })),
    }
}

/// The login in front, or the one among the parameters.
fn either(front: Option<Login>, found: Parameters) -> Result<Option<Login>, AddressError> {
    match (front, found.user, found.password) {
        (front, None, None) => Ok(front),
        (Some(_), ..) => Err(AddressError::TwoLogins),
        (None, user, Some(password)) => Ok(Some(Login { user, password })),
        (None, Some(_), None) => Err(AddressError::NoPassword),
    }
}

fn path_database(path: &str) -> Result<Option<u32>, AddressError> {
    let path = decoded(path)?;
    match path.trim_end_matches('/') {
        "" => Ok(None),
        text => database(text, "write `/0` at the end").map(Some),
    }
}

fn host_port(text: &str, defaults: Defaults) -> Result<HostPort, AddressError> {
    let (host, port) = split_host_port(text).map_err(|error| match error {
        HostPortError::NoHost => AddressError::NoHost { example: defaults.address },
        HostPortError::BadHost => AddressError::BadHost,
        HostPortError::BadPort => AddressError::BadPort { example: defaults.shown },
        HostPortError::SeveralHosts => AddressError::SeveralServers,
    })?;
    Ok(HostPort::new(&host, port.unwrap_or(defaults.port)))
}
