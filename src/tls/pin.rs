//! Pins: the only certificates that are accepted at an address.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv6Addr;

use ring::digest::{SHA256, digest};

use crate::address::{HostPort, split_host_port};

/// The SHA-256 of a certificate, over its DER.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin([u8; 32]);

/// The pinned certificates by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins(BTreeMap<Pinned, Vec<Pin>>);

/// A host with all its ports, or with one port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pinned {
    host: String,
    port: Option<u16>,
}

/// Why a pin or its host is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// It is not a SHA-256.
    #[error("this is not the SHA-256 of a certificate")]
    NotAPin,
    /// It is neither a host nor a host and port.
    #[error("this is not a host to pin a certificate for")]
    NotAHost,
}

impl PinError {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            PinError::NotAPin => {
                "write `sha256:` and 64 hexadecimal digits; docs/brokers.md has a command that \
                 prints them"
            }
            PinError::NotAHost => "write `HOST` or `HOST:PORT`, as in the broker's address",
        }
    }
}

impl Pin {
    /// The pin of a certificate.
    #[must_use]
    pub fn of(der: &[u8]) -> Pin {
        let mut pin = [0; 32];
        pin.copy_from_slice(digest(&SHA256, der).as_ref());
        Pin(pin)
    }

    /// Parses `sha256:` and hexadecimal digits in either case, with or without colons between bytes.
    ///
    /// # Errors
    /// If the text has another form.
    pub fn parse(text: &str) -> Result<Pin, PinError> {
        let (kind, digits) = text.trim().split_once(':').ok_or(PinError::NotAPin)?;
        if !kind.eq_ignore_ascii_case("sha256") {
            return Err(PinError::NotAPin);
        }
        let has_colons = digits.len() == 95
            && digits.bytes().enumerate().all(|(at, b)| (b == b':') == (at % 3 == 2));
        let digits = if has_colons { digits.replace(':', "") } else { digits.to_owned() };
        let nibbles: Option<Vec<u32>> = digits.chars().map(|digit| digit.to_digit(16)).collect();
        let nibbles = nibbles.filter(|nibbles| nibbles.len() == 64).ok_or(PinError::NotAPin)?;
        let mut pin = [0; 32];
        for (byte, pair) in pin.iter_mut().zip(nibbles.chunks_exact(2)) {
            *byte = u8::try_from(pair[0] * 16 + pair[1]).map_err(|_| PinError::NotAPin)?;
        }
        Ok(Pin(pin))
    }
}

impl Pinned {
    /// Parses `HOST` or `HOST:PORT`; an IPv6 address with a port is in brackets.
    ///
    /// # Errors
    /// If the text has another form.
    pub fn parse(text: &str) -> Result<Pinned, PinError> {
        let text = text.trim();
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(Pinned { host: HostPort::new(text, 0).host().to_owned(), port: None });
        }
        let (host, port) = split_host_port(text).map_err(|_| PinError::NotAHost)?;
        Ok(Pinned { host, port })
    }
}

impl Pins {
    /// Parses `HOST=sha256:…,HOST=sha256:…`; a pin without a host belongs to the host before it.
    ///
    /// # Errors
    /// At the first part that has another form.
    pub fn parse(text: &str) -> Result<Pins, PinError> {
        let mut pins = Pins::default();
        let mut last = None;
        for part in text.split(',') {
            let pin = match part.split_once('=') {
                Some((host, pin)) => {
                    last = Some(Pinned::parse(host)?);
                    pin
                }
                None => part,
            };
            let pin = Pin::parse(pin)?;
            pins.add(last.clone().ok_or(PinError::NotAHost)?, pin);
        }
        Ok(pins)
    }

    /// Adds a pinned certificate.
    pub fn add(&mut self, at: Pinned, pin: Pin) {
        self.0.entry(at).or_default().push(pin);
    }

    /// The pins for a server, if any: those for its port, or else for its host.
    #[must_use]
    pub fn of(&self, server: &HostPort) -> Option<&[Pin]> {
        let at = |port| Pinned { host: server.host().to_owned(), port };
        let found = self.0.get(&at(Some(server.port()))).or_else(|| self.0.get(&at(None)));
        found.map(Vec::as_slice)
    }

    /// All pins, in the order of their hosts.
    pub fn iter(&self) -> impl Iterator<Item = (&Pinned, &[Pin])> {
        self.0.iter().map(|(at, pins)| (at, pins.as_slice()))
    }
}

/// `sha256:…`
impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The same as `Display`.
impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `HOST` or `HOST:PORT`
impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, &self.host) {
            (Some(port), host) => HostPort::new(host, port).fmt(f),
            (None, host) => f.write_str(host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_pin_is_read_as_sha256sum_and_as_openssl_print_it() {
        let pin = Pin::of(b"");
        assert_eq!(pin.to_string(), format!("sha256:{HEX}"));
        let upper: Vec<String> = HEX
            .as_bytes()
            .chunks(2)
            .map(|pair| String::from_utf8_lossy(pair).to_uppercase())
            .collect();
        for text in [format!("sha256:{HEX}"), format!("SHA256:{}", upper.join(":"))] {
            assert_eq!(Pin::parse(&text), Ok(pin), "{text}");
        }
        let longer = format!("sha256:{HEX}0");
        let uneven = format!("sha256:{}", upper.join(":").replacen(':', "", 1));
        for text in ["", "sha256:", HEX, "sha1:e3b0", &longer, &longer[..70], &uneven] {
            assert_eq!(Pin::parse(text), Err(PinError::NotAPin), "{text}");
        }
    }

    #[test]
    fn a_pin_is_for_a_host_or_for_one_port_of_it() {
        let [one, two] = [Pin::of(b"one"), Pin::of(b"two")];
        let pins =
            Pins::parse(&format!("Host={one},{two},host:7={two},[::0001]:8={one},0::2={two}"));
        let pins = pins.unwrap();
        let of = |host: &str, port| pins.of(&HostPort::new(host, port)).map(<[Pin]>::to_vec);
        assert_eq!(of("host", 6379), Some(vec![one, two]));
        assert_eq!((of("HOST", 7), of("0:0::1", 8)), (Some(vec![two]), Some(vec![one])));
        assert_eq!(of("host", 7), Some(vec![two]));
        assert_eq!((of("::1", 8), of("::1", 9)), (Some(vec![one]), None));
        assert_eq!((of("::2", 9), of("other", 7)), (Some(vec![two]), None));
        let shown: Vec<String> = pins.iter().map(|(at, _)| at.to_string()).collect();
        assert_eq!(shown, ["[::1]:8", "::2", "host", "host:7"]);
        for text in ["", "host", &format!("{one}"), &format!("a b={one}"), &format!("h:0={one}")] {
            assert!(Pins::parse(text).is_err(), "{text}");
        }
    }
}
