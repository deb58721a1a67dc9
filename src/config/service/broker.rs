//! The broker's address: which kinds there are, and never a password in any message.

use std::fmt;
use std::path::{Path, PathBuf};

use super::sentinels::Sentinels;

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broker {
    /// A Redis or Valkey server.
    Redis(BrokerUrl),
    /// A directory on this machine.
    Spool(PathBuf),
}

/// The address of a server, with the password that may be in it.
///
/// Shown with the password replaced by `***`, so that it can be logged.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrl(String);

/// What `broker` may name: a store of state and messages, or an AMQP broker, which holds messages
/// only.
pub(super) enum Address {
    Store(Broker),
    Amqp(BrokerUrl),
}

/// What is wrong, and what to write instead.
pub(crate) type Refusal = (String, String);

const SCHEMES: &str = "write `redis://HOST:6379/0`, `unix:///PATH`, `amqp://HOST:5672//` or \
                       `spool:PATH`; with TLS `rediss://…` or `amqps://…`; for \
                       Sentinels `sentinel://…`";

/// What to write where a state is needed.
pub(super) const STATE_HINT: &str = "name a Redis: `state: redis://HOST:6379/0`";

impl Address {
    /// Reads an address; relative spool paths count from `base`.
    pub(super) fn parse(text: &str, base: &Path) -> Result<Address, Refusal> {
        match text.split_once("://") {
            Some(("amqp" | "amqps", _)) => BrokerUrl::amqp(text).map(Address::Amqp),
            _ => Broker::parse(text, base).map(Address::Store),
        }
    }
}

impl Broker {
    /// Reads an address; relative spool paths count from `base`.
    ///
    /// What is wrong and what to write instead never hold the password.
    pub(super) fn parse(text: &str, base: &Path) -> Result<Broker, Refusal> {
        if let Some(path) = text.strip_prefix("spool:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return refuse("a spool needs a path", "write `spool:/var/spool/downbeat`");
            }
            return Ok(Broker::Spool(base.join(path)));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return refuse("this is not a broker's address", SCHEMES);
        };
        match scheme {
            "redis" => check_server(rest)?,
            "rediss" => {
                check_server(rest)?;
                check_tls_options(rest)?;
            }
            "unix" | "redis+unix" => check_socket(rest)?,
            "redis+cluster" => {
                return refuse("a Redis Cluster cannot hold lease, progress and queues", SCHEMES);
            }
            _ if Sentinels::parse(text)?.is_some() => {}
            _ => return refuse("an unknown kind of broker", SCHEMES),
        }
        Ok(Broker::Redis(BrokerUrl(text.to_owned())))
    }
}

pub(super) fn refuse<T>(message: &str, hint: &str) -> Result<T, Refusal> {
    Err((message.to_owned(), hint.to_owned()))
}

/// `[user:password@]host[:port][/database][?options]`
fn check_server(rest: &str) -> Result<(), Refusal> {
    let (_, address, database) = split_server(rest)?;
    check_address(address, "redis://HOST:6379/0")?;
    check_database(database).map(|_| ())
}

pub(super) fn check_database(text: &str) -> Result<u32, Refusal> {
    match text.trim_end_matches('/') {
        "" => Ok(0),
        text => text.parse().or_else(|_| {
            refuse(&format!("`{text}` is not a database number"), "write `/0` at the end")
        }),
    }
}

/// The login, the address, and what stands between it and the options.
pub(super) fn split_server(rest: &str) -> Result<(&str, &str, &str), Refusal> {
    if rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return refuse("white space in a broker's address", "percent-encode it: a space is `%20`");
    }
    let (login, server) = match rest.rsplit_once('@') {
        Some((login, server)) => (login, server),
        None => ("", rest),
    };
    if login.contains(['/', '?', '#', '@']) {
        let hint =
            "in a user or password, `/` is `%2F`, `?` is `%3F`, `#` is `%23` and `@` is `%40`";
        return refuse("a character in the password must be percent-encoded", hint);
    }
    let (server, _options) = server.split_once(['?', '#']).unwrap_or((server, ""));
    let (address, path) = server.split_once('/').unwrap_or((server, ""));
    Ok((login, address, path))
}

fn check_address(address: &str, example: &str) -> Result<(), Refusal> {
    if address.contains(',') {
        let hint = "name one of them; for Sentinels write `sentinel://HOST,HOST/0?master=NAME`";
        return refuse("more than one server in a broker's address", hint);
    }
    host_and_port(address, &format!("write `{example}`")).map(|_| ())
}

/// The host, without the brackets of an IPv6 address, and the port if one is named.
pub(super) fn host_and_port<'a>(
    address: &'a str,
    hint: &str,
) -> Result<(&'a str, Option<u16>), Refusal> {
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    if host.is_empty() {
        return refuse("a broker's address without a host", hint);
    }
    match port.map(str::parse::<u16>) {
        None => Ok((host, None)),
        Some(Ok(port @ 1..)) => Ok((host, Some(port))),
        _ => refuse("the port of a broker's address is not a number", "write it like `:6379`"),
    }
}

/// Other clients take options here that say whom to trust.
fn check_tls_options(rest: &str) -> Result<(), Refusal> {
    let (_, options) = rest.split_once(['?', '#']).unwrap_or((rest, ""));
    let is_known = |option: &&str| {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let verifies = value.eq_ignore_ascii_case("required") || value == "CERT_REQUIRED";
        *option != "insecure" && (!name.starts_with("ssl_") || name == "ssl_cert_reqs" && verifies)
    };
    match options.split(['&', '#']).find(|option| !is_known(option)) {
        None => Ok(()),
        Some(option) => {
            let name = option.split('=').next().unwrap_or_default();
            let message = format!("`{name}` in a broker's address");
            let hint = "leave it out: certificates are always verified, and files are named by `tls: \
                        {ca: FILE, cert: FILE, key: FILE}`";
            refuse(&message, hint)
        }
    }
}

/// `/path/to/socket[?db=0&user=…&pass=…]`
fn check_socket(rest: &str) -> Result<(), Refusal> {
    let (path, _options) = rest.split_once('?').unwrap_or((rest, ""));
    if path.starts_with('/') && path.len() > 1 {
        return Ok(());
    }
    refuse("a socket needs an absolute path", "write three slashes: `unix:///run/redis/redis.sock`")
}

impl BrokerUrl {
    /// Reads `amqp://[user:password@]host[:port][/virtual host]`, or the same with `amqps`.
    pub(super) fn amqp(text: &str) -> Result<BrokerUrl, Refusal> {
        const EXAMPLE: &str = "amqp://HOST:5672//";
        let Some(("amqp" | "amqps", rest)) = text.split_once("://") else {
            return refuse(
                "this is not the address of an AMQP broker",
                &format!("write `{EXAMPLE}`"),
            );
        };
        if rest.rsplit_once('@').map_or(rest, |(_, server)| server).contains(['?', '#']) {
            return refuse(
                "options in the address of an AMQP broker",
                "leave out `?` and what follows",
            );
        }
        let (_, address, _virtual_host) = split_server(rest)?;
        check_address(address, EXAMPLE)?;
        Ok(BrokerUrl(text.to_owned()))
    }

    /// The address of a state beside an AMQP broker.
    pub(super) fn state(text: &str) -> Result<BrokerUrl, Refusal> {
        match Broker::parse(text, Path::new(""))? {
            Broker::Redis(url) => Ok(url),
            Broker::Spool(_) => refuse("a spool holds no state for AMQP", STATE_HINT),
        }
    }

    /// Reads the address of a Redis server.
    pub(super) fn redis(text: &str) -> Result<BrokerUrl, Refusal> {
        const EXAMPLE: &str = "write `redis://HOST:6379/1` or `unix:///PATH?db=1`";
        match Broker::parse(text, Path::new("")) {
            Ok(Broker::Redis(url)) => Ok(url),
            Ok(Broker::Spool(_)) => refuse("a spool is no Redis server", EXAMPLE),
            Err((message, hint)) if hint == SCHEMES => refuse(&message, EXAMPLE),
            Err(refusal) => Err(refusal),
        }
    }

    /// The database that this address names and that of `other`, if both name one server, in the
    /// same words.
    pub(super) fn databases(&self, other: &BrokerUrl) -> Option<(u32, u32)> {
        let ((server, database), (others, of_other)) = (self.place()?, other.place()?);
        (server == others).then_some((database, of_other))
    }

    /// The server and its database, of an address of Redis.
    fn place(&self) -> Option<(String, u32)> {
        let (scheme, rest) = self.0.split_once("://")?;
        let is_socket = scheme.ends_with("unix");
        let rest = if is_socket { rest } else { rest.rsplit_once('@').map_or(rest, |(_, it)| it) };
        let (server, options) = rest.split_once(['?', '#']).unwrap_or((rest, ""));
        let (server, database) = if is_socket {
            let database = options.split('&').find_map(|option| option.strip_prefix("db="));
            (format!("unix {server}"), database.unwrap_or_default())
        } else {
            let (address, database) = server.split_once('/').unwrap_or((server, ""));
            let has_port = address.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
            let port = if has_port { "" } else { ":6379" };
            // Sentinels know several.
            let master = options.split('&').find_map(|option| option.strip_prefix("master="));
            let server = format!("{scheme} {address}{port} {}", master.unwrap_or_default());
            (server, database.trim_end_matches('/'))
        };
        let database = if database.is_empty() { Some(0) } else { database.parse().ok() };
        Some((server, database?))
    }

    /// Whether the server is to be reached by TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.0.split_once("://"), Some(("rediss" | "rediss+sentinel" | "amqps", _)))
    }

    /// The whole address, for a broker's client only: it holds the password.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// `redis://user:***@host:6379/0`
impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("redis", ""));
        write!(f, "{scheme}://")?;
        let rest = match rest.rsplit_once('@') {
            Some((login, server)) => {
                let user = login.split_once(':').map_or("", |(user, _)| user);
                write!(f, "{user}:***@")?;
                server
            }
            None => rest,
        };
        let Some((server, options)) = rest.split_once('?') else { return f.write_str(rest) };
        write!(f, "{server}?")?;
        for (index, option) in options.split('&').enumerate() {
            let separator = if index > 0 { "&" } else { "" };
            match option.split_once('=') {
                Some((name, _)) if name.contains("pass") => write!(f, "{separator}{name}=***")?,
                _ => write!(f, "{separator}{option}")?,
            }
        }
        Ok(())
    }
}

/// The same as when displayed.
impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The address as it may be shown.
impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broker::Redis(url) => url.fmt(f),
            Broker::Spool(path) => write!(f, "spool:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Broker, Refusal> {
        Broker::parse(text, Path::new("/base"))
    }

    #[test]
    fn addresses_are_shown_without_passwords() {
        let table = [
            ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
            ("redis://localhost", "redis://localhost"),
            ("redis://:s3cret@host:6380", "redis://:***@host:6380"),
            (
                "redis://me:s%40t@[::1]:6379/2?protocol=resp3",
                "redis://me:***@[::1]:6379/2?protocol=resp3",
            ),
            ("unix:///run/redis.sock?db=1&pass=s3cret", "unix:///run/redis.sock?db=1&pass=***"),
            (
                "rediss://me:s3cret@host:6380/0?ssl_cert_reqs=required",
                "rediss://me:***@host:6380/0?ssl_cert_reqs=required",
            ),
            (
                "sentinel://me:s3cret@a,b:26379/0?master=m&sentinel_password=s3cret",
                "sentinel://me:***@a,b:26379/0?master=m&sentinel_password=***",
            ),
            ("redis+unix:///run/redis.sock", "redis+unix:///run/redis.sock"),
            ("spool:mail", "spool:/base/mail"),
            ("spool:/var/spool/x", "spool:/var/spool/x"),
        ];
        for (text, shown) in table {
            let broker = parse(text).unwrap();
            assert_eq!(broker.to_string(), shown);
            assert!(!format!("{broker:?}").contains("s3cret"));
            if let Broker::Redis(url) = broker {
                assert_eq!(url.expose(), text);
            }
        }
    }

    #[test]
    fn bad_addresses_say_why_and_keep_the_password() {
        let table = [
            ("", "this is not a broker's address"),
            ("localhost:6379", "this is not a broker's address"),
            ("http://host", "an unknown kind of broker"),
            ("rediss://u:s3cret@host/0#insecure", "`insecure` in a broker's address"),
            (
                "rediss://u:s3cret@host/0?ssl_cert_reqs=none",
                "`ssl_cert_reqs` in a broker's address",
            ),
            (
                "rediss://:s3cret@host?ssl_cert_reqs=required&ssl_ca_certs=/ca.pem",
                "`ssl_ca_certs` in a broker's address",
            ),
            (
                "redis+cluster://:s3cret@host",
                "a Redis Cluster cannot hold lease, progress and queues",
            ),
            ("redis://", "a broker's address without a host"),
            ("redis://:s3cret@", "a broker's address without a host"),
            ("redis://host:port", "the port of a broker's address is not a number"),
            ("redis://host:0", "the port of a broker's address is not a number"),
            ("redis://host/x", "`x` is not a database number"),
            ("redis://a,b/0", "more than one server in a broker's address"),
            ("redis://:s3/cret@host", "a character in the password must be percent-encoded"),
            ("redis://:s3 cret@host", "white space in a broker's address"),
            ("unix://run/redis.sock", "a socket needs an absolute path"),
            ("spool:", "a spool needs a path"),
        ];
        for (text, message) in table {
            let (told, hint) = parse(text).unwrap_err();
            assert_eq!(told, message, "{text}");
            assert!(!(told + &hint).contains("cret"));
        }
    }

    #[test]
    fn an_amqp_broker_has_a_virtual_host_and_no_options() {
        for (text, shown) in [
            ("amqp://localhost", "amqp://localhost"),
            ("amqp://guest:s3cret@127.0.0.1:5672//", "amqp://guest:***@127.0.0.1:5672//"),
            ("amqp://me:s3cret@[::1]/jobs", "amqp://me:***@[::1]/jobs"),
            ("amqps://me:s3cret@host:5671//", "amqps://me:***@host:5671//"),
        ] {
            let url = BrokerUrl::amqp(text).unwrap();
            assert_eq!((url.to_string().as_str(), url.expose()), (shown, text));
        }
        for (text, message) in [
            ("redis://host", "this is not the address of an AMQP broker"),
            ("amqp://:s3cret@/", "a broker's address without a host"),
            ("amqp://host:x", "the port of a broker's address is not a number"),
            ("amqp://host//?heartbeat=5", "options in the address of an AMQP broker"),
            ("amqp://me:s3/cret@host", "a character in the password must be percent-encoded"),
        ] {
            assert_eq!(BrokerUrl::amqp(text).unwrap_err().0, message, "{text}");
        }
    }
}
