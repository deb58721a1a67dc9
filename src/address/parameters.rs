//! The parameters after the `?` of an address.
//!
//! A parameter means what the scheme's own client means by it: redis-py in `redis://`, `rediss://` and
//! `unix://`, kombu in `redis+socket://`.

use downbeat_time::nearest;
use percent_encoding::percent_decode_str;

use super::{AddressError, Secret};

/// The client that defines an address's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// redis-py's parameters.
    Redis {
        /// Whether they include those for TLS.
        tls: bool,
    },
    /// kombu's, for a socket.
    KombuSocket,
    /// Our own.
    Sentinel,
    /// No parameters.
    Amqp,
}

/// The decoded parameters.
#[derive(Default)]
pub(super) struct Parameters {
    pub(super) database: Option<u32>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) master: Option<String>,
}

/// Other clients' tuning parameters, ignored: they do not affect where messages go.
const IGNORED: &[&str] = &[
    "client_name",
    "decode_responses",
    "encoding",
    "encoding_errors",
    "health_check_interval",
    "legacy_responses",
    "lib_name",
    "lib_version",
    "max_connections",
    "protocol",
    "retry_on_error",
    "retry_on_timeout",
    "socket_connect_timeout",
    "socket_keepalive",
    "socket_read_size",
    "socket_timeout",
    "timeout",
];

const FILES: &str = "leave it out: certificates are always verified; set files with `tls: {ca: FILE, \
                     cert: FILE, key: FILE}`";
const VERIFIED: &str = "leave it out: certificates are always verified; pin one that is self-signed or \
                        for another name with `tls: {pin: {HOST: [sha256:…]}}`";
const NO_TLS: &str = "leave it out, or write `rediss://` for TLS";
const IN_FRONT: &str = "write it in front: `redis+socket://USER:PASSWORD@/PATH`";
const CREDENTIALS: &str = "leave it out, and write user and password: `USER:PASSWORD@HOST`";
const MASTER: &str = "call it `master`";
const NONE: &str = "leave out `?` and what follows";

/// TLS parameters of other clients.
const ABOUT_TLS: &[&str] = &[
    "ssl_ca_certs",
    "ssl_ca_data",
    "ssl_ca_path",
    "ssl_cert_reqs",
    "ssl_certfile",
    "ssl_check_hostname",
    "ssl_ciphers",
    "ssl_exclude_verify_flags",
    "ssl_include_verify_flags",
    "ssl_keyfile",
    "ssl_min_version",
    "ssl_password",
    "ssl_validate_ocsp",
    "ssl_validate_ocsp_stapled",
];

const ABOUT_AMQP: &[&str] = &[
    "auth_mechanism",
    "cacertfile",
    "certfile",
    "channel_max",
    "connect_timeout",
    "connection_timeout",
    "frame_max",
    "heartbeat",
    "insist",
    "keyfile",
    "login_method",
    "ssl",
    "verify",
    "virtual_host",
];

impl Family {
    /// The supported parameters.
    fn known(self) -> &'static [&'static str] {
        match self {
            Family::Redis { tls: false } => &["db", "username", "password"],
            Family::Redis { tls: true } => &["db", "username", "password", "ssl_cert_reqs"],
            Family::KombuSocket => &["virtual_host"],
            Family::Sentinel => &["master", "sentinel_user", "sentinel_password"],
            Family::Amqp => &[],
        }
    }

    /// Why a parameter that another client knows is not supported here.
    fn refusal(self, name: &str) -> Option<AddressError> {
        let among = |names: &[&'static str]| names.iter().find(|known| **known == name).copied();
        let about_tls = || among(ABOUT_TLS);
        let not_for_redis = || match among(&["credential_provider"]) {
            Some(name) => Some((name, CREDENTIALS)),
            None => Some((among(&["virtual_host"])?, "write `?db=NUMBER`, or `/NUMBER`")),
        };
        let (name, hint) = match self {
            Family::Redis { tls: true } => match about_tls() {
                Some(name @ ("ssl_cert_reqs" | "ssl_check_hostname")) => (name, VERIFIED),
                Some(name) => (name, FILES),
                None => not_for_redis()?,
            },
            Family::Redis { tls: false } => match about_tls() {
                Some(name) => (name, NO_TLS),
                None => not_for_redis()?,
            },
            Family::KombuSocket => match among(&["db"]) {
                Some(name) => (name, "Celery ignores it there: write `virtual_host`"),
                None => (among(&["username", "password"])?, IN_FRONT),
            },
            Family::Sentinel => match among(&["master_name", "service_name"]) {
                Some(name) => (name, MASTER),
                None => (among(&["db"])?, "write it as `/NUMBER`"),
            },
            Family::Amqp => (about_tls().or_else(|| among(ABOUT_AMQP))?, NONE),
        };
        Some(AddressError::Refused { name, hint })
    }

    /// Parses the text after the `?`.
    pub(super) fn read(self, query: Option<&str>) -> Result<Parameters, AddressError> {
        let mut found = Parameters::default();
        let mut seen: Vec<&'static str> = Vec::new();
        let written = query.unwrap_or_default().split('&').filter(|part| !part.is_empty());
        for (index, part) in written.enumerate() {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let Some(name) = self.parameter(name, value, index)? else { continue };
            if seen.contains(&name) {
                return Err(AddressError::Twice(name));
            }
            seen.push(name);
            if value.is_empty() {
                return Err(AddressError::NoValue(name));
            }
            let is_shown = !matches!(name, "password" | "sentinel_password");
            if is_shown && value.contains('=') {
                return Err(AddressError::ParameterInValue(name));
            }
            let value = decoded_form(value)?;
            match name {
                "db" => found.database = Some(database(&value, "write it like `?db=1`")?),
                "virtual_host" => {
                    let number = value.strip_prefix('/').unwrap_or(&value);
                    found.database = Some(database(number, "write it like `?virtual_host=1`")?);
                }
                "username" | "sentinel_user" => found.user = Some(value),
                "password" | "sentinel_password" => found.password = Some(Secret(value)),
                "master" => found.master = Some(value),
                // It allows only what happens anyway.
                _ => {}
            }
        }
        Ok(found)
    }

    /// The parameter under our name for it; `None` if it is ignored.
    fn parameter(
        self,
        name: &str,
        value: &str,
        index: usize,
    ) -> Result<Option<&'static str>, AddressError> {
        let is_redis = matches!(self, Family::Redis { .. });
        // Names that clients other than redis-py use.
        let name = match name {
            "user" if is_redis => "username",
            "pass" if is_redis => "password",
            name => name,
        };
        if is_redis && IGNORED.contains(&name) {
            return Ok(None);
        }
        let is_tls = self == Family::Redis { tls: true };
        if is_tls && name == "ssl_check_hostname" && is_yes(value) {
            return Ok(None);
        }
        let verifies = ["required", "CERT_REQUIRED"].contains(&value);
        let known = self.known().iter().find(|known| **known == name);
        match known.filter(|known| **known != "ssl_cert_reqs" || verifies) {
            Some(known) => Ok(Some(known)),
            None => Err(self.refusal(name).unwrap_or_else(|| self.unknown(name, index))),
        }
    }

    fn unknown(self, name: &str, index: usize) -> AddressError {
        let known = self.known();
        let near = nearest(name, known.iter().copied());
        AddressError::UnknownParameter { position: index + 1, near, known }
    }
}

fn is_yes(value: &str) -> bool {
    ["true", "1", "yes", "on"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// A database's number.
pub(super) fn database(text: &str, hint: &'static str) -> Result<u32, AddressError> {
    let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_number);
    number.ok_or(AddressError::BadDatabase { hint })
}

/// Percent-decodes as Python's `unquote` does: a `%` that encodes nothing stays.
pub(super) fn decoded(text: &str) -> Result<String, AddressError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| AddressError::NotUtf8)
}

/// Decodes a form value, in which `+` is a space.
fn decoded_form(text: &str) -> Result<String, AddressError> {
    decoded(&text.replace('+', " "))
}

/// Formats names for a hint.
pub(super) fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
