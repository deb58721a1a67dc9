//! `HOST[:PORT]`, with one spelling per host, so that hosts can be compared as text.

use std::net::Ipv6Addr;

/// A server's host and port.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// Takes a name or an IP address without brackets, in any spelling.
    #[must_use]
    pub fn new(host: &str, port: u16) -> HostPort {
        HostPort { host: canonical(host), port }
    }

    /// A name in lower case, or an IP address; IPv6 without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Why a text is not `HOST[:PORT]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostPortError {
    NoHost,
    BadHost,
    BadPort,
    /// Several hosts, separated by commas.
    SeveralHosts,
}

/// Parses `HOST[:PORT]`, with an IPv6 address in brackets; the host is as in [`HostPort::host`].
pub(crate) fn split_host_port(text: &str) -> Result<(String, Option<u16>), HostPortError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(HostPortError::BadHost)?;
            host.parse::<Ipv6Addr>().map_err(|_| HostPortError::BadHost)?;
            match port.strip_prefix(':') {
                None if !port.is_empty() => return Err(HostPortError::BadHost),
                port => (host, port),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err(HostPortError::NoHost);
    }
    if host.contains(',') || port.is_some_and(|port| port.contains(',')) {
        return Err(HostPortError::SeveralHosts);
    }
    let is_in_names = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    if !host.bytes().all(is_in_names) {
        return Err(HostPortError::BadHost);
    }
    let port = port.map(|port| {
        let is_number = port.bytes().all(|digit| digit.is_ascii_digit());
        let number = port.parse().ok().filter(|port| is_number && *port > 0);
        number.ok_or(HostPortError::BadPort)
    });
    Ok((canonical(host), port.transpose()?))
}

fn canonical(host: &str) -> String {
    match host.parse::<Ipv6Addr>() {
        Ok(address) => address.to_string(),
        Err(_) => host.to_ascii_lowercase(),
    }
}
