//! Displays addresses with `***` for each password. The displayed text parses as the same address,
//! except for the passwords.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Address, AmqpAddress, Endpoint, HostPort, Login, RedisAddress, RedisServer, Secret};

/// Characters that are not encoded in a user name.
const IN_NAMES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
/// Characters that are not encoded in a path.
const IN_PATHS: &AsciiSet = &IN_NAMES.remove(b'/');

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// `USER:***@`
impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_deref().unwrap_or_default();
        write!(f, "{}:{}@", utf8_percent_encode(user, IN_NAMES), self.password)
    }
}

/// `HOST:PORT`
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (self.host(), self.port());
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// `HOST:PORT`, or the path.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp { host, .. } => host.fmt(f),
            Endpoint::Socket(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RedisAddress { server, login, database } = self;
        let login = Shown(login.as_ref());
        match server {
            RedisServer::At(Endpoint::Tcp { host, tls }) => {
                let scheme = if *tls { "rediss" } else { "redis" };
                write!(f, "{scheme}://{login}{host}/{database}")
            }
            RedisServer::At(Endpoint::Socket(path)) => {
                let path = path.to_string_lossy();
                write!(f, "unix://{login}{}", utf8_percent_encode(&path, IN_PATHS))?;
                if *database == 0 { Ok(()) } else { write!(f, "?db={database}") }
            }
            RedisServer::Sentinel(sentinels) => {
                let scheme = if sentinels.tls { "rediss+sentinel" } else { "sentinel" };
                write!(f, "{scheme}://{login}")?;
                for (index, node) in sentinels.nodes.iter().enumerate() {
                    write!(f, "{}{node}", if index > 0 { "," } else { "" })?;
                }
                write!(f, "/{database}?master={}", sentinels.master)?;
                let Some(Login { user, password }) = &sentinels.login else { return Ok(()) };
                if let Some(user) = user {
                    write!(f, "&sentinel_user={}", utf8_percent_encode(user, IN_NAMES))?;
                }
                write!(f, "&sentinel_password={password}")
            }
        }
    }
}

impl fmt::Display for AmqpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AmqpAddress { host, tls, login, virtual_host } = self;
        let scheme = if *tls { "amqps" } else { "amqp" };
        let virtual_host = utf8_percent_encode(virtual_host, IN_PATHS);
        write!(f, "{scheme}://{}{host}/{virtual_host}", Shown(login.as_ref()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Redis(address) => address.fmt(f),
            Address::Amqp(address) => address.fmt(f),
            Address::Spool(path) => write!(f, "spool:{}", path.display()),
        }
    }
}

/// Displays a login, if there is one.
struct Shown<'a>(Option<&'a Login>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |login| login.fmt(f))
    }
}

/// Implements `Debug` as `Display`.
macro_rules! debug_as_displayed {
    ($($kind:ty),*) => {$(
        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

debug_as_displayed!(RedisAddress, AmqpAddress, HostPort, Login, Secret);
